package cli

import (
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/privyseal/privyseal/buildsys/api"
)

// historyKeys are the columns of each versioned table that tell what a row is about.
var historyKeys = map[string][]string{
	"user_perms":            {"user_id", "perm_id"},
	"user_groups":           {"user_id", "group_id"},
	"cg_users":              {"user_id", "cg_id"},
	"tag_inheritance":       {"tag_id", "parent_id"},
	"tag_config":            {"tag_id"},
	"tag_extra":             {"tag_id", "key"},
	"build_target_config":   {"build_target_id"},
	"external_repo_config":  {"external_repo_id"},
	"external_repo_data":    {"external_repo_id"},
	"host_config":           {"host_id"},
	"host_channels":         {"host_id", "channel_id"},
	"tag_external_repos":    {"tag_id", "external_repo_id"},
	"tag_listing":           {"build_id", "tag_id"},
	"tag_packages":          {"package_id", "tag_id"},
	"tag_package_owners":    {"package_id", "tag_id"},
	"group_config":          {"group_id", "tag_id"},
	"group_req_listing":     {"group_id", "tag_id", "req_id"},
	"group_package_listing": {"group_id", "tag_id", "package"},
}

// historyWords say what happened: changed, made, revoked. {x} stands for a row's member x.
var historyWords = map[string][3]string{
	"tag_listing": {"{name}-{version}-{release} re-tagged into {tag.name}", "{name}-{version}-{release} tagged into {tag.name}",
		"{name}-{version}-{release} untagged from {tag.name}"},
	"user_perms": {"permission {permission.name} re-granted to {user.name}", "permission {permission.name} granted to {user.name}",
		"permission {permission.name} revoked for {user.name}"},
	"user_groups": {"user {user.name} re-added to group {group.name}", "user {user.name} added to group {group.name}",
		"user {user.name} removed from group {group.name}"},
	"cg_users": {"user {user.name} re-added to content generator {content_generator.name}",
		"user {user.name} added to content generator {content_generator.name}",
		"user {user.name} removed from content generator {content_generator.name}"},
	"tag_packages": {"package list entry for {package.name} in {tag.name} updated", "package list entry created: {package.name} in {tag.name}",
		"package list entry revoked: {package.name} in {tag.name}"},
	"tag_package_owners": {"package owner changed for {package.name} in {tag.name}", "package owner {owner.name} set for {package.name} in {tag.name}",
		"package owner {owner.name} revoked for {package.name} in {tag.name}"},
	"tag_inheritance": {"inheritance line {tag.name}->{parent.name} updated", "inheritance line {tag.name}->{parent.name} added",
		"inheritance line {tag.name}->{parent.name} removed"},
	"tag_config": {"tag configuration for {tag.name} altered", "new tag: {tag.name}", "tag deleted: {tag.name}"},
	"tag_extra": {"tag option {key} for tag {tag.name} altered", "added tag option {key} for tag {tag.name}",
		"tag option {key} removed for {tag.name}"},
	"host_config": {"host configuration for {host.name} altered", "new host: {host.name}", "host deleted: {host.name}"},
	"host_channels": {"host {host.name} removed from channel {channels.name}", "host {host.name} added to channel {channels.name}",
		"host {host.name} removed from channel {channels.name}"},
	"build_target_config": {"build target configuration for {build_target.name} updated", "new build target: {build_target.name}",
		"build target deleted: {build_target.name}"},
	"external_repo_config": {"external repo configuration for {external_repo.name} altered", "new external repo: {external_repo.name}",
		"external repo deleted: {external_repo.name}"},
	"external_repo_data": {"tracking data for external repo {external_repo.name} altered", "new tracking data for external repo {external_repo.name}",
		"deleted tracking data for external repo {external_repo.name}"},
	"tag_external_repos": {"external repo entry for {external_repo.name} in tag {tag.name} updated",
		"external repo entry for {external_repo.name} added to tag {tag.name}",
		"external repo entry for {external_repo.name} removed from tag {tag.name}"},
	"group_config": {"group {group.name} configuration for tag {tag.name} updated", "group {group.name} added to tag {tag.name}",
		"group {group.name} removed from tag {tag.name}"},
	"group_req_listing": {"group dependency {group.name}->{req.name} updated in tag {tag.name}",
		"group dependency {group.name}->{req.name} added in tag {tag.name}",
		"group dependency {group.name}->{req.name} dropped from tag {tag.name}"},
	"group_package_listing": {"package entry {package} in group {group.name}, tag {tag.name} updated",
		"package {package} added to group {group.name} in tag {tag.name}",
		"package {package} removed from group {group.name} in tag {tag.name}"},
}

// historyHidden are members that a line has told already, or that tell nothing.
var historyHidden = []string{"active", "create_event", "revoke_event", "creator_id", "revoker_id", "creator_name", "revoker_name", "create_ts", "revoke_ts"}

func (a *App) printHistoryEntry(o *historyOptions, e *historyEntry) {
	words, known := historyWords[e.table]
	if !known {
		words = [3]string{e.table + " entry updated", e.table + " entry created", e.table + " entry revoked"}
	}
	which, at, by := 2, "revoke_ts", "revoker_name"
	switch {
	case e.created == 1:
		which, at, by = 1, "create_ts", "creator_name"
	case e.now != nil:
		which = 0
	}
	parts := []string{a.historyTime(e.row[at], o.utc)}
	if o.events || o.verbose {
		parts = append(parts, "(eid "+itoa(e.event)+")")
	}
	parts = append(parts, fillIn(words[which], e.row))
	if _, has := e.row[by]; has {
		parts = append(parts, "by "+pyText(e.row[by]))
	}
	if e.created == 1 && isTrue(e.row["active"]) || e.now != nil && isTrue(e.now["active"]) {
		parts = append(parts, "[still active]")
	}
	a.println(strings.Join(parts, " "))
	switch {
	case e.now != nil:
		for _, l := range changedMembers(e.row, e.now) {
			a.println("    " + l)
		}
	case e.created == 1 && o.verbose && e.table != "tag_listing":
		for _, l := range madeMembers(e.table, e.row) {
			a.println("    " + l)
		}
	}
}

// changedMembers tell what a change changed.
func changedMembers(was, now api.HistoryRow) []string {
	var out []string
	for _, k := range sortedKeys(was) {
		n := nameKey(k)
		if slices.Contains(historyHidden, k) || k[0] == '_' || reflect.DeepEqual(was[k], now[k]) || hasMember(was, n) && hasMember(now, n) {
			continue
		}
		out = append(out, k+": "+pyText(was[k])+" -> "+pyText(now[k]))
	}
	return out
}

// madeMembers tell what a new row holds besides what it is about.
func madeMembers(table string, row api.HistoryRow) []string {
	hidden := slices.Clone(historyHidden)
	for _, k := range historyKeys[table] {
		hidden = append(hidden, k, nameKey(k))
	}
	blocked := isTrue(row["blocked"])
	var out []string
	for _, k := range sortedKeys(row) {
		if slices.Contains(hidden, k) || k[0] == '_' || hasMember(row, nameKey(k)) || blocked && k != "blocked" {
			continue
		}
		out = append(out, strings.TrimSuffix(k, ".name")+": "+pyText(row[k]))
	}
	return out
}

// nameKey is the member with the name of what another member is the number of.
func nameKey(k string) string {
	if k == "perm_id" {
		return "permission.name"
	}
	return strings.TrimSuffix(k, "_id") + ".name"
}

func hasMember(row api.HistoryRow, k string) bool {
	_, ok := row[k]
	return ok
}

func isTrue(v any) bool {
	on, ok := v.(bool)
	return ok && on
}

// fillIn puts a row's members into words.
func fillIn(words string, row api.HistoryRow) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(words, "{")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		var name string
		name, words, _ = strings.Cut(rest, "}")
		b.WriteString(pyText(row[name]))
	}
}

// historyTime is a time as C's asctime writes it.
func (a *App) historyTime(v any, utc bool) string {
	ts, _ := v.(float64)
	if n, ok := v.(int64); ok {
		ts = float64(n)
	}
	at := unixTime(ts)
	if utc {
		at = at.UTC()
	}
	return at.Format(time.ANSIC)
}

// pyText is what Python's str makes of a value: as pyRepr, but text without quotes.
func pyText(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return pyRepr(v)
}

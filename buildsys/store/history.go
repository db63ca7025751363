package store

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// historyTable describes a versioned table for those who ask about its past.
type historyTable struct {
	cols  []string
	bools []string // of cols: SQLite hands booleans out as numbers where a column's type is lost
	names []historyName
}

// historyName adds a name to a row: kind is what filters call the thing it names.
type historyName struct {
	join, column, alias string
	kind, key           string // a filter on kind compares key
}

func named(table, as, col, alias, kind string) historyName {
	return historyName{join: "LEFT JOIN " + table + " AS " + as + " ON " + as + ".id = h." + col, column: as + ".name", alias: alias,
		kind: kind, key: "h." + col}
}

var (
	historyTag     = named("tag", "tag", "tag_id", "tag.name", "tag")
	historyUser    = named("users", "usr", "user_id", "user.name", "user")
	historyPackage = named("package", "package", "package_id", "package.name", "package")
	historyGroup   = named("groups", "grp", "group_id", "group.name", "group")
)

var historyTables = map[string]historyTable{
	"user_perms": {cols: []string{"user_id", "perm_id"},
		names: []historyName{historyUser, named("permissions", "permission", "perm_id", "permission.name", "permission")}},
	"user_groups": {cols: []string{"user_id", "group_id"}, names: []historyName{historyUser, named("users", "usergroup", "group_id", "group.name", "")}},
	"tag_inheritance": {cols: []string{"tag_id", "parent_id", "priority", "maxdepth", "intransitive", "noconfig", "pkg_filter"},
		bools: []string{"intransitive", "noconfig"},
		names: []historyName{historyTag, named("tag", "parent", "parent_id", "parent.name", "tag")}},
	"tag_config": {cols: []string{"tag_id", "arches", "perm_id", "locked", "maven_support", "maven_include_all"},
		bools: []string{"locked", "maven_support", "maven_include_all"},
		names: []historyName{historyTag, named("permissions", "permission", "perm_id", "permission.name", "permission")}},
	"tag_extra": {cols: []string{"tag_id", "key", "value"}, names: []historyName{historyTag}},
	"build_target_config": {cols: []string{"build_target_id", "build_tag", "dest_tag"}, names: []historyName{
		named("build_target", "build_target", "build_target_id", "build_target.name", "build_target"),
		named("tag", "bt", "build_tag", "build_tag.name", "tag"), named("tag", "dt", "dest_tag", "dest_tag.name", "tag")}},
	"external_repo_config": {cols: []string{"external_repo_id", "url"},
		names: []historyName{named("external_repo", "external_repo", "external_repo_id", "external_repo.name", "external_repo")}},
	"host_config": {cols: []string{"host_id", "arches", "capacity", "description", "comment", "enabled"}, bools: []string{"enabled"},
		names: []historyName{named("host", "host", "host_id", "host.name", "host")}},
	"host_channels": {cols: []string{"host_id", "channel_id"}, names: []historyName{
		named("host", "host", "host_id", "host.name", "host"), named("channels", "channels", "channel_id", "channels.name", "channel")}},
	"tag_external_repos": {cols: []string{"tag_id", "external_repo_id", "priority", "merge_mode", "arches"}, names: []historyName{
		historyTag, named("external_repo", "external_repo", "external_repo_id", "external_repo.name", "external_repo")}},
	"tag_listing": {cols: []string{"build_id", "tag_id"}, names: []historyName{historyTag,
		{join: "JOIN build ON build.id = h.build_id", column: "build.version", alias: "version", kind: "build", key: "h.build_id"},
		{join: "JOIN package ON package.id = build.pkg_id", column: "package.name", alias: "name", kind: "package", key: "build.pkg_id"},
		{column: "build.release", alias: "release"}, {column: "build.epoch", alias: "epoch"}, {column: "build.state", alias: "build.state"}}},
	"tag_packages": {cols: []string{"package_id", "tag_id", "blocked", "extra_arches"}, bools: []string{"blocked"},
		names: []historyName{historyPackage, historyTag}},
	"tag_package_owners": {cols: []string{"package_id", "tag_id", "owner"}, names: []historyName{
		historyPackage, historyTag, named("users", "own", "owner", "owner.name", "user")}},
	"group_config": {cols: []string{"group_id", "tag_id", "blocked", "exported", "display_name", "is_default", "uservisible", "description",
		"langonly", "biarchonly"}, bools: []string{"blocked", "exported", "is_default", "uservisible", "biarchonly"},
		names: []historyName{historyGroup, historyTag}},
	"group_req_listing": {cols: []string{"group_id", "tag_id", "req_id", "blocked", "type", "is_metapkg"}, bools: []string{"blocked", "is_metapkg"},
		names: []historyName{historyGroup, historyTag, named("groups", "req", "req_id", "req.name", "")}},
	"group_package_listing": {cols: []string{"group_id", "tag_id", "package", "blocked", "type", "basearchonly", "requires"},
		bools: []string{"blocked", "basearchonly"}, names: []historyName{historyGroup, historyTag}},
}

// HistoryTables are the tables whose past can be asked for.
func HistoryTables() []string { return slices.Sorted(maps.Keys(historyTables)) }

// HistoryFilter chooses rows; zero fields choose nothing away.
type HistoryFilter struct {
	// IDs are what rows must be about: a kind (tag, build, package, user, permission, ...) and its id.
	IDs                     map[string]int64
	Editor                  int64
	Active                  *bool
	Before, After           int64 // microseconds since 1970
	BeforeEvent, AfterEvent int64
}

// History reads rows of a versioned table, live and revoked, in the order of their making; ok is false where the table
// knows nothing of a kind that the filter names. Times are microseconds.
func (tx *Tx) History(table string, f HistoryFilter) (rows []map[string]any, ok bool, err error) {
	t := historyTables[table]
	cols := []string{"h.create_event", "h.revoke_event", "h.creator_id", "h.revoker_id", "creator.name", "revoker.name", "ev1.time", "ev2.time",
		"h.active"}
	keys := []string{"create_event", "revoke_event", "creator_id", "revoker_id", "creator_name", "revoker_name", "create_ts", "revoke_ts", "active"}
	joins := " JOIN events AS ev1 ON ev1.id = h.create_event LEFT JOIN events AS ev2 ON ev2.id = h.revoke_event" +
		" JOIN users AS creator ON creator.id = h.creator_id LEFT JOIN users AS revoker ON revoker.id = h.revoker_id"
	for _, c := range t.cols {
		cols, keys = append(cols, "h."+c), append(keys, c)
	}
	by := map[string][]string{}
	for _, n := range t.names {
		cols, keys = append(cols, n.column), append(keys, n.alias)
		if n.join != "" {
			joins += " " + n.join
		}
		if n.kind != "" {
			by[n.kind] = append(by[n.kind], n.key)
		}
	}
	var w where
	for _, kind := range slices.Sorted(maps.Keys(f.IDs)) {
		if by[kind] == nil {
			return nil, false, nil
		}
		var alt []string
		p := w.arg(f.IDs[kind])
		for _, key := range by[kind] {
			alt = append(alt, key+" = "+p)
		}
		w.conds = append(w.conds, "("+strings.Join(alt, " OR ")+")")
	}
	f.times(&w)
	q := `SELECT ` + strings.Join(cols, ", ") + ` FROM ` + table + ` AS h` + joins + w.String() + ` ORDER BY h.create_event`
	for _, c := range t.cols {
		if strings.HasSuffix(c, "_id") {
			q += ", h." + c
		}
	}
	err = tx.each(q, w.args, func(scan func(...any) error) error {
		vals := make([]any, len(cols))
		ptrs := make([]any, len(cols))
		for i := range vals {
			ptrs[i] = &vals[i]
		}
		if err := scan(ptrs...); err != nil {
			return err
		}
		row := make(map[string]any, len(cols))
		for i, k := range keys {
			row[k] = plainValue(vals[i], k == "active" || slices.Contains(t.bools, k))
		}
		rows = append(rows, row)
		return nil
	})
	return rows, true, err
}

func (f HistoryFilter) times(w *where) {
	if f.Editor != 0 {
		w.add("(h.creator_id = ? OR h.revoker_id = ?)", f.Editor)
	}
	if f.Active != nil {
		not := "IS NOT"
		if *f.Active {
			not = "IS"
		}
		w.conds = append(w.conds, "h.active "+not+" TRUE")
	}
	for _, c := range []struct {
		op     string
		t1, t2 string
		v      int64
	}{
		{"<", "ev1.time", "ev2.time", f.Before}, {">", "ev1.time", "ev2.time", f.After},
		{"<", "h.create_event", "h.revoke_event", f.BeforeEvent}, {">", "h.create_event", "h.revoke_event", f.AfterEvent},
	} {
		if c.v != 0 {
			w.add(fmt.Sprintf("(%s %s ? OR %s %s ?)", c.t1, c.op, c.t2, c.op), c.v)
		}
	}
}

// plainValue is a column's value as the drivers agree on it.
func plainValue(v any, isBool bool) any {
	switch v := v.(type) {
	case []byte:
		return string(v)
	case int64:
		if isBool {
			return v != 0
		}
	}
	return v
}

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
	json  []string // of cols: JSON that is handed out decoded
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
	historyTag      = named("tag", "tag", "tag_id", "tag.name", "tag")
	historyUser     = named("users", "usr", "user_id", "user.name", "user")
	historyPackage  = named("package", "package", "package_id", "package.name", "package")
	historyGroup    = named("groups", "grp", "group_id", "group.name", "group")
	historyPerm     = named("permissions", "permission", "perm_id", "permission.name", "permission")
	historyHost     = named("host", "host", "host_id", "host.name", "host")
	historyExternal = named("external_repo", "external_repo", "external_repo_id", "external_repo.name", "external_repo")
)

// historyTables are the versioned tables. What a filter finds is what Koji's finds, and more in two places: a user in
// user_groups is the member and the group, a group in group_req_listing is the one that requires and the one required.
var historyTables = map[string]historyTable{
	"user_perms": {cols: []string{"user_id", "perm_id"}, names: []historyName{historyUser, historyPerm}},
	"user_groups": {cols: []string{"user_id", "group_id"},
		names: []historyName{historyUser, named("users", "usergroup", "group_id", "group.name", "user")}},
	"cg_users": {cols: []string{"user_id", "cg_id"}, names: []historyName{historyUser,
		named("content_generator", "content_generator", "cg_id", "content_generator.name", "cg")}},
	"tag_inheritance": {cols: []string{"tag_id", "parent_id", "priority", "maxdepth", "intransitive", "noconfig", "pkg_filter"},
		bools: []string{"intransitive", "noconfig"},
		names: []historyName{historyTag, named("tag", "parent", "parent_id", "parent.name", "tag")}},
	"tag_config": {cols: []string{"tag_id", "arches", "perm_id", "locked", "maven_support", "maven_include_all"},
		bools: []string{"locked", "maven_support", "maven_include_all"}, names: []historyName{historyTag, historyPerm}},
	"tag_extra": {cols: []string{"tag_id", "key", "value"}, names: []historyName{historyTag, {kind: "xkey", key: "h.key"}}},
	"build_target_config": {cols: []string{"build_target_id", "build_tag", "dest_tag"}, names: []historyName{
		named("build_target", "build_target", "build_target_id", "build_target.name", "build_target"),
		named("tag", "bt", "build_tag", "build_tag.name", ""), named("tag", "dt", "dest_tag", "dest_tag.name", "tag")}},
	"external_repo_config": {cols: []string{"external_repo_id", "url"}, names: []historyName{historyExternal}},
	"external_repo_data":   {cols: []string{"external_repo_id", "data"}, json: []string{"data"}, names: []historyName{historyExternal}},
	"host_config": {cols: []string{"host_id", "arches", "capacity", "description", "comment", "enabled"}, bools: []string{"enabled"},
		names: []historyName{historyHost}},
	"host_channels": {cols: []string{"host_id", "channel_id"}, names: []historyName{
		historyHost, named("channels", "channels", "channel_id", "channels.name", "channel")}},
	"tag_external_repos": {cols: []string{"tag_id", "external_repo_id", "priority", "merge_mode", "arches"},
		names: []historyName{historyTag, historyExternal}},
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
		names: []historyName{historyGroup, historyTag, named("groups", "req", "req_id", "req.name", "group")}},
	"group_package_listing": {cols: []string{"group_id", "tag_id", "package", "blocked", "type", "basearchonly", "requires"},
		bools: []string{"blocked", "basearchonly"}, names: []historyName{historyGroup, historyTag, {kind: "package name", key: "h.package"}}},
}

// HistoryTables are the tables whose past can be asked for.
func HistoryTables() []string { return slices.Sorted(maps.Keys(historyTables)) }

// HistoryKnows tells whether the rows of a table are about a kind of thing.
func HistoryKnows(table, kind string) bool {
	for _, n := range historyTables[table].names {
		if n.kind == kind {
			return true
		}
	}
	return false
}

// HistoryFilter chooses rows; zero fields choose nothing away.
type HistoryFilter struct {
	// About are what rows must be about: a kind (tag, build, package, user, permission, ...) and its id; of xkey and package
	// name (of a group's package) the text itself. Each kind must be one that the table knows.
	About                   map[string]any
	Editor                  int64
	Active                  *bool
	Before, After           int64 // microseconds since 1970
	BeforeEvent, AfterEvent int64
	Order                   []Order
	Limit, Offset           *int64
}

// History is a query of a versioned table's past.
type History struct {
	// Names are those of a row's values. Those that begin with an underscore tell which of its two events, the making and the
	// revoking, fit a filter.
	Names []string

	table historyTable
	query string // ready to run, with the arguments
	count string
	args  []any
	nArgs []any
}

// NewHistory prepares a query.
func NewHistory(table string, f HistoryFilter) (*History, error) {
	t := historyTables[table]
	h := &History{table: t}
	var w where
	cols := []string{}
	add := func(col, name string) { cols, h.Names = append(cols, col), append(h.Names, name) }
	for _, c := range []string{"active", "create_event", "revoke_event", "creator_id", "revoker_id"} {
		add("h."+c, c)
	}
	add("creator.name", "creator_name")
	add("revoker.name", "revoker_name")
	add("ev1.time", "create_ts")
	add("ev2.time", "revoke_ts")
	joins := " JOIN events AS ev1 ON ev1.id = h.create_event LEFT JOIN events AS ev2 ON ev2.id = h.revoke_event" +
		" JOIN users AS creator ON creator.id = h.creator_id LEFT JOIN users AS revoker ON revoker.id = h.revoker_id"
	for _, c := range t.cols {
		add("h."+c, c)
	}
	by := map[string][]string{}
	for _, n := range t.names {
		if n.column != "" {
			add(n.column, n.alias)
		}
		if n.join != "" {
			joins += " " + n.join
		}
		if n.kind != "" {
			by[n.kind] = append(by[n.kind], n.key)
		}
	}
	order := map[string]string{}
	for i, n := range h.Names {
		order[n] = cols[i]
	}
	for _, kind := range slices.Sorted(maps.Keys(f.About)) {
		alt := []string{"1 = 0"}
		p := w.arg(f.About[kind])
		for _, key := range by[kind] {
			alt = append(alt, key+" = "+p)
		}
		w.conds = append(w.conds, "("+strings.Join(alt, " OR ")+")")
	}
	f.marks(&w, add)
	if f.Active != nil {
		w.conds = append(w.conds, "h.active IS "+map[bool]string{false: "NOT "}[*f.Active]+"TRUE")
	}
	from := ` FROM ` + table + ` AS h` + joins
	h.count, h.nArgs = `SELECT count(*)`+from+w.String(), slices.Clone(w.args)
	key := "h.create_event"
	for _, c := range t.cols {
		if strings.HasSuffix(c, "_id") {
			key += ", h." + c
		}
	}
	end, err := ordered(&w, order, f.Order, key, f.Limit, f.Offset)
	if err != nil {
		return nil, err
	}
	h.query, h.args = `SELECT `+strings.Join(cols, ", ")+from+end, w.args
	return h, nil
}

// marks adds the conditions about who and when, and for each the columns that tell which event of a row meets it.
func (f HistoryFilter) marks(w *where, add func(col, name string)) {
	both := func(create, revoke, op string, v int64, name string) {
		p := w.arg(v)
		created, revoked := create+" "+op+" "+p, revoke+" "+op+" "+p
		w.conds = append(w.conds, "("+created+" OR "+revoked+")")
		// CASE has the same type on every engine.
		add("CASE WHEN "+created+" THEN 1 ELSE 0 END", "_created_"+name)
		add("CASE WHEN "+revoke+" IS NULL THEN NULL WHEN "+revoked+" THEN 1 ELSE 0 END", "_revoked_"+name)
	}
	if f.Editor != 0 {
		both("h.creator_id", "h.revoker_id", "=", f.Editor, "by")
	}
	if f.After != 0 {
		both("ev1.time", "ev2.time", ">", f.After, "after")
	}
	if f.Before != 0 {
		both("ev1.time", "ev2.time", "<", f.Before, "before")
	}
	if f.AfterEvent != 0 {
		both("h.create_event", "h.revoke_event", ">", f.AfterEvent, "after_event")
	}
	if f.BeforeEvent != 0 {
		both("h.create_event", "h.revoke_event", "<", f.BeforeEvent, "before_event")
	}
}

// CountHistory is the number of rows, whatever limits there are.
func (tx *Tx) CountHistory(h *History) (n int64, err error) {
	err = tx.row(h.count, h.nArgs, &n)
	return n, err
}

// EachHistory hands out the rows, live and revoked, in the order of their making unless another is wanted. Times are
// microseconds.
func (tx *Tx) EachHistory(h *History, fn func(vals []any) error) error {
	isBool := make([]bool, len(h.Names))
	isJSON := make([]bool, len(h.Names))
	for i, n := range h.Names {
		isBool[i] = n == "active" || n[0] == '_' || slices.Contains(h.table.bools, n)
		isJSON[i] = slices.Contains(h.table.json, n)
	}
	return tx.each(h.query, h.args, func(scan func(...any) error) error {
		vals := make([]any, len(h.Names))
		ptrs := make([]any, len(h.Names))
		for i := range vals {
			ptrs[i] = &vals[i]
		}
		if err := scan(ptrs...); err != nil {
			return err
		}
		for i, v := range vals {
			vals[i] = plainValue(v, isBool[i])
			if s, ok := vals[i].(string); ok && isJSON[i] {
				var err error
				if vals[i], err = decodeJSON(s); err != nil {
					return fmt.Errorf("%s: %w", h.Names[i], err)
				}
			}
		}
		return fn(vals)
	})
}

// plainValue is a column's value as the drivers agree on it.
func plainValue(v any, isBool bool) any {
	switch v := v.(type) {
	case []byte:
		return string(v)
	case int32:
		return plainValue(int64(v), isBool)
	case int64:
		if isBool {
			return v != 0
		}
	}
	return v
}

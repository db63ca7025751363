package hub

import (
	"maps"
	"slices"
	"strings"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// queryHistory answers {table: [rows]} of the tables that know what is asked about. The rows are read while they are sent.
func queryHistory(c *Ctx, a Args) (any, error) {
	tables := store.HistoryTables()
	if !a.Nil("tables") {
		tables = a.Strs("tables")
		for _, t := range tables {
			if !slices.Contains(store.HistoryTables(), t) {
				return nil, buildsys.Errorf(buildsys.FaultGeneric, "No such history table: %s", t)
			}
		}
	}
	kw := Args{method: "queryHistory", vals: a.Map("kwargs")}
	opts, err := readOpts(kw.Map("queryOpts"))
	if err != nil {
		return nil, err
	}
	f, err := c.historyFilter(kw)
	if err != nil {
		return nil, err
	}
	f.Order, f.Limit, f.Offset = opts.order, opts.limit, opts.offset
	name, byPackage := kw.vals["package"]
	out := map[string]any{}
	for _, t := range tables {
		mine := f
		if byPackage && store.HistoryKnows(t, "package name") {
			// A group's packages are known by name alone, be there a package of the hub's or not.
			mine.About = maps.Clone(f.About)
			delete(mine.About, "package")
			mine.About["package name"] = plain(name)
		} else if byPackage && store.HistoryKnows(t, "package") {
			if _, err := c.packageID(name); err != nil {
				return nil, err
			}
		}
		if slices.ContainsFunc(slices.Collect(maps.Keys(mine.About)), func(kind string) bool { return !store.HistoryKnows(t, kind) }) {
			continue
		}
		h, err := store.NewHistory(t, mine)
		if err != nil {
			return nil, orderFault(err)
		}
		if opts.count {
			n, err := c.tx.CountHistory(h)
			if err != nil {
				return nil, err
			}
			out[t] = opts.counted(n)
			continue
		}
		out[t] = historyRows(c.tx, h, opts.asList)
	}
	return out, nil
}

func historyRows(tx *store.Tx, h *store.History, asList bool) xmlrpc.Seq {
	created, revoked := slices.Index(h.Names, "create_ts"), slices.Index(h.Names, "revoke_ts")
	return streamed(func(yield func(any) error) error {
		return tx.EachHistory(h, func(vals []any) error {
			for _, i := range []int{created, revoked} {
				if us, ok := vals[i].(int64); ok {
					vals[i] = float64(us) / 1e6
				}
			}
			if asList {
				return yield(vals)
			}
			return yield(xmlrpc.Row{Names: h.Names, Values: vals})
		})
	})
}

// historyFilter reads the keywords. Koji ignores those it does not know, and its own untag-build sends one (pkg).
func (c *Ctx) historyFilter(a Args) (store.HistoryFilter, error) {
	f := store.HistoryFilter{About: map[string]any{}}
	for k, v := range a.vals {
		var id int64
		var err error
		switch k {
		case "tag":
			id, err = c.tagID(v)
		case "build":
			var b *buildsys.Build
			if b, err = c.findBuild(v, true); err == nil {
				id = b.ID
			}
		case "package": // 0 for none: only a group may have it
			f.About[k], _, err = c.findPackage(v, false)
		case "user", "editor":
			id, err = c.historyUser(v)
		case "permission":
			var p *buildsys.Permission
			if p, err = c.findPermission(v, true); err == nil {
				id = p.ID
			}
		case "host", "channel", "build_target", "external_repo", "group", "cg":
			id, err = c.historyID(k, v)
		case "xkey":
			f.About[k] = plain(v)
		case "active":
			if v != nil {
				b := truth(v)
				f.Active = &b
			}
		case "before":
			f.Before, err = historyTime(a, k)
		case "after":
			f.After, err = historyTime(a, k)
		case "beforeEvent":
			f.BeforeEvent = a.Event(k)
		case "afterEvent":
			f.AfterEvent = a.Event(k)
		}
		if err != nil {
			return f, err
		}
		switch {
		case id == 0 && k != "external_repo":
		case k == "editor":
			f.Editor = id
		default:
			f.About[k] = id
		}
	}
	return f, nil
}

// historyNames are the tables of names behind the kinds that have nothing else.
var historyNames = map[string]store.NameTable{"host": store.HostNames, "channel": store.ChannelNames, "build_target": store.TargetNames,
	"external_repo": store.ExternalRepoNames, "group": store.GroupNames, "cg": store.ContentGenerators}

// historyUser finds a user, also one that was removed.
func (c *Ctx) historyUser(info any) (int64, error) {
	u, err := c.findUser(info, false)
	if err != nil {
		return 0, err
	}
	if u != nil {
		return u.ID, nil
	}
	if id, _, ok, err := c.named(store.UserNames, info); err != nil || ok {
		return id, err
	}
	return 0, buildsys.Errorf(buildsys.FaultGeneric, "No such user: %s", pyRepr(info))
}

func (c *Ctx) historyID(kind string, info any) (int64, error) {
	id, _, ok, err := c.named(historyNames[kind], info)
	if err == nil && !ok {
		err = buildsys.Errorf(buildsys.FaultGeneric, "No such entry in table %s: %s", historyNames[kind], plain(info))
	}
	return id, err
}

// historyTime reads seconds since 1970, or a date as text in UTC unless it names its zone.
func historyTime(a Args, name string) (int64, error) {
	s, ok := a.Any(name).(string)
	if !ok {
		return int64(a.Float(name) * 1e6), nil
	}
	if t, ok := parseTime(strings.TrimSpace(s)); ok {
		return t.UnixMicro(), nil
	}
	return 0, buildsys.Errorf(buildsys.FaultParameter, "queryHistory: argument %s: %.60q is no time: want 2006-01-02 15:04:05 or seconds since 1970", name, s)
}

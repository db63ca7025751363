package hub

import (
	"slices"
	"strings"
	"time"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
)

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
	f, err := c.historyFilter(Args{method: "queryHistory", vals: a.Map("kwargs")})
	if err != nil {
		return nil, err
	}
	opts := Args{method: "queryHistory", vals: a.Map("kwargs")}.Map("queryOpts")
	out := map[string]any{}
	for _, t := range tables {
		rows, ok, err := c.tx.History(t, f)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		for _, r := range rows {
			for _, k := range []string{"create_ts", "revoke_ts"} {
				if us, is := r[k].(int64); is {
					r[k] = float64(us) / 1e6
				}
			}
		}
		if out[t], err = applyOpts(rows, opts); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// historyFilter reads the keywords. Koji ignores those it does not know, and its own untag-build sends one (pkg).
func (c *Ctx) historyFilter(a Args) (store.HistoryFilter, error) {
	f := store.HistoryFilter{IDs: map[string]int64{}}
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
		case "package":
			id, err = c.packageID(v)
		case "user", "editor":
			var u *buildsys.User
			if u, err = c.findUser(v, true); err == nil {
				id = u.ID
			}
		case "permission":
			var p *buildsys.Permission
			if p, err = c.findPermission(v, true); err == nil {
				id = p.ID
			}
		case "host", "channel", "build_target", "external_repo", "group":
			id = a.Int(k)
		case "active":
			if v != nil {
				b := truth(v)
				f.Active = &b
			}
			continue
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
		case id == 0:
		case k == "editor":
			f.Editor = id
		default:
			f.IDs[k] = id
		}
	}
	return f, nil
}

// historyTime reads seconds since 1970, or a date as text in UTC unless it names its zone.
func historyTime(a Args, name string) (int64, error) {
	s, ok := a.Any(name).(string)
	if !ok {
		return int64(a.Float(name) * 1e6), nil
	}
	for _, layout := range []string{"2006-01-02 15:04:05.999999Z07:00", "2006-01-02 15:04:05.999999", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, strings.Replace(strings.TrimSpace(s), "T", " ", 1)); err == nil {
			return t.UnixMicro(), nil
		}
	}
	return 0, buildsys.Errorf(buildsys.FaultParameter, "queryHistory: argument %s: %.60q is no time: want 2006-01-02 15:04:05 or seconds since 1970", name, s)
}

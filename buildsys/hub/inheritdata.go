package hub

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// linkMap is a link as getInheritanceData shows it.
func linkMap(l buildsys.Inheritance) map[string]any {
	return map[string]any{
		"parent_id": l.ParentID, "name": l.Name, "priority": l.Priority, "maxdepth": optional(l.MaxDepth),
		"intransitive": l.Intransitive, "noconfig": l.NoConfig, "pkg_filter": l.PkgFilter, "child_id": l.TagID,
	}
}

func getInheritanceData(c *Ctx, a Args) (any, error) {
	tag, err := c.tagID(a.Any("tag"))
	if err != nil {
		return nil, err
	}
	links, err := c.tx.Parents(tag, a.Event("event"))
	if err != nil {
		return nil, err
	}
	out := []any{}
	for _, l := range links {
		out = append(out, linkMap(l))
	}
	return out, nil
}

func getFullInheritance(c *Ctx, a Args) (any, error) {
	for k, v := range a.Map("kwargs") {
		if k != "stops" && k != "jumps" {
			return nil, buildsys.Errorf(buildsys.FaultParameter, "getFullInheritance() got an unexpected keyword argument '%s'", k)
		}
		if truth(v) {
			return nil, buildsys.Errorf(buildsys.FaultParameter, "%s option has been removed since 1.26", k)
		}
	}
	tag, err := c.tagID(a.Any("tag"))
	if err != nil {
		return nil, err
	}
	reverse := a.Bool("reverse")
	links, err := c.inheritance(tag, a.Event("event"), reverse)
	if err != nil {
		return nil, err
	}
	out := []any{}
	for _, l := range links {
		m := linkMap(l.Inheritance)
		if reverse {
			delete(m, "child_id")
			m["tag_id"] = l.TagID
		}
		m["currdepth"], m["nextdepth"], m["filter"] = l.currDepth, optional(l.nextDepth), l.filter
		out = append(out, m)
	}
	return out, nil
}

func setInheritanceData(c *Ctx, a Args) (any, error) {
	tag, err := c.tagID(a.Any("tag"))
	if err != nil {
		return nil, err
	}
	var rows []any
	switch v := a.Any("data").(type) {
	case []any:
		rows = v
	case map[string]any:
		rows = []any{v}
	default:
		return nil, buildsys.Errorf(buildsys.FaultParameter, "setInheritanceData: argument data: expected a list of links, got %s", describe(v))
	}
	old, err := c.tx.Parents(tag, 0)
	if err != nil {
		return nil, err
	}
	live := map[int64]buildsys.Inheritance{}
	for _, l := range old {
		live[l.ParentID] = l
	}
	want := map[int64]buildsys.Inheritance{} // what is added or changed
	drop := map[int64]bool{}                 // what is revoked, before that
	if a.Bool("clear") {
		for id := range live {
			drop[id] = true
		}
	}
	for _, row := range rows {
		l, del, err := c.readLink(tag, row)
		if err != nil {
			return nil, err
		}
		was, had := live[l.ParentID]
		switch {
		case del:
			delete(want, l.ParentID)
			if had {
				drop[l.ParentID] = true
			}
		case had && sameLink(was, l):
			delete(drop, l.ParentID)
		default:
			if had {
				drop[l.ParentID] = true
			}
			want[l.ParentID] = l
		}
	}
	if err := checkPriorities(tag, live, drop, want); err != nil {
		return nil, err
	}
	for id := range drop {
		if err := c.tx.RemoveParent(tag, id); err != nil {
			return nil, err
		}
	}
	for _, l := range want {
		if err := c.tx.AddParent(l); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// checkPriorities refuses two parents of one priority: their order would be chance.
func checkPriorities(tag int64, live map[int64]buildsys.Inheritance, drop map[int64]bool, want map[int64]buildsys.Inheritance) error {
	by := map[int64]int64{}
	for _, set := range []map[int64]buildsys.Inheritance{live, want} {
		for id, l := range set {
			if _, changed := want[id]; drop[id] && !changed {
				continue
			}
			if w, changed := want[id]; changed {
				l = w
			}
			if other, taken := by[l.Priority]; taken && other != id {
				return buildsys.Errorf(buildsys.FaultGeneric,
					"Multiple parent tags ([%d, %d]) cannot have the same priority value (%d) on child tag %d", min(other, id), max(other, id), l.Priority, tag)
			}
			by[l.Priority] = id
		}
	}
	return nil
}

func sameLink(a, b buildsys.Inheritance) bool {
	return a.Priority == b.Priority && equalPtr(a.MaxDepth, b.MaxDepth) && a.Intransitive == b.Intransitive &&
		a.NoConfig == b.NoConfig && a.PkgFilter == b.PkgFilter
}

// readLink reads a link from outside. Koji's own client sends priority and maxdepth as strings.
func (c *Ctx) readLink(tag int64, row any) (l buildsys.Inheritance, del bool, err error) {
	m, ok := row.(map[string]any)
	if !ok {
		return l, false, buildsys.Errorf(buildsys.FaultParameter, "setInheritanceData: a link is a struct, not %s", describe(row))
	}
	del = truth(m["delete link"])
	need := []string{"parent_id", "priority", "maxdepth", "intransitive", "noconfig", "pkg_filter"}
	if del {
		need = need[:1]
	}
	for _, f := range need {
		if _, has := m[f]; !has {
			return l, false, buildsys.Errorf(buildsys.FaultGeneric, "No value for %s", f)
		}
	}
	parent, err := c.findTag(m["parent_id"], 0, !del)
	if err != nil {
		return l, false, err
	}
	l = buildsys.Inheritance{TagID: tag}
	if del {
		l.ParentID, err = c.tagIDOf(m["parent_id"])
		if err == nil && l.ParentID == 0 {
			err = buildsys.Errorf(buildsys.FaultGeneric, "No such tagInfo: %s", pyRepr(m["parent_id"]))
		}
		return l, true, err
	}
	l.ParentID = parent.ID
	if parent.ID == tag {
		return l, false, buildsys.Errorf(buildsys.FaultGeneric, "tag %s cannot inherit from itself", parent.Name)
	}
	priority, err := looseInt(m["priority"], "setInheritanceData: priority")
	if err != nil {
		return l, false, err
	}
	if priority == nil {
		return l, false, buildsys.Errorf(buildsys.FaultGeneric, "No value for priority")
	}
	l.Priority = *priority
	if l.MaxDepth, err = looseInt(m["maxdepth"], "setInheritanceData: maxdepth"); err != nil {
		return l, false, err
	}
	l.Intransitive, l.NoConfig = truth(m["intransitive"]), truth(m["noconfig"])
	if m["pkg_filter"] != nil {
		if l.PkgFilter, ok = m["pkg_filter"].(string); !ok {
			return l, false, buildsys.Errorf(buildsys.FaultParameter, "setInheritanceData: pkg_filter: expected a string, got %s", describe(m["pkg_filter"]))
		}
		if _, err := compileFilter(l.PkgFilter); err != nil {
			return l, false, err
		}
	}
	return l, false, nil
}

// looseInt reads an integer or its text; None is nil.
func looseInt(v any, name string) (*int64, error) {
	if v == nil {
		return nil, nil
	}
	n, ok := asInt(v)
	if s, is := v.(string); is {
		var err error
		n, err = strconv.ParseInt(s, 10, 64)
		ok = err == nil
	}
	if !ok {
		return nil, buildsys.Errorf(buildsys.FaultParameter, "%s: expected an integer, got %s", name, describe(v))
	}
	return &n, nil
}

func getBuildConfig(c *Ctx, a Args) (any, error) {
	event := a.Event("event")
	t, err := c.findTag(a.Any("tag"), event, true)
	if err != nil {
		return nil, err
	}
	extra, err := c.tx.TagExtra(t.ID, event)
	if err != nil {
		return nil, err
	}
	links, err := c.inheritance(t.ID, event, false)
	if err != nil {
		return nil, err
	}
	extraFrom := map[string]any{}
	var archesFrom any
	for _, l := range links {
		if l.NoConfig {
			continue
		}
		parent, err := c.tx.Tag(l.ParentID, event)
		if errors.Is(err, store.ErrNotFound) {
			return nil, fmt.Errorf("tag %d inherits from tag %d, which has no configuration at event %d", t.ID, l.ParentID, event)
		}
		if err != nil {
			return nil, err
		}
		from := xmlrpc.Struct{{Name: "id", Value: parent.ID}, {Name: "name", Value: parent.Name}}
		if t.Arches == nil && parent.Arches != nil {
			t.Arches, archesFrom = parent.Arches, from
		}
		inherited, err := c.tx.TagExtra(parent.ID, event)
		if err != nil {
			return nil, err
		}
		for k, v := range inherited {
			if _, has := extra[k]; !has {
				extra[k], extraFrom[k] = v, from
			}
		}
	}
	m := tagMap(t)
	m["extra"] = extraMap(extra, false)
	m["config_inheritance"] = map[string]any{"extra": extraFrom, "arches": archesFrom}
	if event != 0 {
		m["query_event"] = event
	}
	return tagInOrder(m), nil
}

package hub

import (
	"encoding/json"
	"strings"

	"github.com/privyseal/privyseal/buildsys"
)

// parseArches checks a list of architectures, separated by white space. An empty list stays one: it is not inherited away.
func parseArches(v *string) (*string, error) {
	if v == nil {
		return nil, nil
	}
	s, err := joinArches(strings.Fields(*v))
	if err != nil {
		return nil, err
	}
	return &s, nil
}

func createTag(c *Ctx, a Args) (any, error) {
	name := a.Str("name")
	if err := checkName(name); err != nil {
		return nil, err
	}
	t := buildsys.Tag{Name: name, Locked: a.Bool("locked")}
	var err error
	if t.Arches, err = parseArches(a.OptStr("arches")); err != nil {
		return nil, err
	}
	if t.Arches == nil {
		// As in Koji a new tag has an empty list of arches, which hides its parents'; editTag2 with arches=None makes it inherit.
		none := ""
		t.Arches = &none
	}
	if a.Bool("maven_support") || a.Bool("maven_include_all") {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "Maven support not enabled")
	}
	if old, err := c.findTag(name, 0, false); err != nil || old != nil {
		if err == nil {
			err = buildsys.Errorf(buildsys.FaultGeneric, "A tag with the name '%s' already exists", name)
		}
		return nil, err
	}
	var parent *buildsys.Tag
	if a.Bool("parent") {
		if parent, err = c.findTag(a.Any("parent"), 0, false); err != nil {
			return nil, err
		}
		if parent == nil {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "Parent tag '%s' could not be found", plain(a.Any("parent")))
		}
	}
	if t.PermID, err = c.permID(a.Any("perm")); err != nil {
		return nil, err
	}
	if t.ID, err = c.tx.EnsureTag(name); err != nil {
		return nil, err
	}
	if err := c.tx.SetTagConfig(t); err != nil {
		return nil, err
	}
	for k, v := range a.Map("extra") {
		if err := c.setExtra(t.ID, k, v); err != nil {
			return nil, err
		}
	}
	if parent != nil {
		if err := c.tx.AddParent(buildsys.Inheritance{TagID: t.ID, ParentID: parent.ID}); err != nil {
			return nil, err
		}
	}
	return t.ID, nil
}

func (c *Ctx) permID(info any) (*int64, error) {
	if info == nil {
		return nil, nil
	}
	p, err := c.findPermission(info, true)
	if err != nil {
		return nil, err
	}
	return &p.ID, nil
}

// setExtra stores an extra setting. A value of None is JSON's null; only block_extra blocks.
func (c *Ctx) setExtra(tag int64, key string, value any) error {
	b, err := json.Marshal(value)
	if err != nil {
		return buildsys.Errorf(buildsys.FaultParameter, "extra %s: %v", key, err)
	}
	s := string(b)
	return c.tx.SetTagExtra(tag, key, &s)
}

func editTag(c *Ctx, a Args) (any, error) {
	kw := map[string]any{"name": a.Any("name"), "arches": a.Any("arches"), "locked": a.Any("locked"), "perm_id": a.Any("permissionID")}
	if !a.Nil("extra") {
		kw["extra"] = a.Any("extra")
	}
	return nil, c.changeTag(a.Any("tagInfo"), kw)
}

func editTag2(c *Ctx, a Args) (any, error) {
	return nil, c.changeTag(a.Any("tagInfo"), a.Map("kwargs"))
}

func (c *Ctx) changeTag(info any, kw map[string]any) error {
	// Args' accessors check the types of what came as free keywords, too.
	a := Args{method: "editTag2", vals: kw}
	for k := range kw {
		switch k {
		case "name", "arches", "locked", "perm", "perm_id", "extra", "remove_extra", "block_extra":
		case "maven_support", "maven_include_all":
			return buildsys.Errorf(buildsys.FaultGeneric, "Maven support not enabled")
		default:
			return buildsys.Errorf(buildsys.FaultParameter, "editTag2() got an unexpected keyword argument '%s'", k)
		}
	}
	t, err := c.findTag(info, 0, true)
	if err != nil {
		return err
	}
	if name := a.OptStr("name"); name != nil && *name != "" && *name != t.Name {
		if err := checkName(*name); err != nil {
			return err
		}
		if other, err := c.tagIDOf(*name); err != nil || other != 0 {
			if err == nil {
				err = buildsys.Errorf(buildsys.FaultGeneric, "Name %s already taken by tag %d", *name, other)
			}
			return err
		}
		if err := c.tx.RenameTag(t.ID, *name); err != nil {
			return err
		}
	}
	if err := c.changeTagConfig(*t, a); err != nil {
		return err
	}
	return c.changeTagExtra(t, a)
}

func (c *Ctx) changeTagConfig(t buildsys.Tag, a Args) error {
	old := t
	var err error
	if a.has("arches") {
		if t.Arches, err = parseArches(a.OptStr("arches")); err != nil {
			return err
		}
	}
	if a.has("locked") {
		t.Locked = a.Bool("locked")
	}
	perm, ok := a.vals["perm_id"]
	if !ok {
		perm, ok = a.vals["perm"]
	}
	if ok {
		if t.PermID, err = c.permID(perm); err != nil {
			return err
		}
	}
	if t.Locked == old.Locked && equalPtr(t.Arches, old.Arches) && equalPtr(t.PermID, old.PermID) {
		return nil
	}
	return c.tx.SetTagConfig(t)
}

func equalPtr[T comparable](a, b *T) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

func (c *Ctx) changeTagExtra(t *buildsys.Tag, a Args) error {
	set, block, remove := a.Map("extra"), a.Strs("block_extra"), a.Strs("remove_extra")
	if len(set)+len(block)+len(remove) == 0 {
		return nil
	}
	old, err := c.tx.TagExtra(t.ID, 0)
	if err != nil {
		return err
	}
	for _, k := range append(append([]string{}, block...), remove...) {
		if _, both := set[k]; both {
			return buildsys.Errorf(buildsys.FaultGeneric, "Can not both add/update and remove tag-extra: '%s'", k)
		}
	}
	for k, v := range set {
		if o := old[k]; o != nil {
			if b, err := json.Marshal(v); err == nil && string(b) == *o {
				continue
			}
		}
		if err := c.setExtra(t.ID, k, v); err != nil {
			return err
		}
	}
	for _, k := range block {
		if err := c.tx.SetTagExtra(t.ID, k, nil); err != nil {
			return err
		}
	}
	for _, k := range remove {
		if _, ok := old[k]; !ok {
			return buildsys.Errorf(buildsys.FaultGeneric, "Tag: %s doesn't have extra: %s", t.Name, k)
		}
		if err := c.tx.RemoveTagExtra(t.ID, k); err != nil {
			return err
		}
	}
	return nil
}

func deleteTag(c *Ctx, a Args) (any, error) {
	t, err := c.findTag(a.Any("tagInfo"), 0, true)
	if err != nil {
		return nil, err
	}
	return nil, c.tx.DeleteTag(t.ID)
}

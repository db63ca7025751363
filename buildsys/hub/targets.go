package hub

import (
	"strings"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
)

func targetMethods() []Method {
	return []Method{
		{Name: "getBuildTargets", Args: "info=None, event=None, buildTagID=None, destTagID=None, queryOpts=None",
			Doc: "Build targets: all, one by id or name, those that build from a tag, those that build into one.", Fn: getBuildTargets},
		{Name: "getBuildTarget", Args: "info, event=None, strict=False", Doc: "A build target by id or name.", Fn: getBuildTarget},
		{Name: "createBuildTarget", Mode: ModeWrite, Perm: "target", Args: "name, build_tag, dest_tag", Doc: "Make a build target.", Fn: createBuildTarget},
		{Name: "editBuildTarget", Mode: ModeWrite, Perm: "target", Args: "buildTargetInfo, name, build_tag, dest_tag",
			Doc: "Change a build target's name and tags.", Fn: editBuildTarget},
		{Name: "deleteBuildTarget", Mode: ModeWrite, Perm: "target", Args: "buildTargetInfo",
			Doc: "Delete a build target. Its history stays.", Fn: deleteBuildTarget},
		{Name: "getAllArches", Doc: "The architectures of all builders, by their canonical names.", Fn: getAllArches},
	}
}

func targetMap(t *buildsys.Target) map[string]any {
	return map[string]any{
		"id": t.ID, "name": t.Name, "build_tag": t.BuildTag, "build_tag_name": t.BuildTagName, "dest_tag": t.DestTag, "dest_tag_name": t.DestTagName,
	}
}

// targets reads targets by id or name (nil: all).
func (c *Ctx) targets(info any, f store.TargetFilter) ([]buildsys.Target, error) {
	if truth(info) {
		var err error
		if f.ID, f.Name, err = idOrName(info); err != nil {
			return nil, err
		}
	}
	return c.tx.Targets(f)
}

// findTarget finds a build target that there is, or was at event; without strict, one that there is not is nil.
func (c *Ctx) findTarget(info any, event int64, strict bool) (*buildsys.Target, error) {
	if truth(info) {
		ts, err := c.targets(info, store.TargetFilter{Event: event})
		if err != nil {
			return nil, err
		}
		if len(ts) == 1 {
			return &ts[0], nil
		}
	}
	if strict {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "No such build target: %s", plain(info))
	}
	return nil, nil
}

func getBuildTargets(c *Ctx, a Args) (any, error) {
	f := store.TargetFilter{Event: a.Event("event")}
	rows := []map[string]any{}
	for name, dst := range map[string]*int64{"buildTagID": &f.BuildTag, "destTagID": &f.DestTag} {
		if a.Nil(name) {
			continue
		}
		id, err := c.tagIDOf(a.Any(name))
		if err != nil {
			return nil, err
		}
		if id == 0 { // there is no such tag, so nothing builds with it
			return applyOpts(rows, a.Map("queryOpts"))
		}
		*dst = id
	}
	ts, err := c.targets(a.Any("info"), f)
	if err != nil {
		return nil, err
	}
	for i := range ts {
		rows = append(rows, targetMap(&ts[i]))
	}
	return applyOpts(rows, a.Map("queryOpts"))
}

func getBuildTarget(c *Ctx, a Args) (any, error) {
	t, err := c.findTarget(a.Any("info"), a.Event("event"), a.Bool("strict"))
	if err != nil || t == nil {
		return nil, err
	}
	return targetMap(t), nil
}

// targetTags finds the two tags of a target.
func (c *Ctx) targetTags(t *buildsys.Target, build, dest any) error {
	for _, side := range []struct {
		what string
		info any
		id   *int64
	}{{"build", build, &t.BuildTag}, {"destination", dest, &t.DestTag}} {
		tag, err := c.findTag(side.info, 0, false)
		if err != nil {
			return err
		}
		if tag == nil {
			return buildsys.Errorf(buildsys.FaultGeneric, "%s tag '%s' does not exist", side.what, plain(side.info))
		}
		*side.id = tag.ID
	}
	return nil
}

func createBuildTarget(c *Ctx, a Args) (any, error) {
	name := a.Str("name")
	if err := checkName(name); err != nil {
		return nil, err
	}
	if old, err := c.findTarget(name, 0, false); err != nil || old != nil {
		if err == nil {
			err = buildsys.Errorf(buildsys.FaultGeneric, "A build target with the name '%s' already exists", name)
		}
		return nil, err
	}
	var t buildsys.Target
	err := c.targetTags(&t, a.Any("build_tag"), a.Any("dest_tag"))
	if err != nil {
		return nil, err
	}
	if t.ID, err = c.tx.EnsureName(store.TargetNames, name); err != nil {
		return nil, err
	}
	return nil, c.tx.SetTarget(t)
}

func editBuildTarget(c *Ctx, a Args) (any, error) {
	name := a.Str("name")
	if err := checkName(name); err != nil {
		return nil, err
	}
	t, err := c.findTarget(a.Any("buildTargetInfo"), 0, true)
	if err != nil {
		return nil, err
	}
	if err := c.targetTags(t, a.Any("build_tag"), a.Any("dest_tag")); err != nil {
		return nil, err
	}
	if t.Name != name {
		other, _, err := c.findName(store.TargetNames, name, false)
		if err != nil {
			return nil, err
		}
		if other != 0 {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, `name "%s" is already taken by build target %d`, name, other)
		}
		if err := c.tx.Rename(store.TargetNames, t.ID, name); err != nil {
			return nil, err
		}
	}
	return nil, c.tx.SetTarget(*t)
}

func deleteBuildTarget(c *Ctx, a Args) (any, error) {
	t, err := c.findTarget(a.Any("buildTargetInfo"), 0, true)
	if err != nil {
		return nil, err
	}
	return nil, c.tx.RemoveTarget(t.ID)
}

func getAllArches(c *Ctx, _ Args) (any, error) {
	lists, err := c.tx.HostArches()
	if err != nil {
		return nil, err
	}
	seen, out := map[string]bool{}, []any{}
	for _, l := range lists {
		for _, arch := range strings.Fields(l) {
			if arch = buildsys.CanonArch(arch); !seen[arch] {
				seen[arch] = true
				out = append(out, arch)
			}
		}
	}
	return out, nil
}

package hub

import (
	"errors"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

func tagMethods() []Method {
	return []Method{
		{Name: "getTag", Args: "tagInfo, strict=False, event=None, blocked=False",
			Doc: "A tag by id or name, as it is now or was at an event (\"auto\": also a deleted tag, as it was last).", Fn: getTag},
		{Name: "getTagID", Args: "info, strict=False, create=False", Doc: "The id behind a tag's name.", Fn: getTagID},
		{Name: "listTags", Args: "build=None, package=None, perms=True, queryOpts=None, pattern=None",
			Doc: "Tags: all, those a build is in, those with a package in their list, those whose name matches a glob.", Fn: listTags},
		{Name: "createTag", Mode: ModeWrite, Perm: "tag",
			Args: "name, parent=None, arches=None, perm=None, locked=False, maven_support=False, maven_include_all=False, extra=None",
			Doc:  "Make a tag; returns its id.", Fn: createTag},
		{Name: "editTag2", Mode: ModeWrite, Perm: "tag", Args: "tagInfo, **kwargs",
			Doc: "Change a tag: name, arches, locked, perm (or perm_id), extra, remove_extra, block_extra.", Fn: editTag2},
		{Name: "editTag", Mode: ModeWrite, Perm: "tag", Args: "tagInfo, name, arches, locked, permissionID, extra=None",
			Doc: "Change a tag, the old way: use editTag2.", Fn: editTag},
		{Name: "deleteTag", Mode: ModeWrite, Perm: "tag", Args: "tagInfo", Doc: "Delete a tag. Its history stays.", Fn: deleteTag},
		{Name: "getBuildConfig", Args: "tag, event=None",
			Doc: "A tag with the arches and extra settings it inherits, and where those come from.", Fn: getBuildConfig},
		{Name: "getInheritanceData", Args: "tag, event=None", Doc: "A tag's links to its parents, by priority.", Fn: getInheritanceData},
		{Name: "setInheritanceData", Mode: ModeWrite, Perm: "tag", Args: "tag, data, clear=False",
			Doc: "Add, change or (with a member \"delete link\") remove links to parents. With clear, no others stay.", Fn: setInheritanceData},
		{Name: "getFullInheritance", Args: "tag, event=None, reverse=False, **kwargs",
			Doc: "All a tag inherits from, in order; reverse: all that inherits from it.", Fn: getFullInheritance},
		{Name: "listPackages", Args: "tagID=None, userID=None, pkgID=None, prefix=None, inherited=False, with_dups=False, event=None, " +
			"queryOpts=None, with_owners=True, with_blocked=True",
			Doc: "Package lists of tags; without tag, user and package, all packages there are.", Fn: cached(listPackages)},
		{Name: "listPackagesSimple", Args: "prefix=None, queryOpts=None", Doc: "All packages there are.", Fn: listPackagesSimple},
		{Name: "getPackageConfig", Args: "tag, pkg, event=None", Doc: "The entry for a package in a tag's list, inherited or not.", Fn: getPackageConfig},
		{Name: "checkTagPackage", Args: "tag, pkg", Doc: "Whether a package is in a tag's list and not blocked.", Fn: checkTagPackage},
		{Name: "packageListAdd", Mode: ModeWrite, Perm: PermPerson,
			Args: "taginfo, pkginfo, owner=None, block=None, extra_arches=None, force=False, update=False",
			Doc:  "Put a package into a tag's list, or change its entry.", Fn: packageListAdd},
		{Name: "packageListRemove", Mode: ModeWrite, Perm: PermPerson, Args: "taginfo, pkginfo, force=False",
			Doc: "Remove a package's entry from a tag's own list, so that it is inherited again.", Fn: packageListRemove},
		{Name: "packageListBlock", Mode: ModeWrite, Perm: PermPerson, Args: "taginfo, pkginfo, force=False",
			Doc: "Block a package in a tag.", Fn: packageListBlock},
		{Name: "packageListUnblock", Mode: ModeWrite, Perm: PermPerson, Args: "taginfo, pkginfo, force=False",
			Doc: "Unblock a package in a tag.", Fn: packageListUnblock},
		{Name: "packageListSetOwner", Mode: ModeWrite, Perm: PermPerson, Args: "taginfo, pkginfo, owner, force=False",
			Doc: "Change who owns a package in a tag.", Fn: packageListSetOwner},
		{Name: "packageListSetArches", Mode: ModeWrite, Perm: PermPerson, Args: "taginfo, pkginfo, arches, force=False",
			Doc: "Change a package's extra arches in a tag.", Fn: packageListSetArches},
	}
}

// tagIDOf finds the id behind an id, a name or a struct of one of them, deleted tags' too; 0 if there is none.
func (c *Ctx) tagIDOf(info any) (int64, error) {
	var err error
	var id int64
	switch v := info.(type) {
	case int64:
		id = v
		_, err = c.tx.TagName(v)
	case string:
		id, err = c.tx.TagID(v)
	case map[string]any:
		if v["id"] != nil {
			return c.tagIDOf(v["id"])
		}
		if v["name"] != nil {
			return c.tagIDOf(v["name"])
		}
		return 0, buildsys.Errorf(buildsys.FaultParameter, "Invalid name or id value: %s", describe(info))
	default:
		return 0, buildsys.Errorf(buildsys.FaultParameter, "Invalid name or id value: %s", describe(info))
	}
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	return id, err
}

// tagID is tagIDOf for a tag that must have existed at some time.
func (c *Ctx) tagID(info any) (int64, error) {
	id, err := c.tagIDOf(info)
	if err == nil && id == 0 {
		err = buildsys.Errorf(buildsys.FaultGeneric, "No such entry in table tag: %s", plain(info))
	}
	return id, err
}

// findTag looks a tag up by id or name as it was at event (0: now), without its extra settings. Without strict, one that
// does not exist is nil.
func (c *Ctx) findTag(info any, event int64, strict bool) (*buildsys.Tag, error) {
	id, err := c.tagIDOf(info)
	if err != nil {
		return nil, err
	}
	if id != 0 {
		t, err := c.tx.Tag(id, event)
		if err == nil {
			return &t, nil
		}
		if !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
	}
	if strict {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "No such tagInfo: %s", pyRepr(info))
	}
	return nil, nil
}

// tagMap is a tag as getTag shows it.
func tagMap(t *buildsys.Tag) map[string]any {
	return map[string]any{
		"id": t.ID, "name": t.Name, "perm_id": optional(t.PermID), "perm": optional(t.Perm), "arches": optional(t.Arches),
		"locked": t.Locked, "maven_support": t.MavenSupport, "maven_include_all": t.MavenIncludeAll,
	}
}

func getTag(c *Ctx, a Args) (any, error) {
	var t *buildsys.Tag
	var event, deleted int64
	var err error
	if s, ok := a.Any("event").(string); ok {
		if s != "auto" {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "Invalid event: %s", pyRepr(s))
		}
		if t, event, err = c.findTagAuto(a.Any("tagInfo"), a.Bool("strict")); event != 0 {
			deleted = event + 1
		}
	} else {
		event = a.Event("event")
		t, err = c.findTag(a.Any("tagInfo"), event, a.Bool("strict"))
	}
	if err != nil || t == nil {
		return nil, err
	}
	m := tagMap(t)
	extra, err := c.tx.TagExtra(t.ID, event)
	if err != nil {
		return nil, err
	}
	m["extra"] = extraMap(extra, a.Bool("blocked"))
	if event != 0 {
		m["query_event"] = event
	}
	if deleted != 0 {
		m["revoke_event"] = deleted
	}
	return tagInOrder(m), nil
}

// tagInOrder is a tag with its members in Koji's order, which people see in JSON.
func tagInOrder(m map[string]any) xmlrpc.Struct {
	var out xmlrpc.Struct
	last := []string{"extra", "query_event", "revoke_event", "config_inheritance"}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if !slices.Contains(last, k) {
			out = append(out, xmlrpc.Member{Name: k, Value: m[k]})
		}
	}
	for _, k := range last {
		if v, ok := m[k]; ok {
			out = append(out, xmlrpc.Member{Name: k, Value: v})
		}
	}
	return out
}

// extraMap decodes extra settings. withBlocked shows each as [blocked, value], else blocked ones are left out.
func extraMap(extra map[string]*string, withBlocked bool) map[string]any {
	out := map[string]any{}
	for k, v := range extra {
		switch {
		case withBlocked:
			out[k] = []any{v == nil, decodeExtra(v)}
		case v != nil:
			out[k] = decodeExtra(v)
		}
	}
	return out
}

func getTagID(c *Ctx, a Args) (any, error) {
	if a.Bool("create") {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "getTagID makes no tags: use createTag")
	}
	id, err := c.tagIDOf(a.Any("info"))
	if err != nil {
		return nil, err
	}
	if id == 0 {
		if a.Bool("strict") {
			return c.tagID(a.Any("info"))
		}
		return nil, nil
	}
	return id, nil
}

func listTags(c *Ctx, a Args) (any, error) {
	if !a.Nil("build") && !a.Nil("package") {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "only one of build and package may be specified")
	}
	rows := []map[string]any{}
	add := func(t *buildsys.Tag) map[string]any {
		m := tagMap(t)
		if !a.Bool("perms") {
			delete(m, "perm")
			delete(m, "perm_id")
		}
		rows = append(rows, m)
		return m
	}
	var tags []buildsys.Tag
	var entries map[int64]buildsys.TagPackage
	var err error
	switch {
	case !a.Nil("build"):
		b, berr := c.findBuild(a.Any("build"), true)
		if berr != nil {
			return nil, berr
		}
		tags, err = c.tx.TagsOfBuild(b.ID)
	case !a.Nil("package"):
		id, _, perr := c.findPackage(a.Any("package"), false)
		if perr == nil && id == 0 {
			perr = buildsys.Errorf(buildsys.FaultGeneric, "No such package: %s", plain(a.Any("package")))
		}
		if perr != nil {
			return nil, perr
		}
		list, lerr := c.tx.TagPackages(store.PackageFilter{Package: id})
		if lerr != nil {
			return nil, lerr
		}
		entries = map[int64]buildsys.TagPackage{}
		for _, p := range list {
			entries[p.TagID] = p
		}
		tags, err = c.tx.Tags()
	default:
		tags, err = c.tx.Tags()
	}
	if err != nil {
		return nil, err
	}
	pattern := a.OptStr("pattern")
	for i := range tags {
		t := &tags[i]
		if pattern != nil && !globMatch(*pattern, t.Name) {
			continue
		}
		p, listed := entries[t.ID]
		if entries != nil && !listed {
			continue
		}
		m := add(t)
		if listed {
			m["owner_id"], m["owner_name"], m["blocked"], m["extra_arches"] = p.OwnerID, p.OwnerName, p.Blocked, optional(p.ExtraArches)
		}
	}
	return applyOpts(rows, a.Map("queryOpts"))
}

// globMatch matches a name against a pattern with * and ?, ignoring case as Koji's search does.
func globMatch(pattern, name string) bool {
	escaped := strings.NewReplacer("[", `\[`, `\`, `\\`).Replace(strings.ToLower(pattern))
	ok, err := path.Match(escaped, strings.ToLower(name))
	return err == nil && ok
}

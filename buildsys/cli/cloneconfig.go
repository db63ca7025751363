package cli

import (
	"context"
	"fmt"
	"slices"

	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// copyTags makes the tags that are missing, unlocked: they are filled first.
func (c *cloner) copyTags(ctx context.Context) error {
	perms, err := c.have(ctx, "getAllPerms")
	if err != nil {
		return err
	}
	known := byName(rowsOf(perms), "name")
	for _, t := range c.tags {
		name := strOf(t["name"])
		old, err := c.have(ctx, "getTag", name)
		if err != nil {
			return err
		}
		if m := asMap(old); m != nil {
			if strOf(m["arches"]) != strOf(t["arches"]) {
				c.a.term.warn("tag %s is here already, with other arches (%q, there %q): left as it is", name, strOf(m["arches"]), strOf(t["arches"]))
			}
			continue
		}
		kw := xmlrpc.Kwargs{}
		if arches := strOf(t["arches"]); arches != "" {
			kw["arches"] = arches
		}
		if extra := asMap(t["extra"]); len(extra) > 0 {
			kw["extra"] = extra
		}
		if perm := strOf(t["perm"]); perm != "" {
			if known[perm] == nil {
				c.a.term.warn("tag %s: there is no permission %s here: made without it", name, perm)
			} else {
				kw["perm"] = known[perm]["id"]
			}
		}
		if ok, err := c.do(ctx, "tag", name, "createTag", name, kw); err != nil {
			return err
		} else if !ok {
			return failf("the user needs the permission admin or tag", "tag %s cannot be made", name)
		}
	}
	return nil
}

// copyLinks adds the links to parents that are missing.
func (c *cloner) copyLinks(ctx context.Context) error {
	names := map[int64]string{}
	for _, t := range c.tags {
		names[intOf(t["id"])] = strOf(t["name"])
	}
	for _, t := range c.tags {
		name := strOf(t["name"])
		there, err := c.read(ctx, "getInheritanceData", nil, t["id"])
		if err != nil {
			return err
		}
		here, err := c.ofTag(ctx, name, "getInheritanceData", name)
		if err != nil {
			return err
		}
		have := byName(here, "name")
		var rows []any
		what := ""
		for _, l := range rowsOf(there) {
			parent := strOf(l["name"])
			if have[parent] != nil {
				continue
			}
			v, err := c.have(ctx, "getTag", parent)
			if err != nil {
				return err
			}
			p := asMap(v)
			if p == nil && names[intOf(l["parent_id"])] == "" {
				c.a.term.warn("tag %s inherits from %s, which is not here: left out", name, parent)
				continue
			}
			what += " " + parent
			if p == nil { // only in a dry run
				continue
			}
			rows = append(rows, map[string]any{"parent_id": p["id"], "priority": l["priority"], "maxdepth": l["maxdepth"],
				"intransitive": l["intransitive"], "noconfig": l["noconfig"], "pkg_filter": l["pkg_filter"]})
		}
		if what == "" {
			continue
		}
		if _, err := c.do(ctx, "link", name+" to"+what, "setInheritanceData", name, rows); err != nil {
			return err
		}
	}
	return nil
}

// ofTag reads rows of a tag of the destination, none of one that a dry run did not make.
func (c *cloner) ofTag(ctx context.Context, tag, method string, args ...any) ([]map[string]any, error) {
	if c.dry {
		if v, err := c.have(ctx, "getTag", tag); err != nil || v == nil {
			return nil, err
		}
	}
	v, err := c.have(ctx, method, args...)
	return rowsOf(v), err
}

func (c *cloner) copyRepos(ctx context.Context) error {
	for _, t := range c.tags {
		name := strOf(t["name"])
		there, err := c.read(ctx, "getTagExternalRepos", xmlrpc.Kwargs{"tag_info": t["id"]})
		if err != nil {
			return err
		}
		here, err := c.ofTag(ctx, name, "getTagExternalRepos", name)
		if err != nil {
			return err
		}
		have := byName(here, "external_repo_name")
		for _, r := range rowsOf(there) {
			repo := strOf(r["external_repo_name"])
			if have[repo] != nil {
				continue
			}
			old, err := c.have(ctx, "getExternalRepo", repo)
			if err != nil {
				return err
			}
			if old == nil {
				if ok, err := c.do(ctx, "repository", repo, "createExternalRepo", repo, r["url"]); err != nil {
					return err
				} else if !ok {
					continue
				}
			} else if u := strOf(asMap(old)["url"]); u != strOf(r["url"]) {
				c.a.term.warn("external repository %s is here already, at %s (there %s): left as it is", repo, u, strOf(r["url"]))
			}
			kw := xmlrpc.Kwargs{}
			for _, k := range []string{"merge_mode", "arches"} {
				if v := strOf(r[k]); v != "" {
					kw[k] = v
				}
			}
			if _, err := c.do(ctx, "link", name+" to repository "+repo, "addExternalRepoToTag", name, repo, r["priority"], kw); err != nil {
				return err
			}
		}
	}
	return nil
}

// groupFields are a group's settings.
var groupFields = []string{"display_name", "is_default", "uservisible", "description", "langonly", "biarchonly", "exported"}

// copyGroups copies what is a tag's own: groups, and members of groups, which may be its parents' groups. That is why it
// reads with inheritance: without it a hub leaves the members of inherited groups out.
func (c *cloner) copyGroups(ctx context.Context) error {
	for _, t := range c.tags {
		name := strOf(t["name"])
		there, err := c.read(ctx, "getTagGroups", xmlrpc.Kwargs{"inherit": true, "incl_blocked": true}, t["id"])
		if err != nil {
			return err
		}
		here, err := c.ofTag(ctx, name, "getTagGroups", name, xmlrpc.Kwargs{"inherit": true, "incl_blocked": true})
		if err != nil {
			return err
		}
		tag, err := c.have(ctx, "getTag", name)
		if err != nil {
			return err
		}
		from, to := intOf(t["id"]), intOf(asMap(tag)["id"])
		have := byName(here, "name")
		var groups, members []change
		for _, g := range rowsOf(there) {
			group := strOf(g["name"])
			old := have[group]
			if intOf(g["tag_id"]) == from && (old == nil || intOf(old["tag_id"]) != to && !sameFields(g, old, append(groupFields, "blocked"))) {
				kw := xmlrpc.Kwargs{"block": g["blocked"], "force": true}
				for _, k := range groupFields {
					if g[k] != nil {
						kw[k] = g[k]
					}
				}
				groups = append(groups, change{name + "/" + group, "groupListAdd", []any{name, group, kw}})
			}
			pkgs := byName(ownRows(asMap(old)["packagelist"], to), "package")
			for _, p := range ownRows(g["packagelist"], from) {
				pkg := strOf(p["package"])
				if pkgs[pkg] == nil {
					members = append(members, change{name + "/" + group + "/" + pkg, "groupPackageListAdd", []any{name, group, pkg, memberOptions(p, "basearchonly", "requires")}})
				}
			}
			reqs := byName(ownRows(asMap(old)["grouplist"], to), "name")
			for _, r := range ownRows(g["grouplist"], from) {
				req := strOf(r["name"])
				if reqs[req] == nil {
					members = append(members, change{name + "/" + group + "/@" + req, "groupReqListAdd", []any{name, group, req, memberOptions(r, "is_metapkg")}})
				}
			}
		}
		if _, err := c.doAll(ctx, "group", groups); err != nil {
			return err
		}
		if _, err := c.doAll(ctx, "group member", members); err != nil {
			return err
		}
	}
	return nil
}

// ownRows are the rows that are the tag's own and not inherited.
func ownRows(v any, tag int64) []map[string]any {
	return slices.DeleteFunc(rowsOf(v), func(r map[string]any) bool { return intOf(r["tag_id"]) != tag })
}

func sameFields(a, b map[string]any, fields []string) bool {
	for _, k := range fields {
		if fmt.Sprint(a[k]) != fmt.Sprint(b[k]) {
			return false
		}
	}
	return true
}

// memberOptions are the settings of a member of a group.
func memberOptions(row map[string]any, keys ...string) xmlrpc.Kwargs {
	blocked, _ := row["blocked"].(bool)
	kw := xmlrpc.Kwargs{"block": blocked, "force": true} // over what a parent blocks
	for _, k := range append(keys, "type") {
		if row[k] != nil {
			kw[k] = row[k]
		}
	}
	return kw
}

func (c *cloner) copyPackages(ctx context.Context) error {
	for _, t := range c.tags {
		name := strOf(t["name"])
		there, err := c.read(ctx, "listPackages", xmlrpc.Kwargs{"tagID": t["id"], "inherited": false})
		if err != nil {
			return err
		}
		here, err := c.ofTag(ctx, name, "listPackages", xmlrpc.Kwargs{"tagID": name, "inherited": false})
		if err != nil {
			return err
		}
		have := byName(here, "package_name")
		var add []change
		for _, p := range rowsOf(there) {
			pkg := strOf(p["package_name"])
			if have[pkg] != nil {
				continue
			}
			owner, err := c.user(ctx, strOf(p["owner_name"]))
			if err != nil {
				return err
			}
			blocked, _ := p["blocked"].(bool)
			kw := xmlrpc.Kwargs{"block": blocked, "force": true}
			if v := strOf(p["extra_arches"]); v != "" {
				kw["extra_arches"] = v
			}
			add = append(add, change{name + "/" + pkg, "packageListAdd", []any{name, pkg, owner, kw}})
		}
		if _, err := c.doAll(ctx, "package", add); err != nil {
			return err
		}
	}
	return nil
}

// user is the owner of that name here: himself, --owner in his place, or a new user.
func (c *cloner) user(ctx context.Context, name string) (string, error) {
	if c.users[name] {
		return name, nil
	}
	v, err := c.have(ctx, "getUser", name)
	if err != nil {
		return "", err
	}
	if v == nil {
		if c.owner != "" {
			return c.owner, nil
		}
		if ok, err := c.do(ctx, "user", name, "createUser", name); err != nil {
			return "", err
		} else if !ok {
			return "", failf("give one who is with --owner USER", "the owner %s is not known here, and cannot be made", name)
		}
	}
	c.users[name] = true
	return name, nil
}

// copyTargets copies the build targets whose two tags are both here.
func (c *cloner) copyTargets(ctx context.Context) error {
	if c.noTargets {
		return nil
	}
	cloned := map[string]bool{}
	for _, t := range c.tags {
		cloned[strOf(t["name"])] = true
	}
	there, err := c.read(ctx, "getBuildTargets", nil)
	if err != nil {
		return err
	}
	for _, t := range rowsOf(there) {
		name, build, dest := strOf(t["name"]), strOf(t["build_tag_name"]), strOf(t["dest_tag_name"])
		if !cloned[build] && !cloned[dest] {
			continue
		}
		old, err := c.have(ctx, "getBuildTarget", name)
		if err != nil {
			return err
		}
		if old != nil {
			continue
		}
		missing := ""
		for _, tag := range []string{build, dest} {
			if v, err := c.have(ctx, "getTag", tag); err != nil {
				return err
			} else if v == nil && !(c.dry && cloned[tag]) {
				missing = tag
			}
		}
		if missing != "" {
			c.a.term.warn("target %s is left out: its tag %s is not here", name, missing)
			continue
		}
		if _, err := c.do(ctx, "target", name, "createBuildTarget", name, build, dest); err != nil {
			return err
		}
	}
	return nil
}

// lockTags locks at the end what is locked there and was made now or before by a run that did not come this far.
func (c *cloner) lockTags(ctx context.Context) error {
	for _, t := range c.tags {
		if locked, _ := t["locked"].(bool); !locked {
			continue
		}
		name := strOf(t["name"])
		v, err := c.have(ctx, "getTag", name)
		if err != nil {
			return err
		}
		if here, _ := asMap(v)["locked"].(bool); here {
			continue
		}
		if _, err := c.do(ctx, "lock", name, "editTag2", name, xmlrpc.Kwargs{"locked": true}); err != nil {
			return err
		}
	}
	return nil
}

package hub

import (
	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
)

func groupMethods() []Method {
	return []Method{
		{Name: "getTagGroups", Args: "tag, event=None, inherit=True, incl_pkgs=True, incl_reqs=True, incl_blocked=False",
			Doc: "The package groups of a tag with their packages and requirements: the nearest tag that mentions a group decides its " +
				"settings, the lists of all tags are put together.", Fn: getTagGroups},
		{Name: "groupListAdd", Mode: ModeWrite, Perm: "tag", Args: "taginfo, grpinfo, block=False, force=False, **opts",
			Doc: "Put a group into a tag, or change its settings there: exported, display_name, is_default, uservisible, description, " +
				"langonly, biarchonly. force overrides a block.", Fn: groupListAdd},
		{Name: "groupListRemove", Mode: ModeWrite, Perm: "tag", Args: "taginfo, grpinfo, force=False",
			Doc: "Remove a tag's own entry for a group, so that what it inherits shows. Without force there has to be one.", Fn: groupListRemove},
		{Name: "groupListBlock", Mode: ModeWrite, Perm: "tag", Args: "taginfo, grpinfo", Doc: "Block a group in a tag.", Fn: groupListBlock},
		{Name: "groupListUnblock", Mode: ModeWrite, Perm: "tag", Args: "taginfo, grpinfo",
			Doc: "Remove a tag's own block of a group.", Fn: groupListUnblock},
		{Name: "groupPackageListAdd", Mode: ModeWrite, Perm: "tag", Args: "taginfo, grpinfo, pkg_name, block=False, force=False, **opts",
			Doc: "Put a package into a group of a tag, or change its entry: type (mandatory, default, optional, conditional), " +
				"basearchonly, requires. force overrides a block.", Fn: groupPackageListAdd},
		{Name: "groupPackageListRemove", Mode: ModeWrite, Perm: "tag", Args: "taginfo, grpinfo, pkg_name",
			Doc: "Remove a tag's own entry for a package in a group.", Fn: groupPackageListRemove},
		{Name: "groupPackageListBlock", Mode: ModeWrite, Perm: "tag", Args: "taginfo, grpinfo, pkg_name",
			Doc: "Block a package in a group of a tag.", Fn: groupPackageListBlock},
		{Name: "groupPackageListUnblock", Mode: ModeWrite, Perm: "tag", Args: "taginfo, grpinfo, pkg_name",
			Doc: "Remove a tag's own block of a package in a group.", Fn: groupPackageListUnblock},
		{Name: "groupReqListAdd", Mode: ModeWrite, Perm: "tag", Args: "taginfo, grpinfo, reqinfo, block=False, force=False, **opts",
			Doc: "Have a group of a tag require another one, or change how: type, is_metapkg. force overrides a block.", Fn: groupReqListAdd},
		{Name: "groupReqListRemove", Mode: ModeWrite, Perm: "tag", Args: "taginfo, grpinfo, reqinfo, force=None",
			Doc: "Remove a tag's own entry for a requirement of a group.", Fn: groupReqListRemove},
		{Name: "groupReqListBlock", Mode: ModeWrite, Perm: "tag", Args: "taginfo, grpinfo, reqinfo",
			Doc: "Block a requirement of a group of a tag.", Fn: groupReqListBlock},
		{Name: "groupReqListUnblock", Mode: ModeWrite, Perm: "tag", Args: "taginfo, grpinfo, reqinfo",
			Doc: "Remove a tag's own block of a requirement of a group.", Fn: groupReqListUnblock},
	}
}

// tagGroup is a group as it stands in a tag: its settings and its resolved lists.
type tagGroup struct {
	buildsys.Group
	packages []buildsys.GroupPackage
	reqs     []buildsys.GroupReq
	pkgAt    map[string]int
	reqAt    map[int64]int
}

func (g *tagGroup) pkg(name string) *buildsys.GroupPackage {
	if i, ok := g.pkgAt[name]; ok {
		return &g.packages[i]
	}
	return nil
}

func (g *tagGroup) req(id int64) *buildsys.GroupReq {
	if i, ok := g.reqAt[id]; ok {
		return &g.reqs[i]
	}
	return nil
}

// groupQuery says what of a tag's groups is wanted.
type groupQuery struct {
	tag, event          int64
	inherit, pkgs, reqs bool
}

// tagGroups resolves the groups of a tag, in the order in which they are met. The first tag that mentions a group decides its
// settings, the first one that mentions a package or a requirement in it decides that entry; blocks are mentions too. What
// belongs to a blocked group, or requires one, is left out.
func (c *Ctx) tagGroups(q groupQuery) ([]*tagGroup, map[int64]*tagGroup, error) {
	tags, err := c.tagOrder(q.tag, q.event, q.inherit)
	if err != nil {
		return nil, nil, err
	}
	var order []*tagGroup
	byID := map[int64]*tagGroup{}
	for _, tag := range tags {
		rows, err := c.tx.Groups(tag, q.event)
		if err != nil {
			return nil, nil, err
		}
		for _, g := range rows {
			if byID[g.ID] == nil {
				tg := &tagGroup{Group: g, pkgAt: map[string]int{}, reqAt: map[int64]int{}}
				byID[g.ID] = tg
				order = append(order, tg)
			}
		}
	}
	if len(order) == 0 {
		return nil, byID, nil
	}
	for _, tag := range tags {
		if err := c.groupLists(q, tag, byID); err != nil {
			return nil, nil, err
		}
	}
	return order, byID, nil
}

// groupLists adds what one tag has in its groups' lists to those of byID.
func (c *Ctx) groupLists(q groupQuery, tag int64, byID map[int64]*tagGroup) error {
	if q.pkgs {
		rows, err := c.tx.GroupPackages(tag, q.event)
		if err != nil {
			return err
		}
		for _, p := range rows {
			g := byID[p.GroupID]
			if g == nil || g.Blocked || g.pkg(p.Package) != nil {
				continue
			}
			g.pkgAt[p.Package] = len(g.packages)
			g.packages = append(g.packages, p)
		}
	}
	if q.reqs {
		rows, err := c.tx.GroupReqs(tag, q.event)
		if err != nil {
			return err
		}
		for _, r := range rows {
			g, needed := byID[r.GroupID], byID[r.ReqID]
			if g == nil || g.Blocked || needed == nil || needed.Blocked || g.req(r.ReqID) != nil {
				continue
			}
			g.reqAt[r.ReqID] = len(g.reqs)
			g.reqs = append(g.reqs, r)
		}
	}
	return nil
}

func getTagGroups(c *Ctx, a Args) (any, error) {
	tag, err := c.tagID(a.Any("tag"))
	if err != nil {
		return nil, err
	}
	q := groupQuery{tag: tag, event: a.Event("event"), inherit: a.Bool("inherit"), pkgs: a.Bool("incl_pkgs"), reqs: a.Bool("incl_reqs")}
	groups, _, err := c.tagGroups(q)
	if err != nil {
		return nil, err
	}
	blocked := a.Bool("incl_blocked")
	out := []any{}
	for _, g := range groups {
		if g.Blocked && !blocked {
			continue
		}
		m := groupMap(&g.Group)
		if q.pkgs {
			list := []any{}
			for i := range g.packages {
				if blocked || !g.packages[i].Blocked {
					list = append(list, groupPackageMap(&g.packages[i]))
				}
			}
			m["packagelist"] = list
		}
		if q.reqs {
			list := []any{}
			for i := range g.reqs {
				if blocked || !g.reqs[i].Blocked {
					list = append(list, groupReqMap(&g.reqs[i]))
				}
			}
			m["grouplist"] = list
		}
		out = append(out, m)
	}
	return out, nil
}

func groupMap(g *buildsys.Group) map[string]any {
	return map[string]any{
		"name": g.Name, "group_id": g.ID, "tag_id": g.TagID, "blocked": g.Blocked, "exported": optional(g.Exported),
		"display_name": g.DisplayName, "is_default": optional(g.IsDefault), "uservisible": optional(g.UserVisible),
		"description": optional(g.Description), "langonly": optional(g.LangOnly), "biarchonly": optional(g.BiarchOnly),
	}
}

func groupPackageMap(p *buildsys.GroupPackage) map[string]any {
	return map[string]any{
		"group_id": p.GroupID, "tag_id": p.TagID, "package": p.Package, "blocked": p.Blocked, "type": p.Type,
		"basearchonly": optional(p.BaseArchOnly), "requires": optional(p.Requires),
	}
}

func groupReqMap(r *buildsys.GroupReq) map[string]any {
	return map[string]any{
		"group_id": r.GroupID, "tag_id": r.TagID, "req_id": r.ReqID, "blocked": r.Blocked, "type": optional(r.Type),
		"is_metapkg": r.IsMetapkg, "name": r.Name,
	}
}

// findGroup finds a group's name, whatever tag has it.
func (c *Ctx) findGroup(info any) (int64, string, error) {
	return c.findName(store.GroupNames, info, true)
}

package hub

import (
	"slices"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
)

// groupOpts are the free keywords of a call, checked like its other arguments.
func groupOpts(a Args, known ...string) (Args, error) {
	opts := a.Map("opts")
	for k := range opts {
		if !slices.Contains(known, k) {
			return a, buildsys.Errorf(buildsys.FaultParameter, "%s() got an unexpected keyword argument '%s'", a.method, k)
		}
	}
	return Args{method: a.method, vals: opts}, nil
}

// has tells whether a keyword was given, be it None.
func (a Args) has(name string) bool {
	_, ok := a.vals[name]
	return ok
}

// optBool is a boolean or None.
func (a Args) optBool(name string) *bool {
	if a.Nil(name) {
		return nil
	}
	b := a.Bool(name)
	return &b
}

func groupListAdd(c *Ctx, a Args) (any, error) {
	opts, err := groupOpts(a, "exported", "display_name", "is_default", "uservisible", "description", "langonly", "biarchonly", "blocked")
	if err != nil {
		return nil, err
	}
	return nil, c.addGroup(a.Any("taginfo"), a.Any("grpinfo"), a.Bool("block"), a.Bool("force"), opts)
}

func groupListBlock(c *Ctx, a Args) (any, error) {
	return nil, c.addGroup(a.Any("taginfo"), a.Any("grpinfo"), true, false, Args{method: a.method})
}

func (c *Ctx) addGroup(tagInfo, groupInfo any, block, force bool, opts Args) error {
	tag, err := c.findTag(tagInfo, 0, true)
	if err != nil {
		return err
	}
	id, name, err := c.findName(store.GroupNames, groupInfo, false)
	if err != nil {
		return err
	}
	if id == 0 {
		var ok bool
		if name, ok = groupInfo.(string); !ok {
			return buildsys.Errorf(buildsys.FaultGeneric, "No such entry in table groups: %s", plain(groupInfo))
		}
		if err := checkLabel("group", name); err != nil {
			return err
		}
	}
	yes, no := true, false
	g := buildsys.Group{Name: name, DisplayName: name, BiarchOnly: &no, Exported: &yes, UserVisible: &yes}
	was := (*tagGroup)(nil)
	if id != 0 {
		_, groups, err := c.tagGroups(groupQuery{tag: tag.ID, inherit: true})
		if err != nil {
			return err
		}
		if was = groups[id]; was != nil {
			if was.Blocked && !force {
				return buildsys.Errorf(buildsys.FaultGeneric, "group %s is blocked in tag %s", name, tag.Name)
			}
			g = was.Group
		}
	}
	g.TagID, g.Blocked = tag.ID, block
	if err := opts.setGroup(&g); err != nil {
		return err
	}
	if was != nil && sameGroup(&was.Group, &g) {
		return nil
	}
	if g.ID, err = c.tx.EnsureName(store.GroupNames, name); err != nil {
		return err
	}
	return c.tx.SetGroup(g)
}

// setGroup changes the settings that keywords give.
func (a Args) setGroup(g *buildsys.Group) error {
	if a.has("display_name") {
		g.DisplayName = a.Str("display_name")
	}
	for name, dst := range map[string]**bool{"exported": &g.Exported, "is_default": &g.IsDefault, "uservisible": &g.UserVisible, "biarchonly": &g.BiarchOnly} {
		if a.has(name) {
			*dst = a.optBool(name)
		}
	}
	for name, dst := range map[string]**string{"description": &g.Description, "langonly": &g.LangOnly} {
		if a.has(name) {
			*dst = a.OptStr(name)
		}
	}
	if len(g.DisplayName) > maxGroupText || g.Description != nil && len(*g.Description) > maxGroupText {
		return buildsys.Errorf(buildsys.FaultGeneric, "group %s: display name and description hold at most %d bytes", g.Name, maxGroupText)
	}
	return nil
}

// maxGroupText bounds the prose about a group: every reader of the tag gets it.
const maxGroupText = 64 << 10

// sameGroup compares settings, whichever tag has them.
func sameGroup(a, b *buildsys.Group) bool {
	return a.Blocked == b.Blocked && a.DisplayName == b.DisplayName && equalPtr(a.Exported, b.Exported) && equalPtr(a.IsDefault, b.IsDefault) &&
		equalPtr(a.UserVisible, b.UserVisible) && equalPtr(a.Description, b.Description) && equalPtr(a.LangOnly, b.LangOnly) &&
		equalPtr(a.BiarchOnly, b.BiarchOnly)
}

func groupListRemove(c *Ctx, a Args) (any, error) {
	tag, err := c.findTag(a.Any("taginfo"), 0, true)
	if err != nil {
		return nil, err
	}
	group, name, err := c.findGroup(a.Any("grpinfo"))
	if err != nil {
		return nil, err
	}
	had, err := c.tx.RemoveGroup(tag.ID, group)
	if err == nil && !had && !a.Bool("force") {
		err = buildsys.Errorf(buildsys.FaultGeneric, "No group: %s found for tag: %s", name, tag.Name)
	}
	return nil, err
}

func groupListUnblock(c *Ctx, a Args) (any, error) {
	tag, err := c.tagID(a.Any("taginfo"))
	if err != nil {
		return nil, err
	}
	group, name, err := c.findGroup(a.Any("grpinfo"))
	if err != nil {
		return nil, err
	}
	blocked, err := c.tx.GroupBlocked(tag, group)
	if err != nil {
		return nil, err
	}
	if !blocked {
		tagName, err := c.tx.TagName(tag)
		if err != nil {
			return nil, err
		}
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "group %s is NOT blocked in tag %s", name, tagName)
	}
	_, err = c.tx.RemoveGroup(tag, group)
	return nil, err
}

// openGroup finds a group that is in a tag, inherited or not, and not blocked there.
func (c *Ctx) openGroup(tagInfo, groupInfo any, pkgs, reqs bool) (*buildsys.Tag, *tagGroup, error) {
	tagID, err := c.tagID(tagInfo)
	if err != nil {
		return nil, nil, err
	}
	tag, err := c.findTag(tagID, 0, true) // a deleted one has an id, too
	if err != nil {
		return nil, nil, err
	}
	id, name, err := c.findGroup(groupInfo)
	if err != nil {
		return nil, nil, err
	}
	_, groups, err := c.tagGroups(groupQuery{tag: tag.ID, inherit: true, pkgs: pkgs, reqs: reqs})
	if err != nil {
		return nil, nil, err
	}
	g := groups[id]
	switch {
	case g == nil:
		err = buildsys.Errorf(buildsys.FaultGeneric, "group %s not present in tag %s", name, tag.Name)
	case g.Blocked:
		err = buildsys.Errorf(buildsys.FaultGeneric, "group %s is blocked in tag %s", name, tag.Name)
	}
	return tag, g, err
}

// groupTypes are the ways in which a package or a group may belong to a group, as in comps.
var groupTypes = []string{"mandatory", "default", "optional", "conditional", "unknown"}

func checkGroupType(t string) error {
	if slices.Contains(groupTypes, t) {
		return nil
	}
	return buildsys.Errorf(buildsys.FaultGeneric, "No such type in a group: %s (there are mandatory, default, optional, conditional)", t)
}

func groupPackageListAdd(c *Ctx, a Args) (any, error) {
	opts, err := groupOpts(a, "type", "basearchonly", "requires")
	if err != nil {
		return nil, err
	}
	return nil, c.addGroupPackage(a.Any("taginfo"), a.Any("grpinfo"), a.Str("pkg_name"), a.Bool("block"), a.Bool("force"), opts)
}

func groupPackageListBlock(c *Ctx, a Args) (any, error) {
	return nil, c.addGroupPackage(a.Any("taginfo"), a.Any("grpinfo"), a.Str("pkg_name"), true, false, Args{method: a.method})
}

func (c *Ctx) addGroupPackage(tagInfo, groupInfo any, pkg string, block, force bool, opts Args) error {
	if err := checkLabel("package", pkg); err != nil {
		return err
	}
	tag, g, err := c.openGroup(tagInfo, groupInfo, true, false)
	if err != nil {
		return err
	}
	p := buildsys.GroupPackage{Type: "mandatory"}
	was := g.pkg(pkg)
	if was != nil {
		if was.Blocked && !force {
			return buildsys.Errorf(buildsys.FaultGeneric, "package %s blocked in group %s, tag %s", pkg, g.Name, tag.Name)
		}
		p = *was
	}
	if opts.has("type") {
		p.Type = opts.Str("type")
		if err := checkGroupType(p.Type); err != nil {
			return err
		}
	}
	if opts.has("basearchonly") {
		p.BaseArchOnly = opts.optBool("basearchonly")
	}
	if opts.has("requires") {
		p.Requires = opts.OptStr("requires")
	}
	if was != nil && !block && !force && p.Type == was.Type && equalPtr(p.BaseArchOnly, was.BaseArchOnly) && equalPtr(p.Requires, was.Requires) {
		return nil
	}
	p.TagID, p.GroupID, p.Package, p.Blocked = tag.ID, g.ID, pkg, block
	return c.tx.SetGroupPackage(p)
}

// groupInTag finds the ids that calls on one tag's own entries name.
func (c *Ctx) groupInTag(a Args) (tag, group int64, err error) {
	if tag, err = c.tagID(a.Any("taginfo")); err != nil {
		return 0, 0, err
	}
	group, _, err = c.findGroup(a.Any("grpinfo"))
	return tag, group, err
}

func groupPackageListRemove(c *Ctx, a Args) (any, error) {
	tag, group, err := c.groupInTag(a)
	if err != nil {
		return nil, err
	}
	_, err = c.tx.RemoveGroupPackage(tag, group, a.Str("pkg_name"))
	return nil, err
}

func groupPackageListUnblock(c *Ctx, a Args) (any, error) {
	tag, group, err := c.groupInTag(a)
	if err != nil {
		return nil, err
	}
	pkg := a.Str("pkg_name")
	blocked, err := c.tx.GroupPackageBlocked(tag, group, pkg)
	if err != nil {
		return nil, err
	}
	if !blocked {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "package %s is NOT blocked in group %d, tag %d", pkg, group, tag)
	}
	_, err = c.tx.RemoveGroupPackage(tag, group, pkg)
	return nil, err
}

func groupReqListAdd(c *Ctx, a Args) (any, error) {
	opts, err := groupOpts(a, "type", "is_metapkg")
	if err != nil {
		return nil, err
	}
	return nil, c.addGroupReq(a.Any("taginfo"), a.Any("grpinfo"), a.Any("reqinfo"), a.Bool("block"), a.Bool("force"), opts)
}

func groupReqListBlock(c *Ctx, a Args) (any, error) {
	return nil, c.addGroupReq(a.Any("taginfo"), a.Any("grpinfo"), a.Any("reqinfo"), true, false, Args{method: a.method})
}

func (c *Ctx) addGroupReq(tagInfo, groupInfo, reqInfo any, block, force bool, opts Args) error {
	tag, g, err := c.openGroup(tagInfo, groupInfo, false, true)
	if err != nil {
		return err
	}
	req, reqName, err := c.findGroup(reqInfo)
	if err != nil {
		return err
	}
	mandatory := "mandatory"
	r := buildsys.GroupReq{Type: &mandatory}
	was := g.req(req)
	if was != nil {
		if was.Blocked && !force {
			return buildsys.Errorf(buildsys.FaultGeneric, "requirement on group %s blocked in group %s, tag %s", reqName, g.Name, tag.Name)
		}
		r = *was
	}
	if opts.has("type") {
		if r.Type = opts.OptStr("type"); r.Type != nil {
			if err := checkGroupType(*r.Type); err != nil {
				return err
			}
		}
	}
	if opts.has("is_metapkg") {
		r.IsMetapkg = opts.Bool("is_metapkg")
	}
	if was != nil && !block && was.Blocked == block && r.IsMetapkg == was.IsMetapkg && equalPtr(r.Type, was.Type) {
		return nil
	}
	r.TagID, r.GroupID, r.ReqID, r.Blocked = tag.ID, g.ID, req, block
	return c.tx.SetGroupReq(r)
}

func (c *Ctx) reqInTag(a Args) (tag, group, req int64, err error) {
	if tag, group, err = c.groupInTag(a); err != nil {
		return 0, 0, 0, err
	}
	req, _, err = c.findGroup(a.Any("reqinfo"))
	return tag, group, req, err
}

func groupReqListRemove(c *Ctx, a Args) (any, error) {
	tag, group, req, err := c.reqInTag(a)
	if err != nil {
		return nil, err
	}
	_, err = c.tx.RemoveGroupReq(tag, group, req)
	return nil, err
}

func groupReqListUnblock(c *Ctx, a Args) (any, error) {
	tag, group, req, err := c.reqInTag(a)
	if err != nil {
		return nil, err
	}
	blocked, err := c.tx.GroupReqBlocked(tag, group, req)
	if err != nil {
		return nil, err
	}
	if !blocked {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "group req %d is NOT blocked in group %d, tag %d", req, group, tag)
	}
	_, err = c.tx.RemoveGroupReq(tag, group, req)
	return nil, err
}

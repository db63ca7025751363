package store

import "github.com/privyseal/privyseal/buildsys"

// Groups are what a tag itself says about groups as of event (0: now), blocks included, in the order of their making.
func (tx *Tx) Groups(tag, event int64) ([]buildsys.Group, error) {
	var w where
	w.add("group_config.tag_id = ?", tag)
	w.live("group_config", event)
	return list(tx, `SELECT groups.id, groups.name, group_config.tag_id, group_config.blocked, group_config.exported,
			group_config.display_name, group_config.is_default, group_config.uservisible, group_config.description,
			group_config.langonly, group_config.biarchonly
		FROM group_config JOIN groups ON groups.id = group_config.group_id`+w.String()+
		` ORDER BY group_config.create_event, groups.id`, w.args,
		func(scan func(...any) error, g *buildsys.Group) error {
			return scan(&g.ID, &g.Name, &g.TagID, &g.Blocked, &g.Exported, &g.DisplayName, &g.IsDefault, &g.UserVisible, &g.Description,
				&g.LangOnly, &g.BiarchOnly)
		})
}

// GroupPackages are the packages that a tag itself has in its groups, as Groups.
func (tx *Tx) GroupPackages(tag, event int64) ([]buildsys.GroupPackage, error) {
	var w where
	w.add("group_package_listing.tag_id = ?", tag)
	w.live("group_package_listing", event)
	return list(tx, `SELECT group_id, tag_id, package, blocked, type, basearchonly, requires
		FROM group_package_listing`+w.String()+` ORDER BY create_event, group_id, package`, w.args,
		func(scan func(...any) error, p *buildsys.GroupPackage) error {
			return scan(&p.GroupID, &p.TagID, &p.Package, &p.Blocked, &p.Type, &p.BaseArchOnly, &p.Requires)
		})
}

// GroupReqs are the groups that a tag itself has its groups require, as Groups.
func (tx *Tx) GroupReqs(tag, event int64) ([]buildsys.GroupReq, error) {
	var w where
	w.add("group_req_listing.tag_id = ?", tag)
	w.live("group_req_listing", event)
	return list(tx, `SELECT group_req_listing.group_id, group_req_listing.tag_id, group_req_listing.req_id, groups.name,
			group_req_listing.blocked, group_req_listing.type, group_req_listing.is_metapkg
		FROM group_req_listing JOIN groups ON groups.id = group_req_listing.req_id`+w.String()+
		` ORDER BY group_req_listing.create_event, group_req_listing.group_id, group_req_listing.req_id`, w.args,
		func(scan func(...any) error, r *buildsys.GroupReq) error {
			return scan(&r.GroupID, &r.TagID, &r.ReqID, &r.Name, &r.Blocked, &r.Type, &r.IsMetapkg)
		})
}

// SetGroup makes g what its tag says about its group.
func (tx *Tx) SetGroup(g buildsys.Group) error {
	if _, err := tx.RemoveGroup(g.TagID, g.ID); err != nil {
		return err
	}
	return tx.create("group_config",
		"group_id, tag_id, blocked, exported, display_name, is_default, uservisible, description, langonly, biarchonly",
		g.ID, g.TagID, g.Blocked, g.Exported, g.DisplayName, g.IsDefault, g.UserVisible, g.Description, g.LangOnly, g.BiarchOnly)
}

// RemoveGroup removes what a tag says about a group and tells whether it said anything. The group's lists stay on record, as
// in Koji.
func (tx *Tx) RemoveGroup(tag, group int64) (bool, error) {
	return changed(tx.revoke("group_config", "tag_id = $1 AND group_id = $2", tag, group))
}

// GroupBlocked tells whether a tag itself blocks a group.
func (tx *Tx) GroupBlocked(tag, group int64) (bool, error) {
	return tx.anyRow(`SELECT 1 FROM group_config WHERE tag_id = $1 AND group_id = $2 AND active IS TRUE AND blocked`, tag, group)
}

// SetGroupPackage makes p the entry of its package in its tag's group.
func (tx *Tx) SetGroupPackage(p buildsys.GroupPackage) error {
	if _, err := tx.RemoveGroupPackage(p.TagID, p.GroupID, p.Package); err != nil {
		return err
	}
	return tx.create("group_package_listing", "group_id, tag_id, package, blocked, type, basearchonly, requires",
		p.GroupID, p.TagID, p.Package, p.Blocked, p.Type, p.BaseArchOnly, p.Requires)
}

// RemoveGroupPackage removes the entry of a package from a tag's group and tells whether there was one.
func (tx *Tx) RemoveGroupPackage(tag, group int64, pkg string) (bool, error) {
	return changed(tx.revoke("group_package_listing", "tag_id = $1 AND group_id = $2 AND package = $3", tag, group, pkg))
}

// GroupPackageBlocked tells whether a tag itself blocks a package in a group.
func (tx *Tx) GroupPackageBlocked(tag, group int64, pkg string) (bool, error) {
	return tx.anyRow(`SELECT 1 FROM group_package_listing WHERE tag_id = $1 AND group_id = $2 AND package = $3
		AND active IS TRUE AND blocked`, tag, group, pkg)
}

// SetGroupReq makes r the entry of its requirement in its tag's group.
func (tx *Tx) SetGroupReq(r buildsys.GroupReq) error {
	if _, err := tx.RemoveGroupReq(r.TagID, r.GroupID, r.ReqID); err != nil {
		return err
	}
	return tx.create("group_req_listing", "group_id, tag_id, req_id, blocked, type, is_metapkg",
		r.GroupID, r.TagID, r.ReqID, r.Blocked, r.Type, r.IsMetapkg)
}

// RemoveGroupReq removes a requirement from a tag's group and tells whether there was one.
func (tx *Tx) RemoveGroupReq(tag, group, req int64) (bool, error) {
	return changed(tx.revoke("group_req_listing", "tag_id = $1 AND group_id = $2 AND req_id = $3", tag, group, req))
}

// GroupReqBlocked tells whether a tag itself blocks a requirement of a group.
func (tx *Tx) GroupReqBlocked(tag, group, req int64) (bool, error) {
	return tx.anyRow(`SELECT 1 FROM group_req_listing WHERE tag_id = $1 AND group_id = $2 AND req_id = $3
		AND active IS TRUE AND blocked`, tag, group, req)
}

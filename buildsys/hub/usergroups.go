package hub

import (
	"slices"

	"github.com/privyseal/privyseal/buildsys"
)

func userGroupMethods() []Method {
	return []Method{
		{Name: "newGroup", Perm: "admin", Args: "name", Mode: ModeWrite, Fn: newGroup, Doc: "Add a group of users; its permissions are its members'. Returns its id."},
		{Name: "addGroupMember", Perm: "admin", Args: "group, user, strict=True", Mode: ModeWrite, Fn: addGroupMember,
			Doc: "Make a user a member of a group. Without strict, one who is already is none the worse."},
		{Name: "dropGroupMember", Perm: "admin", Args: "group, user", Mode: ModeWrite, Fn: dropGroupMember, Doc: "End a user's membership in a group."},
		{Name: "getGroupMembers", Args: "group", Fn: getGroupMembers, Doc: "The members of a group: {id, name, usertype, krb_principals} each."},
		{Name: "getUserGroups", Args: "user", Doc: "The groups a user is in.", Fn: getUserGroups},
	}
}

func getUserGroups(c *Ctx, a Args) (any, error) {
	u, err := c.findUser(a.Any("user"), true)
	if err != nil {
		return nil, err
	}
	groups, err := c.tx.GroupsOf(u.ID)
	if err != nil {
		return nil, err
	}
	out := []any{}
	for _, g := range groups {
		out = append(out, map[string]any{"id": g.ID, "name": g.Name})
	}
	return out, nil
}

func newGroup(c *Ctx, a Args) (any, error) {
	name := a.Str("name")
	if err := checkName(name); err != nil {
		return nil, err
	}
	if u, err := c.findUser(name, false); err != nil || u != nil {
		if err == nil {
			err = buildsys.Errorf(buildsys.FaultGeneric, "user/group already exists: %s", name)
		}
		return nil, err
	}
	id, err := c.tx.CreateUser(name, buildsys.StatusNormal, buildsys.UserGroup)
	return id, err
}

// findUserGroup looks a group of users up; text is how its lack is told.
func (c *Ctx) findUserGroup(info any, text string) (*buildsys.User, error) {
	g, err := c.findUser(info, false)
	if err == nil && (g == nil || g.Type != buildsys.UserGroup) {
		err = buildsys.Errorf(buildsys.FaultGeneric, text, plain(info))
	}
	return g, err
}

func addGroupMember(c *Ctx, a Args) (any, error) {
	g, err := c.findUserGroup(a.Any("group"), "Not a group: %s")
	if err != nil {
		return nil, err
	}
	u, err := c.findUser(a.Any("user"), false)
	switch {
	case err != nil:
		return nil, err
	case u == nil:
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "Not a user: %s", plain(a.Any("user")))
	case u.Type == buildsys.UserGroup:
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "Groups cannot be members of other groups")
	}
	is, err := c.isMember(u.ID, g.ID)
	switch {
	case err != nil:
		return nil, err
	case !is:
		return nil, c.tx.JoinGroup(u.ID, g.ID)
	case a.Bool("strict"):
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "User already in group")
	}
	return nil, nil
}

func dropGroupMember(c *Ctx, a Args) (any, error) {
	u, err := c.findUser(a.Any("user"), true)
	if err != nil {
		return nil, err
	}
	g, err := c.findUserGroup(a.Any("group"), "Not a group: %s")
	if err != nil {
		return nil, err
	}
	was, err := c.isMember(u.ID, g.ID)
	if err == nil && !was {
		err = buildsys.Errorf(buildsys.FaultGeneric, "No such user in group: %s", plain(a.Any("group")))
	}
	if err != nil {
		return nil, err
	}
	_, err = c.tx.LeaveGroup(u.ID, g.ID)
	return nil, err
}

func (c *Ctx) isMember(user, group int64) (bool, error) {
	groups, err := c.tx.GroupsOf(user)
	return slices.ContainsFunc(groups, func(g buildsys.User) bool { return g.ID == group }), err
}

func getGroupMembers(c *Ctx, a Args) (any, error) {
	g, err := c.findUserGroup(a.Any("group"), "No such group: %s")
	if err != nil {
		return nil, err
	}
	members, err := c.tx.MembersOf(g.ID)
	if err != nil {
		return nil, err
	}
	out := []any{}
	for i := range members {
		m, err := c.userMap(&members[i], true)
		if err != nil {
			return nil, err
		}
		delete(m, "status")
		out = append(out, m)
	}
	return out, nil
}

package hub

import (
	"errors"
	"strings"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
)

func userMethods() []Method {
	return []Method{
		{Name: "getLoggedInUser", Doc: "The user of this session, or None.", Fn: getLoggedInUser},
		{Name: "getUser", Args: "userInfo=None, strict=False, krb_princs=True, groups=False",
			Doc: "A user by id, name or principal; by default the caller.", Fn: getUser},
		{Name: "listUsers", Args: "userType=0, prefix=None, queryOpts=None, perm=None, inherited_perm=False",
			Doc: "Users of a type (0: people, 1: hosts, 2: groups; None: all).", Fn: listUsers},
		{Name: "createUser", Mode: ModeWrite, Perm: "admin", Args: "username, status=None, krb_principal=None",
			Doc: "Add a user; returns its id.", Fn: createUser},
		{Name: "editUser", Mode: ModeWrite, Perm: "admin", Args: "userInfo, name=None, krb_principal_mappings=None",
			Doc: "Rename a user, change its Kerberos principals: [{old: ..., new: ...}].", Fn: editUser},
		{Name: "enableUser", Mode: ModeWrite, Perm: "admin", Args: "username", Doc: "Let a user log in.",
			Fn: func(c *Ctx, a Args) (any, error) { return setUserStatus(c, a, buildsys.StatusNormal) }},
		{Name: "disableUser", Mode: ModeWrite, Perm: "admin", Args: "username", Doc: "Let a user log in no more, and end its sessions.",
			Fn: func(c *Ctx, a Args) (any, error) { return setUserStatus(c, a, buildsys.StatusBlocked) }},
		{Name: "removeUser", Mode: ModeWrite, Perm: "admin", Args: "userInfo", Fn: removeUser,
			Doc: "Take all that a user or group may do, and free its name; one who owns something or has changed anything is disabled instead. " +
				"Returns {name, removed, reason}."},
		{Name: "addUserKrbPrincipal", Mode: ModeWrite, Perm: "admin", Args: "user, krb_principal", Fn: addUserKrbPrincipal,
			Doc: "Give a user one more Kerberos principal. Returns the user's id."},
		{Name: "removeUserKrbPrincipal", Mode: ModeWrite, Perm: "admin", Args: "user, krb_principal", Fn: removeUserKrbPrincipal,
			Doc: "Take a Kerberos principal from a user. Returns the user's id."},
		{Name: "hasPerm", Args: "perm, strict=False", Doc: "Whether the caller literally holds a permission; admin implies nothing here.", Fn: hasPerm},
		{Name: "getPerms", Doc: "The permissions the caller holds.", Fn: getPerms},
		{Name: "getUserPerms", Args: "userID=None, with_groups=True", Doc: "The permissions of a user.", Fn: getUserPerms},
		{Name: "getUserPermsInheritance", Args: "userID",
			Doc: "The permissions of a user, and for each where it comes from: None for the user itself, or a group.", Fn: getUserPermsInheritance},
		{Name: "getAllPerms", Doc: "Every permission there is.", Fn: getAllPerms},
		{Name: "grantPermission", Mode: ModeWrite, Perm: "admin", Args: "userinfo, permission, create=False, description=None",
			Doc: "Give a permission to a user.", Fn: grantPermission},
		{Name: "revokePermission", Mode: ModeWrite, Perm: "admin", Args: "userinfo, permission", Doc: "Take a permission from a user.", Fn: revokePermission},
		{Name: "editPermission", Mode: ModeWrite, Perm: "admin", Args: "permission, description", Doc: "Describe a permission.", Fn: editPermission},
	}
}

// findUser looks a user up by id, name or principal, or a struct of one of these. Without strict, one that does not exist
// is nil.
func (c *Ctx) findUser(info any, strict bool) (*buildsys.User, error) {
	var u buildsys.User
	var err error
	switch v := info.(type) {
	case nil:
		if c.User == nil {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "No user provided")
		}
		u = *c.User
	case int64:
		u, err = c.tx.LiveUser(v)
	case string:
		u, err = c.tx.UserByName(v)
	case map[string]any:
		u, err = c.findUserOf(v)
	default:
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "Invalid type for userInfo: %s", describe(info))
	}
	if errors.Is(err, store.ErrNotFound) {
		if strict {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "No such user: %s", pyRepr(info))
		}
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &u, nil
}

// findUserOf finds the user of whom all is true that a struct says: id, name, krb_principal.
func (c *Ctx) findUserOf(m map[string]any) (u buildsys.User, err error) {
	given := false
	for _, key := range []string{"id", "name", "krb_principal"} {
		var found buildsys.User
		switch v := m[key].(type) {
		case nil:
			continue
		case int64:
			if key != "id" {
				return u, buildsys.Errorf(buildsys.FaultGeneric, "Invalid type for %s: %s", key, describe(v))
			}
			found, err = c.tx.LiveUser(v)
		case string:
			switch {
			case v == "":
				continue
			case key == "name":
				found, err = c.tx.UserNamed(v)
			case key == "krb_principal":
				found, err = c.tx.UserByPrincipal(v)
			default:
				return u, buildsys.Errorf(buildsys.FaultGeneric, "Invalid type for userid: %s", describe(v))
			}
		default:
			return u, buildsys.Errorf(buildsys.FaultGeneric, "Invalid type for %s: %s", key, describe(v))
		}
		if err != nil {
			return u, err
		}
		if given && found.ID != u.ID {
			return u, store.ErrNotFound
		}
		u, given = found, true
	}
	if !given {
		return u, buildsys.Errorf(buildsys.FaultGeneric, "a user is given by id, name or krb_principal")
	}
	return u, nil
}

// userMap is a user as getUser shows it.
func (c *Ctx) userMap(u *buildsys.User, principals bool) (map[string]any, error) {
	if principals {
		ps, err := c.tx.Principals(u.ID)
		return userStruct(u, ps), err
	}
	m := userStruct(u, nil)
	delete(m, "krb_principals")
	return m, nil
}

func userStruct(u *buildsys.User, principals []string) map[string]any {
	if principals == nil {
		principals = []string{}
	}
	return map[string]any{"id": u.ID, "name": u.Name, "status": int64(u.Status), "usertype": int64(u.Type), "krb_principals": principals}
}

func getLoggedInUser(c *Ctx, _ Args) (any, error) {
	if c.User == nil {
		return nil, nil
	}
	m, err := c.userMap(c.User, true)
	if err != nil {
		return nil, err
	}
	m["authtype"] = int64(c.Session.AuthType)
	m["krb_principal"] = nil
	if ps := m["krb_principals"].([]string); len(ps) > 0 {
		m["krb_principal"] = ps[0]
	}
	return m, nil
}

func getUser(c *Ctx, a Args) (any, error) {
	u, err := c.findUser(a.Any("userInfo"), a.Bool("strict"))
	if err != nil || u == nil {
		return nil, err
	}
	m, err := c.userMap(u, a.Bool("krb_princs"))
	if err != nil {
		return nil, err
	}
	if a.Bool("groups") {
		groups, err := c.tx.GroupsOf(u.ID)
		if err != nil {
			return nil, err
		}
		names := []string{}
		for _, g := range groups {
			names = append(names, g.Name)
		}
		m["groups"] = names
	}
	return m, nil
}

func listUsers(c *Ctx, a Args) (any, error) {
	var f store.UserFilter
	switch v := a.Any("userType").(type) {
	case nil:
	case []any:
		for _, n := range a.Ints("userType") {
			f.Types = append(f.Types, buildsys.UserType(n))
		}
		if len(v) == 0 {
			return applyOpts(nil, a.Map("queryOpts"))
		}
	case int64, bool:
		f.Types = []buildsys.UserType{buildsys.UserType(a.Int("userType"))}
	default:
		return nil, buildsys.Errorf(buildsys.FaultParameter, "userType must be integer, list, tuple or None")
	}
	if truth(a.Map("queryOpts")["group"]) {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "queryOpts.group is not available for this API")
	}
	f.Inherited = a.Bool("inherited_perm")
	if a.Bool("perm") {
		perm, err := c.findPermission(a.Any("perm"), true)
		if err != nil {
			return nil, err
		}
		f.Perm = perm.ID
	} else if f.Inherited {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "inherited_perm option must be used with perm option")
	}
	users, err := c.tx.Users(f)
	if err != nil {
		return nil, err
	}
	principals, err := c.tx.AllPrincipals()
	if err != nil {
		return nil, err
	}
	prefix := ""
	if p := a.OptStr("prefix"); p != nil {
		prefix = strings.ToLower(*p)
	}
	out := []map[string]any{}
	for i := range users {
		if strings.HasPrefix(strings.ToLower(users[i].Name), prefix) {
			out = append(out, userStruct(&users[i], principals[users[i].ID]))
		}
	}
	return applyOpts(out, a.Map("queryOpts"))
}

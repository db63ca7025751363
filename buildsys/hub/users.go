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
		{Name: "disableUser", Mode: ModeWrite, Perm: "admin", Args: "username", Doc: "Let a user log in no more.",
			Fn: func(c *Ctx, a Args) (any, error) { return setUserStatus(c, a, buildsys.StatusBlocked) }},
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
		{Name: "getUserGroups", Args: "user", Doc: "The groups a user is in.", Fn: getUserGroups},
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
		u, err = c.tx.UserByID(v)
	case string:
		u, err = c.tx.UserByName(v)
	case map[string]any:
		for _, key := range []string{"id", "name", "krb_principal"} {
			if val := v[key]; val != nil {
				return c.findUser(val, strict)
			}
		}
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "a user is given by id, name or krb_principal")
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

// userMap is a user as getUser shows it.
func (c *Ctx) userMap(u *buildsys.User, principals bool) (map[string]any, error) {
	m := map[string]any{"id": u.ID, "name": u.Name, "status": int64(u.Status), "usertype": int64(u.Type)}
	if principals {
		ps, err := c.tx.Principals(u.ID)
		if err != nil {
			return nil, err
		}
		m["krb_principals"] = ps
	}
	return m, nil
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

func listUsers(c *Ctx, a Args) (any, error) {
	var types []buildsys.UserType
	switch v := a.Any("userType").(type) {
	case nil:
	case []any:
		for _, n := range a.Ints("userType") {
			types = append(types, buildsys.UserType(n))
		}
		if len(v) == 0 {
			return []any{}, nil
		}
	default:
		types = []buildsys.UserType{buildsys.UserType(a.Int("userType"))}
	}
	users, err := c.tx.Users(store.UserFilter{Types: types})
	if err != nil {
		return nil, err
	}
	var perm *buildsys.Permission
	if a.Bool("perm") {
		if perm, err = c.findPermission(a.Any("perm"), true); err != nil {
			return nil, err
		}
	} else if a.Bool("inherited_perm") {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "inherited_perm option must be used with perm option")
	}
	prefix := ""
	if p := a.OptStr("prefix"); p != nil {
		prefix = strings.ToLower(*p)
	}
	out := []map[string]any{}
	for _, u := range users {
		if !strings.HasPrefix(strings.ToLower(u.Name), prefix) {
			continue
		}
		if perm != nil {
			hs, err := c.tx.HoldingsOf(u.ID)
			if err != nil {
				return nil, err
			}
			if !holds(hs, perm.Name, a.Bool("inherited_perm")) {
				continue
			}
		}
		m, err := c.userMap(&u, true)
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return applyOpts(out, a.Map("queryOpts"))
}

func createUser(c *Ctx, a Args) (any, error) {
	name := a.Str("username")
	if err := checkUserName(name); err != nil {
		return nil, err
	}
	status := buildsys.StatusNormal
	if s := a.OptInt("status"); s != nil {
		if *s != 0 && *s != 1 {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "invalid status: %d", *s)
		}
		status = buildsys.UserStatus(*s)
	}
	if u, err := c.findUser(name, false); err != nil || u != nil {
		if err == nil {
			err = buildsys.Errorf(buildsys.FaultGeneric, "user already exists: %s", name)
		}
		return nil, err
	}
	principal := a.OptStr("krb_principal")
	if principal != nil {
		if u, err := c.findUser(*principal, false); err != nil || u != nil {
			if err == nil {
				err = buildsys.Errorf(buildsys.FaultGeneric, "user with this Kerberos principal already exists: %s", *principal)
			}
			return nil, err
		}
	}
	id, err := c.tx.CreateUser(name, status, buildsys.UserNormal)
	if err == nil && principal != nil {
		err = c.tx.AddPrincipal(id, *principal)
	}
	if err != nil {
		return nil, err
	}
	return id, nil
}

func editUser(c *Ctx, a Args) (any, error) {
	u, err := c.findUser(a.Any("userInfo"), true)
	if err != nil {
		return nil, err
	}
	if name := a.OptStr("name"); name != nil && *name != "" && *name != u.Name {
		if err := checkUserName(*name); err != nil {
			return nil, err
		}
		if other, err := c.findUser(*name, false); err != nil || other != nil {
			if err == nil {
				err = buildsys.Errorf(buildsys.FaultGeneric, "Name %s already taken by user %d", *name, other.ID)
			}
			return nil, err
		}
		u.Name = *name
		if err := c.tx.UpdateUser(*u); err != nil {
			return nil, err
		}
	}
	return nil, c.editPrincipals(u, a.List("krb_principal_mappings"))
}

// editPrincipals applies [{old, new}]: both, a replacement; one of them, a removal or an addition.
func (c *Ctx) editPrincipals(u *buildsys.User, pairs []any) error {
	for _, p := range pairs {
		m, _ := p.(map[string]any)
		old, _ := m["old"].(string)
		added, _ := m["new"].(string)
		if old == "" && added == "" {
			return buildsys.Errorf(buildsys.FaultParameter, "krb_principal_mappings: an entry needs old or new")
		}
		if old != "" {
			if ok, err := c.tx.RemovePrincipal(u.ID, old); err != nil || !ok {
				if err == nil {
					err = buildsys.Errorf(buildsys.FaultGeneric, "Cannot remove non-existent Kerberos principals: %s", old)
				}
				return err
			}
		}
		if added != "" {
			if other, err := c.findUser(added, false); err != nil || other != nil {
				if err == nil {
					err = buildsys.Errorf(buildsys.FaultGeneric, "Cannot add existing Kerberos principals: %s", added)
				}
				return err
			}
			if err := c.tx.AddPrincipal(u.ID, added); err != nil {
				return err
			}
		}
	}
	return nil
}

func setUserStatus(c *Ctx, a Args, status buildsys.UserStatus) (any, error) {
	u, err := c.findUser(a.Any("username"), true)
	if err != nil || u.Status == status {
		return nil, err
	}
	u.Status = status
	return nil, c.tx.UpdateUser(*u)
}

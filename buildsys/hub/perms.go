package hub

import (
	"errors"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
)

// findPermission looks a permission up by id or name. Without strict, one that does not exist is nil.
func (c *Ctx) findPermission(info any, strict bool) (*buildsys.Permission, error) {
	id, name, err := idOrName(info)
	if err != nil {
		return nil, err
	}
	p, err := c.tx.Permission(id, name)
	if errors.Is(err, store.ErrNotFound) {
		if strict {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "No such entry in table permissions: %s", plain(info))
		}
		return nil, nil
	}
	return p, err
}

// plain shows an argument in an error as Python's str would.
func plain(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return pyRepr(v)
}

func hasPerm(c *Ctx, a Args) (any, error) {
	if a.Bool("strict") {
		if p, err := c.findPermission(a.Any("perm"), false); err != nil || p == nil {
			if err == nil {
				err = buildsys.Errorf(buildsys.FaultGeneric, "No such permission %s defined", plain(a.Any("perm")))
			}
			return nil, err
		}
	}
	held, err := c.Perms()
	if err != nil {
		return nil, err
	}
	name, _ := a.Any("perm").(string)
	return held[name], nil
}

func getPerms(c *Ctx, _ Args) (any, error) {
	if c.User == nil {
		return []any{}, nil
	}
	return c.tx.PermissionsOf(c.User.ID)
}

func getUserPerms(c *Ctx, a Args) (any, error) {
	u, err := c.findUser(a.Any("userID"), true)
	if err != nil {
		return nil, err
	}
	hs, err := c.tx.HoldingsOf(u.ID)
	if err != nil {
		return nil, err
	}
	seen, out := map[string]bool{}, []string{}
	for _, h := range hs {
		if !seen[h.Perm] && (h.Group == "" || a.Bool("with_groups")) {
			seen[h.Perm] = true
			out = append(out, h.Perm)
		}
	}
	return out, nil
}

func getUserPermsInheritance(c *Ctx, a Args) (any, error) {
	u, err := c.findUser(a.Any("userID"), true)
	if err != nil {
		return nil, err
	}
	hs, err := c.tx.HoldingsOf(u.ID)
	if err != nil {
		return nil, err
	}
	out := map[string]any{}
	for _, h := range hs {
		from, _ := out[h.Perm].([]any)
		if h.Group == "" {
			out[h.Perm] = append(from, nil)
		} else {
			out[h.Perm] = append(from, h.Group)
		}
	}
	return out, nil
}

func getAllPerms(c *Ctx, _ Args) (any, error) {
	perms, err := c.tx.Permissions()
	if err != nil {
		return nil, err
	}
	out := []any{}
	for _, p := range perms {
		out = append(out, map[string]any{"id": p.ID, "name": p.Name, "description": noneIfEmpty(p.Description)})
	}
	return out, nil
}

func noneIfEmpty(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func grantPermission(c *Ctx, a Args) (any, error) {
	create, desc := a.Bool("create"), a.OptStr("description")
	if create {
		if err := checkName(a.Str("permission")); err != nil {
			return nil, err
		}
	}
	if desc != nil && !create {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "Description should be specified only with create.")
	}
	u, err := c.findUser(a.Any("userinfo"), true)
	if err != nil {
		return nil, err
	}
	p, err := c.findPermission(a.Any("permission"), !create)
	if err != nil {
		return nil, err
	}
	switch {
	case p == nil:
		p = &buildsys.Permission{Name: a.Str("permission")}
		if p.ID, err = c.tx.CreatePermission(p.Name, desc); err != nil {
			return nil, err
		}
	case desc != nil:
		if err := c.tx.SetPermissionDescription(p.ID, *desc); err != nil {
			return nil, err
		}
	}
	has, err := c.tx.Holds(u.ID, p.ID)
	if err != nil {
		return nil, err
	}
	if has {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "user %s already has permission: %s", plain(a.Any("userinfo")), p.Name)
	}
	return nil, c.tx.Grant(u.ID, p.ID)
}

func revokePermission(c *Ctx, a Args) (any, error) {
	u, err := c.findUser(a.Any("userinfo"), true)
	if err != nil {
		return nil, err
	}
	p, err := c.findPermission(a.Any("permission"), true)
	if err != nil {
		return nil, err
	}
	had, err := c.tx.Revoke(u.ID, p.ID)
	if err == nil && !had {
		err = buildsys.Errorf(buildsys.FaultGeneric, "user %s does not have permission: %s", plain(a.Any("userinfo")), p.Name)
	}
	return nil, err
}

func editPermission(c *Ctx, a Args) (any, error) {
	p, err := c.findPermission(a.Any("permission"), true)
	if err != nil {
		return nil, err
	}
	return nil, c.tx.SetPermissionDescription(p.ID, a.Str("description"))
}

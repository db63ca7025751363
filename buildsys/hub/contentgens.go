package hub

import (
	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

func generatorMethods() []Method {
	return []Method{
		{Name: "listCGs", Fn: listCGs, Doc: "The content generators that anybody may import as: {name: {id, users}}."},
		{Name: "grantCGAccess", Perm: "admin", Args: "user, cg, create=False", Mode: ModeWrite, Fn: grantCGAccess,
			Doc: "Let a user import as a content generator; with create one that does not exist is made."},
		{Name: "revokeCGAccess", Perm: "admin", Args: "user, cg", Mode: ModeWrite, Fn: revokeCGAccess, Doc: "Let a user import as a content generator no more."},
	}
}

func listCGs(c *Ctx, _ Args) (any, error) {
	rows, err := c.tx.GeneratorUsers()
	if err != nil {
		return nil, err
	}
	out := xmlrpc.Struct{}
	var last map[string]any
	for _, r := range rows {
		if last == nil || last["id"] != r.CGID {
			last = map[string]any{"id": r.CGID, "users": []any{}}
			out = append(out, xmlrpc.Member{Name: r.CG, Value: last})
		}
		users, _ := last["users"].([]any)
		last["users"] = append(users, r.User)
	}
	return out, nil
}

func grantCGAccess(c *Ctx, a Args) (any, error) {
	u, err := c.findUser(a.Any("user"), true)
	if err != nil {
		return nil, err
	}
	create := a.Bool("create")
	id, name, err := c.findName(store.ContentGenerators, a.Any("cg"), !create)
	if err == nil && id == 0 {
		if name = a.Str("cg"); name == "" {
			return nil, badName(name, "does not match RegexNameInternal value")
		}
		if err = checkName(name); err == nil {
			id, err = c.tx.EnsureName(store.ContentGenerators, name)
		}
	}
	if err != nil {
		return nil, err
	}
	has, err := c.tx.MayUseCG(u.ID, id)
	if err == nil && has {
		err = buildsys.Errorf(buildsys.FaultGeneric, "User already has access to content generator %s", name)
	}
	if err != nil {
		return nil, err
	}
	return nil, c.tx.GrantGenerator(u.ID, id)
}

func revokeCGAccess(c *Ctx, a Args) (any, error) {
	u, err := c.findUser(a.Any("user"), true)
	if err != nil {
		return nil, err
	}
	id, _, err := c.findName(store.ContentGenerators, a.Any("cg"), true)
	if err != nil {
		return nil, err
	}
	_, err = c.tx.RevokeGenerator(u.ID, id)
	return nil, err
}

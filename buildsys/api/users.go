package api

import "context"

// APIVersion is the version of the contract; Koji's clients warn unless it is 1.
func (h *Hub) APIVersion(ctx context.Context) (int64, error) {
	return get[int64](ctx, h, "getAPIVersion")
}

// KojiVersion is the version of Koji that the hub is compatible with.
func (h *Hub) KojiVersion(ctx context.Context) (string, error) {
	return get[string](ctx, h, "getKojiVersion")
}

// LoggedInUser is who the session belongs to, nil for an anonymous one.
func (h *Hub) LoggedInUser(ctx context.Context) (*User, error) {
	return get[*User](ctx, h, "getLoggedInUser")
}

// User finds an account, nil if there is none.
func (h *Hub) User(ctx context.Context, name string) (*User, error) {
	return get[*User](ctx, h, "getUser", name)
}

// CreateUser makes an account and returns its number.
func (h *Hub) CreateUser(ctx context.Context, name string, status int64, krbPrincipal *string) (int64, error) {
	k := kw{"status": status, "krb_principal": nil}
	if krbPrincipal != nil {
		k["krb_principal"] = *krbPrincipal
	}
	return get[int64](ctx, h, "createUser", name, k)
}

// HasPerm tells whether the session's user holds a permission itself; admin does
// not imply the others here.
func (h *Hub) HasPerm(ctx context.Context, perm string) (bool, error) {
	return get[bool](ctx, h, "hasPerm", perm)
}

// GrantPermission gives a permission to a user, with create making it first.
func (h *Hub) GrantPermission(ctx context.Context, user, perm string, create bool, description string) error {
	k := kw{}
	if create {
		k["create"] = true
	}
	if description != "" {
		k["description"] = description
	}
	if len(k) == 0 {
		return exec(ctx, h, "grantPermission", user, perm)
	}
	return exec(ctx, h, "grantPermission", user, perm, k)
}

// AllPerms lists the permissions there are.
func (h *Hub) AllPerms(ctx context.Context) ([]Permission, error) {
	return get[[]Permission](ctx, h, "getAllPerms")
}

// Host finds a builder, nil if there is none. id is its number or name.
func (h *Hub) Host(ctx context.Context, id any) (*Host, error) {
	return get[*Host](ctx, h, "getHost", id)
}

// AddHost registers a builder and returns its number.
func (h *Hub) AddHost(ctx context.Context, name string, arches []string, krbPrincipal *string, force bool) (int64, error) {
	k := kw{"force": force}
	if krbPrincipal != nil {
		k["krb_principal"] = *krbPrincipal
	}
	return get[int64](ctx, h, "addHost", name, list(arches), k)
}

// list makes strings an array of the wire.
func list(s []string) []any {
	out := make([]any, len(s))
	for i, v := range s {
		out[i] = v
	}
	return out
}

package store

import (
	"context"
	"errors"
	"slices"

	"github.com/privyseal/privyseal/buildsys"
)

const userCols = `users.id, users.name, users.status, users.usertype`

func scanUser(scan func(...any) error, u *buildsys.User) error {
	return scan(&u.ID, &u.Name, &u.Status, &u.Type)
}

// UserByID returns a user, host or group.
func (tx *Tx) UserByID(id int64) (buildsys.User, error) {
	var u buildsys.User
	err := tx.row(`SELECT `+userCols+` FROM users WHERE id = $1`, []any{id}, &u.ID, &u.Name, &u.Status, &u.Type)
	return u, err
}

// UserByName returns a user, host or group, by its name or one of its Kerberos principals.
func (tx *Tx) UserByName(name string) (buildsys.User, error) {
	var u buildsys.User
	err := tx.row(`SELECT `+userCols+` FROM users WHERE name = $1 OR id =
		(SELECT user_id FROM user_krb_principals WHERE krb_principal = $1) ORDER BY name <> $1 LIMIT 1`,
		[]any{name}, &u.ID, &u.Name, &u.Status, &u.Type)
	return u, err
}

// UserNamed returns the user, host or group of a name. A principal is none: it is for those who come with a Kerberos ticket.
func (tx *Tx) UserNamed(name string) (buildsys.User, error) {
	var u buildsys.User
	err := tx.row(`SELECT `+userCols+` FROM users WHERE name = $1`, []any{name}, &u.ID, &u.Name, &u.Status, &u.Type)
	return u, err
}

// CreateUser makes a user, host or group.
func (tx *Tx) CreateUser(name string, status buildsys.UserStatus, typ buildsys.UserType) (int64, error) {
	return tx.insert(`INSERT INTO users (name, status, usertype) VALUES ($1, $2, $3) RETURNING id`, name, int(status), int(typ))
}

// UpdateUser changes a user's name, status and type.
func (tx *Tx) UpdateUser(u buildsys.User) error {
	_, err := tx.exec(`UPDATE users SET name = $2, status = $3, usertype = $4 WHERE id = $1`, u.ID, u.Name, int(u.Status), int(u.Type))
	return err
}

// Users lists users of the given types (none: all) in the order of ids.
func (tx *Tx) Users(types ...buildsys.UserType) ([]buildsys.User, error) {
	var w where
	if len(types) > 0 {
		vals := make([]any, len(types))
		for i, t := range types {
			vals[i] = int(t)
		}
		w.in("usertype", vals)
	}
	return list(tx, `SELECT `+userCols+` FROM users`+w.String()+` ORDER BY id`, w.args, scanUser)
}

// Principals are a user's Kerberos principals.
func (tx *Tx) Principals(user int64) ([]string, error) {
	return list(tx, `SELECT krb_principal FROM user_krb_principals WHERE user_id = $1 ORDER BY krb_principal`, []any{user},
		func(scan func(...any) error, s *string) error { return scan(s) })
}

// AddPrincipal adds a Kerberos principal to a user.
func (tx *Tx) AddPrincipal(user int64, principal string) error {
	_, err := tx.exec(`INSERT INTO user_krb_principals (user_id, krb_principal) VALUES ($1, $2)`, user, principal)
	return err
}

// RemovePrincipal removes a Kerberos principal and tells whether there was one.
func (tx *Tx) RemovePrincipal(user int64, principal string) (bool, error) {
	n, err := tx.execN(`DELETE FROM user_krb_principals WHERE user_id = $1 AND krb_principal = $2`, user, principal)
	return n > 0, err
}

// GroupsOf are the groups a user is in.
func (tx *Tx) GroupsOf(user int64) ([]buildsys.User, error) {
	return list(tx, `SELECT `+userCols+` FROM user_groups JOIN users ON users.id = user_groups.group_id
		WHERE user_groups.user_id = $1 AND user_groups.active IS TRUE ORDER BY users.id`, []any{user}, scanUser)
}

// Permissions lists every permission there is.
func (tx *Tx) Permissions() ([]buildsys.Permission, error) {
	return list(tx, `SELECT id, name, coalesce(description, '') FROM permissions ORDER BY id`, nil,
		func(scan func(...any) error, p *buildsys.Permission) error {
			return scan(&p.ID, &p.Name, &p.Description)
		})
}

// CreatePermission makes a permission.
func (tx *Tx) CreatePermission(name string, description *string) (int64, error) {
	return tx.insert(`INSERT INTO permissions (name, description) VALUES ($1, $2) RETURNING id`, name, description)
}

// SetPermissionDescription describes a permission.
func (tx *Tx) SetPermissionDescription(id int64, description string) error {
	_, err := tx.exec(`UPDATE permissions SET description = $2 WHERE id = $1`, id, description)
	return err
}

// Holding is a permission held, and through which group ("": the user itself).
type Holding struct {
	Perm, Group string
}

// HoldingsOf are the permissions of a user, itself and through its groups.
func (tx *Tx) HoldingsOf(user int64) ([]Holding, error) {
	return list(tx, `SELECT permissions.name, '' AS via FROM user_perms JOIN permissions ON permissions.id = user_perms.perm_id
			WHERE user_perms.user_id = $1 AND user_perms.active IS TRUE
		UNION ALL
		SELECT permissions.name, users.name AS via FROM user_groups
			JOIN users ON users.id = user_groups.group_id
			JOIN user_perms ON user_perms.user_id = user_groups.group_id AND user_perms.active IS TRUE
			JOIN permissions ON permissions.id = user_perms.perm_id
			WHERE user_groups.user_id = $1 AND user_groups.active IS TRUE
		ORDER BY 1, 2`, []any{user},
		func(scan func(...any) error, h *Holding) error { return scan(&h.Perm, &h.Group) })
}

// PermissionsOf are the names of the permissions of a user, itself and through its groups.
func (tx *Tx) PermissionsOf(user int64) ([]string, error) {
	hs, err := tx.HoldingsOf(user)
	if err != nil {
		return nil, err
	}
	var out []string
	seen := map[string]bool{}
	for _, h := range hs {
		if !seen[h.Perm] {
			seen[h.Perm] = true
			out = append(out, h.Perm)
		}
	}
	return out, nil
}

// Grant gives a permission to a user. The first administrator is nobody's grant: without an actor it is on record as the
// user's own.
func (tx *Tx) Grant(user, perm int64) error {
	if tx.actor == 0 {
		tx.actor = user
		defer func() { tx.actor = 0 }()
	}
	return tx.create("user_perms", "user_id, perm_id", user, perm)
}

// EnsureAdmin makes name an administrator, and a user if there is none of the name; it tells whether anything was missing.
func (s *Store) EnsureAdmin(ctx context.Context, name string) (changed bool, err error) {
	err = s.Write(ctx, 0, func(tx *Tx) error {
		u, err := tx.UserNamed(name)
		if errors.Is(err, ErrNotFound) {
			u.ID, err = tx.CreateUser(name, buildsys.StatusNormal, buildsys.UserNormal)
		}
		if err != nil {
			return err
		}
		held, err := tx.HoldingsOf(u.ID)
		if err != nil || slices.Contains(held, Holding{Perm: "admin"}) {
			return err
		}
		changed = true
		var perm int64
		if err := tx.row(`SELECT id FROM permissions WHERE name = 'admin'`, nil, &perm); err != nil {
			return err
		}
		return tx.Grant(u.ID, perm)
	})
	return changed, err
}

// Revoke takes a permission from a user and tells whether it had it.
func (tx *Tx) Revoke(user, perm int64) (bool, error) {
	n, err := tx.revoke("user_perms", "user_id = $1 AND perm_id = $2", user, perm)
	return n > 0, err
}

package store

import (
	"context"
	"errors"
	"slices"

	"github.com/privyseal/privyseal/buildsys"
)

// Permissions lists every permission there is.
func (tx *Tx) Permissions() ([]buildsys.Permission, error) {
	return list(tx, `SELECT id, name, coalesce(description, '') FROM permissions ORDER BY id`, nil, scanPermission)
}

func scanPermission(scan func(...any) error, p *buildsys.Permission) error {
	return scan(&p.ID, &p.Name, &p.Description)
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

// HoldingsOf are the permissions of a user: its own, then those through its groups, each in the order of granting.
func (tx *Tx) HoldingsOf(user int64) ([]Holding, error) {
	return list(tx, `SELECT name, via FROM (
		SELECT permissions.name AS name, '' AS via, 0 AS rank, user_perms.create_event AS granted, permissions.id AS perm
			FROM user_perms JOIN permissions ON permissions.id = user_perms.perm_id
			WHERE user_perms.user_id = $1 AND user_perms.active IS TRUE
		UNION ALL
		SELECT permissions.name, users.name, 1, user_perms.create_event, permissions.id FROM user_groups
			JOIN users ON users.id = user_groups.group_id
			JOIN user_perms ON user_perms.user_id = user_groups.group_id AND user_perms.active IS TRUE
			JOIN permissions ON permissions.id = user_perms.perm_id
			WHERE user_groups.user_id = $1 AND user_groups.active IS TRUE) AS held
		ORDER BY rank, granted, perm, via`, []any{user},
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
	return changed(tx.revoke("user_perms", "user_id = $1 AND perm_id = $2", user, perm))
}

// Permission finds a permission by its id or, where that is 0, by its name.
func (tx *Tx) Permission(id int64, name string) (*buildsys.Permission, error) {
	var w where
	if id != 0 {
		w.add("id = ?", id)
	} else {
		w.add("name = ?", name)
	}
	return one(list(tx, `SELECT id, name, coalesce(description, '') FROM permissions`+w.String(), w.args, scanPermission))
}

// Holds tells whether a user holds a permission itself.
func (tx *Tx) Holds(user, perm int64) (bool, error) {
	return tx.anyRow(`SELECT 1 FROM user_perms WHERE user_id = $1 AND perm_id = $2 AND active IS TRUE`, user, perm)
}

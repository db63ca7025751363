package store

import "github.com/privyseal/privyseal/buildsys"

const userCols = `users.id, users.name, users.status, users.usertype`

func scanUser(scan func(...any) error, u *buildsys.User) error {
	return scan(&u.ID, &u.Name, &u.Status, &u.Type)
}

// UserByID returns a user, host or group, also one that was removed.
func (tx *Tx) UserByID(id int64) (buildsys.User, error) {
	var u buildsys.User
	err := tx.row(`SELECT `+userCols+` FROM users WHERE id = $1`, []any{id}, &u.ID, &u.Name, &u.Status, &u.Type)
	return u, err
}

// LiveUser is UserByID of a user that was not removed.
func (tx *Tx) LiveUser(id int64) (buildsys.User, error) {
	var u buildsys.User
	err := tx.row(`SELECT `+userCols+` FROM users WHERE id = $1 AND NOT removed`, []any{id}, &u.ID, &u.Name, &u.Status, &u.Type)
	return u, err
}

// UserByName returns a user, host or group, by its name or one of its Kerberos principals.
func (tx *Tx) UserByName(name string) (buildsys.User, error) {
	var u buildsys.User
	err := tx.row(`SELECT `+userCols+` FROM users WHERE NOT removed AND (name = $1 OR id =
		(SELECT user_id FROM user_krb_principals WHERE krb_principal = $1)) ORDER BY name <> $1 LIMIT 1`,
		[]any{name}, &u.ID, &u.Name, &u.Status, &u.Type)
	return u, err
}

// UserNamed returns the user, host or group of a name. A principal is none: it is for those who come with a Kerberos ticket.
func (tx *Tx) UserNamed(name string) (buildsys.User, error) {
	var u buildsys.User
	err := tx.row(`SELECT `+userCols+` FROM users WHERE name = $1 AND NOT removed`, []any{name}, &u.ID, &u.Name, &u.Status, &u.Type)
	return u, err
}

// UserByPrincipal returns the user who has a Kerberos principal.
func (tx *Tx) UserByPrincipal(principal string) (buildsys.User, error) {
	var u buildsys.User
	err := tx.row(`SELECT `+userCols+` FROM users JOIN user_krb_principals p ON p.user_id = users.id
		WHERE p.krb_principal = $1 AND NOT users.removed`, []any{principal}, &u.ID, &u.Name, &u.Status, &u.Type)
	return u, err
}

// CreateUser makes a user, host or group. Of a name that was given back it is the same one again, with the same id.
// ErrExists tells that the name is taken.
func (tx *Tx) CreateUser(name string, status buildsys.UserStatus, typ buildsys.UserType) (int64, error) {
	return tx.insertNew(`INSERT INTO users (name, status, usertype) VALUES ($1, $2, $3) ON CONFLICT (name) DO UPDATE
		SET status = EXCLUDED.status, usertype = EXCLUDED.usertype, removed = FALSE WHERE users.removed RETURNING id`, name, int(status), int(typ))
}

// UpdateUser changes a user's name, status and type. Who had the name before and was removed keeps it with its id behind.
func (tx *Tx) UpdateUser(u buildsys.User) error {
	if _, err := tx.exec(`UPDATE users SET name = name || '#' || id WHERE name = $1 AND id <> $2 AND removed`, u.Name, u.ID); err != nil {
		return err
	}
	_, err := tx.exec(`UPDATE users SET name = $2, status = $3, usertype = $4 WHERE id = $1`, u.ID, u.Name, int(u.Status), int(u.Type))
	return err
}

// UserFilter narrows a list of users; zero fields do not.
type UserFilter struct {
	Types []buildsys.UserType // any of them
	// Perm is a permission that they hold: themselves, or with Inherited through a group too.
	Perm      int64
	Inherited bool
}

// Users lists users in the order of their ids.
func (tx *Tx) Users(f UserFilter) ([]buildsys.User, error) {
	var w where
	w.conds = append(w.conds, "NOT removed")
	if len(f.Types) > 0 {
		vals := make([]any, len(f.Types))
		for i, t := range f.Types {
			vals[i] = int(t)
		}
		w.in("usertype", vals)
	}
	if f.Perm != 0 {
		holds := "id IN (SELECT user_id FROM user_perms WHERE perm_id = ? AND active IS TRUE)"
		if f.Inherited {
			holds = "(" + holds + ` OR id IN (SELECT g.user_id FROM user_groups g JOIN user_perms p ON p.user_id = g.group_id
				WHERE g.active IS TRUE AND p.perm_id = ? AND p.active IS TRUE))`
		}
		w.add(holds, f.Perm)
	}
	return list(tx, `SELECT `+userCols+` FROM users`+w.String()+` ORDER BY id`, w.args, scanUser)
}

// AllPrincipals are the Kerberos principals of everybody, by user.
func (tx *Tx) AllPrincipals() (map[int64][]string, error) {
	out := map[int64][]string{}
	err := tx.each(`SELECT user_id, krb_principal FROM user_krb_principals ORDER BY krb_principal`, nil, func(scan func(...any) error) error {
		var user int64
		var p string
		if err := scan(&user, &p); err != nil {
			return err
		}
		out[user] = append(out[user], p)
		return nil
	})
	return out, err
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
	return changed(tx.exec(`DELETE FROM user_krb_principals WHERE user_id = $1 AND krb_principal = $2`, user, principal))
}

package store

import "github.com/privyseal/privyseal/buildsys"

// UserUse is what keeps a user in the records: what is named by them, and who holds what.
type UserUse struct {
	Builds, Tasks, Packages int64 // owned
	OpenTasks               int64 // of Tasks: those not finished
	Changed                 bool  // anything that remembers by whom; not looked up where it owns something
}

// UserUse tells what a user owns or else whether it ever changed anything.
func (tx *Tx) UserUse(user int64) (UserUse, error) {
	var u UserUse
	for _, q := range []struct {
		dst   *int64
		query string
	}{
		{&u.Builds, `SELECT count(*) FROM build WHERE owner = $1`},
		{&u.Tasks, `SELECT count(*) FROM task WHERE owner = $1`},
		{&u.Packages, `SELECT count(*) FROM tag_package_owners WHERE owner = $1 AND active IS TRUE`},
	} {
		if err := tx.row(q.query, []any{user}, q.dst); err != nil {
			return u, err
		}
	}
	err := tx.row(`SELECT count(*) FROM task WHERE owner = $1 AND state IN ($2, $3, $4)`,
		[]any{user, int(buildsys.TaskFree), int(buildsys.TaskOpen), int(buildsys.TaskAssigned)}, &u.OpenTasks)
	if err != nil || u.Builds+u.Tasks+u.Packages > 0 {
		return u, err
	}
	for table := range historyTables { // the versioned ones say who made and revoked their rows
		// The subject of a row is no actor in it: the first administrator's grant is on record as their own.
		u.Changed, err = tx.anyRow(`SELECT 1 FROM `+table+` WHERE creator_id = $1 OR revoker_id = $1`, user)
		if err != nil || u.Changed {
			return u, err
		}
	}
	return u, nil
}

// StripUser takes everything from a user that lets it do or get anything: permissions, memberships (of a group: its members),
// content generators, principals, notifications, sessions. Its past stays on record.
func (tx *Tx) StripUser(user int64) error {
	for _, r := range []struct{ table, cond string }{
		{"user_perms", "user_id = $1"}, {"user_groups", "(user_id = $1 OR group_id = $1)"}, {"cg_users", "user_id = $1"},
	} {
		if err := tx.revokeIfAny(r.table, r.cond, user); err != nil {
			return err
		}
	}
	for _, table := range []string{"user_krb_principals", "build_notifications", "build_notifications_block"} {
		if _, err := tx.exec(`DELETE FROM `+table+` WHERE user_id = $1`, user); err != nil {
			return err
		}
	}
	return tx.CloseSessionsOf(user)
}

// revokeIfAny is revoke that takes no event where there is nothing to revoke.
func (tx *Tx) revokeIfAny(table, cond string, id int64) error {
	if any, err := tx.anyRow(`SELECT 1 FROM `+table+` WHERE active IS TRUE AND `+cond, id); err != nil || !any {
		return err
	}
	_, err := tx.revoke(table, cond, id)
	return err
}

// RemoveUser gives a user's name back.
func (tx *Tx) RemoveUser(user int64) error {
	_, err := tx.exec(`UPDATE users SET status = $2, removed = TRUE WHERE id = $1`, user, int(buildsys.StatusBlocked))
	return err
}

// CloseSessionsOf ends all sessions of a user.
func (tx *Tx) CloseSessionsOf(user int64) error {
	_, err := tx.exec(`UPDATE sessions SET expired = TRUE, closed = TRUE, exclusive = NULL WHERE user_id = $1 AND NOT closed`, user)
	return err
}

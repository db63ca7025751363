package store

import "github.com/privyseal/privyseal/buildsys"

// UserUse is what keeps a user in the records: what is named by them, and who holds what.
type UserUse struct {
	Builds, Tasks, Packages int64 // owned
	OpenTasks               int64 // of Tasks: those not finished
	Changes                 int64 // made, to anything that remembers by whom
}

// versionedTables are those whose rows say who made and revoked them.
var versionedTables = []string{"user_perms", "user_groups", "cg_users", "tag_config", "tag_extra", "tag_inheritance", "tag_packages",
	"tag_package_owners", "tag_listing", "tag_external_repos", "build_target_config", "external_repo_config", "group_config",
	"group_req_listing", "group_package_listing", "host_config", "host_channels"}

// UserUse tells what a user owns and whether it ever changed anything. Changes is not counted up: it is 0 or 1.
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
	for _, table := range versionedTables {
		// The subject of a row is no actor in it: the first administrator's grant is on record as their own.
		err := tx.row(`SELECT count(*) FROM (SELECT 1 FROM `+table+` WHERE creator_id = $1 OR revoker_id = $1 LIMIT 1) AS r`, []any{user}, &u.Changes)
		if err != nil || u.Changes > 0 {
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

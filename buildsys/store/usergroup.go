package store

import "github.com/privyseal/privyseal/buildsys"

// GroupsOf are the groups a user is in.
func (tx *Tx) GroupsOf(user int64) ([]buildsys.User, error) {
	return list(tx, `SELECT `+userCols+` FROM user_groups JOIN users ON users.id = user_groups.group_id
		WHERE user_groups.user_id = $1 AND user_groups.active IS TRUE ORDER BY users.id`, []any{user}, scanUser)
}

// MembersOf are the members of a group.
func (tx *Tx) MembersOf(group int64) ([]buildsys.User, error) {
	return list(tx, `SELECT `+userCols+` FROM user_groups JOIN users ON users.id = user_groups.user_id
		WHERE user_groups.group_id = $1 AND user_groups.active IS TRUE ORDER BY users.id`, []any{group}, scanUser)
}

// JoinGroup makes a user a member of a group.
func (tx *Tx) JoinGroup(user, group int64) error {
	return tx.create("user_groups", "user_id, group_id", user, group)
}

// LeaveGroup ends a membership and tells whether there was one.
func (tx *Tx) LeaveGroup(user, group int64) (bool, error) {
	return changed(tx.revoke("user_groups", "user_id = $1 AND group_id = $2", user, group))
}

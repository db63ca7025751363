package store

import "github.com/privyseal/privyseal/buildsys"

// Notification is what a user wants to be told about: builds of a package, in a tag; nil stands for any.
type Notification struct {
	ID, UserID       int64
	PackageID, TagID *int64
	SuccessOnly      bool
	Email            string
}

const notificationCols = `SELECT id, user_id, package_id, tag_id, success_only, email FROM build_notifications`

func scanNotification(scan func(...any) error, n *Notification) error {
	return scan(&n.ID, &n.UserID, &n.PackageID, &n.TagID, &n.SuccessOnly, &n.Email)
}

// Notifications are those of a user.
func (tx *Tx) Notifications(user int64) ([]Notification, error) {
	return list(tx, notificationCols+` WHERE user_id = $1 ORDER BY id`, []any{user}, scanNotification)
}

// NotificationByID is one of them.
func (tx *Tx) NotificationByID(id int64) (*Notification, error) {
	return one(list(tx, notificationCols+` WHERE id = $1`, []any{id}, scanNotification))
}

// NotificationsFor are those about a build of a package in a tag (0: in none) which went well or did not, of people and groups
// that are enabled.
func (tx *Tx) NotificationsFor(pkg, tag int64, success bool) ([]Notification, error) {
	var w where
	w.add("(package_id = ? OR package_id IS NULL)", pkg)
	w.add("(tag_id = ? OR tag_id IS NULL)", tag)
	w.conds = append(w.conds, "user_id IN (SELECT id FROM users WHERE NOT removed AND status = "+w.arg(int(buildsys.StatusNormal))+
		" AND usertype <> "+w.arg(int(buildsys.UserHost))+")")
	if !success {
		w.conds = append(w.conds, "success_only IS FALSE")
	}
	return list(tx, notificationCols+w.String()+` ORDER BY id`, w.args, scanNotification)
}

// SparedNotifications are the users who want to hear nothing of builds of a package in a tag (0: in none).
func (tx *Tx) SparedNotifications(pkg, tag int64) ([]int64, error) {
	return list(tx, `SELECT DISTINCT user_id FROM build_notifications_block WHERE (package_id = $1 OR package_id IS NULL)
		AND (tag_id = $2 OR tag_id IS NULL) ORDER BY user_id`, []any{pkg, tag}, func(scan func(...any) error, id *int64) error { return scan(id) })
}

// InsertNotification adds one.
func (tx *Tx) InsertNotification(n Notification) (int64, error) {
	return tx.insert(`INSERT INTO build_notifications (user_id, package_id, tag_id, success_only, email) VALUES ($1, $2, $3, $4, $5) RETURNING id`,
		n.UserID, n.PackageID, n.TagID, n.SuccessOnly, n.Email)
}

// UpdateNotification changes what one is about.
func (tx *Tx) UpdateNotification(n Notification) error {
	_, err := tx.exec(`UPDATE build_notifications SET package_id = $2, tag_id = $3, success_only = $4 WHERE id = $1`, n.ID, n.PackageID, n.TagID, n.SuccessOnly)
	return err
}

// DeleteNotification deletes one.
func (tx *Tx) DeleteNotification(id int64) error {
	_, err := tx.exec(`DELETE FROM build_notifications WHERE id = $1`, id)
	return err
}

const blockCols = `SELECT id, user_id, package_id, tag_id FROM build_notifications_block`

func scanBlock(scan func(...any) error, n *Notification) error {
	return scan(&n.ID, &n.UserID, &n.PackageID, &n.TagID)
}

// NotificationBlocks are what a user wants to be spared.
func (tx *Tx) NotificationBlocks(user int64) ([]Notification, error) {
	return list(tx, blockCols+` WHERE user_id = $1 ORDER BY id`, []any{user}, scanBlock)
}

// NotificationBlockByID is one of them.
func (tx *Tx) NotificationBlockByID(id int64) (*Notification, error) {
	return one(list(tx, blockCols+` WHERE id = $1`, []any{id}, scanBlock))
}

// InsertNotificationBlock adds one.
func (tx *Tx) InsertNotificationBlock(n Notification) (int64, error) {
	return tx.insert(`INSERT INTO build_notifications_block (user_id, package_id, tag_id) VALUES ($1, $2, $3) RETURNING id`, n.UserID, n.PackageID, n.TagID)
}

// DeleteNotificationBlock deletes one.
func (tx *Tx) DeleteNotificationBlock(id int64) error {
	_, err := tx.exec(`DELETE FROM build_notifications_block WHERE id = $1`, id)
	return err
}

package hub

import (
	"errors"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
)

func notificationMethods() []Method {
	return []Method{
		{Name: "getBuildNotifications", Args: "userID=None", Fn: listNotifications((*store.Tx).Notifications, notificationMap),
			Doc: "The notifications a user asked for; by default the caller's."},
		{Name: "getBuildNotification", Args: "id, strict=False", Fn: func(c *Ctx, a Args) (any, error) {
			n, err := c.findNotification(a.Int("id"), a.Bool("strict"))
			if err != nil || n == nil {
				return nil, err
			}
			return notificationMap(n), nil
		}, Doc: "One notification; None if there is none, unless strict."},
		{Name: "getBuildNotificationBlocks", Args: "userID=None", Fn: listNotifications((*store.Tx).NotificationBlocks, blockMap),
			Doc: "The notifications a user asked to be spared; by default the caller's."},
		{Name: "getBuildNotificationBlock", Args: "id, strict=False", Fn: func(c *Ctx, a Args) (any, error) {
			n, err := c.findBlock(a.Int("id"), a.Bool("strict"))
			if err != nil || n == nil {
				return nil, err
			}
			return blockMap(n), nil
		}, Doc: "One block of notifications; None if there is none, unless strict."},
		{Name: "createNotification", Args: "user_id, package_id, tag_id, success_only", Mode: ModeWrite, Fn: createNotification,
			Doc: "Have a user told about builds of a package, in a tag (None: any). Others than oneself: admin."},
		{Name: "updateNotification", Args: "id, package_id, tag_id, success_only", Mode: ModeWrite, Fn: updateNotification,
			Doc: "Change what a notification is about."},
		{Name: "deleteNotification", Args: "id", Mode: ModeWrite, Fn: deleteNotification, Doc: "Delete a notification."},
		{Name: "createNotificationBlock", Args: "user_id, package_id=None, tag_id=None", Mode: ModeWrite, Fn: createBlock,
			Doc: "Spare a user notifications of a package, of a tag (None: any). Others than oneself: admin."},
		{Name: "deleteNotificationBlock", Args: "id", Mode: ModeWrite, Fn: deleteBlock, Doc: "Delete a block of notifications."},
	}
}

func blockMap(n *store.Notification) map[string]any {
	return map[string]any{"id": n.ID, "user_id": n.UserID, "package_id": optional(n.PackageID), "tag_id": optional(n.TagID)}
}

func notificationMap(n *store.Notification) map[string]any {
	m := blockMap(n)
	m["success_only"], m["email"] = n.SuccessOnly, n.Email
	return m
}

// listNotifications makes a method of a store's list.
func listNotifications(read func(*store.Tx, int64) ([]store.Notification, error), show func(*store.Notification) map[string]any) func(*Ctx, Args) (any, error) {
	return func(c *Ctx, a Args) (any, error) {
		u, err := c.findUser(a.Any("userID"), true)
		if err != nil {
			return nil, err
		}
		ns, err := read(c.tx, u.ID)
		if err != nil {
			return nil, err
		}
		out := make([]any, len(ns))
		for i := range ns {
			out[i] = show(&ns[i])
		}
		return out, nil
	}
}

// findNotification is a notification, nil if there is none and strict does not forbid it.
func (c *Ctx) findNotification(id int64, strict bool) (*store.Notification, error) {
	n, err := c.tx.NotificationByID(id)
	return lacking(n, err, strict, "No notification with ID %d found", id)
}

func (c *Ctx) findBlock(id int64, strict bool) (*store.Notification, error) {
	n, err := c.tx.NotificationBlockByID(id)
	return lacking(n, err, strict, "No notification block with ID %d found", id)
}

func lacking(n *store.Notification, err error, strict bool, text string, id int64) (*store.Notification, error) {
	if errors.Is(err, store.ErrNotFound) {
		n, err = nil, nil
		if strict {
			err = buildsys.Errorf(buildsys.FaultGeneric, text, id)
		}
	}
	return n, err
}

// aboutPackageAndTag reads what a notification is about.
func (c *Ctx) aboutPackageAndTag(a Args) (n store.Notification, err error) {
	if !a.Nil("package_id") {
		id, err := c.packageID(a.Any("package_id"))
		if err != nil {
			return n, err
		}
		n.PackageID = &id
	}
	if !a.Nil("tag_id") {
		id, err := c.tagID(a.Any("tag_id"))
		if err != nil {
			return n, err
		}
		n.TagID = &id
	}
	return n, nil
}

// alike tells whether two notifications are about the same.
func alike(a, b store.Notification) bool {
	return optional(a.PackageID) == optional(b.PackageID) && optional(a.TagID) == optional(b.TagID) && a.SuccessOnly == b.SuccessOnly
}

func (c *Ctx) refuseTwice(n store.Notification, read func(*store.Tx, int64) ([]store.Notification, error)) error {
	have, err := read(c.tx, n.UserID)
	if err != nil {
		return err
	}
	for _, h := range have {
		if alike(h, n) {
			return buildsys.Errorf(buildsys.FaultGeneric, "notification already exists")
		}
	}
	return nil
}

// notified finds the user whom a new notification is for.
func (c *Ctx) notified(info any, what string) (*buildsys.User, error) {
	if c.User == nil {
		return nil, errNotLoggedIn()
	}
	u, err := c.findUser(info, false)
	if err != nil {
		return nil, err
	}
	if u == nil {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "No such user ID: %s", plain(info))
	}
	if admin, err := c.Has("admin"); err != nil || !admin && u.ID != c.User.ID {
		if err == nil {
			err = buildsys.Errorf(buildsys.FaultGeneric, "user %s cannot create %s for user %s", c.User.Name, what, u.Name)
		}
		return nil, err
	}
	return u, nil
}

func errNotLoggedIn() error { return buildsys.Errorf(buildsys.FaultGeneric, "Not logged-in") }

// assertOwn refuses to change what is another user's.
func (c *Ctx) assertOwn(owner int64, what string) error {
	if c.User == nil {
		return errNotLoggedIn()
	}
	admin, err := c.Has("admin")
	if err == nil && !admin && owner != c.User.ID {
		err = buildsys.Errorf(buildsys.FaultGeneric, "user %d cannot %s for user %d", c.User.ID, what, owner)
	}
	return err
}

func createNotification(c *Ctx, a Args) (any, error) {
	u, err := c.notified(a.Any("user_id"), "notifications")
	if err != nil {
		return nil, err
	}
	n, err := c.aboutPackageAndTag(a)
	if err != nil {
		return nil, err
	}
	n.UserID, n.SuccessOnly = u.ID, a.Bool("success_only")
	n.Email = u.Name + "@" + c.Hub.emailDomain()
	if err := c.refuseTwice(n, (*store.Tx).Notifications); err != nil {
		return nil, err
	}
	_, err = c.tx.InsertNotification(n)
	return nil, err
}

// emailDomain is what stands behind users' names in their addresses.
func (h *Hub) emailDomain() string {
	if h.cfg.EmailDomain == "" {
		return "example.com"
	}
	return h.cfg.EmailDomain
}

func updateNotification(c *Ctx, a Args) (any, error) {
	if c.User == nil {
		return nil, errNotLoggedIn()
	}
	old, err := c.findNotification(a.Int("id"), true)
	if err != nil {
		return nil, err
	}
	if err := c.assertOwn(old.UserID, "update notifications"); err != nil {
		return nil, err
	}
	n, err := c.aboutPackageAndTag(a)
	if err != nil {
		return nil, err
	}
	n.ID, n.UserID, n.SuccessOnly = old.ID, old.UserID, a.Bool("success_only")
	if err := c.refuseTwice(n, (*store.Tx).Notifications); err != nil {
		return nil, err
	}
	return nil, c.tx.UpdateNotification(n)
}

func deleteNotification(c *Ctx, a Args) (any, error) {
	n, err := c.findNotification(a.Int("id"), true)
	if err != nil {
		return nil, err
	}
	if err := c.assertOwn(n.UserID, "delete notifications"); err != nil {
		return nil, err
	}
	return nil, c.tx.DeleteNotification(n.ID)
}

func createBlock(c *Ctx, a Args) (any, error) {
	u, err := c.notified(a.Any("user_id"), "notification blocks")
	if err != nil {
		return nil, err
	}
	n, err := c.aboutPackageAndTag(a)
	if err != nil {
		return nil, err
	}
	n.UserID = u.ID
	if err := c.refuseTwice(n, (*store.Tx).NotificationBlocks); err != nil {
		return nil, err
	}
	_, err = c.tx.InsertNotificationBlock(n)
	return nil, err
}

func deleteBlock(c *Ctx, a Args) (any, error) {
	n, err := c.findBlock(a.Int("id"), true)
	if err != nil {
		return nil, err
	}
	if err := c.assertOwn(n.UserID, "delete notification blocks"); err != nil {
		return nil, err
	}
	return nil, c.tx.DeleteNotificationBlock(n.ID)
}

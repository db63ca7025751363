package api

import (
	"context"

	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// Account is a user with all that getUser and listUsers tell.
type Account struct {
	ID         int64    `koji:"id" json:"id"`
	Name       string   `koji:"name" json:"name"`
	Status     int64    `koji:"status" json:"status"`
	UserType   int64    `koji:"usertype" json:"usertype"`
	Principals []string `koji:"krb_principals" json:"krb_principals"`
	Groups     []string `koji:"groups" json:"groups,omitempty"`
}

// Accounts finds users by name or id, nil where there is none.
func (h *Hub) Accounts(ctx context.Context, users []string) ([]*Account, error) {
	calls := make([][]any, len(users))
	for i, u := range users {
		calls[i] = []any{u, kw{"groups": true}}
	}
	return getMany[*Account](ctx, h, "getUser", calls)
}

// ListUsers lists users; the keys of opts are those of Koji's listUsers.
func (h *Hub) ListUsers(ctx context.Context, opts map[string]any) ([]Account, error) {
	return get[[]Account](ctx, h, "listUsers", kw(opts))
}

// UserCounts is what userinfo tells of a user beside the account.
type UserCounts struct {
	Perms                   []string
	Packages, Tasks, Builds int64
}

// UserCounts counts what users have.
func (h *Hub) UserCounts(ctx context.Context, users []int64) ([]UserCounts, error) {
	count := kw{"countOnly": true}
	calls := make([]xmlrpc.Call, 0, 4*len(users))
	for _, id := range users {
		calls = append(calls,
			xmlrpc.Call{Method: "getUserPerms", Args: []any{id}},
			xmlrpc.Call{Method: "listPackages", Args: []any{kw{"userID": id, "with_dups": true, "queryOpts": map[string]any(count)}}},
			xmlrpc.Call{Method: "listTasks", Args: []any{kw{"opts": map[string]any{"owner": id, "parent": nil}, "queryOpts": map[string]any(count)}}},
			xmlrpc.Call{Method: "listBuilds", Args: []any{kw{"userID": id, "queryOpts": map[string]any(count)}}})
	}
	if len(calls) == 0 {
		return nil, nil
	}
	results, err := h.Caller.MultiCall(ctx, calls)
	if err != nil {
		return nil, err
	}
	out := make([]UserCounts, len(users))
	for i, r := range results {
		u := &out[i/4]
		if r.Err != nil {
			return nil, r.Err
		}
		if err := Decode(r.Value, []any{&u.Perms, &u.Packages, &u.Tasks, &u.Builds}[i%4]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// EnableUser lets a user log in, or no more.
func (h *Hub) EnableUser(ctx context.Context, name string, enabled bool) error {
	return exec(ctx, h, enableVerb("User", enabled), name)
}

func enableVerb(what string, enabled bool) string {
	if enabled {
		return "enable" + what
	}
	return "disable" + what
}

// EditUser renames a user (nil: not) and changes its Kerberos principals: structs of old and new.
func (h *Hub) EditUser(ctx context.Context, user string, name *string, principals []any) error {
	return exec(ctx, h, "editUser", user, anyOf(name), principals)
}

// Removed is what became of a user who was to be removed.
type Removed struct {
	Name    string  `koji:"name"`
	Removed bool    `koji:"removed"`
	Reason  *string `koji:"reason"`
}

// RemoveUser removes a user or a group.
func (h *Hub) RemoveUser(ctx context.Context, user string) (Removed, error) {
	return get[Removed](ctx, h, "removeUser", user)
}

// RevokePermission takes a permission from a user.
func (h *Hub) RevokePermission(ctx context.Context, user, perm string) error {
	return exec(ctx, h, "revokePermission", user, perm)
}

// EditPermission describes a permission.
func (h *Hub) EditPermission(ctx context.Context, perm, description string) error {
	return exec(ctx, h, "editPermission", perm, description)
}

// PermissionSources are the permissions of a user, and for each where it comes from: nil is the user itself, else a group.
func (h *Hub) PermissionSources(ctx context.Context, user int64) (map[string][]*string, error) {
	return get[map[string][]*string](ctx, h, "getUserPermsInheritance", user)
}

// GrantCGAccess lets a user import as a content generator, with create making that.
func (h *Hub) GrantCGAccess(ctx context.Context, user, cg string, create bool) error {
	if create {
		return exec(ctx, h, "grantCGAccess", user, cg, kw{"create": true})
	}
	return exec(ctx, h, "grantCGAccess", user, cg)
}

// RevokeCGAccess lets a user import as a content generator no more.
func (h *Hub) RevokeCGAccess(ctx context.Context, user, cg string) error {
	return exec(ctx, h, "revokeCGAccess", user, cg)
}

// Notification is what a user wants to be told, or to be spared.
type Notification struct {
	ID          int64  `koji:"id"`
	PackageID   *int64 `koji:"package_id"`
	TagID       *int64 `koji:"tag_id"`
	SuccessOnly bool   `koji:"success_only"`
	Email       string `koji:"email"`
}

// Notifications lists what a user wants to be told; nil: the caller.
func (h *Hub) Notifications(ctx context.Context, user *int64) ([]Notification, error) {
	return get[[]Notification](ctx, h, "getBuildNotifications", anyOf(user))
}

// NotificationBlocks lists what a user wants to be spared; nil: the caller.
func (h *Hub) NotificationBlocks(ctx context.Context, user *int64) ([]Notification, error) {
	return get[[]Notification](ctx, h, "getBuildNotificationBlocks", anyOf(user))
}

// Notification is one of those, nil if there is none.
func (h *Hub) Notification(ctx context.Context, id int64) (*Notification, error) {
	return get[*Notification](ctx, h, "getBuildNotification", id)
}

// AddNotification has a user told.
func (h *Hub) AddNotification(ctx context.Context, user int64, n Notification) error {
	return exec(ctx, h, "createNotification", user, anyOf(n.PackageID), anyOf(n.TagID), n.SuccessOnly)
}

// UpdateNotification changes what one is about.
func (h *Hub) UpdateNotification(ctx context.Context, n Notification) error {
	return exec(ctx, h, "updateNotification", n.ID, anyOf(n.PackageID), anyOf(n.TagID), n.SuccessOnly)
}

// DeleteNotification deletes one.
func (h *Hub) DeleteNotification(ctx context.Context, id int64) error {
	return exec(ctx, h, "deleteNotification", id)
}

// AddNotificationBlock spares a user.
func (h *Hub) AddNotificationBlock(ctx context.Context, user int64, n Notification) error {
	return exec(ctx, h, "createNotificationBlock", user, anyOf(n.PackageID), anyOf(n.TagID))
}

// DeleteNotificationBlock ends that.
func (h *Hub) DeleteNotificationBlock(ctx context.Context, id int64) error {
	return exec(ctx, h, "deleteNotificationBlock", id)
}

// PackageName is the name of a package.
func (h *Hub) PackageName(ctx context.Context, id int64) (string, error) {
	p, err := get[Found](ctx, h, "getPackage", id)
	return p.Name, err
}

// Volume is where files of builds can be.
type Volume struct {
	ID   int64  `koji:"id" json:"id"`
	Name string `koji:"name" json:"name"`
}

// Volumes lists them.
func (h *Hub) Volumes(ctx context.Context) ([]Volume, error) {
	return get[[]Volume](ctx, h, "listVolumes")
}

// Volume finds one, nil if there is none.
func (h *Hub) Volume(ctx context.Context, name string) (*Volume, error) {
	return get[*Volume](ctx, h, "getVolume", name)
}

// AddVolume adds one.
func (h *Hub) AddVolume(ctx context.Context, name string) (Volume, error) {
	return get[Volume](ctx, h, "addVolume", name)
}

// RemoveVolume removes one.
func (h *Hub) RemoveVolume(ctx context.Context, name string) error {
	return exec(ctx, h, "removeVolume", name)
}

// ChangeBuildVolume moves a build.
func (h *Hub) ChangeBuildVolume(ctx context.Context, build, volume int64) error {
	return exec(ctx, h, "changeBuildVolume", build, volume)
}

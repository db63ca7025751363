package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys/api"
)

func listNotificationsCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupMonitor, "list-notifications [options]", "List user's notifications and blocks")
	mine := cmd.Flags().Bool("mine", false, "just your own notifications")
	user := cmd.Flags().String("user", "", "only notifications for this user")
	a.listing(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) != 0:
			return usagef(cmd, "This command takes no arguments")
		case !*mine && *user == "":
			return usagef(cmd, "Use --user or --mine.")
		}
		ctx := cmd.Context()
		var s *session
		var id *int64
		var err error
		if *user == "" {
			s, err = a.login(ctx)
		} else if s, err = a.anonymous(ctx); err == nil {
			var users []*api.User
			if users, err = s.users(ctx, []string{*user}); err == nil {
				id = &users[0].ID
			}
		}
		if err != nil {
			return err
		}
		wanted, err := s.api.Notifications(ctx, id)
		if err != nil {
			return err
		}
		blocks, err := s.api.NotificationBlocks(ctx, id)
		if err != nil {
			return err
		}
		if a.opts.json {
			return a.notificationsJSON(ctx, s, wanted, blocks)
		}
		return a.printNotifications(ctx, s, wanted, blocks)
	}
	return cmd
}

// about names the tag and the package of a notification; * is any.
func (s *session) about(ctx context.Context, n *api.Notification) (tag, pkg string, err error) {
	tag, pkg = "*", "*"
	if n.TagID != nil {
		t, err := s.api.Tag(ctx, *n.TagID, 0)
		if err != nil {
			return "", "", err
		}
		tag = "#" + itoa(*n.TagID) // deleted
		if t != nil {
			tag = t.Name
		}
	}
	if n.PackageID != nil {
		pkg, err = s.api.PackageName(ctx, *n.PackageID)
	}
	return tag, pkg, err
}

func (a *App) printNotifications(ctx context.Context, s *session, wanted, blocks []api.Notification) error {
	const (
		mask      = "%6v %-25s %-25s %-20s %-12s\n"
		blockMask = "%6v %-25s %-25s\n"
	)
	if len(wanted) == 0 {
		a.println("No notifications")
	} else {
		a.println("Notifications")
		a.printf(mask, "ID", "Tag", "Package", "E-mail", "Success-only")
		a.println(strings.Repeat("-", 92))
	}
	for i := range wanted {
		n := &wanted[i]
		tag, pkg, err := s.about(ctx, n)
		if err != nil {
			return err
		}
		a.printf(mask, n.ID, tag, pkg, n.Email, yesNo(n.SuccessOnly))
	}
	a.println("")
	if len(blocks) == 0 {
		a.println("No notification blocks")
	} else {
		a.println("Notification blocks")
		a.printf(blockMask, "ID", "Tag", "Package")
		a.println(strings.Repeat("-", 58))
	}
	for i := range blocks {
		tag, pkg, err := s.about(ctx, &blocks[i])
		if err != nil {
			return err
		}
		a.printf(blockMask, blocks[i].ID, tag, pkg)
	}
	return nil
}

type notificationJSON struct {
	ID          int64  `json:"id"`
	Tag         string `json:"tag"`
	Package     string `json:"package"`
	Email       string `json:"email,omitempty"`
	SuccessOnly *bool  `json:"success_only,omitempty"`
}

func (a *App) notificationsJSON(ctx context.Context, s *session, wanted, blocks []api.Notification) error {
	out := struct {
		Notifications []notificationJSON `json:"notifications"`
		Blocks        []notificationJSON `json:"blocks"`
	}{[]notificationJSON{}, []notificationJSON{}}
	for i := range wanted {
		n := &wanted[i]
		tag, pkg, err := s.about(ctx, n)
		if err != nil {
			return err
		}
		out.Notifications = append(out.Notifications, notificationJSON{n.ID, tag, pkg, n.Email, &n.SuccessOnly})
	}
	for i := range blocks {
		tag, pkg, err := s.about(ctx, &blocks[i])
		if err != nil {
			return err
		}
		out.Blocks = append(out.Blocks, notificationJSON{ID: blocks[i].ID, Tag: tag, Package: pkg})
	}
	return a.printJSON(out)
}

// notificationOptions say what a notification is about.
type notificationOptions struct {
	user, pkg, tag string
}

func (o *notificationOptions) register(cmd *cobra.Command, doing string) {
	fs := cmd.Flags()
	fs.StringVar(&o.user, "user", "", doing+" notifications for this user (admin-only)")
	fs.StringVar(&o.pkg, "package", "", doing+" notifications for this package")
	fs.StringVar(&o.tag, "tag", "", doing+" notifications for this tag")
}

// whom finds the user that a new notification is for.
func (o *notificationOptions) whom(cmd *cobra.Command, s *session) (int64, error) {
	ctx := cmd.Context()
	if o.user != "" {
		admin, err := s.api.HasPerm(ctx, "admin")
		if err != nil {
			return 0, err
		}
		if !admin {
			return 0, usagef(cmd, "--user requires admin permission")
		}
		users, err := s.users(ctx, []string{o.user})
		if err != nil {
			return 0, err
		}
		return users[0].ID, nil
	}
	me, err := s.api.LoggedInUser(ctx)
	if err != nil {
		return 0, err
	}
	if me == nil {
		return 0, usagef(cmd, "Please login with authentication or specify --user")
	}
	return me.ID, nil
}

// find finds the package and the tag.
func (o *notificationOptions) find(cmd *cobra.Command, s *session, n *api.Notification) error {
	ctx := cmd.Context()
	if o.pkg != "" {
		p, err := s.api.FindPackage(ctx, o.pkg)
		if err != nil {
			return err
		}
		if p == nil {
			return usagef(cmd, "No such package: %s", o.pkg)
		}
		n.PackageID = &p.ID
	}
	if o.tag != "" {
		t, err := s.api.Tag(ctx, o.tag, 0)
		if err != nil {
			return err
		}
		if t == nil {
			return usagef(cmd, "No such tag: %s", o.tag)
		}
		n.TagID = &t.ID
	}
	return nil
}

func addNotificationCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupMonitor, "add-notification [options]", "Add user's notification")
	var o notificationOptions
	o.register(cmd, "add")
	successOnly := cmd.Flags().Bool("success-only", false, "notify on successful events only")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) != 0:
			return usagef(cmd, "This command takes no arguments")
		case o.pkg == "" && o.tag == "":
			return usagef(cmd, "Command need at least one from --tag or --package options.")
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		user, err := o.whom(cmd, s)
		if err != nil {
			return err
		}
		n := api.Notification{SuccessOnly: *successOnly}
		if err := o.find(cmd, s, &n); err != nil {
			return err
		}
		return s.api.AddNotification(ctx, user, n)
	}
	return cmd
}

func editNotificationCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupMonitor, "edit-notification [options] <notification_id>", "Edit user's notification")
	var o notificationOptions
	fs := cmd.Flags()
	fs.StringVar(&o.pkg, "package", "", "notifications for this package, '*' for all")
	fs.StringVar(&o.tag, "tag", "", "notifications for this tag, '*' for all")
	var successOnly *bool
	fs.VarPF(choice{&successOnly, true}, "success-only", "", "notify only on successful events").NoOptDefVal = "true"
	fs.VarPF(choice{&successOnly, false}, "no-success-only", "", "notify on all events").NoOptDefVal = "true"
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usagef(cmd, "Only argument is notification ID")
		}
		id, ok := pyInt(strings.TrimSpace(args[0]))
		switch {
		case !ok:
			return usagef(cmd, "Notification ID has to be numeric")
		case o.pkg == "" && o.tag == "" && successOnly == nil:
			return usagef(cmd, "Command need at least one option")
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		n, err := s.api.Notification(ctx, id)
		if err != nil {
			return err
		}
		if n == nil {
			return failf("list-notifications --mine shows yours", "No notification with ID %d found", id)
		}
		if o.pkg == "*" {
			n.PackageID, o.pkg = nil, ""
		}
		if o.tag == "*" {
			n.TagID, o.tag = nil, ""
		}
		if err := o.find(cmd, s, n); err != nil {
			return err
		}
		if successOnly != nil {
			n.SuccessOnly = *successOnly
		}
		return s.api.UpdateNotification(ctx, *n)
	}
	return cmd
}

func blockNotificationCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupMonitor, "block-notification [options]", "Block user's notifications")
	var o notificationOptions
	o.register(cmd, "block")
	all := cmd.Flags().Bool("all", false, "block all notifications for this user")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) != 0:
			return usagef(cmd, "This command takes no arguments")
		case o.pkg == "" && o.tag == "" && !*all:
			return usagef(cmd, "One of --tag, --package or --all must be specified.")
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		user, err := o.whom(cmd, s)
		if err != nil {
			return err
		}
		var n api.Notification
		if err := o.find(cmd, s, &n); err != nil {
			return err
		}
		blocks, err := s.api.NotificationBlocks(ctx, &user)
		if err != nil {
			return err
		}
		for _, b := range blocks {
			if sameID(b.PackageID, n.PackageID) && sameID(b.TagID, n.TagID) {
				return usagef(cmd, "Notification already exists.")
			}
		}
		return s.api.AddNotificationBlock(ctx, user, n)
	}
	return cmd
}

func sameID(a, b *int64) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

func removeNotificationCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupMonitor, "remove-notification [options] <notification_id> [<notification_id> ...]", "Remove user's notifications")
	return a.byNumber(cmd, "notification", "Notification", (*api.Hub).DeleteNotification)
}

func unblockNotificationCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupMonitor, "unblock-notification [options] <notification_id> [<notification_id> ...]", "Unblock user's notification")
	return a.byNumber(cmd, "notification block", "Notification block", (*api.Hub).DeleteNotificationBlock)
}

// byNumber makes a verb that deletes things by their numbers.
func (a *App) byNumber(cmd *cobra.Command, what, title string, remove func(*api.Hub, context.Context, int64) error) *cobra.Command {
	a.quietly(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		if len(args) < 1 {
			return usagef(cmd, "At least one %s id has to be specified", what)
		}
		ids := make([]int64, len(args))
		for i, arg := range args {
			id, ok := pyInt(strings.TrimSpace(arg))
			if !ok {
				return usagef(cmd, "All %s ids has to be integers", what)
			}
			ids[i] = id
		}
		for _, id := range ids {
			if err := remove(s.api, ctx, id); err != nil {
				return err
			}
			if !a.opts.quiet {
				a.printf("%s %d successfully removed.\n", title, id)
			}
		}
		return nil
	}
	return cmd
}

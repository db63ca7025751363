package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys/api"
)

func grantPermissionCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "grant-permission [options] <permission> <user> [<user> ...]", "Grant a permission to a user")
	create := cmd.Flags().Bool("new", false, "create this permission if it does not exist")
	description := cmd.Flags().String("description", "", "description of the new permission")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < 2:
			return usagef(cmd, "Please specify a permission and at least one user")
		case *description != "" && !*create:
			return usagef(cmd, "Option new must be specified with option description.")
		}
		return a.eachUser(cmd.Context(), args[1:], func(s *session, user string) error {
			return s.api.GrantPermission(cmd.Context(), user, args[0], *create, *description)
		})
	}
	return cmd
}

func revokePermissionCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "revoke-permission <permission> <user> [<user> ...]", "Revoke a permission from a user")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) < 2 {
			return usagef(cmd, "Please specify a permission and at least one user")
		}
		return a.eachUser(cmd.Context(), args[1:], func(s *session, user string) error {
			return s.api.RevokePermission(cmd.Context(), user, args[0])
		})
	}
	return cmd
}

// eachUser does one thing with several users, once all of them are known.
func (a *App) eachUser(ctx context.Context, names []string, do func(s *session, user string) error) error {
	s, err := a.login(ctx)
	if err != nil {
		return err
	}
	users, err := s.users(ctx, names)
	if err != nil {
		return err
	}
	for _, user := range users {
		if err := do(s, user.Name); err != nil {
			return err
		}
	}
	return nil
}

func editPermissionCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "edit-permission <permission> <description>", "Edit a permission description")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) < 2 {
			return usagef(cmd, "Please specify a permission and a description")
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		return s.api.EditPermission(ctx, args[0], args[1])
	}
	return cmd
}

func listPermissionsCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupInfo, "list-permissions [options]", "List user permissions")
	fs := cmd.Flags()
	user := fs.String("user", "", "list permissions of a user")
	mine := fs.Bool("mine", false, "list your own permissions")
	a.listing(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usagef(cmd, "This command takes no arguments")
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		var perms []listedPerm
		if *mine || *user != "" {
			perms, err = s.permissionsOf(ctx, *user, *mine)
		} else {
			perms, err = s.allPermissions(ctx)
		}
		if err != nil {
			return err
		}
		slices.SortStableFunc(perms, func(x, y listedPerm) int { return strings.Compare(x.Name, y.Name) })
		if a.opts.json {
			return a.printJSON(notNil(perms))
		}
		a.printPermissions(perms)
		return nil
	}
	return cmd
}

type listedPerm struct {
	Name        string `json:"name"`
	Description string `json:"description"`
}

func (s *session) allPermissions(ctx context.Context) ([]listedPerm, error) {
	all, err := s.api.AllPerms(ctx)
	perms := make([]listedPerm, len(all))
	for i, p := range all {
		perms[i].Name = p.Name
		if p.Description != nil {
			perms[i].Description = *p.Description
		}
	}
	return perms, err
}

// permissionsOf are a user's permissions; which groups they come through stands where the description does.
func (s *session) permissionsOf(ctx context.Context, name string, mine bool) ([]listedPerm, error) {
	var id int64
	if mine {
		me, err := s.api.LoggedInUser(ctx)
		if err != nil {
			return nil, err
		}
		if me == nil {
			return nil, failf("log in, or name one with --user", "Not authenticated: there is no user whose permissions could be listed")
		}
		id = me.ID
	} else {
		users, err := s.users(ctx, []string{name})
		if err != nil {
			return nil, err
		}
		id = users[0].ID
	}
	sources, err := s.api.PermissionSources(ctx, id)
	if err != nil {
		return nil, err
	}
	var perms []listedPerm
	for perm, from := range sources {
		var groups []string
		for _, g := range from {
			if g != nil {
				groups = append(groups, *g)
			}
		}
		p := listedPerm{Name: perm}
		if len(groups) > 0 {
			p.Description = "inherited from: " + strings.Join(groups, ", ")
		}
		perms = append(perms, p)
	}
	return perms, nil
}

func (a *App) printPermissions(perms []listedPerm) {
	width := len("Permission name   ")
	for _, p := range perms {
		width = max(width, len([]rune(p.Name)))
	}
	if !a.opts.quiet {
		head := pad("Permission name", width)
		if len(perms) > 0 && perms[0].Description != "" {
			head += pad("   Description", 53)
		}
		a.println(head)
		a.println(strings.Repeat("-", len(head)))
	}
	for _, p := range perms {
		line := pad(p.Name, width)
		if p.Description != "" {
			line += "   " + p.Description
		}
		a.println(line)
	}
}

// pad fills a text up with spaces to a width.
func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-len([]rune(s))))
}

func grantCGAccessCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "grant-cg-access <user> <content generator>", "Add a user to a content generator")
	create := cmd.Flags().Bool("new", false, "create a new content generator")
	cmd.RunE = a.cgAccess(func(ctx context.Context, h *api.Hub, user, cg string) error {
		return h.GrantCGAccess(ctx, user, cg, *create)
	})
	return cmd
}

func revokeCGAccessCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "revoke-cg-access <user> <content generator>", "Remove a user from a content generator")
	cmd.RunE = a.cgAccess(func(ctx context.Context, h *api.Hub, user, cg string) error { return h.RevokeCGAccess(ctx, user, cg) })
	return cmd
}

func (a *App) cgAccess(change func(ctx context.Context, h *api.Hub, user, cg string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 2 {
			return usagef(cmd, "Please specify a user and content generator")
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		users, err := s.users(ctx, args[:1])
		if err != nil {
			return err
		}
		return change(ctx, s.api, users[0].Name, args[1])
	}
}

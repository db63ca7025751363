package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/api"
)

func addUserCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "add-user <username> [options]", "Add a user")
	principal := cmd.Flags().String("principal", "", "the Kerberos principal of this user")
	disable := cmd.Flags().Bool("disable", false, "prohibit logins by this user")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < 1:
			return usagef(cmd, "You must specify the username of the user to add")
		case len(args) > 1:
			return usagef(cmd, "This command only accepts one argument (username)")
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		status := buildsys.StatusNormal
		if *disable {
			status = buildsys.StatusBlocked
		}
		id, err := s.api.CreateUser(ctx, args[0], int64(status), given(cmd, "principal", principal))
		if err != nil {
			return err
		}
		a.printf("Added user %s (%d)\n", args[0], id)
		return nil
	}
	return cmd
}

// given is the option's value, nil when the command line has none.
func given[T any](cmd *cobra.Command, name string, v *T) *T {
	if !cmd.Flags().Changed(name) {
		return nil
	}
	return v
}

// oneUser reads the only argument of the verbs about one user.
func oneUser(cmd *cobra.Command, args []string, doing string) error {
	switch {
	case len(args) < 1:
		return usagef(cmd, "You must specify the username of the user to %s", doing)
	case len(args) > 1:
		return usagef(cmd, "This command only accepts one argument (username)")
	}
	return nil
}

func enableUserCommand(a *App) *cobra.Command {
	return a.userSwitch("enable-user <username>", "Enable logins by a user", "enable", true)
}

func disableUserCommand(a *App) *cobra.Command {
	cmd := a.userSwitch("disable-user <username>", "Disable logins by a user", "disable", false)
	cmd.Long = "Lets a user log in no more, and ends the sessions that the user has."
	return cmd
}

func (a *App) userSwitch(use, short, doing string, enabled bool) *cobra.Command {
	cmd := a.newCommand(groupAdmin, use, short)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := oneUser(cmd, args, doing); err != nil {
			return err
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		return s.api.EnableUser(ctx, args[0], enabled)
	}
	return cmd
}

func editUserCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "edit-user <username> [options]", "Alter user information")
	fs := cmd.Flags()
	rename := fs.String("rename", "", "rename the user")
	change := fs.StringArray("edit-krb", nil, "change a Kerberos principal of the user: `OLD=NEW`")
	add := fs.StringArray("add-krb", nil, "add a Kerberos principal to the user")
	remove := fs.StringArray("remove-krb", nil, "remove a Kerberos principal of the user")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := oneUser(cmd, args, "edit"); err != nil {
			return err
		}
		principals := []any{}
		for _, pair := range *change {
			old, now, ok := strings.Cut(pair, "=")
			if !ok {
				return usagef(cmd, "--edit-krb %s: give OLD=NEW", pair)
			}
			principals = append(principals, map[string]any{"old": argValue(old), "new": argValue(now)})
		}
		for _, p := range *add {
			principals = append(principals, map[string]any{"old": nil, "new": argValue(p)})
		}
		for _, p := range *remove {
			principals = append(principals, map[string]any{"old": argValue(p), "new": nil})
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		return s.api.EditUser(ctx, args[0], given(cmd, "rename", rename), principals)
	}
	return cmd
}

func removeUserCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "remove-user <username> [<username> ...]", "Remove users or groups of users")
	cmd.Long = "Takes everything from users or groups that they may do, ends their sessions and gives their\n" +
		"names back. One who owns builds, packages or tasks or has changed anything is on record: that\n" +
		"user is disabled instead, and the name stays taken. The user of a builder goes with remove-host."
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) < 1 {
			return usagef(cmd, "You must specify the username of the user to remove")
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		if _, err := s.users(ctx, args); err != nil {
			return err
		}
		for _, name := range args {
			r, err := s.api.RemoveUser(ctx, name)
			if err != nil {
				return err
			}
			if r.Removed {
				a.println("Removed user " + r.Name)
			} else {
				a.printf("Disabled user %s, who %s\n", r.Name, orNone(r.Reason))
			}
		}
		return nil
	}
	return cmd
}

// users finds users who all have to be there.
func (s *session) users(ctx context.Context, names []string) ([]*api.User, error) {
	found := make([]*api.User, len(names))
	for i, name := range names {
		u, err := s.api.User(ctx, name)
		if err != nil {
			return nil, err
		}
		if u == nil {
			return nil, failf("list-users --usertype=any shows those there are", "No such user: %s", name)
		}
		found[i] = u
	}
	return found, nil
}

// userTypes are the types of users as options name them.
var userTypes = map[string]any{"NORMAL": int64(buildsys.UserNormal), "HOST": int64(buildsys.UserHost), "GROUP": int64(buildsys.UserGroup), "ANY": nil, "ALL": nil}

func listUsersCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "list-users [options]", "List of users")
	fs := cmd.Flags()
	userType := fs.String("usertype", "NORMAL", "list users of a type: NORMAL, HOST, GROUP, or any")
	prefix := fs.String("prefix", "", "list users whose names begin so")
	perm := fs.String("perm", "", "list users that have a permission")
	inherited := fs.Bool("inherited-perm", false, "consider permissions of groups, too")
	a.listing(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) > 0:
			return usagef(cmd, "This command takes no arguments")
		case *inherited && *perm == "":
			return usagef(cmd, "inherited_perm option must be used with perm option")
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		typ, ok := userTypes[strings.ToUpper(*userType)]
		if !ok {
			return failf("give NORMAL, HOST, GROUP or any", "Invalid usertype: %s", *userType)
		}
		opts := map[string]any{"userType": typ}
		if *prefix != "" {
			opts["prefix"] = *prefix
		}
		if *perm != "" {
			perms, err := s.api.AllPerms(ctx)
			if err != nil {
				return err
			}
			if !slices.ContainsFunc(perms, func(p api.Permission) bool { return p.Name == *perm }) {
				return failf("list-permissions shows those there are", "Invalid permission: %s", *perm)
			}
			opts["perm"] = *perm
			if *inherited {
				opts["inherited_perm"] = true
			}
		}
		users, err := s.api.ListUsers(ctx, opts)
		if err != nil {
			return err
		}
		if a.opts.json {
			return a.printJSON(notNil(users))
		}
		for _, u := range users {
			a.println(u.Name)
		}
		return nil
	}
	return cmd
}

type userJSON struct {
	*api.Account
	Permissions []string `json:"permissions"`
	Packages    int64    `json:"packages"`
	Tasks       int64    `json:"tasks"`
	Builds      int64    `json:"builds"`
}

func userInfoCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "userinfo [options] <username> [<username> ...]", "Show information about a user")
	a.listing(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) < 1 {
			return usagef(cmd, "You must specify at least one username")
		}
		ctx := cmd.Context()
		s, err := a.anonymous(ctx)
		if err != nil {
			return err
		}
		found, err := s.api.Accounts(ctx, args)
		if err != nil {
			return err
		}
		var users []*api.Account
		var ids []int64
		for i, u := range found {
			if u == nil {
				a.term.warn("No such user: %s\n", args[i])
				continue
			}
			users, ids = append(users, u), append(ids, u.ID)
		}
		counts, err := s.api.UserCounts(ctx, ids)
		if err != nil {
			return err
		}
		if a.opts.json {
			out := make([]userJSON, len(users))
			for i, u := range users {
				c := counts[i]
				out[i] = userJSON{u, c.Perms, c.Packages, c.Tasks, c.Builds}
			}
			return a.printJSON(out)
		}
		for i, u := range users {
			a.printUser(u, counts[i])
		}
		return nil
	}
	return cmd
}

func (a *App) printUser(u *api.Account, n api.UserCounts) {
	a.printf("User name: %s\nUser ID: %d\n", u.Name, u.ID)
	slices.Sort(u.Groups)
	for _, l := range []struct {
		title  string
		items  []string
		always bool
	}{{"krb principals:", u.Principals, true}, {"Permissions:", n.Perms, false}, {"Groups:", u.Groups, false}} {
		if len(l.items) > 0 || l.always {
			a.println(l.title)
		}
		for _, item := range l.items {
			a.println("  " + item)
		}
	}
	a.printf("Status: %s\nUsertype: %s\n", buildsys.UserStatus(u.Status), buildsys.UserType(u.UserType))
	a.printf("Number of packages: %d\nNumber of tasks: %d\nNumber of builds: %d\n\n", n.Packages, n.Tasks, n.Builds)
}

// notNil makes the JSON of an empty list [] and not null.
func notNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

package cli

import (
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
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		users := make([]*api.User, 0, len(args)-1)
		for _, name := range args[1:] {
			user, err := s.api.User(ctx, name)
			if err != nil {
				return err
			}
			if user == nil {
				return failf("", "No such user: %s", name)
			}
			users = append(users, user)
		}
		for _, user := range users {
			if err := s.api.GrantPermission(ctx, user.Name, args[0], *create, *description); err != nil {
				return err
			}
		}
		return nil
	}
	return cmd
}

func addHostCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "add-host [options] <hostname> <arch> [<arch> ...]", "Add a host")
	principal := cmd.Flags().String("krb-principal", "", "a Kerberos principal other than the default")
	force := cmd.Flags().Bool("force", false, "turn an existing regular user into a host")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) < 2 {
			return usagef(cmd, "Please specify a hostname and at least one arch")
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		host, err := s.api.Host(ctx, args[0])
		if err != nil {
			return err
		}
		if host != nil {
			return failf("", "%s is already in the database", args[0])
		}
		id, err := s.api.AddHost(ctx, args[0], args[1:], given(cmd, "krb-principal", principal), *force)
		if err != nil {
			return err
		}
		a.printf("%s added: id %d\n", args[0], id)
		return nil
	}
	return cmd
}

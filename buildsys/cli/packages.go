package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys/api"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// listedIn finds the tag and which of the packages are in its list, or with inherited in what it inherits too; those that
// are not are told, and then nothing is done.
func (a *App) listedIn(ctx context.Context, s *session, name string, packages []string, inherited bool, missing string) error {
	tag, err := s.tag(ctx, name, 0)
	if err != nil {
		return err
	}
	query := map[string]any{"tagID": tag.ID, "with_owners": false}
	if inherited {
		query["inherited"] = true
	}
	entries, err := s.api.PackageEntries(ctx, query)
	if err != nil {
		return err
	}
	there := make(map[string]bool, len(entries))
	for _, e := range entries {
		there[e.PackageName] = true
	}
	said := ""
	for _, p := range packages {
		if !there[p] {
			if said != "" {
				said += "\n"
			}
			said += fmt.Sprintf(missing, p, name)
		}
	}
	if said != "" {
		return failf("list-pkgs --tag "+name+" lists them", "%s", said)
	}
	return nil
}

// changePackages makes a verb's call for each package, all or none.
func (a *App) changePackages(ctx context.Context, s *session, method string, packages []string, args func(pkg string) []any) error {
	calls := make([][]any, len(packages))
	for i, p := range packages {
		calls[i] = args(p)
	}
	return s.api.ChangePackages(ctx, method, calls)
}

// packageVerb makes a verb on packages of a tag, the last arguments.
func (a *App) packageVerb(use, short string, least int, usage string, register func(*cobra.Command) func(ctx context.Context, s *session, args []string) error) *cobra.Command {
	cmd := a.newCommand(groupAdmin, use, short)
	run := register(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) < least {
			return usagef(cmd, "%s", usage)
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		return run(ctx, s, args)
	}
	return cmd
}

const tagAndPackages = "Please specify a tag and at least one package"

func blockPkgCommand(a *App) *cobra.Command {
	return a.packageVerb("block-pkg [options] <tag> <package> [<package> ...]", "Block a package in the listing for tag", 2, tagAndPackages,
		func(cmd *cobra.Command) func(context.Context, *session, []string) error {
			force := cmd.Flags().Bool("force", false, "override blocks and owner if necessary")
			return func(ctx context.Context, s *session, args []string) error {
				if err := a.listedIn(ctx, s, args[0], args[1:], true, "Package %s doesn't exist in tag %s"); err != nil {
					return err
				}
				return a.changePackages(ctx, s, "packageListBlock", args[1:], func(pkg string) []any {
					if *force {
						return []any{args[0], pkg, xmlrpc.Kwargs{"force": true}}
					}
					return []any{args[0], pkg}
				})
			}
		})
}

func removePkgCommand(a *App) *cobra.Command {
	return a.packageVerb("remove-pkg [options] <tag> <package> [<package> ...]", "Remove a package from the listing for tag", 2, tagAndPackages,
		func(cmd *cobra.Command) func(context.Context, *session, []string) error {
			force := cmd.Flags().Bool("force", false, "override blocks if necessary")
			return func(ctx context.Context, s *session, args []string) error {
				if err := a.listedIn(ctx, s, args[0], args[1:], false, "Package %s is not in tag %s"); err != nil {
					return err
				}
				return a.changePackages(ctx, s, "packageListRemove", args[1:], func(pkg string) []any {
					return []any{args[0], pkg, xmlrpc.Kwargs{"force": flagOrNil(*force)}}
				})
			}
		})
}

// flagOrNil is how Koji's client sends a flag: None unless it was given.
func flagOrNil(on bool) any {
	if on {
		return true
	}
	return nil
}

func unblockPkgCommand(a *App) *cobra.Command {
	return a.packageVerb("unblock-pkg [options] <tag> <package> [<package> ...]", "Unblock a package in the listing for tag", 2, tagAndPackages,
		func(*cobra.Command) func(context.Context, *session, []string) error {
			return func(ctx context.Context, s *session, args []string) error {
				return a.changePackages(ctx, s, "packageListUnblock", args[1:], func(pkg string) []any { return []any{args[0], pkg} })
			}
		})
}

func setPkgArchesCommand(a *App) *cobra.Command {
	return a.packageVerb("set-pkg-arches [options] <arches> <tag> <package> [<package> ...]", "Set the list of extra arches for a package", 3,
		"Please specify an archlist, a tag, and at least one package",
		func(cmd *cobra.Command) func(context.Context, *session, []string) error {
			force := cmd.Flags().Bool("force", false, "force operation")
			return func(ctx context.Context, s *session, args []string) error {
				arches, err := parseArches(args[0])
				if err != nil {
					return err
				}
				return a.changePackages(ctx, s, "packageListSetArches", args[2:], func(pkg string) []any {
					return []any{args[1], pkg, arches, xmlrpc.Kwargs{"force": flagOrNil(*force)}}
				})
			}
		})
}

func setPkgOwnerCommand(a *App) *cobra.Command {
	return a.packageVerb("set-pkg-owner [options] <owner> <tag> <package> [<package> ...]", "Set the owner for a package", 3,
		"Please specify an owner, a tag, and at least one package",
		func(cmd *cobra.Command) func(context.Context, *session, []string) error {
			force := cmd.Flags().Bool("force", false, "force operation")
			return func(ctx context.Context, s *session, args []string) error {
				return a.changePackages(ctx, s, "packageListSetOwner", args[2:], func(pkg string) []any {
					return []any{args[1], pkg, args[0], xmlrpc.Kwargs{"force": flagOrNil(*force)}}
				})
			}
		})
}

func setPkgOwnerGlobalCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "set-pkg-owner-global [options] <owner> <package> [<package> ...]", "Set the owner for a package globally")
	cmd.Long = "Gives packages another owner in every tag that has them in its list."
	fs := cmd.Flags()
	verbose := fs.Bool("verbose", false, "list changes")
	test := fs.Bool("test", false, "only tell what would be done")
	oldUser := fs.String("old-user", "", "only packages of this user; without packages, all of them")
	fs.StringVar(oldUser, "from", "", "the same as --old-user")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case *oldUser != "" && len(args) < 1:
			return usagef(cmd, "Please specify an owner")
		case *oldUser == "" && len(args) < 2:
			return usagef(cmd, "Please specify an owner and at least one package")
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		find := func(name string) (*api.User, error) {
			u, err := s.api.User(ctx, name)
			if err == nil && u == nil {
				err = failf("", "No such user: %s", name)
			}
			return u, err
		}
		user, err := find(args[0])
		if err != nil {
			return err
		}
		query := map[string]any{"with_dups": true}
		if *oldUser != "" {
			old, err := find(*oldUser)
			if err != nil {
				return err
			}
			query["userID"] = old.ID
		}
		var change []api.PackageEntry
		for _, p := range args[1:] {
			query["pkgID"] = p
			entries, err := s.api.PackageEntries(ctx, query)
			if err != nil {
				return err
			}
			if len(entries) == 0 {
				a.printf("No data for package %s\n", p)
			}
			change = append(change, entries...)
		}
		if len(args) == 1 {
			if change, err = s.api.PackageEntries(ctx, query); err != nil {
				return err
			}
			if len(change) == 0 {
				return failf("", "No data for user %s", *oldUser)
			}
		}
		for _, e := range change {
			what := fmt.Sprintf("owner for %s in tag %s: %s -> %s\n", e.PackageName, e.TagName, e.OwnerName, user.Name)
			switch {
			case e.OwnerID == user.ID && *verbose:
				a.printf("Preserving owner=%s for package %s in tag %s\n", user.Name, e.PackageName, e.TagName)
			case e.OwnerID == user.ID:
			case *test:
				a.printf("Would have changed %s", what)
			default:
				if *verbose {
					a.printf("Changing %s", what)
				}
				if err := s.api.ChangePackages(ctx, "packageListSetOwner", [][]any{{e.TagID, e.PackageName, user.ID}}); err != nil {
					return err
				}
			}
		}
		return nil
	}
	return cmd
}

package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys/api"
)

func listPkgsCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupInfo, "list-pkgs [options]", "Print the package listing for tag or for owner")
	fs := cmd.Flags()
	owner := fs.String("owner", "", "only packages of this user")
	tag := fs.String("tag", "", "only packages of this tag, and of what it inherits from")
	pkg := fs.String("package", "", "only this package")
	noInherit := fs.Bool("noinherit", false, "do not follow inheritance")
	showBlocked := fs.Bool("show-blocked", false, "show blocked packages")
	showDups := fs.Bool("show-dups", false, "show superseded owners")
	var when eventOptions
	when.register(cmd)
	a.listing(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) != 0 {
			return usagef(cmd, "This command takes no arguments")
		}
		ctx := cmd.Context()
		s, err := a.anonymous(ctx)
		if err != nil {
			return err
		}
		query := map[string]any{}
		if *owner != "" {
			u, err := s.api.User(ctx, *owner)
			if err != nil {
				return err
			}
			if u == nil {
				return failf("list-users lists them", "No such user: %s", *owner)
			}
			query["userID"] = u.ID
		}
		if *tag != "" {
			t, err := s.tag(ctx, *tag, 0)
			if err != nil {
				return err
			}
			query["tagID"] = t.ID
		}
		if *pkg != "" {
			query["pkgID"] = *pkg
		}
		all := len(query) == 0
		query["inherited"] = !*noInherit
		query["with_dups"] = *tag == "" || *showDups
		_, at, err := a.anonymousAt(ctx, &when, !a.opts.json)
		if err != nil {
			return err
		}
		switch {
		case all && at != 0:
			return usagef(cmd, "--event and --ts makes sense only with --tag, --owner or --package")
		case all && *showBlocked:
			return usagef(cmd, "--show-blocked makes sense only with --tag, --owner or --package")
		case at != 0:
			query["event"] = at
		}
		if *showBlocked {
			query["with_blocked"] = true
		}
		entries, err := s.api.PackageEntries(ctx, query)
		if err != nil {
			return err
		}
		if len(entries) == 0 {
			return failf("", "(no matching packages)")
		}
		entries = slices.DeleteFunc(entries, func(e api.PackageEntry) bool { return e.Blocked && !*showBlocked })
		if a.opts.json {
			return a.printJSON(entries)
		}
		a.printPackageHead(all)
		for _, e := range entries {
			if e.TagID == 0 {
				a.println(e.PackageName)
				continue
			}
			arches, blocked := "", ""
			if e.ExtraArches != nil {
				arches = *e.ExtraArches
			}
			if e.Blocked {
				blocked = " [BLOCKED]"
			}
			a.printf("%-23s %-23s %-16s %-15s%s\n", e.PackageName, e.TagName, arches, e.OwnerName, blocked)
		}
		return nil
	}
	return cmd
}

func (a *App) printPackageHead(all bool) {
	switch {
	case a.opts.quiet:
	case all:
		a.printf("Package\n%s\n", strings.Repeat("-", 23))
	default:
		a.printf("%-23s %-23s %-16s %-15s\n", "Package", "Tag", "Extra Arches", "Owner")
		a.printf("%s %s %s %s\n", strings.Repeat("-", 23), strings.Repeat("-", 23), strings.Repeat("-", 16), strings.Repeat("-", 15))
	}
}

package cli

import (
	"context"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys/api"
)

// requireTagPerm refuses as Koji's client does, before anything is asked.
func requireTagPerm(ctx context.Context, s *session) error {
	for _, perm := range []string{"admin", "tag"} {
		ok, err := s.api.HasPerm(ctx, perm)
		if err != nil {
			return err
		}
		if ok {
			return nil
		}
	}
	return failf("an administrator can give it: grant-permission tag USER", "This action requires tag or admin privileges")
}

var archWord = regexp.MustCompile(`^[a-zA-Z0-9_-]*$`)

// parseArches makes a list of architectures, separated by commas or spaces, the
// string that the hub keeps.
func parseArches(s string) (string, error) {
	words := strings.Fields(strings.ReplaceAll(s, ",", " "))
	for _, w := range words {
		if !archWord.MatchString(w) {
			return "", failf("", "Architecture can be only [a-zA-Z0-9_-]")
		}
	}
	return strings.Join(words, " "), nil
}

func addTagCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "add-tag [options] <name>", "Add a new tag to the database")
	fs := cmd.Flags()
	parent := fs.String("parent", "", "set a parent tag with priority 0")
	arches := fs.String("arches", "", "the tag's architectures")
	maven := fs.Bool("maven-support", false, "make Maven repositories for this tag")
	includeAll := fs.Bool("include-all", false, "put all packages of this tag into its Maven repositories")
	extra := fs.StringArrayP("extra", "x", nil, "set an extra option of the tag: `key=value`")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usagef(cmd, "Please specify a name for the tag")
		}
		settings := api.TagSettings{Parent: *parent, MavenSupport: *maven, MavenIncludeAll: *includeAll}
		for _, x := range *extra {
			key, value, ok := strings.Cut(x, "=")
			if !ok {
				return usagef(cmd, "--extra %s: give key=value", x)
			}
			if settings.Extra == nil {
				settings.Extra = map[string]any{}
			}
			settings.Extra[key] = argValue(value)
		}
		var err error
		if settings.Arches, err = parseArches(*arches); err != nil {
			return err
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		if err := requireTagPerm(ctx, s); err != nil {
			return err
		}
		_, err = s.api.CreateTag(ctx, args[0], settings)
		return err
	}
	return cmd
}

func addPkgCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "add-pkg [options] --owner <owner> <tag> <package> [<package> ...]", "Add a package to the listing for tag")
	fs := cmd.Flags()
	force := fs.Bool("force", false, "override blocks if necessary")
	owner := fs.String("owner", "", "the packages' owner")
	extraArches := fs.String("extra-arches", "", "extra architectures")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < 2:
			return usagef(cmd, "Please specify a tag and at least one package")
		case *owner == "":
			return usagef(cmd, "Please specify an owner for the package(s)")
		}
		extra, err := parseArches(*extraArches)
		if err != nil {
			return err
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		user, err := s.api.User(ctx, *owner)
		if err != nil {
			return err
		}
		if user == nil {
			return failf("", "No such user: %s", *owner)
		}
		tag, err := s.tag(ctx, args[0], 0)
		if err != nil {
			return err
		}
		there, err := s.api.Packages(ctx, tag.ID)
		if err != nil {
			return err
		}
		listed := make(map[string]bool, len(there))
		for _, p := range there {
			listed[p.PackageName] = true
		}
		var adds []api.PackageAdd
		for _, name := range args[1:] {
			if listed[name] {
				a.printf("Package %s already exists in tag %s\n", name, args[0])
				continue
			}
			adds = append(adds, api.PackageAdd{
				Tag: args[0], Package: name, Owner: *owner, ExtraArches: extra, Force: given(cmd, "force", force),
			})
		}
		a.printf("Adding %d packages to tag %s\n", len(adds), tag.Name)
		return s.api.AddPackages(ctx, adds)
	}
	return cmd
}

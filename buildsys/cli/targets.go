package cli

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys/api"
)

// requireTargetPerm refuses as Koji's client does, before anything is asked.
func requireTargetPerm(ctx context.Context, s *session) error {
	for _, perm := range []string{"admin", "target"} {
		ok, err := s.api.HasPerm(ctx, perm)
		if err != nil {
			return err
		}
		if ok {
			return nil
		}
	}
	return failf("an administrator can give it: grant-permission target USER", "This action requires target or admin privileges")
}

// checkBuildTag refuses a build tag that nothing can be built in.
func checkBuildTag(ctx context.Context, s *session, name string) error {
	tag, err := s.tag(ctx, name, 0)
	if err != nil {
		return err
	}
	if tag.Arches == nil || *tag.Arches == "" {
		return failf("give it some: edit-tag --arches \"x86_64 ...\" "+name, "Build tag has no arches: %s", name)
	}
	return nil
}

func checkDestTag(ctx context.Context, s *session, name string) error {
	tag, err := s.api.Tag(ctx, name, 0)
	if err == nil && tag == nil {
		err = failf("", "No such destination tag: %s", name)
	}
	return err
}

func addTargetCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "add-target <name> <build tag> <dest tag>", "Create a new build target")
	cmd.Long = "Makes a build target: builds are made from the repository of the build tag, and go into the\n" +
		"destination tag. Without one that is the tag of the target's name."
	cmd.Example = "  privyseal add-target f40 f40-build f40-candidates"
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < 2:
			return usagef(cmd, "Please specify a target name, a build tag, and destination tag")
		case len(args) > 3:
			return usagef(cmd, "Incorrect number of arguments")
		}
		name, build, dest := args[0], args[1], args[0]
		if len(args) > 2 {
			dest = args[2]
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		if err := requireTargetPerm(ctx, s); err != nil {
			return err
		}
		if err := checkBuildTag(ctx, s, build); err != nil {
			return err
		}
		if err := checkDestTag(ctx, s, dest); err != nil {
			return err
		}
		return s.api.CreateTarget(ctx, name, build, dest)
	}
	return cmd
}

// target finds a build target that there has to be.
func (s *session) target(ctx context.Context, name string) (*api.Target, error) {
	t, err := s.api.Target(ctx, name)
	if err == nil && t == nil {
		err = failf("list-targets shows those there are", "No such build target: %s", name)
	}
	return t, err
}

func editTargetCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "edit-target [options] <name>", "Set the name, build_tag, and/or dest_tag of an existing build target to new values")
	fs := cmd.Flags()
	rename := fs.String("rename", "", "specify new name for target")
	build := fs.String("build-tag", "", "specify a different build tag")
	dest := fs.String("dest-tag", "", "specify a different destination tag")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usagef(cmd, "Please specify a build target")
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		if err := requireTargetPerm(ctx, s); err != nil {
			return err
		}
		t, err := s.target(ctx, args[0])
		if err != nil {
			return err
		}
		now := *t
		if *rename != "" {
			now.Name = *rename
		}
		if *build != "" {
			now.BuildTagName = *build
			if err := checkBuildTag(ctx, s, *build); err != nil {
				return err
			}
		}
		if *dest != "" {
			now.DestTagName = *dest
			if err := checkDestTag(ctx, s, *dest); err != nil {
				return err
			}
		}
		return s.api.EditTarget(ctx, t.Name, now.Name, now.BuildTagName, now.DestTagName)
	}
	return cmd
}

func removeTargetCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "remove-target [options] <name>", "Remove a build target")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usagef(cmd, "Please specify a build target to remove")
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		if err := requireTargetPerm(ctx, s); err != nil {
			return err
		}
		t, err := s.target(ctx, args[0])
		if err != nil {
			return err
		}
		return s.api.DeleteTarget(ctx, t.ID)
	}
	return cmd
}

type targetJSON struct {
	ID       int64  `json:"id"`
	Name     string `json:"name"`
	BuildTag string `json:"build_tag"`
	DestTag  string `json:"dest_tag"`
}

func listTargetsCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupInfo, "list-targets [options]", "List the build targets")
	name := cmd.Flags().String("name", "", "specify the build target name")
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
		targets, err := s.api.Targets(ctx, given(cmd, "name", name))
		if err != nil {
			return err
		}
		slices.SortStableFunc(targets, func(x, y api.Target) int { return cmp.Compare(x.Name, y.Name) })
		if a.opts.json {
			out := make([]targetJSON, len(targets))
			for i, t := range targets {
				out[i] = targetJSON{t.ID, t.Name, t.BuildTagName, t.DestTagName}
			}
			return a.printJSON(out)
		}
		if len(targets) == 0 {
			if *name != "" {
				return usagef(cmd, "No such build target: %s", *name)
			}
			return usagef(cmd, "No targets were found")
		}
		if !a.opts.quiet {
			a.printf("%-30s %-30s %-30s\n%s\n", "Name", "Buildroot", "Destination", strings.Repeat("-", 93))
		}
		for _, t := range targets {
			a.printf("%-30s %-30s %-30s\n", t.Name, t.BuildTagName, t.DestTagName)
		}
		return nil
	}
	return cmd
}

package cli

import (
	"github.com/spf13/cobra"
)

func cloneTagCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "clone-tag [options] <src-tag> <dst-tag>", "Duplicate the contents of one tag onto another tag")
	cmd.Long = "Copies what one tag holds, or held at a moment in the past, to another, which is made if it does\n" +
		"not exist. The hub does it in one piece: all of it, or nothing. Without options only the tag is\n" +
		"made.\n\n" +
		"Packages, builds and groups that the source inherits become the copy's own. With --inheritance\n" +
		"the copy gets the source's parents instead, and what is the source's own."
	fs := cmd.Flags()
	cmd.Example = "  privyseal clone-tag --all --latest-only f40 f40-beta"
	config := fs.Bool("config", false, "copy config from the source to the dest tag")
	groups := fs.Bool("groups", false, "copy group information")
	pkgs := fs.Bool("pkgs", false, "copy package list from the source to the dest tag")
	builds := fs.Bool("builds", false, "tag builds into the dest tag")
	all := fs.Bool("all", false, "the same as --config --groups --pkgs --builds")
	latest := fs.Bool("latest-only", false, "tag only the latest build of each package")
	inherit := fs.Bool("inherit-builds", false, "include all builds inherited into the source tag into the dest tag")
	repos := fs.Bool("external-repos", false, "copy the source's own external repos")
	links := fs.Bool("inheritance", false, "copy the source's links to its parents")
	var when eventOptions
	when.register(cmd)
	noDelete := fs.Bool("no-delete", false, "do not delete any existing content in dest tag")
	fs.Bool("notify", false, "send tagging/untagging notifications (taken for the sake of scripts: nothing is sent)")
	force := fs.BoolP("force", "f", false, "override tag locks if necessary")
	fs.BoolP("verbose", "v", false, "")
	test := fs.BoolP("test", "n", false, "")
	batch := fs.Int("batch", 100, "")
	for _, old := range []string{"verbose", "test", "batch"} {
		_ = fs.MarkHidden(old)
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) != 2 {
			return usagef(cmd, "This command takes two arguments: <src-tag> <dst-tag>")
		}
		if *all {
			*config, *groups, *pkgs, *builds = true, true, true, true
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		if !*test {
			if err := requireTagPerm(ctx, s); err != nil {
				return err
			}
		}
		switch {
		case args[0] == args[1]:
			return usagef(cmd, "Source and destination tags must be different.")
		case *batch < 0:
			return usagef(cmd, "batch size must be bigger than zero")
		}
		at, err := when.find(ctx, s.api)
		if err != nil {
			return err
		}
		var event any
		number := int64(0)
		if at != nil {
			a.printf("Cloning at event %d (%s)\n", at.ID, asctime(unixTime(at.TS)))
			number = at.ID
			event = at.ID
		}
		if *builds && !*pkgs {
			return usagef(cmd, "--builds can't be used without also specifying --pkgs")
		}
		src, err := s.api.Tag(ctx, args[0], number)
		if err != nil {
			return err
		}
		if src == nil {
			return usagef(cmd, "No such src-tag: %s", args[0])
		}
		dst, err := s.api.Tag(ctx, args[1], 0)
		if err != nil {
			return err
		}
		if !*force && (src.Locked || dst != nil && dst.Locked) {
			return usagef(cmd, "Error: You are attempting to clone from or to a tag which is locked.\n"+
				"Please use --force if this is what you really want to do.")
		}
		if *test {
			return usagef(cmd, "server-side operation, test output is no longer available")
		}
		opts := map[string]any{"config": *config, "pkgs": *pkgs, "builds": *builds, "groups": *groups, "latest_only": *latest,
			"inherit_builds": *inherit, "event": event, "force": *force}
		// Koji's hub does not know these: they are sent only where they are wanted.
		if *repos {
			opts["external_repos"] = true
		}
		if *links {
			opts["inheritance"] = true
		}
		if dst == nil {
			return s.api.Snapshot(ctx, src.ID, args[1], opts)
		}
		opts["remove"] = !*noDelete
		return s.api.SnapshotModify(ctx, src.ID, args[1], opts)
	}
	return cmd
}

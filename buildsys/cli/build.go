package cli

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// uploadFile puts a file into a directory of the hub's upload area.
func (a *App) uploadFile(ctx context.Context, s *session, file, dir string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.IsDir() {
		return failf("give a file", "%s is a directory", file)
	}
	return s.client.Upload(ctx, dir, filepath.Base(file), f, info.Size())
}

// destination checks that builds for a target can be tagged in the end, unless they are not to be.
func destination(ctx context.Context, cmd *cobra.Command, s *session, target string, lockedToo bool) (record, error) {
	t, err := s.record(ctx, "getBuildTarget", target)
	if err != nil {
		return nil, err
	}
	if t == nil {
		return nil, usagef(cmd, "No such build target: %s", target)
	}
	tag, err := s.record(ctx, "getTag", t["dest_tag"])
	switch {
	case err != nil:
		return nil, err
	case tag == nil:
		return nil, usagef(cmd, "No such destination tag: %s", t.str("dest_tag_name"))
	case tag.yes("locked") && !lockedToo:
		return nil, usagef(cmd, "Destination tag %s is locked", tag.str("name"))
	}
	return t, nil
}

// background is the priority of builds that may wait.
const background = 5

// buildOptions are build's.
type buildOptions struct {
	waitOptions
	scratch, noProgress, background, draft bool
	rebuild                                *bool
	archOverride, metadata                 string
	repoID                                 int64
	waitBuilds                             []string
}

func buildCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupBuild, "build [options] <target> <srpm path or scm url>", "Build a package from source")
	cmd.Long = "The first argument is the build target. It says in which tag the build ends up, and from which tag's\n" +
		"repository the build root is filled; list-targets shows the targets there are.\n\n" +
		"The second one is a source package, which is uploaded, or the URL of a source repository:\n" +
		"git+https://HOST/REPOSITORY#REVISION."
	cmd.Example = "  privyseal build f40 git+https://src.example.org/rpms/hello#f40\n" +
		"  privyseal build --scratch f40 hello-1.0-1.src.rpm"
	o := &buildOptions{}
	fs := cmd.Flags()
	o.register(cmd, "on the build")
	fs.Bool("skip-tag", false, "do not tag the build")
	fs.BoolVar(&o.scratch, "scratch", false, "build it without keeping it as a build")
	setRebuild := func(v bool) func(string) error { return func(string) error { o.rebuild = &v; return nil } }
	fs.BoolFunc("rebuild-srpm", "make the source package anew (scratch builds only)", setRebuild(true))
	fs.BoolFunc("no-rebuild-srpm", "take the source package as it is (scratch builds only)", setRebuild(false))
	fs.Bool("wait-repo", false, "wait for a current repository of the build tag")
	fs.StringArrayVar(&o.waitBuilds, "wait-build", nil, "wait until the build `NVR` is in the repository (may be given more than once)")
	fs.StringVar(&o.archOverride, "arch-override", "", "build for these `ARCHES` (scratch builds only)")
	fs.Bool("fail-fast", false, "fail as soon as one architecture does")
	fs.Int64Var(&o.repoID, "repo-id", 0, "fill the build root from the repository of this `ID`")
	fs.BoolVar(&o.noProgress, "noprogress", false, "do not show the progress of the upload")
	fs.BoolVar(&o.background, "background", false, "build it at a lower priority")
	fs.StringVar(&o.metadata, "custom-user-metadata", "", "a `JSON` object to be kept with the build")
	fs.BoolVar(&o.draft, "draft", false, "make a draft build")
	a.quietly(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		metadata, err := o.check(cmd, args)
		if err != nil {
			return err
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		var target any = args[0]
		skipTag := fs.Changed("skip-tag")
		if strings.EqualFold(args[0], "none") && o.repoID != 0 {
			target, skipTag = nil, true
		} else if _, err := destination(ctx, cmd, s, args[0], o.scratch); err != nil {
			return err
		}
		source := args[1]
		if !strings.Contains(source, "://") {
			if source, err = a.uploadSource(ctx, s, source); err != nil {
				return err
			}
		}
		kw := kwargs{"priority": nil}
		if o.background {
			kw["priority"] = background
		}
		opts := o.opts(cmd, skipTag, metadata)
		id, err := s.id(ctx, "build", source, target, opts, kw)
		if err != nil {
			return err
		}
		if !a.opts.quiet {
			a.taskCreated(id)
		}
		return a.follow(ctx, s, id, o.wait)
	}
	return cmd
}

func (o *buildOptions) check(cmd *cobra.Command, args []string) (map[string]any, error) {
	switch {
	case len(args) != 2:
		return nil, usagef(cmd, "Exactly two arguments (a build target and a SCM URL or srpm file) are required")
	case o.rebuild != nil && !o.scratch:
		return nil, usagef(cmd, "--no-/rebuild-srpm is only allowed for --scratch builds")
	case o.archOverride != "" && !o.scratch:
		return nil, usagef(cmd, "--arch_override is only allowed for --scratch builds")
	case o.scratch && o.draft:
		return nil, usagef(cmd, "--scratch and --draft cannot be both specfied")
	}
	metadata := map[string]any{}
	if o.metadata == "" {
		return metadata, nil
	}
	v, err := jsonValue(o.metadata)
	if err != nil {
		return nil, usagef(cmd, "--custom-user-metadata is not valid JSON")
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, usagef(cmd, "--custom-user-metadata must be a JSON object")
	}
	return m, nil
}

// opts are the options that the hub is told: of those that are yes or no, the ones that were given.
func (o *buildOptions) opts(cmd *cobra.Command, skipTag bool, metadata map[string]any) map[string]any {
	opts := map[string]any{"custom_user_metadata": metadata, "wait_builds": append([]string{}, o.waitBuilds...)}
	if o.archOverride != "" {
		opts["arch_override"] = strings.Join(strings.Fields(strings.ReplaceAll(o.archOverride, ",", " ")), " ")
	}
	if skipTag {
		opts["skip_tag"] = true
	}
	for name, key := range map[string]string{"scratch": "scratch", "fail-fast": "fail_fast", "wait-repo": "wait_repo", "draft": "draft"} {
		if on, _ := cmd.Flags().GetBool(name); on {
			opts[key] = true
		}
	}
	if cmd.Flags().Changed("repo-id") {
		opts["repo_id"] = o.repoID
	}
	if o.rebuild != nil {
		opts["rebuild_srpm"] = *o.rebuild
	}
	return opts
}

// uploadSource uploads a source package and returns where it is.
func (a *App) uploadSource(ctx context.Context, s *session, file string) (string, error) {
	if !a.opts.quiet {
		a.printf("Uploading srpm: %s\n", file)
		a.flush()
	}
	dir := uploadDir("cli-build")
	if err := a.uploadFile(ctx, s, file, dir); err != nil {
		return "", err
	}
	a.println("")
	return dir + "/" + filepath.Base(file), nil
}

func chainBuildCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupBuild, "chain-build [options] <target> <URL> [<URL> [:] <URL> [:] <URL> ...]", "Build one or more packages from source")
	cmd.Long = "Builds packages one after the other, each group between colons with what the groups before made. A source\n" +
		"is the URL of a source repository, or name, version and release of a build to wait for."
	var w waitOptions
	w.register(cmd, "on the build")
	low := cmd.Flags().Bool("background", false, "build at a lower priority")
	a.quietly(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) < 2 {
			return usagef(cmd, "At least two arguments (a build target and a SCM URL) are required")
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		target, err := destination(ctx, cmd, s, args[0], false)
		if err != nil {
			return err
		}
		if err := a.chainable(ctx, s, target); err != nil {
			return err
		}
		groups, err := buildGroups(args[1:])
		if err != nil {
			return err
		}
		if len(groups) < 2 {
			return usagef(cmd, "You must specify at least one dependency between builds with : (colon)\n"+
				"If there are no dependencies, use the build command instead")
		}
		kw := kwargs{"priority": nil}
		if *low {
			kw["priority"] = background
		}
		id, err := s.id(ctx, "chainBuild", groups, args[0], kw)
		if err != nil {
			return err
		}
		if !a.opts.quiet {
			a.taskCreated(id)
		}
		return a.follow(ctx, s, id, w.wait)
	}
	return cmd
}

// chainable refuses a target whose builds do not come into its own build roots: a chain could not go on.
func (a *App) chainable(ctx context.Context, s *session, target record) error {
	links, err := s.records(ctx, "getFullInheritance", target["build_tag"])
	if err != nil {
		return err
	}
	dest := target.id("dest_tag")
	if dest == target.id("build_tag") || slices.ContainsFunc(links, func(l record) bool { return l.id("parent_id") == dest }) {
		return nil
	}
	a.term.warn("Packages in destination tag %s are not inherited by build tag %s", target.str("dest_tag_name"), target.str("build_tag_name"))
	return failf("", "Target %s is not usable for a chain-build", target.str("name"))
}

// buildGroups cuts sources at the colons.
func buildGroups(sources []string) ([]any, error) {
	var groups []any
	var group []any
	for _, src := range sources {
		switch {
		case src == ":":
			if len(group) > 0 {
				groups, group = append(groups, group), nil
			}
		case strings.Contains(src, "://"),
			!strings.Contains(src, "/") && !strings.HasSuffix(src, ".rpm") && strings.Count(src, "-") >= 2:
			group = append(group, src)
		default:
			return nil, failf("", "\"%s\" is not a SCM URL or package N-V-R", src)
		}
	}
	if len(group) > 0 {
		groups = append(groups, group)
	}
	return groups, nil
}

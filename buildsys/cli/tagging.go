package cli

import (
	"context"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/privyseal/privyseal/buildsys/api"
)

func tagBuildCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupBind, "tag-build [options] <tag> <pkg> [<pkg> ...]", "Apply a tag to one or more builds", "tag-pkg", "tag")
	fs := cmd.Flags()
	force := fs.Bool("force", false, "force operation")
	wait := fs.Bool("wait", false, "wait on task, even if running in the background")
	nowait := fs.Bool("nowait", false, "do not wait on task")
	a.quietly(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) < 2 {
			return usagef(cmd, "This command takes at least two arguments: a tag name/ID and one or more package n-v-r's")
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		var tasks []int64
		for _, build := range args[1:] {
			id, err := s.api.TagBuild(ctx, args[0], build, given(cmd, "force", force))
			if err != nil {
				return err
			}
			tasks = append(tasks, id)
			a.printf("Created task %d\n", id)
		}
		a.flush()
		if *nowait || !*wait && a.inBackground() {
			return nil
		}
		// Watching needs no login, and may take long.
		_ = s.client.Logout(ctx)
		return a.watch(ctx, s.api, tasks)
	}
	return cmd
}

// inBackground tells whether nobody sits before the program: standard input is
// no terminal, or another job has the terminal.
func (a *App) inBackground() bool {
	f, ok := a.term.in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return true
	}
	group, err := unix.IoctlGetInt(int(f.Fd()), unix.TIOCGPGRP)
	return err != nil || group != unix.Getpgrp()
}

func untagBuildCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupBind, "untag-build [options] <tag> <pkg> [<pkg> ...]", "Remove a tag from one or more builds", "untag-pkg", "untag")
	fs := cmd.Flags()
	all := fs.Bool("all", false, "untag all versions of the package in this tag, pkg is package name")
	nonLatest := fs.Bool("non-latest", false, "untag all versions of the package in this tag except the latest, pkg is package name")
	test := fs.BoolP("test", "n", false, "test mode")
	verbose := fs.BoolP("verbose", "v", false, "print details")
	force := fs.Bool("force", false, "force operation")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *nonLatest && *force {
			if len(args) < 1 {
				return usagef(cmd, "Please specify a tag")
			}
		} else if len(args) < 2 {
			return usagef(cmd, "This command takes at least two arguments: a tag name/ID and one or more package n-v-r's or package names")
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		tag, err := s.tag(ctx, args[0], 0)
		if err != nil {
			return err
		}
		var builds []string
		switch {
		case *all:
			builds, err = untagAll(ctx, s.api, args[0], args[1:])
		case *nonLatest:
			builds, err = a.untagOlder(ctx, s.api, args[0], args[1:], *verbose)
		default:
			builds, err = a.untagNamed(ctx, s.api, tag.Name, args[0], args[1:], *force)
		}
		if err != nil {
			return err
		}
		slices.Reverse(builds)
		for _, nvr := range builds {
			switch {
			case *test:
				a.printf("would have untagged %s\n", nvr)
			case *verbose:
				a.printf("untagging %s\n", nvr)
			}
		}
		if *test {
			return nil
		}
		return s.api.UntagBuilds(ctx, tag.Name, builds, given(cmd, "force", force))
	}
	return cmd
}

func untagAll(ctx context.Context, h *api.Hub, tag string, packages []string) ([]string, error) {
	history, err := h.TagHistory(ctx, tag, "package", packages)
	if err != nil {
		return nil, err
	}
	var builds []string
	for _, b := range slices.Concat(history...) {
		builds = append(builds, b.NVR())
	}
	return builds, nil
}

// untagOlder finds all but the build of each package that was tagged last.
func (a *App) untagOlder(ctx context.Context, h *api.Hub, tag string, packages []string, verbose bool) ([]string, error) {
	if len(packages) == 0 {
		packages = []string{""}
	}
	history, err := h.TagHistory(ctx, tag, "package", packages)
	if err != nil {
		return nil, err
	}
	tagged := slices.Concat(history...)
	slices.SortStableFunc(tagged, func(x, y api.HistoryBuild) int { return int(y.CreateEvent - x.CreateEvent) })
	seen := map[string]bool{}
	var builds []string
	for _, b := range tagged {
		if seen[b.Name] {
			builds = append(builds, b.NVR())
		} else if verbose {
			a.printf("Leaving latest build for package %s: %s\n", b.Name, b.NVR())
		}
		seen[b.Name] = true
	}
	return builds, nil
}

// untagNamed finds the builds that are named, all of which must be in the tag
// unless force is given.
func (a *App) untagNamed(ctx context.Context, h *api.Hub, tagName, tag string, nvrs []string, force bool) ([]string, error) {
	var packages []string
	for _, nvr := range nvrs {
		name, _, _, ok := parseNVR(nvr)
		if !ok {
			return nil, failf("", "invalid format: %s", nvr)
		}
		if !slices.Contains(packages, name) {
			packages = append(packages, name)
		}
	}
	history, err := h.TagHistory(ctx, tag, "pkg", packages)
	if err != nil {
		return nil, err
	}
	there := map[string]bool{}
	for _, b := range slices.Concat(history...) {
		there[b.NVR()] = true
	}
	var builds []string
	for _, nvr := range nvrs {
		if there[nvr] {
			builds = append(builds, nvr)
			continue
		}
		b, err := h.Build(ctx, nvr)
		if err != nil {
			return nil, err
		}
		if b == nil {
			a.term.warn("No such build: %s", nvr)
		} else {
			a.term.warn("Build %s not in tag %s", nvr, tagName)
		}
		if !force {
			return nil, &exitError{code: exitFailed}
		}
	}
	return builds, nil
}

// parseNVR splits name-version-release; an epoch before the name is dropped.
func parseNVR(nvr string) (name, version, release string, ok bool) {
	i := strings.LastIndexByte(nvr, '-')
	if i < 0 || i == len(nvr)-1 {
		return "", "", "", false
	}
	j := strings.LastIndexByte(nvr[:i], '-')
	if j < 0 || j == i-1 {
		return "", "", "", false
	}
	name = nvr[:j]
	if k := strings.IndexByte(name, ':'); k >= 0 {
		name = name[k+1:]
	}
	return name, nvr[j+1 : i], nvr[i+1:], true
}

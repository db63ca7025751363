package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// repoOptions say what repository is wanted.
type repoOptions struct {
	waitOptions
	repoWaitOptions
	target                      bool
	minEvent, atEvent           int64
	current                     bool
	debuginfo, source, separate bool
}

func (o *repoWaitOptions) register(a *App, cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.Int64Var(&o.timeout, "timeout", 120, "give up after so many `MINUTES`")
	fs.BoolVarP(&o.verbose, "verbose", "v", false, "tell what is going on")
	a.quietly(cmd)
}

// register adds the options that regen-repo and request-repo share.
func (o *repoOptions) register(a *App, cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.BoolVar(&o.target, "target", false, "the argument is a build target; its build tag is meant")
	o.waitOptions.register(cmd, "for the repository")
	fs.BoolVar(&o.debuginfo, "debuginfo", false, "with debuginfo packages")
	for _, n := range []string{"source", "src"} {
		fs.BoolVar(&o.source, n, false, "with source packages")
	}
	for _, n := range []string{"separate-source", "separate-src"} {
		fs.BoolVar(&o.separate, n, false, "with source packages in a repository of their own")
	}
	o.repoWaitOptions.register(a, cmd)
}

// opts are the options of the repository itself, nil for none.
func (o *repoOptions) opts() map[string]any {
	var out map[string]any
	for _, f := range []struct {
		on  bool
		key string
	}{{o.debuginfo, "debuginfo"}, {o.source, "src"}, {o.separate, "separate_src"}} {
		if f.on {
			if out == nil {
				out = map[string]any{}
			}
			out[f.key] = true
		}
	}
	return out
}

func oneTag(cmd *cobra.Command, args []string, target bool) error {
	switch {
	case len(args) == 0:
		return usagef(cmd, "A tag name must be specified")
	case len(args) > 1 && target:
		return usagef(cmd, "Only a single target may be specified")
	case len(args) > 1:
		return usagef(cmd, "Only a single tag name may be specified")
	}
	return nil
}

// repoTag finds the tag that an argument names, be it by a target.
func repoTag(ctx context.Context, cmd *cobra.Command, s *session, name string, target bool) (record, error) {
	if target {
		t, err := s.record(ctx, "getBuildTarget", name)
		if err != nil {
			return nil, err
		}
		if t == nil {
			return nil, usagef(cmd, "No such build target: %s", name)
		}
		return s.record(ctx, "getTag", t["build_tag"], kwargs{"strict": true})
	}
	tag, err := s.record(ctx, "getTag", name)
	if err == nil && tag == nil {
		err = usagef(cmd, "No such tag: %s", name)
	}
	return tag, err
}

func requestRepoCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupMisc, "request-repo [options] <tag>", "Request a repo for a tag")
	o := &repoOptions{}
	o.register(a, cmd)
	fs := cmd.Flags()
	fs.Int64Var(&o.minEvent, "min-event", 0, "made from this `EVENT` or a later one")
	fs.Int64Var(&o.atEvent, "at-event", 0, "made from this `EVENT`")
	for _, n := range []string{"current", "last"} {
		fs.BoolVar(&o.current, n, false, "made from the last change of the tag")
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return a.requestRepo(cmd, args, o) }
	return cmd
}

func regenRepoCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "regen-repo [options] <tag>", "Generate a current repo if there is not one")
	o := &repoOptions{current: true}
	o.register(a, cmd)
	direct := cmd.Flags().Bool("make-task", false, "make the task at once, past the queue of requests")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *direct {
			return a.regenRepo(cmd, args, o)
		}
		return a.requestRepo(cmd, args, o)
	}
	return cmd
}

func (a *App) requestRepo(cmd *cobra.Command, args []string, o *repoOptions) error {
	if err := oneTag(cmd, args, o.target); err != nil {
		return err
	}
	switch {
	case o.atEvent != 0 && (o.minEvent != 0 || o.current):
		return usagef(cmd, "Cannot specify both min-event and at-event")
	case o.current && o.minEvent != 0:
		return usagef(cmd, "Cannot specify both min-event and current")
	}
	ctx := cmd.Context()
	s, err := a.login(ctx)
	if err != nil {
		return err
	}
	tag, err := repoTag(ctx, cmd, s, args[0], o.target)
	if err != nil {
		return err
	}
	if !tag.yes("arches") {
		a.term.warn("Tag %s has an empty arch list", tag.str("name"))
	}
	w, err := a.newRepoWatcher(ctx, s, tag["id"], &o.repoWaitOptions)
	if err != nil {
		return err
	}
	if opts := o.opts(); opts != nil {
		w.opts = opts
	}
	switch {
	case o.atEvent != 0:
		w.at = o.atEvent
	case o.current:
		if err := w.lastChange(ctx); err != nil {
			return err
		}
	case o.minEvent != 0:
		w.min = o.minEvent
	}
	check, err := w.request(ctx)
	if err != nil {
		return err
	}
	if repo := asRecord(check["repo"]); repo != nil {
		a.gotRepo(repo)
		return nil
	}
	req := asRecord(check["request"])
	if o.wait == nil || !*o.wait {
		a.printf("Got request: %s\n", req.str("id"))
		if req.yes("task_id") {
			a.printf("Got task: %s\n", req.str("task_id"))
			a.taskLink(req.id("task_id"))
		}
		return nil
	}
	repo, err := w.waitRequest(ctx, req)
	if err != nil {
		return a.noRepo(err)
	}
	a.gotRepo(repo)
	return nil
}

// regenRepo makes a newRepo task.
func (a *App) regenRepo(cmd *cobra.Command, args []string, o *repoOptions) error {
	if err := oneTag(cmd, args, o.target); err != nil {
		return err
	}
	ctx := cmd.Context()
	s, err := a.login(ctx)
	if err != nil {
		return err
	}
	tag, err := repoTag(ctx, cmd, s, args[0], o.target)
	if err != nil {
		return err
	}
	if !o.target {
		targets, err := s.records(ctx, "getBuildTargets", kwargs{"buildTagID": tag["id"]})
		if err != nil {
			return err
		}
		if len(targets) == 0 {
			a.term.warn("%s is not a build tag", tag.str("name"))
		}
	}
	if !tag.yes("arches") {
		a.term.warn("Tag %s has an empty arch list", tag.str("name"))
	}
	id, err := s.id(ctx, "newRepo", tag["name"], kwargs(o.opts()))
	if err != nil {
		return err
	}
	a.printf("Regenerating repo for tag: %s\n", tag.str("name"))
	a.taskCreated(id)
	return a.follow(ctx, s, id, o.wait)
}

func waitRepoRequestCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupMonitor, "wait-repo-request [options] <request-id>", "Wait for an existing repo request")
	o := &repoWaitOptions{}
	o.register(a, cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return usagef(cmd, "A request id must be specified")
		case len(args) > 1:
			return usagef(cmd, "This command only accepts one argument")
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		check, err := s.record(ctx, "repo.checkRequest", args[0])
		if err != nil {
			return err
		}
		if repo := asRecord(check["repo"]); repo != nil {
			a.gotRepo(repo)
			return nil
		}
		req := asRecord(check["request"])
		w, err := a.newRepoWatcher(ctx, s, req["tag_id"], o)
		if err != nil {
			return err
		}
		if _, err := w.waitRequest(ctx, req); err != nil {
			return a.noRepo(err)
		}
		return nil
	}
	return cmd
}

func waitRepoCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupMonitor, "wait-repo [options] <tag>", "Wait for a repo to be regenerated")
	o := &repoWaitOptions{}
	fs := cmd.Flags()
	builds := fs.StringArray("build", nil, "wait for a repository with the build `NVR` (may be given more than once)")
	target := fs.Bool("target", false, "the argument is a build target; its build tag is meant")
	var request *bool
	set := func(v bool) func(string) error { return func(string) error { request = &v; return nil } }
	fs.BoolFunc("request", "ask for the repository (with a login)", set(true))
	fs.BoolFunc("no-request", "only look whether it is there (the default)", set(false))
	o.register(a, cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		for _, b := range *builds {
			if !isNVR(b) {
				return failf("a build is name-version-release", "invalid format: %s", b)
			}
		}
		switch {
		case len(args) < 1:
			return usagef(cmd, "Please specify a tag name")
		case len(args) > 1:
			return usagef(cmd, "Only one tag may be specified")
		}
		ctx := cmd.Context()
		ask := request != nil && *request
		session := a.anonymous
		if ask {
			session = a.login
		} else if request == nil {
			a.term.warn("The --request option is recommended for faster results")
		}
		s, err := session(ctx)
		if err != nil {
			return err
		}
		tag, err := repoTag(ctx, cmd, s, args[0], *target)
		if err != nil {
			return err
		}
		if err := a.warnOfWait(ctx, s, tag, *target, ask, *builds); err != nil {
			return err
		}
		w, err := a.newRepoWatcher(ctx, s, tag["id"], o)
		if err != nil {
			return err
		}
		w.nvrs = *builds
		if len(*builds) == 0 {
			if err := w.lastChange(ctx); err != nil {
				return err
			}
		}
		repo, err := w.wait(ctx, !ask)
		if err != nil {
			return a.noRepo(err)
		}
		if !a.opts.quiet {
			a.gotRepo(repo)
		}
		return nil
	}
	return cmd
}

// warnOfWait tells why waiting may be in vain.
func (a *App) warnOfWait(ctx context.Context, s *session, tag record, target, ask bool, builds []string) error {
	if !target {
		if err := a.warnOfTarget(ctx, s, tag); err != nil {
			return err
		}
	}
	if !ask && !xmlrpc.Truth(asRecord(tag["extra"])["repo.auto"]) {
		a.term.warn("This tag is not configured for automatic regeneration")
	}
	for _, nvr := range builds {
		head, release, _ := cutLast(nvr, "-")
		name, version, _ := cutLast(head, "-")
		if _, n, has := strings.Cut(name, ":"); has {
			name = n
		}
		latest, err := s.records(ctx, "getLatestBuilds", tag["id"], kwargs{"package": name})
		if err != nil {
			return err
		}
		if len(latest) == 0 {
			a.term.warn("No %s builds in tag %s", name, tag.str("name"))
		} else if want := name + "-" + version + "-" + release; latest[0].str("nvr") != want {
			a.term.warn("nvr %s is not current in tag %s\n  latest build is %s", want, tag.str("name"), latest[0].str("nvr"))
		}
	}
	return nil
}

func (a *App) warnOfTarget(ctx context.Context, s *session, tag record) error {
	targets, err := s.records(ctx, "getBuildTargets", kwargs{"buildTagID": tag["id"]})
	if err != nil || len(targets) > 0 {
		return err
	}
	a.term.warn("%s is not a build tag for any target", tag.str("name"))
	if targets, err = s.records(ctx, "getBuildTargets", kwargs{"destTagID": tag["id"]}); err != nil || len(targets) == 0 {
		return err
	}
	var maybe []string
	for _, t := range targets {
		if n := t.str("build_tag_name"); !slices.Contains(maybe, n) {
			maybe = append(maybe, n)
		}
	}
	slices.Sort(maybe)
	a.term.warn("Suggested tags: %s", strings.Join(maybe, ", "))
	return nil
}

func repoInfoCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupInfo, "repoinfo [options] <repo-id> [<repo-id> ...]", "Print basic information about a repo")
	roots := cmd.Flags().Bool("buildroots", false, "print the ids of the build roots made from it")
	a.listing(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) < 1 {
			return usagef(cmd, "Please specify a repo ID")
		}
		ctx := cmd.Context()
		s, err := a.anonymous(ctx)
		if err != nil {
			return err
		}
		calls := make([]xmlrpc.Call, len(args))
		for i, id := range args {
			calls[i] = xmlrpc.Call{Method: "repoInfo", Args: []any{id, kwargs{"strict": false}}}
		}
		results, err := s.api.Caller.MultiCall(ctx, calls)
		if err != nil {
			return err
		}
		list := []record{}
		for i, r := range results {
			if r.Err != nil {
				return r.Err
			}
			repo := asRecord(r.Value)
			switch {
			case repo == nil:
				a.term.warn("No such repo: %s\n", args[i])
			case a.opts.json:
				list = append(list, repo)
			default:
				if err := a.printRepo(ctx, s, repo, *roots); err != nil {
					return err
				}
			}
		}
		if a.opts.json {
			return a.printJSON(list)
		}
		return nil
	}
	return cmd
}

func (a *App) printRepo(ctx context.Context, s *session, repo record, roots bool) error {
	state := repo.str("state")
	if n, ok := repo["state"].(int64); ok {
		state = buildsys.RepoState(n).String()
	}
	dir, yes := "repos", "no"
	if repo.yes("dist") {
		dir, yes = "repos-dist", "yes"
	}
	a.printf("ID: %s\nTag ID: %s\nTag name: %s\nState: %s\nCreated: %s\nCreated event: %s\n",
		repo.str("id"), repo.str("tag_id"), repo.str("tag_name"), state, longTime(repo.seconds("create_ts")), repo.str("create_event"))
	a.printf("URL: %s/repos/%s/%s\n", a.cfg.TopURL, repo.str("tag_name"), repo.str("id"))
	a.printf("Repo json: %s/%s/%s/%s/repo.json\n", a.cfg.TopURL, dir, repo.str("tag_name"), repo.str("id"))
	a.printf("Dist repo?: %s\nTask ID: %s\n", yes, repo.str("task_id"))
	list, err := s.records(ctx, "listBuildroots", kwargs{"repoID": repo["id"]})
	if err != nil {
		return err
	}
	a.printf("Number of buildroots: %d\n", len(list))
	if roots && len(list) > 0 {
		a.println("Buildroots ID:")
		for _, r := range list {
			a.println(strings.Repeat(" ", 15) + r.str("id"))
		}
	}
	return nil
}

package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys/api"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// mockOptions are the verb's options.
type mockOptions struct {
	arch, name, tag, target, task, buildroot   string
	mockDir, topDir, topURL, distribution, out string
	yumProxy                                   string
	latest                                     bool
}

func mockConfigCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupInfo, "mock-config [options]", "Create a mock config")
	cmd.Long = "Prints a configuration with which mock makes the build root that the hub's builders make: for a\n" +
		"tag or a build target, or once more for a task or a build root of the past."
	cmd.Example = "  privyseal mock-config --tag f40-build --arch x86_64 --latest -o f40.cfg\n  mock -r ./f40.cfg --rebuild hello-1.0-1.src.rpm"
	var o mockOptions
	fs := cmd.Flags()
	fs.StringVarP(&o.arch, "arch", "a", "", "specify the arch")
	fs.StringVarP(&o.name, "name", "n", "", "specify the name for the buildroot")
	fs.StringVar(&o.tag, "tag", "", "create a mock config for a tag")
	fs.StringVar(&o.target, "target", "", "create a mock config for a build target")
	fs.StringVar(&o.task, "task", "", "duplicate the mock config of a previous task")
	fs.BoolVar(&o.latest, "latest", false, "use the latest redirect url")
	fs.StringVar(&o.buildroot, "buildroot", "", "duplicate the mock config for the specified buildroot id")
	fs.StringVar(&o.mockDir, "mockdir", "/var/lib/mock", "specify mockdir: `DIR`")
	fs.StringVar(&o.topDir, "topdir", "", "specify topdir: `DIR`; it tops the topurl")
	fs.StringVar(&o.topURL, "topurl", "", "`URL` under which the hub's files are accessible")
	fs.StringVar(&o.distribution, "distribution", "Koji Testing", "change the distribution macro")
	fs.StringVar(&o.yumProxy, "yum-proxy", "", "specify a yum proxy")
	fs.StringVarP(&o.out, "output", "o", "", "output to a `FILE`")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			if o.name != "" {
				return usagef(cmd, "Name already specified via option")
			}
			o.name = args[0]
		}
		c, err := a.config()
		if err != nil {
			return err
		}
		switch {
		case o.topDir != "":
			o.topURL = ""
		case o.topURL == "":
			o.topURL = c.TopURL
		}
		ctx := cmd.Context()
		s, err := a.anonymous(ctx)
		if err != nil {
			return err
		}
		src, err := a.mockSource(ctx, cmd, s, &o)
		if err != nil {
			return err
		}
		text, err := a.mockConfig(ctx, s, &o, src)
		if err != nil {
			return err
		}
		if o.out == "" {
			a.println(text)
			return nil
		}
		if err := a.write(o.out, []byte(text)); err != nil {
			return failf("", "cannot write the configuration: %w", err)
		}
		return nil
	}
	return cmd
}

// mockSource is what a build root is made from.
type mockSource struct {
	tag, arch string
	repo      *int64 // nil: the latest, whichever that is when mock runs
}

func (a *App) mockSource(ctx context.Context, cmd *cobra.Command, s *session, o *mockOptions) (mockSource, error) {
	switch {
	case o.buildroot != "":
		id, err := strconv.ParseInt(o.buildroot, 10, 64)
		if err != nil {
			return mockSource{}, usagef(cmd, "Buildroot id must be an integer")
		}
		br, err := s.api.BuildrootSource(ctx, id)
		if err == nil && br == nil {
			err = failf("", "No such buildroot: %d", id)
		}
		if err != nil {
			return mockSource{}, err
		}
		return o.again(br)
	case o.task != "":
		return a.mockTask(ctx, cmd, s, o)
	case o.tag == "" && o.target == "":
		return mockSource{}, usagef(cmd, "Please specify one of: --tag, --target, --task, --buildroot")
	case o.arch == "":
		return mockSource{}, failf("give --arch", "Please specify an arch")
	}
	src := mockSource{tag: o.tag, arch: o.arch}
	var id int64
	if o.tag != "" {
		tag, err := s.api.Tag(ctx, o.tag, 0)
		if err == nil && tag == nil {
			err = usagef(cmd, "No such tag: %s", o.tag)
		}
		if err != nil {
			return src, err
		}
		src.tag, id = tag.Name, tag.ID
	} else {
		target, err := s.api.Target(ctx, o.target)
		if err == nil && target == nil {
			err = usagef(cmd, "No such build target: %s", o.target)
		}
		if err != nil {
			return src, err
		}
		src.tag, id = target.BuildTagName, target.BuildTag
	}
	if o.latest {
		return src, nil
	}
	repo, err := s.api.Repo(ctx, id)
	if err == nil && repo == nil {
		err = failf("regen-repo "+src.tag+" makes one; --latest needs none yet", "Could not get a repo for tag: %s", src.tag)
	}
	if err != nil {
		return src, err
	}
	src.repo = &repo.ID
	return src, nil
}

func (a *App) mockTask(ctx context.Context, cmd *cobra.Command, s *session, o *mockOptions) (mockSource, error) {
	id, err := strconv.ParseInt(o.task, 10, 64)
	if err != nil {
		return mockSource{}, usagef(cmd, "Task id must be an integer")
	}
	brs, err := s.api.TaskBuildroots(ctx, id)
	if err != nil {
		return mockSource{}, err
	}
	if len(brs) == 0 {
		return mockSource{}, failf("", "No buildroots for task %s (or no such task)", o.task)
	}
	if len(brs) > 1 {
		ids := make([]any, len(brs))
		for i, br := range brs {
			ids[i] = br.ID
		}
		a.printf("Multiple buildroots found: %s\n", pyRepr(ids))
	}
	br := &brs[len(brs)-1]
	if o.name == "" {
		o.name = fmt.Sprintf("%s-task_%d", br.TagName, id)
	}
	return o.again(br)
}

// again is what a build root of the past was made from.
func (o *mockOptions) again(br *api.Buildroot) (mockSource, error) {
	src := mockSource{tag: br.TagName, arch: br.Arch, repo: br.RepoID}
	switch {
	case o.latest:
		src.repo = nil
	case src.repo == nil:
		return src, failf("--latest takes the tag's latest repository", "Buildroot %d was made without a repository of the hub", br.ID)
	}
	return src, nil
}

// mockConfig is the text of the configuration, as Koji's client writes it.
func (a *App) mockConfig(ctx context.Context, s *session, o *mockOptions, src mockSource) (string, error) {
	repo, event := "latest", int64(0)
	if src.repo != nil {
		repo = itoa(*src.repo)
		info, err := s.api.RepoInfo(ctx, *src.repo)
		if err != nil {
			return "", err
		}
		event = info.CreateEvent
	}
	cfg, err := s.buildConfig(ctx, src.tag, event)
	if err != nil {
		return "", err
	}
	switch {
	case cfg.Arches == nil || *cfg.Arches == "":
		a.term.warn("Tag %s has an empty arch list", src.tag)
	case !slices.Contains(strings.Fields(*cfg.Arches), src.arch):
		a.term.warn("%s is not in the list of tag arches", src.arch)
	}
	name := o.name
	if name == "" {
		name = src.tag + "-repo_" + repo
	}
	base := strings.TrimSuffix(o.topURL, "/") + "/repos/" + src.tag + "/" + repo + "/" + src.arch
	if o.topURL == "" {
		base = "file://" + orElse(o.topDir, "/mnt/koji") + "/repos/" + src.tag + "/" + repo + "/" + src.arch
	}
	return mockText(name, src.arch, base, o, cfg.Extra)
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// mockText writes the configuration: mock reads it as Python.
func mockText(name, arch, baseURL string, o *mockOptions, extra map[string]any) (string, error) {
	opts := map[string]any{
		"root": name, "basedir": o.mockDir, "target_arch": arch, "chroothome": "/builddir", "chroot_setup_cmd": "install @build",
		"rpmbuild_networking": false, "use_host_resolv": false, "rpmbuild_timeout": int64(86400), "dnf_warning": false,
		"use_bootstrap_image": false,
	}
	if xmlrpc.Truth(extra["mock.forcearch"]) {
		opts["forcearch"] = arch
	}
	if v := extra["mock.package_manager"]; xmlrpc.Truth(v) {
		opts["package_manager"] = v
	}
	if v := extra["mock.bootstrap_image"]; xmlrpc.Truth(v) {
		opts["use_bootstrap_image"], opts["bootstrap_image"] = true, v
	}
	if v, ok := extra["mock.use_bootstrap"]; ok {
		opts["use_bootstrap"] = xmlrpc.Truth(v)
	}
	for _, k := range []string{"module_setup_commands", "releasever"} {
		if v, ok := extra["mock."+k]; ok {
			opts[k] = v
		}
	}
	yum := "[main]\n"
	if o.yumProxy != "" {
		yum += "proxy=" + o.yumProxy + "\n"
	}
	yum += "cachedir=/var/cache/yum\ndebuglevel=1\nlogfile=/var/log/yum.log\nreposdir=/dev/null\nretries=20\nobsoletes=1\ngpgcheck=0\n" +
		"assumeyes=1\nkeepcache=1\ninstall_weak_deps=0\nstrict=1\n\n# repos\n\n[build]\nname=build\nbaseurl=" + baseURL + "\n"
	if xmlrpc.Truth(extra["mock.yum.module_hotfixes"]) {
		yum += "module_hotfixes=1\n"
	}
	if v, ok := extra["mock.yum.best"]; ok {
		best, err := strconv.ParseInt(strings.TrimSpace(fmt.Sprint(boolAsInt(v))), 10, 64)
		if err != nil {
			return "", failf("edit-tag -x mock.yum.best=1, or 0", "The tag's option mock.yum.best is no number: %s", pyRepr(v))
		}
		if best != 0 {
			yum += "best=" + itoa(best) + "\n"
		}
	}
	opts["yum.conf"] = yum
	macros := map[string]any{
		"%_rpmfilename": "%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm", "%vendor": "Koji", "%packager": "Koji", "%distribution": o.distribution,
	}
	for k, v := range extra {
		if macro, ok := strings.CutPrefix(k, "rpm.macro."); ok {
			macros["%"+macro] = v
		}
	}
	macros["%_topdir"], macros["%_host_cpu"], macros["%_host"] = "/builddir/build", arch, arch+"-koji-linux-gnu"
	var b strings.Builder
	b.WriteString("# Auto-generated by the Koji build system\n\n")
	mockLines(&b, "config_opts", opts)
	mockLines(&b, "config_opts['plugin_conf']", map[string]any{"ccache_enable": false, "yum_cache_enable": false, "root_cache_enable": false})
	mockLines(&b, "config_opts['macros']", macros)
	return b.String(), nil
}

func mockLines(b *strings.Builder, what string, m map[string]any) {
	for _, k := range slices.Sorted(maps.Keys(m)) {
		fmt.Fprintf(b, "%s[%s] = %s\n", what, pyString(k), pyRepr(m[k]))
	}
	b.WriteString("\n")
}

// boolAsInt is a number for a boolean, as Python's int has it.
func boolAsInt(v any) any {
	if b, ok := v.(bool); ok {
		if b {
			return 1
		}
		return 0
	}
	return v
}

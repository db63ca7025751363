package cli

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// buildRootDir is where Koji's builders have their build roots.
const buildRootDir = "/var/lib/mock"

func taskInfoCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupInfo, "taskinfo [options] <task_id> [<task_id> ...]", "Show information about a task")
	recurse := cmd.Flags().BoolP("recurse", "r", false, "show the subtasks, too")
	verbose := cmd.Flags().BoolP("verbose", "v", false, "show what the task was asked")
	a.listing(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) < 1 {
			return usagef(cmd, "You must specify at least one task ID")
		}
		ids, err := taskIDs(cmd, args, "a task ID is a number")
		if err != nil {
			return err
		}
		ctx := cmd.Context()
		s, err := a.anonymous(ctx)
		if err != nil {
			return err
		}
		if a.opts.json {
			return a.taskInfoJSON(ctx, s, ids)
		}
		for _, id := range ids {
			if err := a.printTaskInfo(ctx, s, id, 0, *recurse, *verbose); err != nil {
				return err
			}
		}
		return nil
	}
	return cmd
}

func (a *App) taskInfoJSON(ctx context.Context, s *session, ids []int64) error {
	out := []record{}
	for _, id := range ids {
		t, err := s.record(ctx, "getTaskInfo", id, kwargs{"request": true, "strict": true})
		if err != nil {
			return err
		}
		out = append(out, t)
	}
	return a.printJSON(out)
}

// maxTaskDepth bounds how deep subtasks are followed.
const maxTaskDepth = 100

func (a *App) printTaskInfo(ctx context.Context, s *session, id int64, level int, recurse, verbose bool) error {
	t, err := s.record(ctx, "getTaskInfo", id)
	if err != nil {
		return err
	}
	if t == nil {
		return failf("", "No such task: %d", id)
	}
	var host record
	if t.yes("host_id") {
		if host, err = s.record(ctx, "getHost", t["host_id"]); err != nil {
			return err
		}
	}
	roots, err := s.records(ctx, "listBuildroots", kwargs{"taskID": id})
	if err != nil {
		return err
	}
	builds, err := s.records(ctx, "listBuilds", kwargs{"taskID": id})
	if err != nil {
		return err
	}
	logs, output, err := a.taskFiles(ctx, s, id)
	if err != nil {
		return err
	}
	owner, err := s.record(ctx, "getUser", t["owner"])
	if err != nil {
		return err
	}
	indent := strings.Repeat("  ", level)
	say := func(format string, args ...any) { a.printf(indent+format+"\n", args...) }
	say("Task: %d", id)
	say("Type: %s", t.str("method"))
	if verbose {
		say("Request Parameters:")
		for _, line := range a.taskRequestLines(ctx, s, t.str("method"), id) {
			say("  %s", line)
		}
	}
	say("Owner: %s", owner.str("name"))
	say("State: %s", strings.ToLower(buildsys.TaskState(t.id("state")).String()))
	for _, at := range []struct{ name, key string }{{"Created", "create_ts"}, {"Started", "start_ts"}, {"Finished", "completion_ts"}} {
		if when, ok := t.when(at.key); ok {
			say("%s: %s", at.name, asctime(when))
		}
	}
	if host != nil {
		say("Host: %s", host.str("name"))
	}
	if len(builds) > 0 {
		say("Build: %s (%d)", builds[0].str("nvr"), builds[0].id("build_id"))
	}
	if len(roots) > 0 {
		say("Buildroots:")
		for _, r := range roots {
			say("  %s/%s-%d-%d/", buildRootDir, r.str("tag_name"), r.id("id"), r.id("repo_id"))
		}
	}
	for _, l := range []struct {
		title string
		files []string
	}{{"Log Files:", logs}, {"Output:", output}} {
		say("%s", l.title)
		for _, f := range l.files {
			say("  %s", f)
		}
		if len(l.files) == 0 {
			say("  No outputs reported [1]")
		}
	}
	if len(logs) == 0 || len(output) == 0 {
		say("[1] Not all tasks produce outputs, and task outputs are not retained indefinitely.")
	}
	a.println("")
	if !recurse || level >= maxTaskDepth {
		return nil
	}
	children, err := s.records(ctx, "getTaskChildren", id, kwargs{"request": true})
	if err != nil {
		return err
	}
	slices.SortFunc(children, func(x, y record) int { return int(x.id("id") - y.id("id")) })
	for _, c := range children {
		if err := a.printTaskInfo(ctx, s, c.id("id"), level+1, true, verbose); err != nil {
			return err
		}
	}
	return nil
}

// taskVolumes are the files that a task wrote, and on which volumes each is, both in order.
func (s *session) taskVolumes(ctx context.Context, id int64) ([]string, map[string][]string, error) {
	v, err := s.call(ctx, "listTaskOutput", id, kwargs{"all_volumes": true})
	if err != nil {
		return nil, nil, err
	}
	m, _ := v.(map[string]any)
	out := make(map[string][]string, len(m))
	for name, list := range m {
		vols, _ := list.([]any)
		for _, vol := range vols {
			out[name] = append(out[name], pyStr(vol))
		}
	}
	return sortedKeys(m), out, nil
}

// workDir is the work directory of a volume below a root.
func workDir(root, volume string) string {
	if volume == "" || volume == "DEFAULT" {
		return root + "/work"
	}
	return root + "/vol/" + volume + "/work"
}

// taskDir is a task's output below work/.
func taskDir(id int64) string { return fmt.Sprintf("tasks/%d/%d", id%10000, id) }

// taskFiles are the paths of what a task wrote, logs and others.
func (a *App) taskFiles(ctx context.Context, s *session, id int64) (logs, output []string, err error) {
	names, volumes, err := s.taskVolumes(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	for _, name := range names {
		for _, v := range volumes[name] {
			p := path.Join(workDir(a.cfg.TopDir, v), taskDir(id), name)
			if strings.HasSuffix(name, ".log") {
				logs = append(logs, p)
			} else {
				output = append(output, p)
			}
		}
	}
	return logs, output, nil
}

// taskRequestLines are the lines that say what a task was asked. Requests of an odd shape say only that.
func (a *App) taskRequestLines(ctx context.Context, s *session, method string, id int64) (lines []string) {
	defer func() {
		if recover() != nil {
			lines = []string{"Unable to parse task parameters"}
		}
	}()
	v, err := s.call(ctx, "getTaskRequest", id)
	if err != nil {
		panic(err)
	}
	r := &requestLines{a: a, s: s, ctx: ctx, params: v.([]any)}
	r.describe(method)
	return r.lines
}

// requestLines gathers the lines. Its methods panic where a request is not what its method's is; see taskRequestLines.
type requestLines struct {
	a      *App
	s      *session
	ctx    context.Context
	params []any
	lines  []string
}

func (r *requestLines) add(format string, args ...any) {
	r.lines = append(r.lines, fmt.Sprintf(format, args...))
}

// str is a parameter as text.
func (r *requestLines) str(i int) string { return pyStr(r.params[i]) }

// look calls a method that finds something by a parameter; it must be there.
func (r *requestLines) look(method string, info any) record {
	v, err := r.s.record(r.ctx, method, info)
	if err != nil || v == nil {
		panic("not found")
	}
	return v
}

// opts adds the options in a parameter, if it is there.
func (r *requestLines) opts(i int) {
	if i < len(r.params) {
		r.options(r.params[i], "")
	}
}

func (r *requestLines) options(v any, prefix string) {
	if xmlrpc.Truth(v) {
		r.add("%sOptions:", prefix)
		r.members(v, prefix)
	}
}

func (r *requestLines) members(v any, prefix string) {
	m := v.(map[string]any)
	for _, k := range sortedKeys(m) {
		if k != "__starstar" {
			r.add("  %s%s: %s", prefix, k, pyStr(m[k]))
		}
	}
}

// named adds parameters with names.
func (r *requestLines) named(names ...string) {
	for i, n := range names {
		if i < len(r.params) {
			r.add("%s: %s", n, r.str(i))
		}
	}
}

func (r *requestLines) describe(method string) {
	switch method {
	case "buildSRPMFromCVS":
		r.add("CVS URL: %s", r.str(0))
	case "buildSRPMFromSCM":
		r.add("SCM URL: %s", r.str(0))
	case "buildArch":
		r.add("SRPM: %s/work/%s", r.a.cfg.TopDir, r.str(0))
		tag, err := r.s.record(r.ctx, "getTag", r.params[1])
		if err != nil {
			panic(err)
		}
		name := r.str(1) + " (deleted)"
		if tag != nil {
			name = tag.str("name")
		}
		r.add("Build Tag: %s", name)
		r.add("Build Arch: %s", r.str(2))
		r.add("SRPM Kept: %s", pyRepr(r.params[3]))
		r.opts(4)
	case "tagBuild":
		build := r.look("getBuild", r.params[1])
		r.add("Destination Tag: %s", r.look("getTag", r.params[0]).str("name"))
		r.add("Build: %s", buildLabel(build))
	case "build":
		r.add("Source: %s", r.str(0))
		r.add("Build Target: %s", r.str(1))
		r.opts(2)
	case "maven":
		r.add("SCM URL: %s", r.str(0))
		r.add("Build Target: %s", r.str(1))
		r.opts(2)
	case "newRepo":
		r.add("Tag: %s", r.look("getTag", r.params[0]).str("name"))
	case "prepRepo":
		r.add("Tag: %s", pyStr(member(r.params[0], "name")))
	case "createrepo":
		r.createrepo()
	case "dependantTask":
		r.dependant()
	case "chainbuild":
		r.add("Build Groups:")
		for i, group := range r.params[0].([]any) {
			r.add("  %d: %s", i+1, joined(group.([]any)))
		}
		r.add("Build Target: %s", r.str(1))
		r.opts(2)
	case "waitrepo":
		r.add("Build Target: %s", r.str(0))
		if xmlrpc.Truth(r.params[1]) {
			r.add("Newer Than: %s", r.str(1))
		}
		if xmlrpc.Truth(r.params[2]) {
			r.add("NVRs: %s", joined(r.params[2].([]any)))
		}
	default:
		r.describeOther(method)
	}
}

func (r *requestLines) createrepo() {
	r.add("Repo ID: %d", r.params[0].(int64))
	r.add("Arch: %s", r.str(1))
	if xmlrpc.Truth(r.params[2]) {
		old := asRecord(r.params[2])
		r.add("Old Repo ID: %d", old["id"].(int64))
		if _, ok := old["create_ts"]; !ok {
			panic("no create_ts")
		}
		r.add("Old Repo Creation: %s", longTime(old.seconds("create_ts")))
	}
	if len(r.params) > 3 {
		var names []string
		for _, e := range r.params[3].([]any) {
			names = append(names, pyStr(member(e, "external_repo_name")))
		}
		r.add("External Repos: %s", strings.Join(names, ", "))
	}
}

func (r *requestLines) dependant() {
	r.add("Dependant Tasks: %s", joined(r.params[0].([]any)))
	r.add("Subtasks:")
	for _, v := range r.params[1].([]any) {
		sub := v.([]any)
		r.add("  Method: %s", pyStr(sub[0]))
		r.add("  Parameters: %s", joined(sub[1].([]any)))
		if len(sub) > 2 {
			r.options(sub[2], "  ")
		}
		r.add("")
	}
}

// describeOther tells of tasks that this system does not run, but may know from a clone, and of notifications.
func (r *requestLines) describeOther(method string) {
	switch method {
	case "buildNotification":
		r.add("Recipients: %s", joined(r.params[0].([]any)))
		r.add("Build: %s", buildLabel(asRecord(r.params[1])))
		r.add("Build Target: %s", pyStr(member(r.params[2], "name")))
		r.add("Web URL: %s", r.str(3))
	case "tagNotification":
		dest := r.look("getTag", r.params[2])
		var src record
		if xmlrpc.Truth(r.params[3]) {
			src = r.look("getTag", r.params[3])
		}
		build, user := r.look("getBuild", r.params[4]), r.look("getUser", r.params[5])
		yesNo := func(v any) string {
			if xmlrpc.Truth(v) {
				return "yes"
			}
			return "no"
		}
		r.add("Recipients: %s", joined(r.params[0].([]any)))
		r.add("Successful?: %s", yesNo(r.params[1]))
		r.add("Tagged Into: %s", dest.str("name"))
		if src != nil {
			r.add("Moved From: %s", src.str("name"))
		}
		r.add("Build: %s", buildLabel(build))
		r.add("Tagged By: %s", user.str("name"))
		r.add("Ignore Success?: %s", yesNo(r.params[6]))
		if xmlrpc.Truth(r.params[7]) {
			r.add("Failure Message: %s", r.str(7))
		}
	case "buildMaven":
		r.add("SCM URL: %s", r.str(0))
		r.add("Build Tag: %s", pyStr(member(r.params[1], "name")))
		r.opts(2)
	case "wrapperRPM":
		r.add("Spec File URL: %s", r.str(0))
		r.add("Build Tag: %s", pyStr(member(r.params[1], "name")))
		if xmlrpc.Truth(r.params[2]) {
			r.add("Build: %s", buildLabel(asRecord(r.params[2])))
		}
		if xmlrpc.Truth(r.params[3]) {
			r.add("Task: %s %s", pyStr(member(r.params[3], "id")), taskLabelOf(asRecord(r.params[3])))
		}
		r.opts(4)
	case "chainmaven":
		r.add("Builds:")
		builds := r.params[0].(map[string]any)
		for _, pkg := range sortedKeys(builds) {
			r.add("  %s", pkg)
			r.members(builds[pkg], "  ")
		}
		r.add("Build Target: %s", r.str(1))
		r.opts(2)
	case "winbuild":
		r.add("VM: %s", r.str(0))
		r.add("SCM URL: %s", r.str(1))
		r.add("Build Target: %s", r.str(2))
		r.opts(3)
	case "vmExec":
		r.add("VM: %s", r.str(0))
		r.add("Exec Params:")
		for _, v := range r.params[1].([]any) {
			if _, ok := v.(map[string]any); ok {
				r.members(v, "  ")
			} else {
				r.add("  %s", pyStr(v))
			}
		}
		r.opts(2)
	case "createLiveCD", "createAppliance", "createLiveMedia":
		r.named("Name", "Version", "Release", "Arch", "Target Info", "Build Tag", "Repo", "Kickstart File")
		r.opts(8)
	case "appliance", "livecd", "livemedia":
		r.named("Name", "Version", "Arches", "Target", "Kickstart")
		r.opts(5)
	}
}

package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys"
)

// taskSelection are the options that choose tasks.
type taskSelection struct {
	mine                              bool
	user, arch, method, channel, host string
	before, after                     timeFlag
	all                               bool
}

func (o *taskSelection) register(cmd *cobra.Command, verb string) {
	fs := cmd.Flags()
	fs.BoolVar(&o.mine, "mine", false, verb+" your tasks only")
	fs.StringVar(&o.user, "user", "", "only tasks of this `USER`")
	fs.StringVar(&o.arch, "arch", "", "only tasks for this architecture")
	fs.StringVar(&o.method, "method", "", "only tasks of this `METHOD`")
	fs.StringVar(&o.channel, "channel", "", "only tasks in this `CHANNEL`")
	fs.StringVar(&o.host, "host", "", "only tasks of this `HOST`")
}

func (o *taskSelection) any() bool {
	return o.mine || o.user != "" || o.arch != "" || o.method != "" || o.channel != "" || o.host != ""
}

// said is how a command ends that has told on standard output what is wrong, as Koji's client does.
func (a *App) said(format string, args ...any) error {
	a.printf(format+"\n", args...)
	return &exitError{code: exitFailed}
}

// listTasks finds the tasks that options choose, in the order of the queue.
func (a *App) listTasks(ctx context.Context, s *session, o *taskSelection) ([]record, error) {
	opts := map[string]any{"decode": true}
	if !o.all {
		opts["state"] = []any{int64(buildsys.TaskFree), int64(buildsys.TaskOpen), int64(buildsys.TaskAssigned)}
	}
	if o.after.secs != 0 {
		opts["startedAfter"] = o.after.secs
	}
	if o.before.secs != 0 {
		opts["startedBefore"] = o.before.secs
	}
	if o.mine {
		if o.user != "" {
			return nil, failf("", "Can't specify 'mine' and 'user' in same time")
		}
		u, err := s.record(ctx, "getLoggedInUser")
		if err != nil {
			return nil, err
		}
		if u == nil {
			return nil, a.said("Unable to determine user")
		}
		opts["owner"] = u["id"]
	}
	for _, l := range []struct{ name, method, what, opt string }{
		{o.user, "getUser", "user", "owner"}, {o.channel, "getChannel", "channel", "channel_id"}, {o.host, "getHost", "host", "host_id"},
	} {
		if l.name == "" {
			continue
		}
		r, err := s.record(ctx, l.method, l.name)
		if err != nil {
			return nil, err
		}
		if r == nil {
			return nil, a.said("No such %s: %s", l.what, l.name)
		}
		opts[l.opt] = r["id"]
	}
	if o.arch != "" {
		arches := []any{}
		for _, arch := range strings.Fields(strings.ReplaceAll(o.arch, ",", " ")) {
			arches = append(arches, arch)
		}
		opts["arch"] = arches
	}
	if o.method != "" {
		opts["method"] = o.method
	}
	return s.records(ctx, "listTasks", opts, map[string]any{"order": "priority,create_time"})
}

func listTasksCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupInfo, "list-tasks [options]", "Print the list of tasks")
	o := &taskSelection{}
	o.register(cmd, "print")
	fs := cmd.Flags()
	fs.Var(&o.before, "before", "only tasks that began before "+timeHelp)
	fs.Var(&o.after, "after", "only tasks that began after such a time")
	fs.BoolVar(&o.all, "all", false, "finished tasks, too (with --after)")
	a.listing(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) != 0 {
			return usagef(cmd, "This command takes no arguments")
		}
		if o.all && !o.after.set {
			return usagef(cmd, "--all must be used with --after")
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		tasks, err := a.listTasks(ctx, s, o)
		if err != nil {
			return err
		}
		if a.opts.json {
			if tasks == nil {
				tasks = []record{}
			}
			return a.printJSON(tasks)
		}
		if len(tasks) == 0 {
			a.println("(no tasks)")
			return nil
		}
		if !a.opts.quiet {
			a.println("ID       Pri  Owner                State    Arch       Name")
		}
		a.printTaskTree(tasks)
		return nil
	}
	return cmd
}

// printTaskTree prints tasks, each with those of its subtasks that are in the list.
func (a *App) printTaskTree(tasks []record) {
	here := map[int64]bool{}
	for _, t := range tasks {
		here[t.id("id")] = true
	}
	children := map[int64][]record{}
	for _, t := range tasks {
		if p := t.id("parent"); p != 0 && here[p] {
			children[p] = append(children[p], t)
		}
	}
	var show func(t record, depth int)
	show = func(t record, depth int) {
		a.printTask(t, depth)
		for _, c := range children[t.id("id")] {
			show(c, depth+1)
		}
	}
	for _, t := range tasks {
		if p := t.id("parent"); p == 0 || !here[p] {
			show(t, 0)
		}
	}
}

func (a *App) printTask(t record, depth int) {
	indent := ""
	if depth > 0 {
		indent = strings.Repeat("  ", depth-1) + " +"
	}
	a.printf("%-8s %-4s %-20s %-8s %-10s %s%s\n", t.str("id"), t.str("priority"), t.str("owner_name"), taskStateName(t), t.str("arch"), indent, taskLabelOf(t))
}

func taskStateName(t record) string {
	n, ok := t["state"].(int64)
	if !ok || n < 0 || n > int64(buildsys.TaskFailed) {
		return "BADSTATE"
	}
	return buildsys.TaskState(n).String()
}

// taskIDs reads task ids off the command line.
func taskIDs(cmd *cobra.Command, args []string, wrong string) ([]int64, error) {
	var ids []int64
	for _, arg := range args {
		n, ok := pyInt(strings.TrimSpace(arg))
		if !ok {
			return nil, usagef(cmd, "%s", wrong)
		}
		ids = append(ids, n)
	}
	return ids, nil
}

func watchTaskCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupMonitor, "watch-task [options] <task id> [<task id> ...]", "Track progress of particular tasks", "watch-tasks")
	o := &taskSelection{}
	o.register(cmd, "watch")
	a.quietly(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 && o.any() {
			return usagef(cmd, "Selection options cannot be combined with a task list")
		}
		ctx := cmd.Context()
		session := a.anonymous
		if o.mine {
			session = a.login
		}
		s, err := session(ctx)
		if err != nil {
			return err
		}
		ids, err := taskIDs(cmd, args, "task id must be an integer")
		if err != nil {
			return err
		}
		if o.any() {
			tasks, err := a.listTasks(ctx, s, o)
			if err != nil {
				return err
			}
			if len(tasks) == 0 {
				a.println("(no tasks)")
				return nil
			}
			for _, t := range tasks {
				ids = append(ids, t.id("id"))
			}
		}
		if len(ids) == 0 {
			return usagef(cmd, "at least one task id must be specified")
		}
		return a.watch(ctx, s.api, ids)
	}
	return cmd
}

// follow tells of a new task and watches it, unless the user does not want to wait or nobody sits before the program.
// wait is nil where neither --wait nor --nowait was given.
func (a *App) follow(ctx context.Context, s *session, id int64, wait *bool) error {
	if wait == nil && a.inBackground() || wait != nil && !*wait {
		return nil
	}
	a.flush()
	// Watching needs no login, and may take long.
	_ = s.client.Logout(ctx)
	return a.watch(ctx, s.api, []int64{id})
}

// waitOptions are --wait and --nowait, of which the last one given counts.
type waitOptions struct{ wait *bool }

func (o *waitOptions) register(cmd *cobra.Command, what string) {
	fs := cmd.Flags()
	set := func(v bool) func(string) error {
		return func(text string) error {
			on, err := strconv.ParseBool(text)
			if err == nil && on {
				o.wait = &v
			}
			return err
		}
	}
	fs.BoolFunc("wait", "wait "+what+", even if running in the background", set(true))
	fs.BoolFunc("nowait", "do not wait "+what, set(false))
}

// taskCreated tells of a new task.
func (a *App) taskCreated(id int64) {
	a.printf("Created task: %d\n", id)
	a.taskLink(id)
}

func (a *App) taskLink(id int64) { a.printf("Task info: %s/taskinfo?taskID=%d\n", a.cfg.WebURL, id) }

// faultText is what a fault says.
func faultText(err error) string { return strings.TrimSpace(fmt.Sprint(err)) }

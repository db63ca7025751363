package cli

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

func cancelCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupBuild, "cancel [options] <task_id|build> [<task_id|build> ...]", "Cancel tasks and/or builds", "cancel-task", "cxl")
	fs := cmd.Flags()
	justOne := fs.Bool("justone", false, "do not cancel subtasks")
	full := fs.Bool("full", false, "cancel the whole group of tasks (admins only)")
	force := fs.Bool("force", false, "with --full, take subtasks for their topmost task")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef(cmd, "You must specify at least one task id or build")
		}
		var tasks, builds []xmlrpc.Call
		for _, arg := range args {
			id, ok := pyInt(strings.TrimSpace(arg))
			switch {
			case !ok && !isNVR(arg):
				return usagef(cmd, "please specify only task ids (integer) or builds (n-v-r)")
			case !ok:
				builds = append(builds, xmlrpc.Call{Method: "cancelBuild", Args: []any{arg, kwargs{"strict": true}}})
			case *justOne:
				tasks = append(tasks, xmlrpc.Call{Method: "cancelTask", Args: []any{id, kwargs{"recurse": false}}})
			case *full && *force:
				tasks = append(tasks, xmlrpc.Call{Method: "cancelTaskFull", Args: []any{id, kwargs{"strict": false}}})
			case *full:
				tasks = append(tasks, xmlrpc.Call{Method: "cancelTaskFull", Args: []any{id}})
			default:
				tasks = append(tasks, xmlrpc.Call{Method: "cancelTask", Args: []any{id}})
			}
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		results, err := s.api.Caller.MultiCall(ctx, append(tasks, builds...))
		if err != nil {
			return err
		}
		failed := false
		for _, r := range results {
			if r.Err != nil {
				a.term.warn("%s", faultText(r.Err))
				failed = true
			}
		}
		if failed {
			return &exitError{code: exitFailed}
		}
		return nil
	}
	return cmd
}

// isNVR tells whether a word is name-version-release.
func isNVR(s string) bool {
	_, rest, ok := cutLast(s, "-")
	if !ok || rest == "" {
		return false
	}
	head, _, _ := cutLast(s, "-")
	_, version, ok := cutLast(head, "-")
	return ok && version != ""
}

// cutLast cuts a string at the last place where sep is.
func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

func freeTaskCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "free-task [options] <task_id> [<task_id> ...]", "Free a task")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ids, err := taskIDs(cmd, args, "task_id must be an integer")
		if err != nil {
			return err
		}
		if len(ids) == 0 {
			return usagef(cmd, "please specify at least one task_id")
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if _, err := s.call(ctx, "freeTask", id); err != nil {
				return err
			}
		}
		return nil
	}
	return cmd
}

func assignTaskCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "assign-task <task_id> <hostname>", "Assign a task to a host")
	force := cmd.Flags().BoolP("force", "f", false, "take the task from the host that has it")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) != 2 {
			return usagef(cmd, "please specify a task id and a hostname")
		}
		ids, err := taskIDs(cmd, args[:1], "a task ID is a number")
		if err != nil {
			return err
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		if t, err := s.record(ctx, "getTaskInfo", ids[0], kwargs{"request": false}); err != nil {
			return err
		} else if t == nil {
			return failf("", "No such task: %d", ids[0])
		}
		if h, err := s.record(ctx, "getHost", args[1]); err != nil {
			return err
		} else if h == nil {
			return failf("", "No such host: %s", args[1])
		}
		if admin, err := s.call(ctx, "hasPerm", "admin"); err != nil {
			return err
		} else if !xmlrpc.Truth(admin) {
			return usagef(cmd, "This action requires admin privileges")
		}
		done, err := s.call(ctx, "assignTask", ids[0], args[1], *force)
		if err != nil {
			return err
		}
		if xmlrpc.Truth(done) {
			a.printf("assigned task %d to host %s\n", ids[0], args[1])
		} else {
			a.printf("failed to assign task %d to host %s\n", ids[0], args[1])
		}
		return nil
	}
	return cmd
}

func setTaskPriorityCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "set-task-priority [options] --priority=<priority> <task_id> [<task_id> ...]", "Set task priority")
	priority := cmd.Flags().Int64("priority", 0, "new `PRIORITY`: the lower, the sooner")
	recurse := cmd.Flags().Bool("recurse", false, "change the subtasks' priority, too")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef(cmd, "You must specify at least one task id")
		}
		if !cmd.Flags().Changed("priority") {
			return usagef(cmd, "You must specify --priority")
		}
		ids, err := taskIDs(cmd, args, "Task numbers must be integers")
		if err != nil {
			return err
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		if admin, err := s.call(ctx, "hasPerm", "admin"); err != nil {
			return err
		} else if !xmlrpc.Truth(admin) {
			u, err := s.record(ctx, "getLoggedInUser")
			if err != nil {
				return err
			}
			return failf("", "admin permission required (logged in as %s)", u.str("name"))
		}
		for _, id := range ids {
			_, err := s.call(ctx, "setTaskPriority", id, *priority, *recurse)
			var f *xmlrpc.Fault
			if errors.As(err, &f) {
				a.term.warn("Can't update task priority on closed task: %d", id)
			} else if err != nil {
				return err
			}
		}
		return nil
	}
	return cmd
}

func resubmitCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupBuild, "resubmit [options] <task_id>", "Retry a canceled or failed task, using the same parameter as the original task.")
	var w waitOptions
	w.register(cmd, "on the task")
	noWatch := cmd.Flags().Bool("nowatch", false, "the same as --nowait")
	a.quietly(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usagef(cmd, "Please specify a single task ID")
		}
		ids, err := taskIDs(cmd, args, "a task ID is a number")
		if err != nil {
			return err
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		if !a.opts.quiet {
			a.println("Resubmitting the following task:")
			if err := a.printTaskInfo(ctx, s, ids[0], 0, false, true); err != nil {
				return err
			}
		}
		id, err := s.id(ctx, "resubmitTask", ids[0])
		if err != nil {
			return err
		}
		if !a.opts.quiet {
			a.printf("Resubmitted task %d as new task %d\n", ids[0], id)
		}
		if *noWatch {
			return nil
		}
		return a.follow(ctx, s, id, w.wait)
	}
	return cmd
}

func makeTaskCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "make-task [options] <method> [<arg> ...]", "Create an arbitrary task")
	fs := cmd.Flags()
	for _, o := range []struct{ name, help string }{{"channel", "put it into this `CHANNEL`"}, {"priority", "its `PRIORITY`"}, {"arch", "its `ARCH`"}} {
		fs.String(o.name, "", o.help)
	}
	watch := fs.Bool("watch", false, "watch the task")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) < 1 {
			return usagef(cmd, "Please specify task method at least")
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		list := []any{}
		for _, arg := range args[1:] {
			list = append(list, argValue(arg))
		}
		kw := kwargs{"method": args[0], "arglist": list}
		for _, name := range []string{"channel", "priority", "arch"} {
			if fs.Changed(name) {
				kw[name], _ = fs.GetString(name)
			}
		}
		id, err := s.id(ctx, "makeTask", kw)
		if err != nil {
			return err
		}
		a.printf("Created task id %d\n", id)
		if !*watch || a.inBackground() {
			return nil
		}
		wait := true
		return a.follow(ctx, s, id, &wait)
	}
	return cmd
}

func restartHostsCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "restart-hosts [options]", "Restart enabled hosts")
	var w waitOptions
	w.register(cmd, "on the task")
	fs := cmd.Flags()
	force := fs.Bool("force", false, "also while another such task runs")
	channel := fs.String("channel", "", "only hosts in this `CHANNEL`")
	arches := fs.StringArrayP("arch", "a", nil, "only hosts of this `ARCH` (may be given more than once)")
	timeout := fs.Int64("timeout", 0, "give up after `N` seconds")
	a.quietly(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usagef(cmd, "restart-hosts does not accept arguments")
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		if !*force {
			others, err := s.records(ctx, "listTasks", map[string]any{"method": "restartHosts",
				"state": []any{int64(buildsys.TaskFree), int64(buildsys.TaskOpen), int64(buildsys.TaskAssigned)}})
			if err != nil {
				return err
			}
			if len(others) > 0 {
				ids := make([]any, len(others))
				for i, t := range others {
					ids[i] = t["id"]
				}
				a.term.warn("Found other restartHosts tasks running.")
				a.term.warn("Task ids: %s", pyRepr(ids))
				return failf("", "Use --force to run anyway")
			}
		}
		opts := map[string]any{}
		if *channel != "" {
			opts["channel"] = *channel
		}
		if len(*arches) > 0 {
			opts["arches"] = *arches
		}
		if *timeout != 0 {
			opts["timeout"] = *timeout
		}
		var params []any
		if len(opts) > 0 {
			params = []any{kwargs{"options": opts}}
		}
		id, err := s.id(ctx, "restartHosts", params...)
		if err != nil {
			return err
		}
		return a.follow(ctx, s, id, w.wait)
	}
	return cmd
}

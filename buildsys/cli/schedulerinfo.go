package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys"
)

// hostID is the id of a host by its name or id.
func (s *session) hostID(ctx context.Context, name string) (int64, error) {
	if n, ok := pyInt(strings.TrimSpace(name)); ok {
		return n, nil
	}
	h, err := s.record(ctx, "getHost", name, kwargs{"strict": true})
	return h.id("id"), err
}

func schedulerInfoCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupMonitor, "scheduler-info [options]", "Show information about scheduling")
	fs := cmd.Flags()
	task := fs.Int64P("task", "t", 0, "only this `TASK`")
	host := fs.String("host", "", "only this `HOST` (name or id), with what it said for the scheduler")
	state := fs.String("state", "", "only tasks in this `STATE`")
	limit := fs.Int64("limit", 100, "the last `N` only")
	a.listing(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usagef(cmd, "This command takes no arguments")
		}
		ctx := cmd.Context()
		s, err := a.anonymous(ctx)
		if err != nil {
			return err
		}
		clauses := []any{}
		var id int64
		if *task != 0 {
			clauses = append(clauses, []any{"task_id", *task})
		}
		if *host != "" {
			if id, err = s.hostID(ctx, *host); err != nil {
				return err
			}
			clauses = append(clauses, []any{"host_id", id})
		}
		if *state != "" {
			n, ok := taskStateNumber(*state)
			if !ok {
				return usagef(cmd, "option --state: invalid choice: %s (choose from %s)", pyString(*state), taskStateChoices())
			}
			clauses = append(clauses, []any{"state", n})
		}
		fields := []any{"id", "task_id", "host_name", "state", "create_ts", "start_ts", "completion_ts"}
		runs, err := s.records(ctx, "scheduler.getTaskRuns", kwargs{"clauses": clauses, "fields": fields,
			"opts": map[string]any{"order": "-id", "limit": *limit}})
		if err != nil {
			return err
		}
		slices.Reverse(runs)
		if a.opts.json {
			return a.printJSON(runs)
		}
		if !a.opts.quiet {
			a.printHeader(fmt.Sprintf("%-9s %-20s %-7s %-17s %-17s %-17s", "Task", "Host", "State", "Created", "Started", "Ended"))
		}
		for _, r := range runs {
			a.printf("%-9s %-20s %-7s %-17s %-17s %-17s\n", r.str("task_id"), r.str("host_name"), taskStateName(r),
				shortTime(r, "create_ts"), shortTime(r, "start_ts"), shortTime(r, "completion_ts"))
		}
		if id == 0 {
			return nil
		}
		a.printf("Host data for %s:\n", *host)
		data, err := s.records(ctx, "scheduler.getHostData", kwargs{"hostID": id})
		if err != nil {
			return err
		}
		if len(data) > 0 {
			a.println(data[0].str("data"))
		} else {
			a.println("-")
		}
		return nil
	}
	return cmd
}

// taskStateNumber reads a state by its name or its number.
func taskStateNumber(s string) (int64, bool) {
	for n := buildsys.TaskFree; n <= buildsys.TaskFailed; n++ {
		if s == n.String() {
			return int64(n), true
		}
	}
	return 0, false
}

func taskStateChoices() string {
	var names []string
	for n := buildsys.TaskFree; n <= buildsys.TaskFailed; n++ {
		names = append(names, pyString(n.String()))
	}
	return strings.Join(names, ", ")
}

// shortTime is a time of a record, "" for none.
func shortTime(r record, key string) string {
	t, ok := r.when(key)
	if !ok {
		return ""
	}
	return t.Local().Format("06-01-02 15:04:05")
}

// printHeader prints a header with a line below it.
func (a *App) printHeader(h string) {
	a.println(h)
	a.println(strings.Repeat("-", len(h)))
}

func schedulerLogsCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupMonitor, "scheduler-logs <options>", "Query scheduler logs")
	fs := cmd.Flags()
	task := fs.Int64("task", 0, "only what is about this `TASK`")
	host := fs.String("host", "", "only what is about this `HOST` (name or id)")
	from := fs.Float64("from", 0, "only from this `TIMESTAMP` on")
	to := fs.Float64("to", 0, "only until this `TIMESTAMP`")
	limit := fs.Int64("limit", 0, "the last `N` only")
	a.listing(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) != 0 {
			return usagef(cmd, "There are no arguments for this command")
		}
		if *from != 0 && *to != 0 && fs.Changed("limit") {
			return usagef(cmd, "If both --from and --to are used, --limit shouldn't be used")
		}
		ctx := cmd.Context()
		s, err := a.anonymous(ctx)
		if err != nil {
			return err
		}
		clauses := []any{}
		if *task != 0 {
			clauses = append(clauses, []any{"task_id", *task})
		}
		if *host != "" {
			id, err := s.hostID(ctx, *host)
			if err != nil {
				return err
			}
			clauses = append(clauses, []any{"host_id", id})
		}
		if *from != 0 {
			clauses = append(clauses, []any{"msg_ts", ">=", *from})
		}
		if *to != 0 {
			clauses = append(clauses, []any{"msg_ts", "<", *to})
		}
		kw := kwargs{"clauses": clauses, "fields": []any{"id", "task_id", "host_id", "host_name", "msg_ts", "msg"}}
		if fs.Changed("limit") {
			kw["opts"] = map[string]any{"order": "-id", "limit": *limit}
		}
		logs, err := s.records(ctx, "scheduler.getLogMessages", kw)
		if err != nil {
			return err
		}
		if fs.Changed("limit") {
			slices.Reverse(logs)
		}
		if a.opts.json {
			return a.printJSON(logs)
		}
		if !a.opts.quiet {
			a.printHeader(fmt.Sprintf("%-10s %-20s %-25s %-30s", "Task", "Host", "Time", "Message"))
		}
		for _, l := range logs {
			when, _ := l.when("msg_ts")
			a.printf("%-10s %-20s %-25s %-30s\n", l.str("task_id"), l.str("host_name"), asctime(when), l.str("msg"))
		}
		return nil
	}
	return cmd
}

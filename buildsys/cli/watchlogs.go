package cli

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys"
)

// logPiece is how much of a log is asked for at a time.
const logPiece = 16384

func watchLogsCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupMonitor, "watch-logs [options] <task id> [<task id> ...]", "Watch logs in realtime")
	log := cmd.Flags().String("log", "", "only the log of this `NAME`")
	mine := cmd.Flags().Bool("mine", false, "the logs of all your tasks")
	follow := cmd.Flags().BoolP("follow", "f", false, "the logs of subtasks, too")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ctx := cmd.Context()
		session := a.anonymous
		if *mine {
			session = a.login
		}
		s, err := session(ctx)
		if err != nil {
			return err
		}
		if *mine && len(args) > 0 {
			return usagef(cmd, "Selection options cannot be combined with a task list")
		}
		ids, err := taskIDs(cmd, args, "task id must be an integer")
		if err != nil {
			return err
		}
		if *mine {
			tasks, err := a.listTasks(ctx, s, &taskSelection{mine: true})
			if err != nil {
				return err
			}
			if len(tasks) == 0 {
				a.println("You've no active tasks.")
				return nil
			}
			for _, t := range tasks {
				ids = append(ids, t.id("id"))
			}
		}
		if len(ids) == 0 {
			return usagef(cmd, "at least one task id must be specified")
		}
		return a.watchLogs(ctx, s, ids, *log, *follow)
	}
	return cmd
}

// logWatch prints logs as they grow.
type logWatch struct {
	a       *App
	s       *session
	log     string
	offsets map[string]int64 // by task, volume and log
	last    string           // whose lines were printed last
}

func (a *App) watchLogs(ctx context.Context, s *session, ids []int64, log string, follow bool) error {
	a.println("Watching logs (this may be safely interrupted)...")
	w := &logWatch{a: a, s: s, log: log, offsets: map[string]int64{}}
	seen := map[int64]bool{}
	for _, id := range ids {
		seen[id] = true
	}
	for {
		for _, id := range slices.Clone(ids) {
			t, err := s.record(ctx, "getTaskInfo", id)
			if err != nil {
				return err
			}
			if t == nil {
				return a.said("No such task id: %d", id)
			}
			if buildsys.TaskState(t.id("state")).Finished() {
				ids = slices.DeleteFunc(ids, func(other int64) bool { return other == id })
			}
			if err := w.task(ctx, id); err != nil {
				return err
			}
			if !follow {
				continue
			}
			children, err := s.records(ctx, "getTaskChildren", id)
			if err != nil {
				return err
			}
			for _, c := range children {
				if child := c.id("id"); !seen[child] && len(seen) < maxWatched {
					seen[child] = true
					ids = append(ids, child)
				}
			}
		}
		a.flush()
		if len(ids) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(a.cfg.PollInterval):
		}
	}
}

// task prints what is new in the logs of a task.
func (w *logWatch) task(ctx context.Context, id int64) error {
	names, volumes, err := w.s.taskVolumes(ctx, id)
	if err != nil {
		return err
	}
	for _, name := range names {
		if w.log != "" && name != w.log || w.log == "" && !strings.HasSuffix(name, "log") {
			continue
		}
		for _, volume := range volumes[name] {
			if err := w.file(ctx, id, volume, name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *logWatch) file(ctx context.Context, id int64, volume, name string) error {
	title := itoa(id) + ":" + volume + ":" + name + ":"
	for {
		v, err := w.s.call(ctx, "downloadTaskOutput", id, name, w.offsets[title], logPiece, kwargs{"volume": volume})
		if err != nil {
			return err
		}
		text, _ := v.(string)
		piece, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
		if err != nil {
			return failf("", "log %s of task %d: %w", name, id, err)
		}
		if len(piece) == 0 {
			return nil
		}
		w.offsets[title] += int64(len(piece))
		if title != w.last {
			if w.last != "" {
				w.a.stdout.WriteByte('\n')
			}
			w.a.printf("==> %s <==\n", title)
			w.last = title
		}
		w.a.stdout.Write(piece)
		w.a.flush()
	}
}

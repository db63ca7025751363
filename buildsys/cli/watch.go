package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/api"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// watched is a task that is being waited for.
type watched struct {
	id    int64
	level int
	info  *api.Task
	shown string // its state in words, as it was told last
}

func (w *watched) state() buildsys.TaskState { return buildsys.TaskState(w.info.State) }

func (w *watched) done() bool { return w.info != nil && w.state().Finished() }

// label names the task as Koji's client does: indented by its depth, with its
// method and, where the request tells nothing better, its architecture.
func (w *watched) label() string {
	s := strings.Repeat("  ", w.level) + itoa(w.id)
	if w.info == nil {
		return s
	}
	return s + " " + taskLabel(w.info)
}

// taskLabel says what a task does.
func taskLabel(t *api.Task) string {
	return taskLabelOf(record{"method": t.Method, "arch": t.Arch, "request": t.Request})
}

// maxWatched bounds the tasks that one watch follows.
const maxWatched = 100_000

// watch follows tasks and their children to their ends, and tells each change of
// state. A task that did not succeed makes the exit code 1.
func (a *App) watch(ctx context.Context, h *api.Hub, ids []int64) error {
	if len(ids) == 0 {
		return nil
	}
	quiet := a.opts.quiet
	say := func(format string, args ...any) {
		if !quiet {
			a.printf(format+"\n", args...)
		}
	}
	say("Watching tasks (this may be safely interrupted)...")
	a.flush()
	var tasks []*watched
	known := map[int64]bool{}
	add := func(id int64, level int) *watched {
		w := &watched{id: id, level: level}
		tasks = append(tasks, w)
		known[id] = true
		return w
	}
	for _, id := range ids {
		if !known[id] {
			add(id, 0)
		}
	}
	failed := false
	pause := min(a.cfg.PollInterval, 100*time.Millisecond)
	for {
		allDone := true
		for _, w := range append([]*watched(nil), tasks...) {
			changed, err := a.look(ctx, h, w, say)
			if err != nil {
				return err
			}
			if !w.done() {
				allDone = false
			} else if changed {
				say("%s", tally(tasks))
			}
			if w.done() && w.level == 0 && w.state() != buildsys.TaskClosed {
				failed = true
			}
			children, err := h.TaskChildren(ctx, w.id)
			if err != nil {
				return err
			}
			for _, child := range children {
				if known[child.ID] || len(tasks) >= maxWatched {
					continue
				}
				if _, err := a.look(ctx, h, add(child.ID, w.level+1), say); err != nil {
					return err
				}
				allDone = false
			}
		}
		a.flush()
		if allDone {
			break
		}
		select {
		case <-ctx.Done():
			say("Tasks still running. You can continue to watch with the '%s watch-task' command.\nRunning Tasks:", a.term.name)
			for _, w := range tasks {
				if w.info != nil && !w.done() {
					say("%s: %s", w.label(), w.shown)
				}
			}
			return ctx.Err()
		case <-time.After(pause):
		}
		// The first looks come quickly, since small tasks are over in a moment.
		pause = min(a.cfg.PollInterval, pause*2)
	}
	if !quiet {
		a.println("")
		for _, w := range tasks {
			if w.level == 0 {
				say("%s %s", w.label(), ending(w.state()))
			}
		}
	}
	if failed {
		return &exitError{code: exitFailed}
	}
	return nil
}

// look asks for the task's state and tells it when it is new.
func (a *App) look(ctx context.Context, h *api.Hub, w *watched, say func(string, ...any)) (changed bool, err error) {
	if w.done() {
		return false, nil
	}
	last := w.info
	info, err := h.Task(ctx, w.id)
	if err != nil {
		return false, err
	}
	if info == nil {
		say("No such task id: %d", w.id)
		return false, &exitError{code: exitFailed}
	}
	w.info = info
	if last != nil && last.State == info.State {
		return false, nil
	}
	level := 0
	if last == nil {
		level = w.level
	}
	now, err := a.stateText(ctx, h, info, level)
	if err != nil {
		return false, err
	}
	w.shown = now
	if last == nil {
		say("%s: %s", w.label(), now)
		return false, nil
	}
	was, err := a.stateText(ctx, h, last, 0)
	if err != nil {
		return false, err
	}
	say("%s: %s -> %s", w.label(), was, now)
	return true, nil
}

// stateText is a state in words, with the host that has the task or the reason
// it failed for.
func (a *App) stateText(ctx context.Context, h *api.Hub, t *api.Task, level int) (string, error) {
	state := buildsys.TaskState(t.State)
	switch state {
	case buildsys.TaskOpen, buildsys.TaskAssigned:
		if t.HostID == nil || *t.HostID == 0 {
			return strings.ToLower(state.String()), nil
		}
		host, err := h.Host(ctx, *t.HostID)
		if err != nil {
			return "", err
		}
		if host == nil {
			return strings.ToLower(state.String()), nil
		}
		return fmt.Sprintf("%s (%s)", strings.ToLower(state.String()), host.Name), nil
	case buildsys.TaskFailed:
		_, err := h.TaskResult(ctx, t.ID)
		var fault *xmlrpc.Fault
		text := "FAILED: "
		switch {
		case errors.As(err, &fault):
			text += fmt.Sprintf("%s: %s", buildsys.FaultCode(fault.Code), strings.TrimSpace(fault.String))
		case err != nil:
			return "", err
		}
		logs, err := a.relevantLogs(ctx, h, t.ID, level+1)
		return text + logs, err
	}
	return strings.ToLower(state.String()), nil
}

// relevantLogs names the logs of a task that failed, indented.
func (a *App) relevantLogs(ctx context.Context, h *api.Hub, id int64, level int) (string, error) {
	if a.cfg.TopURL == "" {
		return "", nil
	}
	names, volumes, err := (&session{api: h}).taskVolumes(ctx, id)
	if err != nil {
		return "", err
	}
	indent := strings.Repeat("  ", level)
	var logs []string
	for _, name := range names {
		for _, v := range volumes[name] {
			if strings.HasSuffix(name, "log") {
				logs = append(logs, indent+workDir(a.cfg.TopURL, v)+"/"+taskDir(id)+"/"+name)
			}
		}
	}
	if len(logs) == 0 {
		return "", nil
	}
	return "\n" + indent + "Relevant logs:\n" + strings.Join(logs, "\n"), nil
}

// tally counts the tasks by state.
func tally(tasks []*watched) string {
	var free, open, done, failed int
	for _, w := range tasks {
		if w.info == nil {
			continue
		}
		switch w.state() {
		case buildsys.TaskFailed:
			failed++
		case buildsys.TaskClosed, buildsys.TaskCanceled:
			done++
		case buildsys.TaskOpen, buildsys.TaskAssigned:
			open++
		case buildsys.TaskFree:
			free++
		}
	}
	return fmt.Sprintf("  %d free  %d open  %d done  %d failed", free, open, done, failed)
}

func ending(s buildsys.TaskState) string {
	switch s {
	case buildsys.TaskClosed:
		return "completed successfully"
	case buildsys.TaskFailed:
		return "failed"
	case buildsys.TaskCanceled:
		return "was canceled"
	}
	return "has not completed"
}

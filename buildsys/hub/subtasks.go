package hub

import (
	"errors"
	"slices"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
)

func (c *Ctx) taskUnwait(parent int64) error {
	c.tx.AfterCommit(c.Hub.wakeScheduler)
	return errors.Join(c.tx.SetTaskWaiting(parent, false), c.tx.SetAwaited(parent, nil, false))
}

func taskSetWait(c *Ctx, h *buildsys.Host, a Args) (any, error) {
	t, err := c.hostTask(h, a.Int("parent"))
	if err != nil {
		return nil, err
	}
	c.tx.AfterCommit(c.Hub.wakeScheduler) // a task that waits weighs nothing
	if err := c.tx.SetTaskWaiting(t.ID, true); err != nil || a.Nil("tasks") {
		return nil, errors.Join(err, c.tx.SetAwaited(t.ID, nil, true))
	}
	tasks := a.Ints("tasks")
	if len(tasks) == 0 {
		c.Log.Warn("task waits for no subtask", "task", t.ID, "host", h.Name)
		return nil, nil
	}
	if err := c.tx.ClearAwaited(t.ID); err != nil {
		return nil, err
	}
	return nil, c.tx.SetAwaited(t.ID, tasks, true)
}

// awaited are the subtasks that a task waits for, those that are over and those that are not.
func (c *Ctx) awaited(parent int64) (done, running []int64, err error) {
	tasks, err := c.tx.ChildTasks(parent)
	if err != nil {
		return nil, nil, err
	}
	for _, t := range tasks {
		switch {
		case t.Awaited == nil || !*t.Awaited:
		case t.State.Finished():
			done = append(done, t.ID)
		default:
			running = append(running, t.ID)
		}
	}
	return done, running, nil
}

func taskWait(c *Ctx, h *buildsys.Host, a Args) (any, error) {
	t, err := c.hostTask(h, a.Int("parent"))
	if err != nil {
		return nil, err
	}
	done, running, err := c.awaited(t.ID)
	if err != nil {
		return nil, err
	}
	if len(done) > 0 {
		if err := c.tx.SetAwaited(t.ID, done, false); err != nil {
			return nil, err
		}
	}
	return []any{anyList(done), anyList(running)}, nil
}

func taskWaitResults(c *Ctx, h *buildsys.Host, a Args) (any, error) {
	parent, err := c.hostTask(h, a.Int("parent"))
	if err != nil {
		return nil, err
	}
	canfail := a.Ints("canfail")
	if err := c.taskUnwait(parent.ID); err != nil {
		return nil, err
	}
	tasks, err := c.tx.ChildTasks(parent.ID)
	if err != nil {
		return nil, err
	}
	ids := a.Ints("tasks")
	if a.Nil("tasks") {
		for _, t := range tasks {
			if t.State.Finished() {
				ids = append(ids, t.ID)
			}
		}
	}
	out := []any{}
	for _, id := range ids {
		t, err := c.findTask(id)
		if err != nil {
			return nil, err
		}
		may := slices.Contains(canfail, id)
		v, f, err := taskResult(t)
		switch {
		case err != nil && may && t.State == buildsys.TaskCanceled:
			v = faultMap(c.fault(err))
		case err != nil:
			return nil, err
		case f != nil && may:
			v = faultMap(f)
		case f != nil:
			return nil, buildsys.Errorf(buildsys.FaultCode(f.Code), "%s", f.String)
		}
		out = append(out, []any{id, v})
	}
	return out, nil
}

// assertMayTag refuses subtasks that tag below a task that was itself made to tag: what it may tag stands in its request.
func (c *Ctx) assertMayTag(parent *buildsys.Task, method string) error {
	if method != "tagBuild" {
		return nil
	}
	top := parent
	for top.Parent != nil { // a parent is older than its child, so this ends
		var err error
		if top, err = c.findTask(*top.Parent); err != nil {
			return err
		}
	}
	if top.Method == "tagBuild" {
		return buildsys.Errorf(buildsys.FaultActionNotAllowed, "task %d was made to tag one build: no subtask of it tags another", top.ID)
	}
	return nil
}

func subtask(c *Ctx, h *buildsys.Host, a Args) (any, error) {
	p, err := c.hostTask(h, a.Int("parent"))
	if err != nil {
		return nil, err
	}
	if err := c.assertMayTag(p, a.Str("method")); err != nil {
		return nil, err
	}
	vals := a.Map("opts")
	args := a.List("arglist")
	if kw, has := vals["kwargs"]; has {
		m, ok := kw.(map[string]any)
		if !ok {
			return nil, buildsys.Errorf(buildsys.FaultParameter, "host.subtask: argument kwargs: expected a struct, got %s", describe(kw))
		}
		args = encodeArgs(args, m)
		delete(vals, "kwargs")
	}
	return c.subtask(p, a.Str("method"), args, vals)
}

// subtask2 is subtask with the arguments of the task as its own.
func subtask2(c *Ctx, h *buildsys.Host, a Args) (any, error) {
	pos := a.List("args")
	if len(pos) < 3 {
		return nil, buildsys.Errorf(buildsys.FaultParameter, "host.subtask2() missing 3 required positional arguments: parent, taskopts and method")
	}
	call := Args{method: "host.subtask2", vals: map[string]any{"parent": pos[0], "taskopts": pos[1], "method": pos[2]}}
	p, err := c.hostTask(h, call.Int("parent"))
	if err != nil {
		return nil, err
	}
	if err := c.assertMayTag(p, call.Str("method")); err != nil {
		return nil, err
	}
	return c.subtask(p, call.Str("method"), encodeArgs(pos[3:], a.Map("opts")), call.Map("taskopts"))
}

// subtask makes a subtask, or finds the one that has the label.
func (c *Ctx) subtask(p *buildsys.Task, method string, args []any, vals map[string]any) (any, error) {
	for _, key := range []string{"parent", "assign"} {
		if _, has := vals[key]; has {
			return nil, buildsys.Errorf(buildsys.FaultParameter, "host.subtask() got an unexpected keyword argument '%s'", key)
		}
	}
	o, err := c.readTaskOptions("host.subtask", vals)
	if err != nil {
		return nil, err
	}
	o.parent = p
	if o.label != nil {
		t, err := c.tx.TaskByLabel(p.ID, *o.label)
		if err == nil {
			return t.ID, nil
		} else if !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
	}
	t, err := c.makeTask(method, args, o)
	if err != nil {
		return nil, err
	}
	return t.ID, nil
}

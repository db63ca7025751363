package hub

import (
	"github.com/privyseal/privyseal/buildsys"
)

func taskControlMethods() []Method {
	return []Method{
		{Name: "cancelTask", Perm: PermLogin, Args: "task_id, recurse=True", Mode: ModeWrite, Fn: cancelTask,
			Doc: "Cancel a task and its subtasks: its owner, its host, and admins may. One that is over stays as it is."},
		{Name: "cancelTaskChildren", Perm: PermLogin, Args: "task_id", Mode: ModeWrite, Fn: cancelTaskChildren,
			Doc: "Cancel the subtasks of a task, but not the task itself."},
		{Name: "cancelTaskFull", Perm: "admin", Args: "task_id, strict=True", Mode: ModeWrite, Fn: cancelTaskFull,
			Doc: "Cancel a task with every task of its group, over or not. With strict it must be the topmost; else its topmost task is meant."},
		{Name: "freeTask", Perm: "admin", Args: "task_id", Mode: ModeWrite, Fn: func(c *Ctx, a Args) (any, error) {
			t, err := c.findTask(a.Int("task_id"))
			if err != nil {
				return nil, err
			}
			return nil, c.freeTask(t)
		}, Doc: "Take a task from its host, so that another one may run it."},
		{Name: "assignTask", Perm: "admin", Args: "task_id, host, force=False, override=False", Mode: ModeWrite, Fn: assignTask,
			Doc: "Give a task to a host. With force, one that is assigned or open elsewhere. With override, the scheduler will not take it back."},
		{Name: "setTaskPriority", Perm: "admin", Args: "task_id, priority, recurse=True", Mode: ModeWrite, Fn: setTaskPriority,
			Doc: "Change when a task, and with recurse its subtasks, get their turn: lower is sooner."},
		{Name: "resubmitTask", Perm: PermPerson, Args: "taskID", Mode: ModeWrite, Fn: resubmitTask,
			Doc: "Make a new task like one that failed or was canceled: its owner and admins may. Returns its id."},
	}
}

// assertMayCancel lets the task's owner, the host that runs it, and admins pass.
func (c *Ctx) assertMayCancel(t *buildsys.Task) error {
	if t.Owner == c.UserID() {
		return nil
	}
	if t.HostID != nil && t.State == buildsys.TaskOpen {
		if h, err := c.tx.HostByID(*t.HostID, 0); err != nil {
			return err
		} else if h.UserID == c.UserID() {
			return nil
		}
	}
	ok, err := c.Has("admin")
	if err == nil && !ok {
		err = buildsys.Errorf(buildsys.FaultActionNotAllowed, "Cannot cancel task, not owner")
	}
	return err
}

// cancel cancels a task, what it builds, and with recurse its subtasks. false: it was over.
func (c *Ctx) cancel(t *buildsys.Task, recurse bool) (bool, error) {
	if t.State == buildsys.TaskCanceled {
		return true, nil
	}
	ok, err := c.tx.CancelTask(t.ID)
	if err != nil || !ok {
		return false, err
	}
	if _, err := c.tx.CancelBuildsOf(t.ID); err != nil {
		return false, err
	}
	if t.HostID != nil {
		host := *t.HostID
		c.tx.AfterCommit(func() { c.Hub.wakeHost(host) })
	}
	c.tx.AfterCommit(c.Hub.wakeScheduler)
	if !recurse {
		return true, nil
	}
	return true, c.cancelChildren(t.ID)
}

func (c *Ctx) cancelChildren(id int64) error {
	tasks, err := c.tx.ChildTasks(id)
	if err != nil {
		return err
	}
	for i := range tasks {
		if _, err := c.cancel(&tasks[i], true); err != nil {
			return err
		}
	}
	return nil
}

func cancelTask(c *Ctx, a Args) (any, error) {
	t, err := c.findTask(a.Int("task_id"))
	if err != nil {
		return nil, err
	}
	if err := c.assertMayCancel(t); err != nil {
		return nil, err
	}
	_, err = c.cancel(t, a.Bool("recurse"))
	return nil, err
}

func cancelTaskChildren(c *Ctx, a Args) (any, error) {
	t, err := c.findTask(a.Int("task_id"))
	if err != nil {
		return nil, err
	}
	if err := c.assertMayCancel(t); err != nil {
		return nil, err
	}
	return nil, c.cancelChildren(t.ID)
}

func cancelTaskFull(c *Ctx, a Args) (any, error) {
	t, err := c.findTask(a.Int("task_id"))
	if err != nil {
		return nil, err
	}
	// A parent is older than its child, so this ends.
	for t.Parent != nil {
		if a.Bool("strict") {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "Task %d is not top-level (parent=%d)", t.ID, *t.Parent)
		}
		if t, err = c.findTask(*t.Parent); err != nil {
			return nil, err
		}
	}
	for group := []buildsys.Task{*t}; len(group) > 0; group = group[1:] {
		if _, err := c.cancel(&group[0], false); err != nil {
			return nil, err
		}
		more, err := c.tx.ChildTasks(group[0].ID)
		if err != nil {
			return nil, err
		}
		group = append(group, more...)
	}
	return nil, nil
}

// freeTask takes a task from its host and has it assigned anew.
func (c *Ctx) freeTask(t *buildsys.Task) error {
	ok, err := c.tx.FreeTask(t.ID)
	if err != nil {
		return err
	}
	if !ok {
		return buildsys.Errorf(buildsys.FaultGeneric, "Cannot free task %d, state is %s", t.ID, t.State)
	}
	if t.HostID != nil {
		host := *t.HostID
		c.tx.AfterCommit(func() { c.Hub.wakeHost(host) })
	}
	c.tx.AfterCommit(c.Hub.wakeScheduler)
	return nil
}

func assignTask(c *Ctx, a Args) (any, error) {
	t, err := c.findTask(a.Int("task_id"))
	if err != nil {
		return nil, err
	}
	h, err := c.findHost(a.Any("host"), true, 0)
	if err != nil {
		return nil, err
	}
	if t.State == buildsys.TaskAssigned && t.HostID != nil && *t.HostID == h.ID && !a.Bool("override") {
		return true, nil
	}
	if a.Bool("force") && t.State != buildsys.TaskFree && !t.State.Finished() {
		if err := c.freeTask(t); err != nil {
			return nil, err
		}
	}
	override := a.Bool("override")
	ok, err := c.tx.AssignTask(t.ID, h.ID, override)
	if err != nil {
		return nil, err
	}
	msg := "Assigning task"
	switch {
	case !ok:
		msg = "Assignment failed"
	case override:
		msg += " (override)"
	}
	if err := c.tx.LogScheduler(msg, t.ID, h.ID); err != nil || !ok {
		return false, err
	}
	c.tx.AfterCommit(func() { c.Hub.wakeHost(h.ID) })
	return true, nil
}

func setTaskPriority(c *Ctx, a Args) (any, error) {
	t, err := c.findTask(a.Int("task_id"))
	if err != nil {
		return nil, err
	}
	if t.State.Finished() {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "Finished task's priority can't be updated")
	}
	c.tx.AfterCommit(c.Hub.wakeScheduler)
	for todo := []int64{t.ID}; len(todo) > 0; todo = todo[1:] {
		if err := c.tx.SetTaskPriority(todo[0], int(a.Int("priority"))); err != nil {
			return nil, err
		}
		if !a.Bool("recurse") {
			break
		}
		kids, err := c.tx.ChildTasks(todo[0])
		if err != nil {
			return nil, err
		}
		for _, k := range kids {
			todo = append(todo, k.ID)
		}
	}
	return nil, nil
}

func resubmitTask(c *Ctx, a Args) (any, error) {
	t, err := c.findTask(a.Int("taskID"))
	if err != nil {
		return nil, err
	}
	switch {
	case t.State != buildsys.TaskCanceled && t.State != buildsys.TaskFailed:
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "only canceled or failed tasks may be resubmitted")
	case t.Parent != nil:
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "only top-level tasks may be resubmitted")
	case t.Owner != c.UserID():
		ok, err := c.Has("admin")
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "only the task owner or an admin may resubmit a task")
		}
	}
	args, err := taskArgs(t)
	if err != nil {
		return nil, err
	}
	priority := int64(t.Priority)
	n, err := c.makeTask(t.Method, args, taskOptions{arch: t.Arch, channel: t.ChannelID, priority: &priority})
	if err != nil {
		return nil, err
	}
	return n.ID, nil
}

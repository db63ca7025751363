package hub

import (
	"errors"
	"strconv"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
)

func taskQueryMethods() []Method {
	return []Method{
		{Name: "getTaskInfo", Args: "task_id, request=False, strict=False", Fn: getTaskInfo,
			Doc: "A task by id, or a list of tasks by a list of ids; None for one that does not exist, unless strict. With request, its arguments too."},
		{Name: "getTaskChildren", Args: "task_id, request=False, strict=False", Fn: getTaskChildren,
			Doc: "The subtasks of a task."},
		{Name: "getTaskDescendents", Args: "task_id, request=False", Fn: getTaskDescendents,
			Doc: "The subtasks of a task, theirs, and so on: a struct of lists by the id (a string) of the parent."},
		{Name: "getTaskRequest", Args: "taskId", Fn: func(c *Ctx, a Args) (any, error) {
			t, err := c.findTask(a.Int("taskId"))
			if err != nil {
				return nil, err
			}
			return taskRequest(t)
		}, Doc: "What a task was asked: the list of its arguments."},
		{Name: "getTaskResult", Args: "taskId, raise_fault=True", Fn: getTaskResult,
			Doc: "What came of a task. Its failure is a fault, or without raise_fault a struct {faultCode, faultString}."},
		{Name: "taskFinished", Args: "taskId", Fn: func(c *Ctx, a Args) (any, error) {
			t, err := c.findTask(a.Int("taskId"))
			if err != nil {
				return nil, err
			}
			return t.State.Finished(), nil
		}, Doc: "Whether a task is over: closed, canceled or failed."},
		{Name: "listTasks", Args: "opts=None, queryOpts=None", Fn: listTasks,
			Doc: "List tasks. opts narrows: method, state, arch, owner, host_id, channel_id, parent (a value or a list), not_state, not_arch, " +
				"createdBefore, createdAfter, startedBefore, startedAfter, completeBefore, completeAfter. With decode, request and result are values instead of XML."},
	}
}

func getTaskInfo(c *Ctx, a Args) (any, error) {
	one := func(id int64, t *buildsys.Task) (any, error) {
		if t == nil {
			if a.Bool("strict") {
				return nil, buildsys.Errorf(buildsys.FaultGeneric, "No such task: %d", id)
			}
			return nil, nil
		}
		return taskInfo(t, a.Bool("request"))
	}
	if _, ok := a.Any("task_id").([]any); !ok {
		t, err := c.tx.TaskByID(a.Int("task_id"))
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		return one(a.Int("task_id"), t)
	}
	ids := a.Ints("task_id")
	tasks, err := c.tx.TasksByIDs(unique(ids))
	if err != nil {
		return nil, err
	}
	out := make([]any, len(ids))
	for i, id := range ids {
		if out[i], err = one(id, tasks[id]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (c *Ctx) children(id int64, request bool) ([]any, []buildsys.Task, error) {
	tasks, err := c.tx.ChildTasks(id)
	if err != nil {
		return nil, nil, err
	}
	out := make([]any, len(tasks))
	for i := range tasks {
		if out[i], err = taskInfo(&tasks[i], request); err != nil {
			return nil, nil, err
		}
	}
	return out, tasks, nil
}

func getTaskChildren(c *Ctx, a Args) (any, error) {
	if a.Bool("strict") {
		if _, err := c.findTask(a.Int("task_id")); err != nil {
			return nil, err
		}
	}
	out, _, err := c.children(a.Int("task_id"), a.Bool("request"))
	return out, err
}

func getTaskDescendents(c *Ctx, a Args) (any, error) {
	out := map[string]any{}
	for todo := []int64{a.Int("task_id")}; len(todo) > 0; todo = todo[1:] {
		rows, tasks, err := c.children(todo[0], a.Bool("request"))
		if err != nil {
			return nil, err
		}
		out[strconv.FormatInt(todo[0], 10)] = rows
		for _, t := range tasks {
			todo = append(todo, t.ID)
		}
	}
	return out, nil
}

func getTaskResult(c *Ctx, a Args) (any, error) {
	t, err := c.findTask(a.Int("taskId"))
	if err != nil {
		return nil, err
	}
	v, f, err := taskResult(t)
	switch {
	case err != nil:
		return nil, err
	case f == nil:
		return v, nil
	case a.Bool("raise_fault"):
		return nil, buildsys.Errorf(buildsys.FaultCode(f.Code), "%s", f.String)
	}
	return faultMap(f), nil
}

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
	root, err := c.findTask(a.Int("task_id"))
	if err != nil {
		return nil, err
	}
	out := map[string]any{}
	for todo := []int64{root.ID}; len(todo) > 0; todo = todo[1:] {
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

func listTasks(c *Ctx, a Args) (any, error) {
	opts := Args{method: "listTasks", vals: map[string]any{}}
	for k, v := range a.Map("opts") {
		opts.vals[k] = v
	}
	f := store.TaskFilter{Method: opts.OptStr("method")}
	for k, v := range opts.vals {
		if err := taskFilter(&f, opts, k, v); err != nil {
			return nil, err
		}
	}
	tasks, err := c.tx.Tasks(f)
	if err != nil {
		return nil, err
	}
	users := map[int64]buildsys.User{}
	rows := make([]map[string]any, len(tasks))
	for i := range tasks {
		t := &tasks[i]
		m := taskMap(t)
		u, ok := users[t.Owner]
		if !ok {
			if u, err = c.tx.UserByID(t.Owner); err != nil {
				return nil, err
			}
			users[t.Owner] = u
		}
		m["owner_name"], m["owner_type"] = u.Name, int64(u.Type)
		m["request"], m["result"] = optional(t.Request), optional(t.Result)
		if opts.Bool("decode") {
			if err := decodeTask(t, m); err != nil {
				return nil, err
			}
		}
		rows[i] = m
	}
	return applyOpts(rows, a.Map("queryOpts"))
}

// decodeTask puts values where the task has XML.
func decodeTask(t *buildsys.Task, m map[string]any) error {
	var err error
	if m["request"], err = taskRequest(t); err != nil || t.Result == nil {
		return err
	}
	v, f, err := taskResult(t)
	if f != nil {
		v = faultMap(f)
	} else if err == nil {
		v = []any{v}
	}
	m["result"] = v
	return err
}

// taskFilter reads one of listTasks' options.
func taskFilter(f *store.TaskFilter, opts Args, key string, v any) error {
	if v == nil && key != "parent" && key != "owner" && key != "host_id" && key != "channel_id" {
		return nil
	}
	ids := func() *[]*int64 {
		list, ok := v.([]any)
		if !ok {
			list = []any{v}
		}
		out := make([]*int64, len(list))
		for i, e := range list {
			if e == nil {
				continue
			}
			n, ok := asInt(e)
			if !ok {
				opts.bad(key, "an id or a list of ids", e)
			}
			out[i] = &n
		}
		return &out
	}
	if _, ok := v.([]any); !ok && (key == "state" || key == "not_state" || key == "arch" || key == "not_arch") {
		opts.vals[key] = []any{v}
	}
	at := func() *int64 {
		t := argTime(opts, key)
		us := t.UnixMicro()
		return &us
	}
	switch key {
	case "method", "decode":
	case "state":
		f.States = append([]int64{}, opts.Ints(key)...)
	case "not_state":
		f.NotStates = opts.Ints(key)
	case "arch":
		f.Arches = append([]string{}, opts.Strs(key)...)
	case "not_arch":
		f.NotArches = opts.Strs(key)
	case "owner":
		f.Owners = ids()
	case "host_id":
		f.Hosts = ids()
	case "channel_id":
		f.Channels = ids()
	case "parent":
		f.Parents = ids()
	case "createdBefore":
		f.CreatedBefore = at()
	case "createdAfter":
		f.CreatedAfter = at()
	case "startedBefore":
		f.StartedBefore = at()
	case "startedAfter":
		f.StartedAfter = at()
	case "completeBefore", "completedBefore":
		f.CompleteBefore = at()
	case "completeAfter", "completedAfter":
		f.CompleteAfter = at()
	default:
		return buildsys.Errorf(buildsys.FaultParameter, "listTasks: unknown option %q", key)
	}
	return nil
}

package hub

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// maxWait bounds how long host.getTasks waits for work.
const maxWait = 5 * time.Minute

// lookEvery is how often a waiting builder's tasks are looked at without a signal: another hub of the same database may have
// assigned one, and its hint be lost.
const lookEvery = 10 * time.Second

// pollGrace is how long a builder that does not wait is held anyway: the scheduler may just be working on its report.
const pollGrace = 100 * time.Millisecond

// hostMethod is a method host.NAME, which a builder calls: it demands a host's exclusive session, and fn is told whose.
func hostMethod(mode Mode, name, args, doc string, fn func(*Ctx, *buildsys.Host, Args) (any, error)) Method {
	return Method{Name: "host." + name, Args: args, Doc: doc, Mode: mode, Perm: PermLogin, Fn: func(c *Ctx, a Args) (any, error) {
		h, err := c.callingHost()
		if err != nil {
			return nil, err
		}
		return fn(c, h, a)
	}}
}

// builderMethods are what builders call for their tasks and themselves.
func builderMethods() []Method {
	m := hostMethod
	return []Method{
		m(ModeRead, "getID", "", "The id of this host.", func(_ *Ctx, h *buildsys.Host, _ Args) (any, error) { return h.ID, nil }),
		m(ModeRead, "getHost", "", "What the hub knows of this host.", func(_ *Ctx, h *buildsys.Host, _ Args) (any, error) { return hostMap(h), nil }),
		m(ModeWrite, "updateHost", "task_load, ready, data=None", "Report this host's load, whether it takes tasks, and data for the scheduler (maxjobs, methods).", updateHost),
		m(ModeWrite, "setHostData", "hostdata", "Report data for the scheduler alone.", setHostData),
		m(ModeDeferred, "getTasks", "wait=0", "The tasks assigned to this host, which it should open now. With wait, if there are none, as soon as there are, at the latest after so many seconds.", getTasks),
		m(ModeRead, "getLoadData", "", "This host and its assigned tasks, for builders older than 1.34.", getLoadData),
		m(ModeRead, "getHostTasks", "", "The tasks open on this host: id, waiting, weight, and alert if a subtask it waits for is over.", getHostTasks),
		m(ModeWrite, "openTask", "task_id", "Begin a task: the whole of it, or None if it is not this host's to run.", openTask),
		m(ModeWrite, "closeTask", "task_id, response", "End a task with its result, an XML-RPC response.", finishTask(buildsys.TaskClosed)),
		m(ModeWrite, "failTask", "task_id, response", "End a task with its failure, an XML-RPC fault.", finishTask(buildsys.TaskFailed)),
		m(ModeWrite, "freeTasks", "tasks", "Give open tasks back, for any host to run.", freeTasks),
		m(ModeWrite, "refuseTask", "task_id, soft=True, msg=''", "Decline an assigned task, for a time or, without soft, for good.", refuseTask),
		m(ModeWrite, "setTaskWeight", "task_id, weight", "Say how much of this host a task takes.", setTaskWeight),
		m(ModeWrite, "taskSetWait", "parent, tasks", "Say that a task waits for subtasks (None: all).", taskSetWait),
		m(ModeWrite, "taskUnwait", "parent", "Say that a task waits no longer.", func(c *Ctx, h *buildsys.Host, a Args) (any, error) {
			t, err := c.hostTask(h, a.Int("parent"))
			if err != nil {
				return nil, err
			}
			return nil, c.taskUnwait(t.ID)
		}),
		m(ModeWrite, "taskWait", "parent", "Which of the subtasks a task waits for are over, and which are not.", taskWait),
		m(ModeWrite, "taskWaitResults", "parent, tasks, canfail=None", "The results of subtasks, [[id, result]]; a failure is a fault unless the task is among canfail.", taskWaitResults),
		m(ModeWrite, "subtask", "method, arglist, parent, **opts", "Make a subtask: label, arch, channel, priority. One of that label is returned as it is.", subtask),
		m(ModeWrite, "subtask2", "*args, **opts", "Make a subtask: subtask2(parent, {its options}, method, arguments...).", subtask2),
		m(ModeRead, "isEnabled", "", "Whether this host is enabled.", func(_ *Ctx, h *buildsys.Host, _ Args) (any, error) { return h.Enabled, nil }),
		m(ModeWrite, "tagBuild", "task_id, tag, build, force=False, fromtag=None", "Tag a build, or with fromtag move it, in the name of the task's owner.", hostTagBuild),
		m(ModeDeferred, "tagNotification", "is_successful, tag_id, from_id, build_id, user_id, ignore_success=False, failure_msg=''", "Report how tagging went: a task tells those who want to know.", tagNotification),
	}
}

// callingHost is the host that calls, if its session is exclusive.
func (c *Ctx) callingHost() (*buildsys.Host, error) {
	h, err := c.tx.HostOfUser(c.UserID())
	if errors.Is(err, store.ErrNotFound) {
		return nil, buildsys.Errorf(buildsys.FaultAuth, "User %s is not a host: add it with add-host", c.User.Name)
	} else if err != nil {
		return nil, err
	}
	if !c.Session.Exclusive {
		return nil, buildsys.Errorf(buildsys.FaultAuth, "This method requires an exclusive session")
	}
	return h, nil
}

// hostTask finds a task that must be open on a host.
func (c *Ctx) hostTask(h *buildsys.Host, id int64) (*buildsys.Task, error) {
	t, err := c.findTask(id)
	if err != nil {
		return nil, err
	}
	if t.State != buildsys.TaskOpen || t.HostID == nil || *t.HostID != h.ID {
		return nil, buildsys.Errorf(buildsys.FaultActionNotAllowed, "host %d does not own task %d", h.ID, id)
	}
	return t, nil
}

func updateHost(c *Ctx, h *buildsys.Host, a Args) (any, error) {
	var data *string
	if d := a.Map("data"); d != nil {
		b, err := json.Marshal(d)
		if err != nil {
			return nil, buildsys.Errorf(buildsys.FaultParameter, "host.updateHost: data: %v", err)
		}
		s := string(b)
		data = &s
	}
	load := a.Float("task_load")
	if !(load >= 0) {
		return nil, buildsys.Errorf(buildsys.FaultParameter, "host.updateHost: task_load must not be below 0")
	}
	ready := a.Bool("ready")
	if ready {
		c.tx.AfterCommit(c.Hub.wakeScheduler)
	}
	return nil, c.tx.ReportHost(h.ID, load, ready, data)
}

func setHostData(c *Ctx, h *buildsys.Host, a Args) (any, error) {
	text, ok := a.Any("hostdata").(string) // JSON, from old builders
	if !ok {
		b, err := json.Marshal(a.Map("hostdata"))
		if err != nil {
			return nil, buildsys.Errorf(buildsys.FaultParameter, "host.setHostData: %v", err)
		}
		text = string(b)
	}
	if !json.Valid([]byte(text)) {
		return nil, buildsys.Errorf(buildsys.FaultParameter, "host.setHostData: not JSON")
	}
	return nil, c.tx.SetHostData(h.ID, text)
}

// assignedMap is a task as host.getTasks shows it.
func assignedMap(t *buildsys.Task) map[string]any {
	return map[string]any{"id": t.ID, "state": int64(t.State), "channel_id": t.ChannelID, "host_id": optional(t.HostID),
		"arch": t.Arch, "method": t.Method, "priority": int64(t.Priority), "create_ts": optUnixTime(t.Create)}
}

func (c *Ctx) assigned(host int64) ([]any, error) {
	tasks, err := c.tx.AssignedTasks(host)
	if err != nil {
		return nil, err
	}
	out := make([]any, len(tasks))
	for i := range tasks {
		out[i] = assignedMap(&tasks[i])
	}
	return out, nil
}

// getTasks holds no transaction while it waits: thousands of builders do so at a time. The session is checked again
// when it wakes up, since another one may have taken the lock meanwhile.
func getTasks(c *Ctx, h *buildsys.Host, a Args) (any, error) {
	wait := max(pollGrace, min(maxWait, time.Duration(a.Float("wait")*float64(time.Second))))
	if c.tx.Writable() || isMultiCall(c.req.method) {
		return c.assigned(h.ID) // in a multicall, where others would wait with it
	}
	_, stopped := c.Hub.channels()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	var signal <-chan struct{} // of a change after the snapshot that is read; the request's own snapshot is older than any
	for last := false; ; {
		tasks, err := c.assigned(h.ID)
		if err != nil || len(tasks) > 0 || last {
			return tasks, err
		}
		c.tx.Rollback()
		if signal != nil {
			select {
			case <-signal:
			case <-look.C:
			case <-timer.C:
				last = true
			case <-stopped:
				last = true
			case <-c.Done():
				return nil, c.Err()
			}
		}
		signal = c.Hub.hostSignal(h.ID)
		if err := c.begin(false); err != nil {
			return nil, err
		}
		c.perms = nil
		if err := c.authenticate(c.req.method); err != nil {
			return nil, err
		}
		if h, err = c.callingHost(); err != nil {
			return nil, err
		}
	}
}

func getLoadData(c *Ctx, h *buildsys.Host, _ Args) (any, error) {
	chs, err := c.tx.ChannelsOfHost(h.ID, 0)
	if err != nil {
		return nil, err
	}
	ids := make([]any, len(chs))
	for i, ch := range chs {
		ids[i] = ch.ID
	}
	m := hostMap(h)
	m["channels"] = ids
	tasks, err := c.assigned(h.ID)
	return []any{[]any{m}, tasks}, err
}

func getHostTasks(c *Ctx, h *buildsys.Host, _ Args) (any, error) {
	tasks, err := c.tx.OpenTasks(h.ID)
	if err != nil {
		return nil, err
	}
	out := make([]any, len(tasks))
	for i, t := range tasks {
		m := map[string]any{"id": t.ID, "waiting": optional(t.Waiting), "weight": t.Weight}
		if t.Waiting != nil && *t.Waiting {
			done, _, err := c.awaited(t.ID)
			if err != nil {
				return nil, err
			}
			if len(done) > 0 {
				m["alert"] = true
			}
		}
		out[i] = m
	}
	return out, nil
}

func openTask(c *Ctx, h *buildsys.Host, a Args) (any, error) {
	if _, err := c.findTask(a.Int("task_id")); err != nil {
		return nil, err
	}
	ok, err := c.tx.OpenTask(a.Int("task_id"), h.ID)
	if err != nil || !ok {
		return nil, err
	}
	t, err := c.tx.TaskByID(a.Int("task_id"))
	if err != nil {
		return nil, err
	}
	m := taskMap(t)
	m["request"] = optional(t.Request)
	return m, nil
}

// finishTask ends a task in a state. The response is kept as it came, but it must be one.
func finishTask(state buildsys.TaskState) func(*Ctx, *buildsys.Host, Args) (any, error) {
	return func(c *Ctx, h *buildsys.Host, a Args) (any, error) {
		t, err := c.hostTask(h, a.Int("task_id"))
		if err != nil {
			return nil, err
		}
		text := a.Str("response")
		var f *xmlrpc.Fault
		if _, err := xmlrpc.DecodeResponse([]byte(text), xmlrpc.Limits{}); err != nil && !errors.As(err, &f) {
			return nil, buildsys.Errorf(buildsys.FaultParameter, "response of task %d is no XML-RPC response: %v", t.ID, err)
		}
		if _, err := c.tx.FinishTask(t.ID, state, text); err != nil {
			return nil, err
		}
		c.tx.AfterCommit(c.Hub.wakeScheduler)
		return nil, c.alertParent(t)
	}
}

// alertParent wakes the host whose task waits for this one.
func (c *Ctx) alertParent(t *buildsys.Task) error {
	if t.Parent == nil {
		return nil
	}
	p, err := c.findTask(*t.Parent)
	if err != nil || p.HostID == nil {
		return err
	}
	host := *p.HostID
	c.tx.AfterCommit(func() { c.Hub.wakeHost(host) })
	return nil
}

func freeTasks(c *Ctx, h *buildsys.Host, a Args) (any, error) {
	for _, id := range a.Ints("tasks") {
		t, err := c.findTask(id)
		if err != nil {
			return nil, err
		}
		if t.State != buildsys.TaskOpen || t.HostID == nil || *t.HostID != h.ID {
			continue // it was given to someone else meanwhile
		}
		if err := c.freeTask(t); err != nil {
			return nil, err
		}
		c.Log.Info("task given back", "task", id, "host", h.Name)
	}
	return nil, nil
}

func refuseTask(c *Ctx, h *buildsys.Host, a Args) (any, error) {
	t, err := c.findTask(a.Int("task_id"))
	if err != nil {
		return nil, err
	}
	if t.HostID == nil || *t.HostID != h.ID {
		c.Log.Warn("host refused a task that is not its own", "host", h.Name, "task", t.ID)
		return nil, nil
	}
	msg := a.Str("msg")
	c.Log.Info("task refused", "host", h.Name, "task", t.ID, "msg", msg)
	if err := c.refuse(t.ID, h.ID, a.Bool("soft"), true, msg); err != nil {
		return nil, err
	}
	return nil, c.freeTask(t)
}

func setTaskWeight(c *Ctx, h *buildsys.Host, a Args) (any, error) {
	t, err := c.hostTask(h, a.Int("task_id"))
	if err != nil {
		return nil, err
	}
	w := a.Float("weight")
	if !(w >= 0) {
		return nil, buildsys.Errorf(buildsys.FaultParameter, "host.setTaskWeight: weight must not be below 0")
	}
	return nil, c.tx.SetTaskWeight(t.ID, w)
}

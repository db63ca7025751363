package hub

import (
	"errors"
	"slices"
	"strings"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// taskOptions say how a task is made; zero values are defaults.
type taskOptions struct {
	parent   *buildsys.Task
	label    *string
	owner    int64
	channel  any // id or name
	arch     string
	priority *int64
	assign   any // a host that is given the task at once
}

// readTaskOptions reads the options that callers may give a task.
func (c *Ctx) readTaskOptions(method string, vals map[string]any) (taskOptions, error) {
	var o taskOptions
	a := Args{method: method, vals: vals}
	for key := range vals {
		switch key {
		case "parent":
			p, err := c.tx.TaskByID(a.Int(key))
			if errors.Is(err, store.ErrNotFound) {
				return o, buildsys.Errorf(buildsys.FaultGeneric, "Invalid parent task: %d", a.Int(key))
			}
			if err != nil {
				return o, err
			}
			o.parent = p
		case "label":
			o.label = a.OptStr(key)
		case "arch":
			arch, err := taskArch(a)
			if err != nil {
				return o, err
			}
			o.arch = arch
		case "channel":
			o.channel = a.Any(key)
		case "priority":
			p := looseArg(a, key)
			o.priority = &p
		case "assign":
			o.assign = a.Any(key)
		case "owner":
			return o, buildsys.Errorf(buildsys.FaultActionNotAllowed, "The owner option is not allowed here")
		default:
			return o, buildsys.Errorf(buildsys.FaultParameter, "%s() got an unexpected keyword argument '%s'", method, key)
		}
	}
	return o, nil
}

// taskArch is a task's architecture, or several in one string.
func taskArch(a Args) (string, error) {
	var list []string
	switch v := a.Any("arch").(type) {
	case nil:
	case []any:
		list = a.Strs("arch")
	case string:
		list = strings.Fields(v)
	default:
		a.bad("arch", "a string", v)
	}
	return joinArches(list)
}

// makeTask makes a task and wakes the scheduler once it is committed. Policies channel and priority have the last word on
// where it goes and when; by Koji's defaults a subtask goes where its parent is, one level more urgent.
func (c *Ctx) makeTask(method string, args []any, o taskOptions) (*buildsys.Task, error) {
	t := &buildsys.Task{Method: method, Owner: o.owner, Arch: o.arch, Priority: buildsys.PriorityDefault, Weight: 1}
	if t.Owner == 0 {
		t.Owner = c.UserID()
	}
	if p := o.parent; p != nil {
		if p.State != buildsys.TaskOpen {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "Parent task (id %d) is not open", p.ID)
		}
		t.Parent, t.Label, t.Owner, t.Priority = &p.ID, o.label, p.Owner, p.Priority-1
		if t.Arch == "" {
			t.Arch = p.Arch
		}
	}
	if t.Arch == "" {
		t.Arch = "noarch"
	}
	if o.priority != nil {
		t.Priority = int(*o.priority)
	}
	if err := c.applyTaskPolicies(t, args, o); err != nil {
		return nil, err
	}
	req, err := xmlrpc.EncodeCall(method, args)
	if err != nil {
		return nil, err
	}
	text := string(req)
	t.Request = &text
	if err := c.tx.InsertTask(t); err != nil {
		if errors.Is(err, store.ErrExists) && t.Parent != nil && t.Label != nil {
			err = buildsys.Errorf(buildsys.FaultGeneric, "task %d has a subtask of label %s already", *t.Parent, *t.Label)
		}
		return nil, err
	}
	if err := c.refuseByArch(t, args); err != nil {
		return nil, err
	}
	if o.assign != nil {
		h, err := c.findHost(o.assign, true, 0)
		if err != nil {
			return nil, err
		}
		if _, err := c.tx.AssignTask(t.ID, h.ID, true); err != nil {
			return nil, err
		}
		t.State, t.HostID = buildsys.TaskAssigned, &h.ID
		c.tx.AfterCommit(func() { c.Hub.wakeHost(h.ID) })
		return t, nil
	}
	c.tx.AfterCommit(c.Hub.wakeScheduler)
	return t, nil
}

// applyTaskPolicies decides a task's channel and priority.
func (c *Ctx) applyTaskPolicies(t *buildsys.Task, args []any, o taskOptions) error {
	data := policyData{"method": t.Method, "arch": t.Arch, "parent": nil, "label": nil, "owner": t.Owner, "user_id": t.Owner}
	if t.Parent != nil {
		data["parent"] = *t.Parent
	}
	if t.Label != nil {
		data["label"] = *t.Label
	}
	var asked *store.Channel
	if o.channel != nil {
		var err error
		if asked, err = c.findChannel(o.channel, false); err != nil {
			return err
		}
		if asked == nil {
			return buildsys.Errorf(buildsys.FaultGeneric, "No such channel: %s", plain(o.channel))
		}
		if !asked.Enabled {
			return buildsys.Errorf(buildsys.FaultGeneric, "Channel %s is disabled.", plain(o.channel))
		}
		data["req_channel"] = o.channel
	}
	more, err := c.policyTaskData(t.Method, args)
	if err != nil {
		return err
	}
	for k, v := range more {
		data[k] = v
	}
	if err := c.channelPolicy(t, data, asked, o.parent); err != nil {
		return err
	}
	action, err := c.policyEval("priority", data)
	if err != nil || action == "" {
		return err
	}
	p, err := policyPriority(action, int64(t.Priority))
	if err != nil {
		c.Log.Error("policy priority", "err", err)
		return buildsys.Errorf(buildsys.FaultGeneric, "invalid priority policy")
	}
	t.Priority = int(p)
	return nil
}

func (c *Ctx) channelPolicy(t *buildsys.Task, data policyData, asked *store.Channel, parent *buildsys.Task) error {
	action, err := c.policyEval("channel", data)
	if err != nil {
		return err
	}
	words := strings.Fields(action)
	if len(words) == 0 {
		c.Log.Warn("policy channel decided nothing: default", "method", t.Method)
		words = []string{"use", "default"}
	}
	switch {
	case words[0] == "use" && len(words) > 1:
		ch, err := c.findChannel(words[1], true)
		if err != nil {
			return err
		}
		if !ch.Enabled {
			return buildsys.Errorf(buildsys.FaultGeneric, "Channel %s is disabled.", ch.Name)
		}
		t.ChannelID = ch.ID
		return nil
	case words[0] == "parent" && parent != nil:
		t.ChannelID = parent.ChannelID
		return nil
	case words[0] == "req" && asked != nil:
		t.ChannelID = asked.ID
		return nil
	}
	c.Log.Error("policy channel cannot be applied", "action", action, "method", t.Method)
	return buildsys.Errorf(buildsys.FaultGeneric, "invalid channel policy")
}

// archTasks are the tasks that any host of their channel could take by their architecture, noarch, but which are made in a
// build root: the host has to have one of the build tag's architectures. The value is the argument that names the tag.
var archTasks = map[string]string{
	"buildArch": "root", "buildMaven": "build_tag", "wrapperRPM": "build_target", "rebuildSRPM": "build_tag", "buildSRPMFromSCM": "build_tag",
}

// refuseByArch notes which hosts cannot take a task because they have none of its build tag's architectures.
func (c *Ctx) refuseByArch(t *buildsys.Task, args []any) error {
	field := archTasks[t.Method]
	if field == "" || t.Arch != "noarch" {
		return nil
	}
	params, err := taskParams(t.Method, args)
	if err != nil {
		return dropFault(err)
	}
	tag := params[field]
	if t.Method == "wrapperRPM" {
		target, err := c.findTarget(tag, 0, false)
		if err != nil || target == nil {
			return dropFault(err)
		}
		tag = target.BuildTag
	}
	id, err := c.tagIDOf(tag)
	if err != nil || id == 0 {
		return dropFault(err)
	}
	v, err := getBuildConfig(c, Args{method: "getBuildConfig", vals: map[string]any{"tag": id}})
	if err != nil {
		return dropFault(err)
	}
	config, _ := v.(map[string]any)
	text, _ := config["arches"].(string)
	var arches []string
	for _, a := range strings.Fields(text) {
		arches = append(arches, buildsys.CanonArch(a))
	}
	if len(arches) == 0 {
		return nil // the task itself will say so
	}
	yes := true
	hosts, err := c.tx.Hosts(store.HostFilter{ChannelID: &t.ChannelID, Enabled: &yes})
	if err != nil {
		return err
	}
	for _, h := range hosts {
		if slices.ContainsFunc(strings.Fields(h.Arches), func(a string) bool { return slices.Contains(arches, a) }) {
			continue
		}
		if err := c.refuse(t.ID, h.ID, false, false, "automatic arch refusal"); err != nil {
			return err
		}
	}
	return nil
}

// refuse notes that a host cannot take a task.
func (c *Ctx) refuse(task, host int64, soft, byHost bool, msg string) error {
	if err := c.tx.Refuse(task, host, soft, byHost, msg); err != nil {
		return err
	}
	return c.tx.LogScheduler("Host refused task: "+msg, task, host)
}

package hub

import (
	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// taskRow are the members of a task in listTasks.
var taskRow = []string{"id", "state", "create_time", "create_ts", "start_time", "start_ts", "completion_time", "completion_ts", "channel_id",
	"host_id", "parent", "label", "waiting", "awaited", "owner", "method", "arch", "priority", "weight", "request", "result", "owner_name", "owner_type"}

// listTasks streams: a hub has millions of tasks.
func listTasks(c *Ctx, a Args) (any, error) {
	opts := Args{method: "listTasks", vals: map[string]any{}}
	for k, v := range a.Map("opts") {
		opts.vals[k] = v
	}
	f := store.TaskFilter{}
	for k, v := range opts.vals {
		if err := taskFilter(&f, opts, k, v); err != nil {
			return nil, err
		}
	}
	o, err := readOpts(a.Map("queryOpts"))
	if err != nil {
		return nil, err
	}
	if o.count {
		n, err := c.tx.CountTasks(f)
		return o.counted(n), err
	}
	f.Order, f.Limit, f.Offset = o.order, o.limit, o.offset
	if len(f.Order) > 0 { // a wrong column shows before the answer has begun
		none, test := int64(0), f
		test.Limit = &none
		if _, err := c.tx.Tasks(test); err != nil {
			return nil, orderFault(err)
		}
	}
	tx, decode := c.tx, opts.Bool("decode") && !o.asList
	return streamed(func(yield func(any) error) error {
		return tx.EachTask(f, func(t *store.OwnedTask) error {
			vals, err := taskValues(t, decode)
			if err != nil {
				return err
			}
			if o.asList {
				return yield(vals)
			}
			return yield(xmlrpc.Row{Names: taskRow, Values: vals})
		})
	}), nil
}

// taskValues are a task's members. With decode, request and result are values instead of XML.
func taskValues(t *store.OwnedTask, decode bool) ([]any, error) {
	request, result := optional(t.Request), optional(t.Result)
	if decode {
		var err error
		if request, err = taskRequest(&t.Task); err != nil {
			return nil, err
		}
		if t.Result != nil {
			v, f, err := taskResult(&t.Task)
			switch {
			case f != nil:
				v = faultMap(f)
			case err != nil:
				return nil, err
			default:
				v = []any{v}
			}
			result = v
		}
	}
	return []any{t.ID, int64(t.State), optPyTime(t.Create), optUnixTime(t.Create), optPyTime(t.Start), optUnixTime(t.Start),
		optPyTime(t.Completion), optUnixTime(t.Completion), t.ChannelID, t.HostID, t.Parent, t.Label, t.Waiting, t.Awaited, t.Owner, t.Method, t.Arch,
		int64(t.Priority), t.Weight, request, result, t.OwnerName, int64(t.OwnerType)}, nil
}

// taskFilter reads one of listTasks' options.
func taskFilter(f *store.TaskFilter, opts Args, key string, v any) error {
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
	switch key {
	case "owner":
		f.Owners = ids()
		return nil
	case "host_id":
		f.Hosts = ids()
		return nil
	case "channel_id":
		f.Channels = ids()
		return nil
	case "parent":
		f.Parents = ids()
		return nil
	case "not_owner":
		f.NotOwners = ids()
		return nil
	case "not_host_id":
		f.NotHosts = ids()
		return nil
	case "not_channel_id":
		f.NotChannels = ids()
		return nil
	case "not_parent":
		f.NotParents = ids()
		return nil
	case "decode":
		return nil
	}
	if v == nil {
		return nil
	}
	if _, ok := v.([]any); !ok {
		opts.vals[key] = []any{v}
	}
	switch key {
	case "method":
		opts.vals[key] = v
		f.Method = opts.OptStr(key)
	case "state":
		f.States = append([]int64{}, opts.Ints(key)...)
	case "not_state":
		f.NotStates = append([]int64{}, opts.Ints(key)...)
	case "arch":
		f.Arches = append([]string{}, opts.Strs(key)...)
	case "not_arch":
		f.NotArches = append([]string{}, opts.Strs(key)...)
	default:
		opts.vals[key] = v
		return taskTimes(f, opts, key)
	}
	return nil
}

// taskTimes reads an option that is a time.
func taskTimes(f *store.TaskFilter, opts Args, key string) error {
	dst := map[string]**int64{
		"createdBefore": &f.CreatedBefore, "createdAfter": &f.CreatedAfter, "startedBefore": &f.StartedBefore, "startedAfter": &f.StartedAfter,
		"completeBefore": &f.CompleteBefore, "completedBefore": &f.CompleteBefore,
		"completeAfter": &f.CompleteAfter, "completedAfter": &f.CompleteAfter,
	}[key]
	if dst == nil {
		return buildsys.Errorf(buildsys.FaultParameter, "listTasks: unknown option %q", key)
	}
	us := argTime(opts, key).UnixMicro()
	*dst = &us
	return nil
}

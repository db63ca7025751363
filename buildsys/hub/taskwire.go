package hub

import (
	"errors"
	"fmt"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// taskMap is a task as getTaskInfo shows it.
func taskMap(t *buildsys.Task) map[string]any {
	return map[string]any{
		"id":              t.ID,
		"method":          t.Method,
		"state":           int64(t.State),
		"owner":           t.Owner,
		"arch":            t.Arch,
		"channel_id":      t.ChannelID,
		"host_id":         optional(t.HostID),
		"parent":          optional(t.Parent),
		"label":           optional(t.Label),
		"priority":        int64(t.Priority),
		"weight":          t.Weight,
		"waiting":         optional(t.Waiting),
		"awaited":         optional(t.Awaited),
		"create_time":     optPyTime(t.Create),
		"create_ts":       optUnixTime(t.Create),
		"start_time":      optPyTime(t.Start),
		"start_ts":        optUnixTime(t.Start),
		"completion_time": optPyTime(t.Completion),
		"completion_ts":   optUnixTime(t.Completion),
	}
}

// taskRequest is a task's arguments as clients see them: None where it has no request.
func taskRequest(t *buildsys.Task) (any, error) {
	if t.Request == nil {
		return nil, nil
	}
	return taskArgs(t)
}

// taskArgs are what a task was asked with.
func taskArgs(t *buildsys.Task) ([]any, error) {
	if t.Request == nil {
		return nil, nil
	}
	_, params, err := xmlrpc.DecodeCall([]byte(*t.Request), xmlrpc.Limits{})
	if err != nil {
		return nil, fmt.Errorf("request of task %d: %w", t.ID, err)
	}
	return params, nil
}

// taskInfo is taskMap with the request, if asked for.
func taskInfo(t *buildsys.Task, request bool) (map[string]any, error) {
	m := taskMap(t)
	if request {
		req, err := taskRequest(t)
		if err != nil {
			return nil, err
		}
		m["request"] = req
	}
	return m, nil
}

// taskResult is what came of a finished task; a failure is a fault.
func taskResult(t *buildsys.Task) (any, *xmlrpc.Fault, error) {
	switch {
	case t.State == buildsys.TaskCanceled:
		return nil, nil, buildsys.Errorf(buildsys.FaultGeneric, "Task %d is canceled", t.ID)
	case !t.State.Finished():
		return nil, nil, buildsys.Errorf(buildsys.FaultGeneric, "Task %d is not finished", t.ID)
	case t.Result == nil:
		return nil, nil, nil
	}
	v, err := xmlrpc.DecodeResponse([]byte(*t.Result), xmlrpc.Limits{})
	var f *xmlrpc.Fault
	if errors.As(err, &f) {
		return nil, f, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("result of task %d: %w", t.ID, err)
	}
	return v, nil, nil
}

// faultMap is a failure as an answer carries it that is not itself one.
func faultMap(f *xmlrpc.Fault) map[string]any {
	return map[string]any{"faultCode": int64(f.Code), "faultString": f.String}
}

// findTask returns a task that must exist.
func (c *Ctx) findTask(id int64) (*buildsys.Task, error) {
	t, err := c.tx.TaskByID(id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "No such task: %d", id)
	}
	return t, err
}

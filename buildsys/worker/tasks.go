package worker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
	"github.com/privyseal/privyseal/internal/daemon"
)

// work asks for tasks and begins them until ctx ends or the hub refuses. Tasks run in sctx, which outlives ctx.
func (w *Worker) work(ctx, sctx context.Context, main *xmlrpc.Client, p *pool) error {
	for {
		v, err := main.Call(ctx, "host.getTasks", xmlrpc.Kwargs{"wait": w.cfg.Wait.Seconds()})
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if faultCode(err) == buildsys.FaultServerOffline {
			// The hub is stopping or closed for maintenance: it is up to it when it wants to be asked again.
			w.log.Info("hub is offline", "err", err)
			select {
			case <-ctx.Done():
			case <-time.After(maxPause):
			}
			continue
		}
		if err != nil {
			return err
		}
		tasks, _ := v.([]any)
		for _, t := range tasks {
			m, _ := t.(map[string]any)
			if err := w.take(ctx, sctx, main, p, m); err != nil {
				return err
			}
		}
	}
}

// task is what the hub gave us to do.
type task struct {
	id     int64
	method string
	owner  int64
	args   []any
}

// take opens an assigned task and runs it beside the others, or refuses it.
func (w *Worker) take(ctx, sctx context.Context, main *xmlrpc.Client, p *pool, m map[string]any) error {
	id, _ := m["id"].(int64)
	method, _ := m["method"].(string)
	if handlers[method] == nil {
		msg := fmt.Sprintf("privyseal-builder %s does not run %s tasks, only %v", daemon.Version, method, methods())
		w.log.Warn("task refused", "task", id, "method", method, "reason", msg)
		_, err := main.Call(ctx, "host.refuseTask", id, xmlrpc.Kwargs{"soft": false, "msg": msg})
		return ignoreRetry(err)
	}
	// On the list before the hub has it open: a heartbeat between would give it back.
	j := &job{}
	w.mu.Lock()
	w.running[id] = j
	w.mu.Unlock()
	done := func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.running[id] == j { // else it was taken back, and is here again
			delete(w.running, id)
		}
	}
	begun := false
	defer func() {
		if !begun {
			done()
		}
	}()
	v, err := main.Call(ctx, "host.openTask", id)
	if xmlrpc.IsRetry(err) {
		// It is open and ours, but what it asks for is lost: have it given to us again.
		_, err := main.Call(ctx, "host.freeTasks", []any{id})
		return ignoreRetry(err)
	}
	if err != nil {
		return err
	}
	row, ok := v.(map[string]any)
	if !ok {
		w.log.Info("task is no longer ours", "task", id)
		return nil
	}
	t := task{id: id, method: method}
	t.owner, _ = row["owner"].(int64)
	weight, _ := row["weight"].(float64)
	request, _ := row["request"].(string)
	w.mu.Lock()
	j.weight = weight
	w.mu.Unlock()
	begun = true
	w.jobs.Go(func() {
		defer done()
		start := time.Now()
		err := p.with(sctx, func(c *xmlrpc.Client) error { return w.run(sctx, c, t, request) })
		if err != nil {
			w.log.Error("task not finished; the hub will have it run again", "task", id, "method", method, "err", err)
			return
		}
		w.log.Info("task done", "task", id, "method", method, "took", time.Since(start).Round(time.Millisecond))
	})
	return nil
}

// ignoreRetry takes a call that had been done already for done.
func ignoreRetry(err error) error {
	if xmlrpc.IsRetry(err) {
		return nil
	}
	return err
}

// run does a task and reports what came of it. An error means that the hub could not be told.
func (w *Worker) run(ctx context.Context, c *xmlrpc.Client, t task, request string) error {
	result, err := w.handle(ctx, c, t, request)
	var f *xmlrpc.Fault
	switch {
	case err == nil:
		doc, err := xmlrpc.EncodeResponse(result)
		if err != nil {
			return err
		}
		_, err = c.Call(ctx, "host.closeTask", t.id, string(doc))
		return ignoreRetry(err)
	case !errors.As(err, &f):
		return err // the network, not the task
	case buildsys.FaultCode(f.Code) == buildsys.FaultAuth, buildsys.FaultCode(f.Code) == buildsys.FaultAuthLock:
		return err // the session, not the task
	}
	w.log.Warn("task failed", "task", t.id, "method", t.method, "code", f.Code, "fault", f.String)
	_, err = c.Call(ctx, "host.failTask", t.id, string(xmlrpc.EncodeFault(f)))
	return ignoreRetry(err)
}

func (w *Worker) handle(ctx context.Context, c *xmlrpc.Client, t task, request string) (v any, err error) {
	defer func() {
		if p := recover(); p != nil {
			w.log.Error("task handler failed", "task", t.id, "panic", fmt.Sprint(p))
			err = &xmlrpc.Fault{Code: int(buildsys.FaultGeneric), String: "internal error of the builder, see its log"}
		}
	}()
	if _, t.args, err = xmlrpc.DecodeCall([]byte(request), xmlrpc.Limits{}); err != nil {
		return nil, &xmlrpc.Fault{Code: int(buildsys.FaultGeneric), String: fmt.Sprintf("the task's request cannot be read: %v", err)}
	}
	return handlers[t.method](ctx, c, t)
}

// handlers run tasks by their method. A fault is the task's failure; another error leaves it to be run again.
var handlers = map[string]func(context.Context, *xmlrpc.Client, task) (any, error){
	"tagBuild": tagBuild,
}

func methods() []string { return slices.Sorted(maps.Keys(handlers)) }

// tagBuild puts a build into a tag: [tag, build, force=False, fromtag=None, ignore_success=False].
func tagBuild(ctx context.Context, c *xmlrpc.Client, t task) (any, error) {
	pos, kw := xmlrpc.SplitKwargs(t.args)
	if len(pos) < 2 || len(pos) > 5 || len(kw) > 0 {
		return nil, &xmlrpc.Fault{Code: int(buildsys.FaultParameter), String: fmt.Sprintf("tagBuild takes 2 to 5 arguments, not %d", len(t.args))}
	}
	arg := func(i int, def any) any {
		if i < len(pos) {
			return pos[i]
		}
		return def
	}
	tag, build, force, from, quiet := pos[0], pos[1], arg(2, false), arg(3, nil), arg(4, false)
	_, err := c.Call(ctx, "host.tagBuild", t.id, tag, build, xmlrpc.Kwargs{"force": force, "fromtag": from})
	err = ignoreRetry(err)
	failure, note := "", []any{err == nil, tag, from, build, t.owner, quiet}
	var f *xmlrpc.Fault
	if errors.As(err, &f) {
		failure = f.String
	} else if err != nil {
		return nil, err
	}
	// That nobody could be told is not the task's failure.
	if _, nerr := c.Call(ctx, "host.tagNotification", append(note, failure)...); nerr != nil && ctx.Err() != nil {
		return nil, nerr
	}
	return nil, err
}

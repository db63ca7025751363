package hub

import (
	"github.com/privyseal/privyseal/buildsys/store"
)

func schedulerMethods() []Method {
	view := func(v *store.View, order string) func(*Ctx, Args) (any, error) {
		return func(c *Ctx, a Args) (any, error) {
			opts := map[string]any{"order": order}
			if !a.Nil("opts") {
				opts = a.Map("opts")
			}
			return c.queryView(v, a.Any("clauses"), a.Any("fields"), opts)
		}
	}
	return []Method{
		{Name: "scheduler.getTaskRuns", Args: "clauses=None, fields=None, opts=None", Fn: view(store.TaskRunView, "id"),
			Doc: "Which tasks the scheduler gave to which hosts, and when: clauses, fields and opts as in repo.query."},
		{Name: "scheduler.getTaskRefusals", Args: "clauses=None, fields=None", Fn: view(store.RefusalView, "id"),
			Doc: "Which hosts declined which tasks, and why."},
		{Name: "scheduler.getLogMessages", Args: "clauses=None, fields=None, opts=None", Fn: view(store.SchedulerLogView, "id"),
			Doc: "What the scheduler did, in words."},
		{Name: "scheduler.getHostData", Args: "hostID=None", Fn: getHostData, Doc: "What builders said for the scheduler: [{host_id, data}]."},
		{Name: "scheduler.doRun", Perm: "admin", Args: "force=False", Fn: doRun,
			Doc: "Have the scheduler look now. It does so by itself whenever something changed."},
	}
}

func getHostData(c *Ctx, a Args) (any, error) {
	host := int64(0)
	if !a.Nil("hostID") {
		host = a.Int("hostID")
	}
	rows, err := c.tx.HostData(host)
	if err != nil {
		return nil, err
	}
	out := make([]any, len(rows))
	for i, r := range rows {
		out[i] = map[string]any{"host_id": r.HostID, "data": r.Data}
	}
	return out, nil
}

// doRun makes one decision and waits for it, except in a multicall, whose transaction it would wait for itself.
func doRun(c *Ctx, _ Args) (any, error) {
	if c.tx.Writable() || isMultiCall(c.req.method) {
		c.tx.AfterCommit(c.Hub.wakeScheduler)
		return true, nil
	}
	c.release()
	limits, _ := c.Hub.scheduling()
	for again := true; again; {
		var err error
		if again, err = c.Hub.schedule(c, limits); err != nil {
			return nil, err
		}
	}
	return true, nil
}

package hub

import (
	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

func outboxMethods() []Method {
	return []Method{
		{Name: "privyseal.listMessages", Perm: "admin", Args: "sink=None, dead=False, limit=1000", Fn: listMessages,
			Doc: "What the receivers of events are still to be told; with dead, what the hub has given up."},
		{Name: "privyseal.retryMessages", Perm: "admin", Args: "ids", Mode: ModeWrite, Fn: retryMessages,
			Doc: "Send dead messages again. Returns how many there were."},
		{Name: "privyseal.dropMessages", Perm: "admin", Args: "ids", Mode: ModeWrite, Fn: dropMessages,
			Doc: "Forget dead messages. Returns how many there were."},
	}
}

func listMessages(c *Ctx, a Args) (any, error) {
	sink, limit := "", a.Int("limit")
	if v := a.OptStr("sink"); v != nil {
		sink = *v
	}
	if limit < 1 || limit > 100_000 {
		return nil, buildsys.Errorf(buildsys.FaultParameter, "privyseal.listMessages: limit: from 1 to 100000")
	}
	rows, err := c.tx.Messages(sink, a.Bool("dead"), int(limit))
	if err != nil {
		return nil, err
	}
	out := make([]any, 0, len(rows))
	for _, m := range rows {
		out = append(out, xmlrpc.Struct{{Name: "id", Value: m.ID}, {Name: "sink", Value: m.Sink}, {Name: "message_id", Value: m.MessageID},
			{Name: "topic", Value: m.Topic}, {Name: "body", Value: m.Body}, {Name: "created_ts", Value: unixTime(m.Created)},
			{Name: "due_ts", Value: unixTime(m.Due)}, {Name: "attempts", Value: m.Attempts}, {Name: "last_error", Value: optional(m.LastError)}, {Name: "dead", Value: m.Dead}})
	}
	return out, nil
}

func retryMessages(c *Ctx, a Args) (any, error) {
	c.tx.AfterCommit(func() {
		for _, s := range c.Hub.cfg.Sinks {
			c.Hub.told.ring(s.Name)
		}
	})
	return c.tx.Revive(a.Ints("ids"))
}

func dropMessages(c *Ctx, a Args) (any, error) {
	return c.tx.DropDead(a.Ints("ids"))
}

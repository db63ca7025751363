package cli

import (
	"context"
	"math"
	"time"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys/api"
)

// eventOptions let a question be asked about a moment in the past.
type eventOptions struct {
	event, ts, repo int64
	cmd             *cobra.Command
}

func (o *eventOptions) register(cmd *cobra.Command) {
	o.cmd = cmd
	cmd.Flags().Int64Var(&o.event, "event", 0, "query at event `EVENT#`")
	cmd.Flags().Int64Var(&o.ts, "ts", 0, "query at last event before `TIMESTAMP`")
	cmd.Flags().Int64Var(&o.repo, "repo", 0, "query at event for repository `REPO#`")
}

// find is the event that the options name, nil for now.
func (o *eventOptions) find(ctx context.Context, h *api.Hub) (*api.Event, error) {
	switch {
	case o.event != 0:
		e, err := h.Event(ctx, o.event)
		if err == nil && e == nil {
			return nil, failf("", "no such event: %d", o.event)
		}
		return e, err
	case o.cmd.Flags().Changed("ts"):
		e, err := h.LastEvent(ctx, o.ts)
		if err == nil && e == nil {
			return nil, failf("", "no event before %d", o.ts)
		}
		return e, err
	case o.cmd.Flags().Changed("repo"):
		r, err := h.RepoInfo(ctx, o.repo)
		if err != nil {
			return nil, err
		}
		if r == nil {
			return nil, failf("", "no such repo: %d", o.repo)
		}
		return &api.Event{ID: r.CreateEvent, TS: r.CreateTS}, nil
	}
	return nil, nil
}

// id is the event's number, 0 for now.
func eventID(e *api.Event) int64 {
	if e == nil {
		return 0
	}
	return e.ID
}

// sayEvent prints which moment is asked about.
func (a *App) sayEvent(e *api.Event) {
	if e != nil {
		a.printf("Querying at event %d (%s)\n", e.ID, unixTime(e.TS).Format("Mon Jan _2 15:04:05 2006"))
	}
}

// unixTime is the local time of a timestamp of the hub.
func unixTime(ts float64) time.Time {
	sec, frac := math.Modf(ts)
	return time.Unix(int64(sec), int64(frac*1e9))
}

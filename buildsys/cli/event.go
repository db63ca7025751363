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

// anonymousAt gives a session for reading and the number of the event that the options name, 0 for now. With say it prints
// which moment is asked about.
func (a *App) anonymousAt(ctx context.Context, when *eventOptions, say bool) (*session, int64, error) {
	s, err := a.anonymous(ctx)
	if err != nil {
		return nil, 0, err
	}
	e, err := when.find(ctx, s.api)
	if err != nil || e == nil {
		return s, 0, err
	}
	if say {
		a.printf("Querying at event %d (%s)\n", e.ID, asctime(unixTime(e.TS)))
	}
	return s, e.ID, nil
}

// unixTime is the local time of a timestamp of the hub.
func unixTime(ts float64) time.Time {
	sec, frac := math.Modf(ts)
	return time.Unix(int64(sec), int64(frac*1e9))
}

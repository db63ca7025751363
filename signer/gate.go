package signer

import (
	"context"
	"slices"
	"sync"
)

// gate hands out the slots of computing, one per core, to lanes in turn. A lane is a
// session: however much one asks for, another waits for one turn of each.
type gate struct {
	mu    sync.Mutex
	free  int
	lanes []*lane // those with waiters; the next turn is the first's
}

type lane struct{ waiting []chan struct{} }

func newGate(slots int) *gate { return &gate{free: slots} }

// enter waits for a slot. Every nil must be followed by leave.
func (g *gate) enter(ctx context.Context, l *lane) error {
	g.mu.Lock()
	if g.free > 0 {
		g.free--
		g.mu.Unlock()
		return nil
	}
	ch := make(chan struct{})
	if len(l.waiting) == 0 {
		g.lanes = append(g.lanes, l)
	}
	l.waiting = append(l.waiting, ch)
	g.mu.Unlock()
	select {
	case <-ch:
		return nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	i := slices.Index(l.waiting, ch)
	if i < 0 { // it was our turn at the same moment
		g.mu.Unlock()
		g.leave()
		return ctx.Err()
	}
	l.waiting = slices.Delete(l.waiting, i, i+1)
	if len(l.waiting) == 0 {
		g.lanes = slices.DeleteFunc(g.lanes, func(o *lane) bool { return o == l })
	}
	g.mu.Unlock()
	return ctx.Err()
}

// leave gives the slot to the next in turn.
func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.lanes) == 0 {
		g.free++
		return
	}
	l := g.lanes[0]
	g.lanes = g.lanes[1:]
	ch := l.waiting[0]
	l.waiting = l.waiting[1:]
	if len(l.waiting) > 0 {
		g.lanes = append(g.lanes, l)
	}
	close(ch)
}

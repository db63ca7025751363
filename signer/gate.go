package signer

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/privyseal/privyseal/internal/wire"
)

// gate hands out the slots of computing, one per core. Waiting requests stand in lanes:
// urgent goes before normal, normal before bulk, but a lane that was passed over
// patience times gets a turn. Within a lane users take turns, and a user's sessions
// do: however much one asks for, another waits for one turn of each.
// There are two gates: one slot per core for what computes, and some for all that is
// on its way, so that what is under way of the other lanes is little.
type gate struct {
	mu     sync.Mutex
	free   int
	lanes  [wire.NumLanes]lane
	passed [wire.NumLanes]int // turns given to lanes before this one while it waited
	keep   int                // slots for urgent requests alone, while there are any
	until  time.Time          // as long as there are; zero when there are none
}

// order is that of the lanes, the most urgent first.
var order = [wire.NumLanes]wire.Lane{wire.LaneUrgent, wire.LaneNormal, wire.LaneBulk}

// patience is how often a lane is passed over.
var patience = [wire.NumLanes]int{wire.LaneUrgent: 0, wire.LaneNormal: 8, wire.LaneBulk: 16}

// lane holds the users who wait in it; the next turn is the first's.
type lane struct {
	users   []*turns
	waiting int
}

// turns are those of a user's sessions in a lane.
type turns struct {
	user     string
	sessions []*queue
	waiting  int
}

// queue is what waits of one session in one lane.
type queue struct {
	lane    wire.Lane
	user    string
	waiting []chan struct{}
}

// haste is how long after an urgent request slots are kept for the next.
const haste = time.Second

// restFactor is for how many times as long as its holder computed a slot rests while
// somebody is in a hurry.
const restFactor = 12

// newGate makes a gate of slots. As long as there was an urgent request lately, keep of
// them are given to nobody else: what computes cannot be interrupted, and not only the
// next one waits for it, but all that has to run before and after.
func newGate(slots, keep int) *gate { return &gate{free: slots, keep: keep} }

// hurry says that there is an urgent request.
func (g *gate) hurry() {
	g.mu.Lock()
	g.hasten()
	g.mu.Unlock()
}

func (g *gate) hasten() {
	if g.keep == 0 {
		return
	}
	if g.until.IsZero() { // else the timer runs
		// Who is not let in meanwhile may come in when it is over.
		time.AfterFunc(haste+haste/10, g.relax)
	}
	g.until = time.Now().Add(haste)
}

// relax gives out what was kept, if there was no urgent request for long enough.
func (g *gate) relax() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if left := time.Until(g.until); left > 0 {
		time.AfterFunc(left+haste/10, g.relax)
		return
	}
	g.until = time.Time{}
	g.dispatch()
}

// room tells whether a slot is free for a lane.
func (g *gate) room(l wire.Lane) bool {
	if l == wire.LaneUrgent || g.until.IsZero() {
		return g.free > 0
	}
	return g.free > g.keep
}

// try takes a slot if one is free and nobody waits for it, which must be followed by leave.
func (g *gate) try(l wire.Lane) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if l == wire.LaneUrgent {
		g.hasten()
	}
	if !g.room(l) {
		return false
	}
	g.free--
	return true
}

// enter waits for a slot. Every nil must be followed by leave.
func (g *gate) enter(ctx context.Context, q *queue) error {
	g.mu.Lock()
	if g.room(q.lane) {
		g.free--
		g.mu.Unlock()
		return nil
	}
	ch := make(chan struct{})
	g.add(q, ch)
	g.mu.Unlock()
	select {
	case <-ch:
		return nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.remove(q, ch) { // it was our turn at the same moment
		g.free++
		g.dispatch()
	}
	return context.Cause(ctx)
}

func (g *gate) add(q *queue, ch chan struct{}) {
	l := &g.lanes[q.lane]
	i := slices.IndexFunc(l.users, func(t *turns) bool { return t.user == q.user })
	if i < 0 {
		i = len(l.users)
		l.users = append(l.users, &turns{user: q.user})
	}
	t := l.users[i]
	if len(q.waiting) == 0 {
		t.sessions = append(t.sessions, q)
	}
	q.waiting = append(q.waiting, ch)
	t.waiting++
	l.waiting++
}

func (g *gate) remove(q *queue, ch chan struct{}) bool {
	i := slices.Index(q.waiting, ch)
	if i < 0 {
		return false
	}
	q.waiting = slices.Delete(q.waiting, i, i+1)
	l := &g.lanes[q.lane]
	u := slices.IndexFunc(l.users, func(t *turns) bool { return t.user == q.user })
	t := l.users[u]
	t.waiting--
	l.waiting--
	if len(q.waiting) == 0 {
		t.sessions = slices.DeleteFunc(t.sessions, func(o *queue) bool { return o == q })
	}
	if t.waiting == 0 {
		l.users = slices.Delete(l.users, u, u+1)
	}
	return true
}

// leave gives the slot to the next in turn.
func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.free++
	g.dispatch()
}

// leaveRested is leave for one who computed for a while. As long as somebody is in a hurry
// the slot rests for a multiple of that first. A turn before the others is worth little
// when the others' requests keep everything busy outside of the gate: what reads and
// decrypts them, the bridge, the disk. When few come through, few come in.
func (g *gate) leaveRested(computed time.Duration) {
	g.mu.Lock()
	hurry := !g.until.IsZero()
	g.mu.Unlock()
	if !hurry {
		g.leave()
		return
	}
	time.AfterFunc(min(restFactor*computed, haste), g.leave)
}

// dispatch lets in whoever may come in.
func (g *gate) dispatch() {
	for g.free > 0 {
		l := g.next()
		if l == nil {
			return
		}
		g.free--
		t := l.users[0]
		l.users = l.users[1:]
		q := t.sessions[0]
		t.sessions = t.sessions[1:]
		ch := q.waiting[0]
		q.waiting = q.waiting[1:]
		t.waiting--
		l.waiting--
		if len(q.waiting) > 0 {
			t.sessions = append(t.sessions, q)
		}
		if t.waiting > 0 {
			l.users = append(l.users, t)
		}
		close(ch)
	}
}

// next chooses the lane whose turn it is; nil when nobody waits who may come in.
func (g *gate) next() *lane {
	chosen := -1
	for i, l := range order {
		switch {
		case g.lanes[l].waiting == 0:
			g.passed[l] = 0
		case !g.room(l):
		case chosen < 0, g.passed[l] >= patience[l] && g.passed[order[chosen]] < max(patience[order[chosen]], 1):
			chosen = i
		}
	}
	if chosen < 0 {
		return nil
	}
	for _, l := range order[chosen+1:] {
		if g.lanes[l].waiting > 0 {
			g.passed[l]++
		}
	}
	g.passed[order[chosen]] = 0
	return &g.lanes[order[chosen]]
}

// waiting counts the requests that wait, by lane: of all, and of one user.
func (g *gate) waiting(user string) (all, mine map[string]int) {
	all, mine = map[string]int{}, map[string]int{}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, l := range order {
		all[l.String()] = g.lanes[l].waiting
		for _, t := range g.lanes[l].users {
			if t.user == user {
				mine[l.String()] = t.waiting
			}
		}
	}
	return all, mine
}

package signer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/privyseal/privyseal/internal/hop"
	"github.com/privyseal/privyseal/internal/wire"
)

// line asks a gate in which one slot is taken, in order, and tells in which order the turns came.
type line struct {
	t     *testing.T
	g     *gate
	mu    sync.Mutex
	order []string
	wg    sync.WaitGroup
}

func newLine(t *testing.T) *line {
	l := &line{t: t, g: newGate(1, 0)}
	if err := l.g.enter(t.Context(), &queue{}); err != nil {
		t.Fatal(err)
	}
	return l
}

// ask returns when the request stands in its queue.
func (l *line) ask(q *queue, name string) {
	l.g.mu.Lock()
	before := len(q.waiting)
	l.g.mu.Unlock()
	l.wg.Go(func() {
		if err := l.g.enter(context.Background(), q); err != nil {
			l.t.Error(err)
			return
		}
		l.mu.Lock()
		l.order = append(l.order, name)
		l.mu.Unlock()
		l.g.leave()
	})
	for {
		l.g.mu.Lock()
		n := len(q.waiting)
		l.g.mu.Unlock()
		if n > before {
			return
		}
		time.Sleep(time.Microsecond)
	}
}

// turns lets all have theirs.
func (l *line) turns() string {
	l.t.Helper()
	l.g.leave()
	l.wg.Wait()
	if all, _ := l.g.waiting(""); l.g.free != 1 || len(l.g.lanes[0].users)+all["normal"]+all["urgent"]+all["bulk"] != 0 {
		l.t.Errorf("%d free, %v at the end", l.g.free, all)
	}
	return strings.Join(l.order, "")
}

func TestGateTakesTurns(t *testing.T) {
	// A asks for a hundred in two sessions, then B for two: B waits for no more than one of A's each.
	l := newLine(t)
	a, a2, b := &queue{user: "a"}, &queue{user: "a"}, &queue{user: "b"}
	for range 50 {
		l.ask(a, "a")
		l.ask(a2, "A")
	}
	l.ask(b, "b")
	l.ask(b, "b")
	if got := l.turns(); got[:6] != "abAbaA" || len(got) != 102 {
		t.Errorf("turns: %s", got)
	}
}

func TestUrgentGoesFirstAndNobodyStarves(t *testing.T) {
	l := newLine(t)
	bulk, normal, urgent := &queue{lane: wire.LaneBulk}, &queue{lane: wire.LaneNormal}, &queue{lane: wire.LaneUrgent}
	for range 40 {
		l.ask(bulk, "b")
	}
	for range 40 {
		l.ask(normal, "n")
	}
	for range 40 {
		l.ask(urgent, "u")
	}
	got := l.turns()
	if got[:8] != "uuuuuuuu" {
		t.Errorf("urgent ones do not go first: %s", got)
	}
	if i := strings.Index(got, "n"); i > 8 {
		t.Errorf("the first normal one has turn %d: %s", i, got)
	}
	if i := strings.Index(got, "b"); i > 20 {
		t.Errorf("the first bulk one has turn %d: %s", i, got)
	}
	if n := strings.Count(got[:44], "u"); n < 34 {
		t.Errorf("only %d of the first 44 turns are urgent: %s", n, got)
	}
}

// While somebody is in a hurry a slot is kept, and given out when that is over.
func TestSlotsAreKeptForWhoIsInAHurry(t *testing.T) {
	g := newGate(2, 1)
	if !g.try(wire.LaneUrgent) { // the hurry begins
		t.Fatal("no slot")
	}
	g.leave()
	if !g.try(wire.LaneBulk) || g.try(wire.LaneNormal) {
		t.Error("want one slot for the others")
	}
	in := make(chan struct{})
	start := time.Now()
	go func() {
		if g.enter(context.Background(), &queue{lane: wire.LaneBulk}) == nil {
			close(in)
		}
	}()
	time.Sleep(10 * time.Millisecond)
	if !g.try(wire.LaneUrgent) {
		t.Error("no slot was kept")
	}
	g.leave()
	select {
	case <-in:
	case <-time.After(5 * haste):
		t.Fatal("the slot was kept for ever")
	}
	if took := time.Since(start); took < haste {
		t.Errorf("it was given out after %v", took)
	}
	g.leave()
	g.leave()
	if g.free != 2 {
		t.Errorf("%d of 2 slots free", g.free)
	}
}

// While somebody is in a hurry, the others' slots rest after each use; else they do not.
func TestSlotsRestWhileSomebodyIsInAHurry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(2, 1)
		bulk := queue{lane: wire.LaneBulk}
		const computed = 5 * time.Millisecond
		wait := func() time.Duration {
			t.Helper()
			start := time.Now()
			if err := g.enter(t.Context(), &bulk); err != nil {
				t.Fatal(err)
			}
			g.leaveRested(computed)
			return time.Since(start)
		}
		for range 3 {
			if d := wait(); d != 0 {
				t.Errorf("nobody is in a hurry, and a bulk request waited %v", d)
			}
		}
		g.hurry()
		wait() // its slot rests now
		for range 3 {
			if d := wait(); d != restFactor*computed {
				t.Errorf("a bulk request waited %v beside one in a hurry, want %v", d, restFactor*computed)
			}
			if !g.try(wire.LaneUrgent) {
				t.Fatal("the urgent lane rests, too")
			}
			g.leave()
		}
		time.Sleep(2 * haste)
		for range 3 {
			if d := wait(); d != 0 {
				t.Errorf("the hurry is over, and a bulk request waited %v", d)
			}
		}
		if g.free != 2 {
			t.Errorf("%d of 2 slots free", g.free)
		}
	})
}

func TestGateNeverLosesASlot(t *testing.T) {
	for keep := range 2 {
		t.Run(fmt.Sprint("keep ", keep), func(t *testing.T) { testSlots(t, keep) })
	}
}

func testSlots(t *testing.T, keep int) {
	const slots = 3
	g := newGate(slots, keep)
	var inside, most atomic.Int32
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			l := queue{lane: wire.Lane(i % wire.NumLanes), user: fmt.Sprint(i % 7)}
			for n := range 50 {
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(1+(i*n)%40)*10*time.Microsecond)
				if g.enter(ctx, &l) == nil {
					if now := inside.Add(1); now > most.Load() {
						most.Store(now)
					}
					time.Sleep(5 * time.Microsecond)
					inside.Add(-1)
					g.leave()
				}
				cancel()
			}
		})
	}
	wg.Wait()
	if all, _ := g.waiting(""); g.free != slots || all["normal"]+all["urgent"]+all["bulk"] != 0 || most.Load() > slots {
		t.Errorf("%d of %d slots free, %v waiting, %d inside at once", g.free, slots, all, most.Load())
	}
}

func TestBudgetKeepsSmallAndLargeApart(t *testing.T) {
	b := newBudget(Limits{SmallBytes: 4 * smallInput, LargeBytes: 10 << 20}.withDefaults())
	b.open("u")
	b.open("v")
	short, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	book := func(ctx context.Context, user string, lane wire.Lane, n int) (func(), error) {
		return b.book(user, lane, n, func() (context.Context, context.CancelFunc) { return context.WithCancel(ctx) })
	}
	large, err := book(short, "u", wire.LaneNormal, 10<<20)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := book(short, "u", wire.LaneBulk, smallInput); err != nil {
		t.Errorf("a small one beside a large one: %v", err)
	}
	if _, err := book(short, "v", wire.LaneUrgent, 10<<20); err != nil {
		t.Errorf("an urgent one while the others' room is full: %v", err)
	}
	if _, err := book(short, "u", wire.LaneNormal, 1<<20); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a second large one: %v", err)
	}
	large()
	if _, err := book(t.Context(), "v", wire.LaneNormal, 1<<20); err != nil {
		t.Error(err)
	}
}

func TestBudgetLeavesRoomForOtherUsers(t *testing.T) {
	b := newBudget(Limits{SmallBytes: 4 * smallInput}.withDefaults())
	b.open("greedy")
	b.open("other")
	for i := range 2 {
		if _, err := b.book("greedy", wire.LaneBulk, smallInput, nil); err != nil {
			t.Fatalf("%d: %v", i, err)
		}
	}
	busy := &wire.Fault{Code: wire.CodeBusy}
	wait := func() (context.Context, context.CancelFunc) {
		return context.WithTimeoutCause(t.Context(), 10*time.Millisecond, busy)
	}
	if _, err := b.book("greedy", wire.LaneNormal, smallInput, wait); !errors.Is(err, error(busy)) {
		t.Errorf("a third of one user: %v, want the reason of the deadline", err)
	}
	if _, err := b.book("other", wire.LaneBulk, smallInput, nil); err != nil {
		t.Error(err)
	}
	b.close("greedy")
	b.close("other")
	if len(b.users) != 0 {
		t.Errorf("%d shares are left", len(b.users))
	}
}

// However urgent requests come, one timer watches over the end of the hurry.
func TestHurryHasOneTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(2, 1)
		cost := func() uint64 { // of a hundred urgent requests, each when the hurry of the last is just over
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for range 100 {
				g.hurry()
				time.Sleep(haste + haste/20)
			}
			runtime.ReadMemStats(&after)
			return after.Mallocs - before.Mallocs
		}
		first := cost()
		for range 5 {
			cost()
		}
		if last := cost(); last > 2*first+1000 {
			t.Errorf("%d allocations for a hundred urgent requests, %d when some hundred came before", first, last)
		}
		time.Sleep(2 * haste)
		g.mu.Lock()
		defer g.mu.Unlock()
		if !g.until.IsZero() {
			t.Error("the hurry does not end")
		}
	})
}

// Short pauses add up to one that is too long, unless as much time went by between them, or bytes.
func TestPausesAddUp(t *testing.T) {
	p := pauses{limit: 10 * time.Second}
	pause := func(d time.Duration, read uint64) time.Duration {
		left := p.begin(read)
		p.at = p.at.Add(-d) // as if it had taken so long
		p.end()
		return left.Round(time.Second)
	}
	read := func(d time.Duration) { p.at = p.at.Add(-d) }
	var got []time.Duration
	got = append(got, pause(4*time.Second, 0), pause(4*time.Second, 1000), pause(2*time.Second, 2000), pause(0, 3000))
	read(5 * time.Second)
	got = append(got, pause(0, 4000))
	read(time.Hour)
	got = append(got, pause(9*time.Second, 5000), pause(0, enough+5000), pause(0, enough+6000))
	want := []time.Duration{10, 6, 2, 0, 5, 10, 10, 10}
	for i := range want {
		if want[i] *= time.Second; got[i] != want[i] {
			t.Errorf("pauses may last %v, want %v", got, want)
			break
		}
	}
}

// The default limits let through what the protocol does.
func TestDefaultLimitsFitTheProtocol(t *testing.T) {
	if l := (Limits{}).withDefaults(); l.LargeBytes < wire.MaxSigned || l.SmallBytes < smallInput*int64(l.Sessions) ||
		l.Pause > hop.UserTimeout*3/4 || l.Write > hop.UserTimeout*3/4 {
		t.Errorf("%+v", l)
	}
}

func TestLoadConfigRefusals(t *testing.T) {
	path := filepath.Join(t.TempDir(), "signer.conf")
	const good = "[signer]\nname = s\nbridge = h:1\nouter_cert = c\nouter_ca = a\n"
	for text, want := range map[string]string{
		"":                                 ": section [signer] is missing",
		good + "[limits]\nsessions = 2\n":  ":6: unknown section [limits]",
		good + "listen = [::]:1\n":         ":6: unknown setting \"listen\"",
		"[signer]\nname = s\nbridge = h:1": "lacks the setting \"outer_cert\"",
		good:                               "c: no such file",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadConfig(path); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want ...%s...", text, err, want)
		}
	}
}

package signer

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/privyseal/privyseal/internal/seal"
	"github.com/privyseal/privyseal/internal/wire"
	"github.com/privyseal/privyseal/signer/seallog"
)

func TestWindowCountsWhatItIsAsked(t *testing.T) {
	const hour, day = 3600, 24 * 3600
	var w window
	var all []int64
	now := int64(1_700_000_000)
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 40_000 { // a month, so that it gets coarse
		now += rnd.Int64N(160)
		w.add(now)
		all = append(all, now)
	}
	if len(w.steps) > maxSteps+1 {
		t.Errorf("%d steps", len(w.steps))
	}
	count := func(since int64) (n int64) {
		for _, at := range all {
			if at > since {
				n++
			}
		}
		return n
	}
	for _, c := range []struct{ back, grain int64 }{{1, 1}, {60, 1}, {hour - 1, 1}, {2 * hour, 60}, {20 * hour, 60}, {3 * day, hour}, {30 * day, hour}} {
		got := w.since(now - c.back)
		// Never fewer than there were, and no more than a step's coarseness explains. Steps were made coarse up to maxSteps ago.
		if least, most := count(now-c.back), count(now-c.back-c.grain); got < least || got > most {
			t.Errorf("in the last %d s: %d, want %d to %d", c.back, got, least, most)
		}
	}
}

func TestWindowTakesWhatWasBefore(t *testing.T) {
	var w window
	for i := range int64(10) {
		w.add(1000 + i)
	}
	var old window
	for _, at := range []int64{400, 400, 500} {
		old.add(at)
	}
	w.before(&old)
	for since, want := range map[int64]int64{0: 13, 400: 11, 499: 11, 500: 10, 1000: 9, 1009: 0, 5000: 0} {
		if got := w.since(since); got != want {
			t.Errorf("after %d: %d, want %d", since, got, want)
		}
	}
}

// longLog is a log of very many signatures, evenly over a month.
type longLog struct {
	Log
	start time.Time
	n     int64
	atEnd func()
}

func (l longLog) Since(time.Time) (int64, error) { return 0, nil }
func (l longLog) Totals(string) int64            { return l.n }
func (l longLog) Entries(int64) iter.Seq2[seallog.Item, error] {
	return func(yield func(seallog.Item, error) bool) {
		e := &seal.Entry{Signature: &seal.SignatureEntry{KeyFingerprint: "k", User: "u"}}
		for i := range l.n {
			e.Time = l.start.Add(-countsFor).Add(time.Duration(int64(countsFor) / l.n * i))
			if !yield(seallog.Item{Index: i, Entry: e}, nil) {
				return
			}
		}
		l.atEnd()
	}
}

// A policy that looks back over millions of signatures makes the signer no larger.
func TestCountersOfALongLogAreSmall(t *testing.T) {
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	const n = 2_000_000
	log := longLog{start: time.Now(), n: n}
	before := heap()
	log.atEnd = func() {
		if more := heap() - before; more > 2<<20 {
			t.Errorf("%d bytes for the counters of %d signatures", more, n)
		}
	}
	c := newCounts(log, log.start)
	if err := c.reach(log.start, countsFor); err != nil {
		t.Fatal(err)
	}
	w := c.of("k").user("u")
	for _, days := range []int64{1, 7, 30} {
		want := n * days / 31
		if got := w.since(log.start.Unix() - days*24*3600); got < want-1 || got > want+n/31/24+1 {
			t.Errorf("in %d days: %d, want %d", days, got, want)
		}
	}
}

// fakeEvents is the part of a log that guesses need.
type fakeEvents struct {
	Log
	kind string
	data []byte
	n    int
}

func (f *fakeEvents) AppendEvent(_ context.Context, kind string, data []byte) (int64, error) {
	f.kind, f.data = kind, data
	f.n++
	return 0, nil
}

func (f *fakeEvents) LastEvent(kind string) ([]byte, int64, bool, error) {
	return f.data, 0, f.kind == kind, nil
}

func TestGuessesWaitLongerEachTime(t *testing.T) {
	record := &fakeEvents{}
	g := newGuesses(record)
	ctx := context.Background()
	for i := range 14 {
		u := g.of("u")
		u.retry = time.Time{} // as if the time had passed
		if err := g.begin(ctx, "u"); err != nil {
			t.Fatal(err)
		}
		if err := g.end(ctx, "u", "cert", false, true); err != nil {
			t.Fatal(err)
		}
		wrong, retry := g.state("u")
		wait := time.Until(retry)
		want := time.Duration(0)
		if i >= 2 {
			want = min(time.Second<<(i-2), maxGuessWait)
		}
		if wrong != i+1 || wait > want || want > 0 && wait < want-time.Second {
			t.Errorf("after %d wrong ones: %d, wait %v, want %v", i+1, wrong, wait, want)
		}
		err := g.begin(ctx, "u")
		var fault *wire.Fault
		switch {
		case want == 0 && err != nil:
			t.Errorf("after %d: %v", i+1, err)
		case want > 0 && (!errors.As(err, &fault) || fault.Code != wire.CodeGuessing || fault.RetryAfter < want-time.Second):
			t.Errorf("after %d: %v, want a fault with the time", i+1, err)
		case err == nil:
			g.end(ctx, "u", "cert", false, false)
		}
	}
	if record.n != 14 {
		t.Errorf("%d events for 14 wrong ones", record.n)
	}
	// A restart is no way out.
	if wrong, retry := newGuesses(record).state("u"); wrong != 14 || time.Until(retry) < maxGuessWait-time.Minute {
		t.Errorf("after a restart: %d wrong ones, retry at %v", wrong, retry)
	}
	// Others are not held up, and the right one clears the count.
	if err := g.begin(ctx, "v"); err != nil {
		t.Error(err)
	}
	g.of("u").retry = time.Time{}
	if err := g.begin(ctx, "u"); err != nil {
		t.Error(err)
	}
	g.end(ctx, "u", "cert", true, false)
	if wrong, _ := g.state("u"); wrong != 0 {
		t.Errorf("%d wrong ones after a right one", wrong)
	}
}

// A restart forgets no user's wrong passphrases, whoever was the last to guess, but those of another day.
func TestGuessesOutliveARestart(t *testing.T) {
	record := &fakeEvents{}
	g := newGuesses(record)
	wrong := func(user string, times int) {
		for range times {
			g.of(user).retry = time.Time{}
			if err := g.begin(t.Context(), user); err != nil {
				t.Fatal(err)
			}
			if err := g.end(t.Context(), user, "cert", false, true); err != nil {
				t.Fatal(err)
			}
		}
	}
	state := func(user string) (n int, wait time.Duration) {
		n, retry := g.state(user)
		return n, time.Until(retry)
	}
	wrong("u", 12)
	wrong("old", 5)
	wrong("gone", 4)
	g.of("old").last = time.Now().Add(-25 * time.Hour)
	g.of("gone").retry = time.Time{}
	if err := g.begin(t.Context(), "gone"); err != nil {
		t.Fatal(err)
	}
	g.end(t.Context(), "gone", "cert", true, false)
	for i := range 1000 {
		wrong(fmt.Sprint("x", i), 1)
	}
	wrong("v", 2)
	if len(record.data) > seal.MaxEvent {
		t.Errorf("an event of %d bytes", len(record.data))
	}
	g = newGuesses(record)
	if n, wait := state("u"); n != 12 || wait < 500*time.Second {
		t.Errorf("u: %d wrong ones, wait %v", n, wait)
	}
	if n, _ := state("v"); n != 2 {
		t.Errorf("v: %d wrong ones", n)
	}
	for _, user := range []string{"old", "gone"} {
		if n, _ := state(user); n != 0 {
			t.Errorf("%s: %d wrong ones", user, n)
		}
	}
}

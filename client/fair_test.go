package client_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/privyseal/privyseal/client"
	"github.com/privyseal/privyseal/internal/seal"
	"github.com/privyseal/privyseal/internal/wire"
	"github.com/privyseal/privyseal/signer"
	"github.com/privyseal/privyseal/signer/seallog"
	"github.com/privyseal/privyseal/signer/signertest"
)

// slowKey makes every signature take its time, as a token does, in the turn that it has.
type slowKey struct {
	signer.Log
	takes time.Duration
}

func (l slowKey) Start(ctx context.Context, s seallog.Subject, m seallog.Meta, make func() ([]byte, error)) (signer.Pending, error) {
	return l.Log.Start(ctx, s, m, func() ([]byte, error) {
		time.Sleep(l.takes)
		return make()
	})
}

func (s *site) unlockIn(lane string) *client.Key {
	s.t.Helper()
	cfg := s.cfg
	cfg.Lane = lane
	ses, err := client.Dial(context.Background(), cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { ses.Close() })
	key, err := ses.Unlock(context.Background(), keyEdDSA, []byte(passphrase))
	if err != nil {
		s.t.Fatal(err)
	}
	return key
}

// TestUrgentBesideABatch: three packages in the urgent lane, beside a batch of thousands and other clients, take at most three times as
// long as alone.
func TestUrgentBesideABatch(t *testing.T) {
	s := newSite(t)
	s.bridgeCfg.Drain, s.bridgeCfg.Linger = time.Second, time.Second
	s.startBridge()
	const takes = 10 * time.Millisecond // so that the machine's own speed is not what is measured
	cfg, ks, _, err := s.spec.open()
	if err != nil {
		t.Fatal(err)
	}
	record := slowKey{signertest.NewLogNamed(seal.OriginPrefix + signerName), takes}
	s.run(func(ctx context.Context) error { return signer.Serve(ctx, cfg, ks, record, s.logger()) })
	s.mustReach(5 * time.Second)
	var mu sync.Mutex
	next := 0
	headers := func(n int) (out [][]byte) {
		mu.Lock()
		defer mu.Unlock()
		for range n {
			next++
			out = append(out, vary(t, sample(t), next))
		}
		return out
	}
	urgent := s.unlockIn("urgent")
	ask := func(n int) time.Duration {
		var took []time.Duration
		for range n {
			h := headers(3)
			start := time.Now()
			for _, r := range signAll(t, urgent, h) {
				if r.Err != nil {
					t.Fatal(r.Err)
				}
			}
			took = append(took, time.Since(start))
		}
		slices.Sort(took)
		return took[len(took)*9/10]
	}
	alone := ask(20)
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	begin := func(lane string, n int) *atomic.Int64 {
		key, signed := s.unlockIn(lane), new(atomic.Int64)
		wg.Go(func() {
			key.SignHeaders(ctx, feedUntil(t, headers(n)), func(r client.HeaderResult) {
				if r.Err == nil {
					signed.Add(1)
				}
			})
		})
		return signed
	}
	others := []*atomic.Int64{begin("bulk", 6000)}
	for range 8 {
		others = append(others, begin("normal", 200))
	}
	time.Sleep(200 * time.Millisecond)
	beside := ask(20)
	t.Logf("alone %v, beside %v", alone, beside)
	if beside > 3*alone {
		t.Errorf("an urgent request takes %v beside a batch, %v alone", beside, alone)
	}
	// As long as urgent ones come, the batch and all others get something, too.
	starving := func() bool {
		return slices.ContainsFunc(others, func(n *atomic.Int64) bool { return n.Load() == 0 })
	}
	for end := time.Now().Add(5 * time.Second); starving() && time.Now().Before(end); {
		ask(1)
	}
	for i, n := range others {
		if n.Load() == 0 {
			t.Errorf("client %d got nothing (0 is the batch)", i)
		}
	}
	stop()
	wg.Wait()
}

// Urgent requests that are refused, again and again, do not go before those that are signed.
func TestUrgentInVain(t *testing.T) {
	s := newSite(t)
	s.bridgeCfg.Drain, s.bridgeCfg.Linger = time.Second, time.Second
	s.startBridge()
	cfg, ks, _, err := s.spec.open()
	if err != nil {
		t.Fatal(err)
	}
	s.ks = ks
	record := slowKey{signertest.NewLogNamed(seal.OriginPrefix + signerName), 20 * time.Millisecond}
	s.run(func(ctx context.Context) error { return signer.Serve(ctx, cfg, ks, record, s.logger()) })
	s.mustReach(5 * time.Second)
	s.policy("lane urgent :: deny nobody is in such a hurry", "all :: allow")
	pushy, normal := s.unlockIn("urgent"), s.unlockIn("normal")
	for _, r := range signAll(t, pushy, slices.Repeat([][]byte{sample(t)}, 20)) {
		if !errors.Is(r.Err, client.ErrPolicy) {
			t.Fatalf("%v, want ErrPolicy", r.Err)
		}
	}
	var headers [][]byte
	for i := range 40 {
		headers = append(headers, vary(t, sample(t), i))
	}
	var wg sync.WaitGroup
	wg.Go(func() { signAll(t, normal, headers) })
	time.Sleep(30 * time.Millisecond)
	st := func() map[string]int {
		status, err := s.dial().Status(context.Background())
		if err != nil {
			t.Error(err)
		}
		return status.Waiting
	}
	wg.Go(func() { signAll(t, pushy, slices.Repeat([][]byte{sample(t)}, 40)) })
	for range 5 {
		if w := st(); w["urgent"] > 0 {
			t.Errorf("what is refused waits in the urgent lane: %v", w)
		}
	}
	wg.Wait()
}

// Status counts all that wait for a turn, wherever they wait.
func TestStatusCountsWhatWaits(t *testing.T) {
	t.Parallel()
	header := func(i int) []byte { return vary(t, sample(t), i) }
	s := stuckSite(t, header, runtime.GOMAXPROCS(0), func(*signer.Config) {})
	const more = 100
	_, _, w := s.rawSession(keyEdDSA)
	for i := range more {
		w.Sign(&wire.Sign{Seq: uint64(i) + 2, Handle: 1, Op: wire.OpRPMHeader, Data: header(1000 + i)})
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	ses := s.dial()
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		st, err := ses.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if st.Waiting["normal"] == more && st.WaitingMine["normal"] == more {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%v of all and %v of this user wait, want %d", st.Waiting, st.WaitingMine, more)
		}
	}
}

// A request that waits too long for its turn is refused with a time, and its session goes on.
func TestQueueTellsWhenToComeBack(t *testing.T) {
	s := newSite(t)
	s.bridgeCfg.Drain, s.bridgeCfg.Linger = time.Second, time.Second
	s.startBridge()
	cfg, ks, _, err := s.spec.open()
	if err != nil {
		t.Fatal(err)
	}
	cfg.Limits.Queue = 200 * time.Millisecond
	record := slowKey{signertest.NewLogNamed(seal.OriginPrefix + signerName), 50 * time.Millisecond}
	s.run(func(ctx context.Context) error { return signer.Serve(ctx, cfg, ks, record, s.logger()) })
	s.mustReach(5 * time.Second)
	key := s.unlock(keyEdDSA)
	var headers [][]byte
	for i := range 60 {
		headers = append(headers, vary(t, sample(t), i))
	}
	signed, busy := 0, 0
	for _, r := range signAll(t, key, headers) {
		var refused *client.RefusedError
		switch {
		case r.Err == nil:
			signed++
		case errors.Is(r.Err, client.ErrTryLater) && errors.As(r.Err, &refused) && refused.RetryAfter > 0 && strings.Contains(r.Err.Error(), "turn"):
			busy++
		default:
			t.Error(r.Err)
		}
	}
	if signed == 0 || busy == 0 {
		t.Errorf("%d signed, %d told to come back", signed, busy)
	}
	time.Sleep(300 * time.Millisecond)
	if r := signAll(t, key, headers[59:]); r[0].Err != nil {
		t.Errorf("later: %v", r[0].Err)
	}
}

// wrongClock is a log whose last entry is of a time to come.
type wrongClock struct{ signer.Log }

func (wrongClock) Start(context.Context, seallog.Subject, seallog.Meta, func() ([]byte, error)) (signer.Pending, error) {
	return nil, &seallog.ClockError{Now: time.Now(), Last: time.Now().Add(time.Hour)}
}

// A client is told that the signer's clock is why nothing is signed.
func TestWrongClockIsTold(t *testing.T) {
	s := newSite(t)
	s.bridgeCfg.Drain, s.bridgeCfg.Linger = time.Second, time.Second
	s.startBridge()
	s.serveWith(wrongClock{signertest.NewLogNamed(seal.OriginPrefix + signerName)})
	s.mustReach(5 * time.Second)
	if r := signAll(t, s.unlock(keyEdDSA), [][]byte{sample(t)}); !errors.Is(r[0].Err, client.ErrClock) || !strings.Contains(r[0].Err.Error(), "set the clock") {
		t.Errorf("%v, want ErrClock and both times", r[0].Err)
	}
}

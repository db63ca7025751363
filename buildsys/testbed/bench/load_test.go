package bench

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/privyseal/privyseal/client"
)

// BenchmarkSignPathClients is the signing path with 1, 8 and 32 clients at once, each with
// a session and a stream of its own; all of them are in this process.
func BenchmarkSignPathClients(b *testing.B) {
	s := start(b)
	rsa := rsaKey(b)
	for _, c := range []struct {
		algorithm, goal string
		each            int // headers of all clients together
	}{{"rsa4096", "0.85,0.90", 1500}, {"eddsa", "4000/s,8000/s", 24000}} {
		name := s.newKey(b, c.algorithm)
		source := newHeaders(b)
		for _, n := range []int{1, 8, 32} {
			paths := make([]*path, n)
			for i := range paths {
				paths[i] = openPath(b, s, name, "", source)
			}
			var ours, theirs []float64
			for range rounds {
				if c.algorithm == "rsa4096" {
					theirs = append(theirs, rawRSA(b, rsa, 3*time.Second))
				}
				start := time.Now()
				var wg sync.WaitGroup
				for _, p := range paths {
					wg.Go(func() { p.stream(b, c.each/n) })
				}
				wg.Wait()
				ours = append(ours, float64(c.each/n*n)/time.Since(start).Seconds())
			}
			r := row{Name: fmt.Sprintf("sign-path-%s-%d-clients", c.algorithm, n), Unit: "signatures/s", Ours: median(ours), Goal: c.goal}
			if theirs != nil {
				r.Theirs, r.Peer = median(theirs), "crypto/rsa, bare operation"
			}
			record(r)
			for _, p := range paths {
				p.session.Close()
			}
		}
	}
}

// BenchmarkUrgent is the time of an urgent request of three packages, in a session of its
// own, alone and beside a batch of 6000 and 32 clients that never stop.
func BenchmarkUrgent(b *testing.B) {
	for _, algorithm := range []string{"rsa4096", "eddsa"} {
		s := start(b)
		name := s.newKey(b, algorithm)
		source := newHeaders(b)
		urgent := openPath(b, s, name, "urgent", source)
		ask := func(n int) []time.Duration {
			took := make([]time.Duration, n)
			for i := range took {
				start := time.Now()
				urgent.stream(b, 3)
				took[i] = time.Since(start)
				time.Sleep(20 * time.Millisecond) // three packages now and then, not a batch
			}
			return took
		}
		ask(20) // warm
		idle := p99(ask(200))
		ctx, stop := context.WithCancel(b.Context())
		var wg sync.WaitGroup
		var others []*path
		for range 32 {
			p := openPath(b, s, name, "normal", source)
			others = append(others, p)
			wg.Go(func() { p.until(ctx, b, 16) })
		}
		bulk := openPath(b, s, name, "bulk", source)
		done := make(chan struct{})
		wg.Go(func() {
			defer close(done)
			for ctx.Err() == nil {
				bulk.batch(ctx, b, 6000)
			}
		})
		time.Sleep(time.Second)
		busy := p99(ask(200))
		stop()
		wg.Wait()
		record(row{Name: "urgent-p99-" + algorithm, Unit: "ms", Ours: ms(busy), Theirs: ms(idle),
			Peer: "the same when nobody else signs", Goal: "at most 3"})
		for _, p := range append(others, bulk, urgent) { // a user has so many sessions and no more
			p.session.Close()
		}
	}
}

func p99(took []time.Duration) time.Duration {
	slices.Sort(took)
	return took[len(took)*99/100]
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// until signs n headers at a time until ctx ends.
func (p *path) until(ctx context.Context, b *testing.B, n int) {
	for ctx.Err() == nil {
		p.batch(ctx, b, n)
	}
}

// stream signs n new headers.
func (p *path) stream(b *testing.B, n int) {
	if got := p.batch(context.Background(), b, n); got != n {
		b.Errorf("signed %d of %d", got, n)
	}
}

// batch signs up to n new headers, fewer when ctx ends.
func (p *path) batch(ctx context.Context, b *testing.B, n int) (signed int) {
	in := make(chan client.HeaderRequest, 64)
	go func() {
		defer close(in)
		for i := range n {
			select {
			case in <- client.HeaderRequest{ID: int64(i), Header: p.source.next()}:
			case <-ctx.Done():
				return
			}
		}
	}()
	err := p.key.SignHeaders(context.Background(), in, func(r client.HeaderResult) {
		if r.Err != nil || r.Existed {
			b.Errorf("header %d: existed %v, %v", r.ID, r.Existed, r.Err)
			return
		}
		signed++
	})
	if err != nil {
		b.Error(err)
	}
	return signed
}

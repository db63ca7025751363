package bench

import (
	"context"
	"errors"
	"fmt"
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

// stream signs n new headers.
func (p *path) stream(b *testing.B, n int) {
	if got, err := signSome(context.Background(), p.key, p.source, n); err != nil || got != n {
		b.Errorf("signed %d of %d: %v", got, n, err)
	}
}

// signSome signs up to n new headers, fewer when ctx ends.
func signSome(ctx context.Context, key *client.Key, source *headers, n int) (signed int, failed error) {
	in := make(chan client.HeaderRequest, 64)
	go func() {
		defer close(in)
		for i := range n {
			select {
			case in <- client.HeaderRequest{ID: int64(i), Header: source.next()}:
			case <-ctx.Done():
				return
			}
		}
	}()
	err := key.SignHeaders(context.Background(), in, func(r client.HeaderResult) {
		switch {
		case r.Err != nil:
			failed = r.Err
		case r.Existed:
			failed = fmt.Errorf("header %d had been signed", r.ID)
		default:
			signed++
		}
	})
	return signed, errors.Join(err, failed)
}

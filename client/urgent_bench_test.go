package client_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/privyseal/privyseal/client"
	"github.com/privyseal/privyseal/internal/daemon"
)

// loadSpec is a crowd of clients, in a process of its own.
type loadSpec struct {
	Config  client.Config
	Key     string
	Header  []byte
	Clients int
}

// runLoad keeps a bulk batch and that many normal clients signing, until it is stopped.
func runLoad(ctx context.Context, _ *slog.Logger) error {
	var spec loadSpec
	if err := json.Unmarshal([]byte(os.Getenv("CLIENT_TEST_CONFIG")), &spec); err != nil {
		return err
	}
	var t testing.B
	var next atomic.Int64
	var wg sync.WaitGroup
	for i := range spec.Clients + 1 {
		cfg, window := spec.Config, 16
		if cfg.Lane = "normal"; i == 0 {
			cfg.Lane, window = "bulk", 6000
		}
		ses, err := client.Dial(ctx, cfg)
		if err != nil {
			return err
		}
		key, err := ses.Unlock(ctx, spec.Key, []byte(passphrase))
		if err != nil {
			return err
		}
		wg.Go(func() {
			defer ses.Close()
			for ctx.Err() == nil {
				in := make(chan client.HeaderRequest, 64)
				go func() {
					defer close(in)
					for range window {
						select {
						case in <- client.HeaderRequest{Header: vary(&t, spec.Header, int(1e9+next.Add(1)))}:
						case <-ctx.Done():
							return
						}
					}
				}()
				key.SignHeaders(ctx, in, func(client.HeaderResult) {})
			}
		})
	}
	daemon.Ready()
	wg.Wait()
	return nil
}

// How long an urgent request of three packages takes beside a batch of 6000 and 32 clients, against how long it takes alone. Signer,
// bridge, the crowd and the one in a hurry are four processes.
func BenchmarkUrgentRSA4096(b *testing.B) { benchmarkUrgent(b, keyRSA) }
func BenchmarkUrgentEdDSA(b *testing.B)   { benchmarkUrgent(b, keyEdDSA) }

func benchmarkUrgent(b *testing.B, name string) {
	s := newSite(b)
	s.spec.Record = true
	s.start("bridge", s.bridgeCfg)
	s.start("signer", s.spec)
	s.cfg.Lane = "urgent"
	key := s.unlock(name)
	n := 0
	ask := func(times int) time.Duration {
		var took []time.Duration
		for range times {
			var headers [][]byte
			for range 3 {
				n++
				headers = append(headers, vary(b, sample(b), n))
			}
			start := time.Now()
			for _, r := range signAll(b, key, headers) {
				if r.Err != nil {
					b.Fatal(r.Err)
				}
			}
			took = append(took, time.Since(start))
			time.Sleep(10 * time.Millisecond)
		}
		slices.Sort(took)
		b.Logf("median %v, p90 %v, p99 %v", took[times/2], took[times*90/100], took[times*99/100])
		return took[times*99/100]
	}
	ask(20)
	alone := ask(800)
	s.start("load", loadSpec{s.cfg, name, sample(b), 32})
	time.Sleep(time.Second)
	beside := ask(800)
	b.ReportMetric(float64(alone.Microseconds())/1000, "ms-alone")
	b.ReportMetric(float64(beside.Microseconds())/1000, "ms-beside")
	b.ReportMetric(float64(beside)/float64(alone), "ratio")
}

package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/privyseal/privyseal/client"
	"github.com/privyseal/privyseal/internal/ini"
)

// BenchmarkUrgent is the time of an urgent request of three packages, in a session of its
// own, alone and beside 32 clients that never stop and a batch of 6000 packages, begun
// anew whenever it ends. The crowd is a process of its own; it shares the cores with
// signer and bridge, which clients of a real site do not.
func BenchmarkUrgent(b *testing.B) {
	for _, algorithm := range []string{"rsa4096", "eddsa"} {
		s := start(b)
		name := s.newKey(b, algorithm)
		urgent := openPath(b, s, name, "urgent", newHeaders(b))
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
		const requests = 800
		ask(20) // warm
		idle := ask(requests)
		stop := s.crowd(b, name)
		busy := ask(requests)
		others := stop()
		record(row{Name: "urgent-p99-" + algorithm, Unit: "ms", Ours: quantile(busy, 99), Theirs: quantile(idle, 99),
			Peer: "the same when nobody else signs", Goal: "at most 3"})
		record(row{Name: "urgent-median-" + algorithm, Unit: "ms", Ours: quantile(busy, 50), Theirs: quantile(idle, 50),
			Peer: "the same when nobody else signs", Goal: "-"})
		record(row{Name: "urgent-others-" + algorithm, Unit: "signatures/s", Ours: others, Goal: "-"})
		urgent.session.Close()
	}
}

// quantile is in milliseconds.
func quantile(took []time.Duration, percent int) float64 {
	slices.Sort(took)
	return float64(took[len(took)*percent/100].Microseconds()) / 1000
}

const (
	crowdEnv  = "PRIVYSEAL_BENCH_CROWD" // in the crowd's process: the configuration's file
	crowdSize = 32
)

// crowd starts one and gives what stops it and tells how many signatures a second it got.
func (s *site) crowd(b *testing.B, key string) (stop func() float64) {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crowdEnv+"="+s.env["PRIVYSEAL_CONF"], "CROWD_KEY="+key,
		"CROWD_PASSPHRASE="+s.env["SIGN_PASSPHRASE_FILE"], "CROWD_STATE="+s.dir)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	said := bufio.NewReader(stdout)
	if line, err := said.ReadString('\n'); line != "ready\n" {
		b.Fatalf("the crowd did not come: %q, %v", line, err)
	}
	return func() float64 {
		stdin.Close()
		var rate float64
		if _, err := fmt.Fscanf(said, "%g\n", &rate); err != nil {
			b.Errorf("the crowd did not say how much it signed: %v", err)
		}
		if err := cmd.Wait(); err != nil {
			b.Errorf("the crowd: %v", err)
		}
		return rate
	}
}

// runCrowd signs until standard input ends, and prints how many it got signed a second.
func runCrowd(conf string) error {
	f, err := ini.ParseFile(conf)
	if err != nil {
		return err
	}
	cfg, err := client.ConfigFromINI(f.Section("signing"))
	if err != nil {
		return err
	}
	cfg.StateDir = os.Getenv("CROWD_STATE")
	passphrase, err := os.ReadFile(os.Getenv("CROWD_PASSPHRASE"))
	if err != nil {
		return err
	}
	var b testing.B
	source := newHeaders(&b)
	source.count.Store(1 << 31) // none that the other process signs
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var wg sync.WaitGroup
	failed := make(chan error, crowdSize+1)
	for i := range crowdSize + 1 {
		size := 16
		if cfg.Lane = "normal"; i == crowdSize {
			cfg.Lane, size = "bulk", 6000
		}
		session, err := client.Dial(ctx, cfg)
		if err != nil {
			return err
		}
		key, err := session.Unlock(ctx, os.Getenv("CROWD_KEY"), bytes.TrimRight(passphrase, "\n"))
		if err != nil {
			return err
		}
		wg.Go(func() {
			defer session.Close()
			for ctx.Err() == nil {
				if _, err := signSome(ctx, key, source, size); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	time.Sleep(time.Second)
	fmt.Println("ready")
	start, before := time.Now(), source.count.Load()
	io.Copy(io.Discard, os.Stdin)
	fmt.Printf("%g\n", float64(source.count.Load()-before)/time.Since(start).Seconds())
	cancel()
	wg.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

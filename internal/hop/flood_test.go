package hop

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/privyseal/privyseal/internal/pki"
)

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// What is left out of the log is counted, and the count comes out, once.
func TestQuietCountsWhatItLeavesOut(t *testing.T) {
	var out syncBuffer
	q := NewQuiet(slog.New(slog.NewTextHandler(&out, nil)), 2, time.Hour)
	for range 100 {
		q.Warn("one", "n", "x")
	}
	q.Warn("two")
	q.Flush()
	q.Flush()
	if n := strings.Count(out.String(), "msg=one"); n != 3 {
		t.Errorf("%d lines, want two and a sum:\n%s", n, out.String())
	}
	if !strings.Contains(out.String(), "msg=one n=x left_out=98") || q.LeftOut() != 98 {
		t.Errorf("the sum is missing:\n%s", out.String())
	}
	if n := strings.Count(out.String(), "msg=two"); n != 1 {
		t.Errorf("another message came %d times", n)
	}
	q = NewQuiet(slog.New(slog.NewTextHandler(&out, nil)), 0, 10*time.Millisecond)
	q.Warn("three")
	for end := time.Now().Add(5 * time.Second); !strings.Contains(out.String(), "msg=three left_out=1"); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("no sum when the span was over")
		}
	}
}

func TestFailingAddressesGetSlower(t *testing.T) {
	bad, now := penalties{}, time.Now()
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	for range forgiven {
		bad.failed(a, now)
	}
	if d := bad.delay(a, now); d != 0 {
		t.Errorf("%d failures cost %v", forgiven, d)
	}
	last := time.Duration(0)
	for range 10 {
		bad.failed(a, now)
		if d := bad.delay(a, now); d <= last || d > mostDelay {
			t.Errorf("another failure: %v after %v", d, last)
		} else {
			last = d
		}
	}
	for range 1000 {
		bad.failed(a, now)
	}
	if d := bad.delay(a, now); d != mostDelay {
		t.Errorf("a thousand failures: %v, want %v", d, mostDelay)
	}
	if d := bad.delay(b, now); d != 0 {
		t.Errorf("another address waits %v", d)
	}
	if d := bad.delay(a, now.Add(2*time.Minute)); d != 0 {
		t.Errorf("still %v after two minutes", d)
	}
	for range 20 {
		bad.worked(a, now)
	}
	if len(bad) != 0 {
		t.Errorf("scores left after successes: %v", bad)
	}
	for i := range 3 * mostScored {
		bad.failed(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), now)
	}
	if len(bad) > mostScored {
		t.Errorf("%d scores, the limit is %d", len(bad), mostScored)
	}
}

func TestOneHostsIPv6AddressesCountAsOne(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true},
		{"2001:db8:0:1::1", "2001:db8:0:2::1", false},
		{"192.0.2.1", "::ffff:192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"fe80::1%eth0", "fe80::2%eth1", true},
	} {
		if same := place(netip.MustParseAddr(c.a)) == place(netip.MustParseAddr(c.b)); same != c.same {
			t.Errorf("%s and %s: %v", c.a, c.b, same)
		}
	}
}

// A flood of failing handshakes fills no disk, and its address waits.
func TestFloodOfFailedHandshakesIsLoggedInFewLines(t *testing.T) {
	ca := newCA(t, "ca")
	srv := issue(t, ca, pki.Request{URI: pki.RoleURI("bridge", "b"), Server: true}, ca)
	ln, err := Listen(context.Background(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var out syncBuffer
	var count Counters
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() {
		done <- Serve(ctx, ln, srv.ServerConfig(Expect{Proto: proto, Roles: []string{"client"}}),
			Limits{Counters: &count}, slog.New(slog.NewTextHandler(&out, nil)), nil)
	}()
	for range 300 {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		c.Write([]byte("GET / HTTP/1.1\r\n\r\n" + strings.Repeat("x", 100)))
		c.Close()
	}
	for end := time.Now().Add(10 * time.Second); count.Failed.Load()+count.TurnedAway.Load()+count.Evicted.Load() < 300; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d failed, %d turned away", count.Failed.Load(), count.TurnedAway.Load())
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "\n"); n > 3*(quietBurst+1) {
		t.Errorf("%d lines for 300 connections", n)
	}
	if !strings.Contains(out.String(), "left_out=") {
		t.Errorf("no count of what was left out:\n%s", out.String())
	}
	if count.Slowed.Load() == 0 {
		t.Error("no handshake had to wait")
	}
	if count.Unfinished.Load() != 0 || count.Open.Load() != 0 {
		t.Errorf("%d unfinished, %d open at the end", count.Unfinished.Load(), count.Open.Load())
	}
}

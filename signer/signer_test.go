package signer

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/privyseal/privyseal/internal/wire"
)

func TestGateTakesTurns(t *testing.T) {
	g := newGate(1)
	ctx := context.Background()
	if err := g.enter(ctx, &lane{}); err != nil {
		t.Fatal(err)
	}
	// A asks for a hundred, then B for two: B waits for no more than one of A's each.
	var a, b lane
	var mu sync.Mutex
	var order []string
	var wg sync.WaitGroup
	ask := func(l *lane, name string) {
		before := len(l.waiting)
		wg.Go(func() {
			if err := g.enter(ctx, l); err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			order = append(order, name)
			mu.Unlock()
			g.leave()
		})
		for {
			g.mu.Lock()
			n := len(l.waiting)
			g.mu.Unlock()
			if n > before {
				return
			}
			time.Sleep(time.Microsecond)
		}
	}
	for range 100 {
		ask(&a, "a")
	}
	ask(&b, "b")
	ask(&b, "b")
	g.leave()
	wg.Wait()
	if i := slices.Index(order, "b"); i > 1 || !slices.Equal(order[:4], []string{"a", "b", "a", "b"}) {
		t.Errorf("turns: %q", order[:8])
	}
	if g.free != 1 || len(g.lanes) != 0 {
		t.Errorf("%d free, %d lanes at the end", g.free, len(g.lanes))
	}
}

func TestGateNeverLosesASlot(t *testing.T) {
	const slots = 3
	g := newGate(slots)
	var inside, most atomic.Int32
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			var l lane
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
	if g.free != slots || len(g.lanes) != 0 || most.Load() > slots {
		t.Errorf("%d of %d slots free, %d lanes, %d inside at once", g.free, slots, len(g.lanes), most.Load())
	}
}

func TestBudgetKeepsSmallAndLargeApart(t *testing.T) {
	b := newBudget(Limits{SmallBytes: smallInput, LargeBytes: 10 << 20}.withDefaults())
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := b.book(ctx, 10<<20); err != nil {
		t.Fatal(err)
	}
	if err := b.book(ctx, smallInput); err != nil {
		t.Errorf("a small one beside a large one: %v", err)
	}
	if err := b.book(ctx, 1<<20); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a second large one: %v", err)
	}
	b.release(10 << 20)
	if err := b.book(context.Background(), 1<<20); err != nil {
		t.Error(err)
	}
}

// The default limits let through what the protocol does.
func TestDefaultLimitsFitTheProtocol(t *testing.T) {
	if l := (Limits{}).withDefaults(); l.LargeBytes < wire.MaxSigned || l.SmallBytes < smallInput*int64(l.Sessions) {
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

func FuzzContent(f *testing.F) {
	f.Add([]byte(`<?xml version="1.0"?><repomd xmlns="http://linux.duke.edu/metadata/repo"><revision>1</revision><data type="primary">` +
		`<checksum type="sha">da39a3ee5e6b4b0d3255bfef95601890afd80709</checksum><location href="x"/></data></repomd>`))
	f.Add([]byte(`{"critical":{"a":[1,"b",{}]}}`))
	f.Add([]byte("tree 0123456789012345678901234567890123456789\n"))
	f.Add([]byte{0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0})
	f.Add([]byte("<?xml version='1.0' encoding='UTF-7'?><r+AGU-pomd/>"))
	f.Add([]byte("\xff\xfe<\x00r\x00e\x00p\x00o\x00m\x00d\x00>\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, header := checkRPMHeader(data)
		_, repomd := checkRepomd(data)
		_, other := checkData(data)
		// What one operation signs, the operation for everything else does not.
		if other == nil && (header == nil || repomd == nil) {
			t.Fatalf("signed as two things: header %v, repomd %v", header, repomd)
		}
	})
}

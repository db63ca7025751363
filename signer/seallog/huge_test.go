package seallog_test

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/privyseal/privyseal/signer/seallog"
)

func numbered(n int64) seallog.Subject {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(n))
	return seallog.Subject{KeyFingerprint: "983D50AF8F6B02D4A27637C236D55C9681157503", Op: "rpm-header", Hash: 8, Digest: sha256.Sum256(b[:])}
}

// heap is what is alive, in MiB; anonymous is what the process holds of memory that is no file's.
func heap() float64 {
	runtime.GC()
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / (1 << 20)
}

func anonymous(t *testing.T) float64 {
	t.Helper()
	f, err := os.Open("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	for s.Scan() {
		if v, ok := strings.CutPrefix(s.Text(), "RssAnon:"); ok {
			n, err := strconv.Atoi(strings.Fields(v)[0])
			if err != nil {
				t.Fatal(err)
			}
			return float64(n) / 1024
		}
	}
	t.Fatal("no RssAnon in /proc/self/status")
	return 0
}

// bigLog makes a log of n entries and measures what the signer would see: memory, start-up, look-ups, new signatures.
func bigLog(t *testing.T, options seallog.Options, entries int64) {
	dir := t.TempDir()
	empty := heap()
	l := openWith(t, dir, options)
	start := time.Now()
	if err := seallog.Ingest(l, 0, entries, numbered, seallog.Meta{User: "releng", What: "hello-1.0-1.noarch"}, make([]byte, 119)); err != nil {
		t.Fatal(err)
	}
	made := time.Since(start)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	key := l.Key()
	l = nil
	start = time.Now()
	l = openWith(t, dir, options)
	opened := time.Since(start)
	if l.Size() != entries || l.Notice() != "" {
		t.Fatalf("%d entries, %q", l.Size(), l.Notice())
	}
	used := heap() - empty

	const asked = 2000
	var hits, misses, news []time.Duration
	for range asked {
		n := rand.Int64N(entries)
		begin := time.Now()
		rec, ok, err := l.Find(numbered(n))
		hits = append(hits, time.Since(begin))
		if err != nil || !ok || rec.Index != n || binary.BigEndian.Uint64(rec.Signature) != uint64(n) {
			t.Fatalf("entry %d: %+v %v %v", n, rec, ok, err)
		}
		begin = time.Now()
		if _, ok, err := l.Find(numbered(entries + n)); ok || err != nil {
			t.Fatalf("a subject never signed: %v %v", ok, err)
		}
		misses = append(misses, time.Since(begin))
	}
	for n := range int64(100) {
		begin := time.Now()
		s, err := l.Sign(t.Context(), numbered(entries+n), meta, constant("s"))
		news = append(news, time.Since(begin))
		if err == nil {
			_, _, err = s.Proof.Verify(key)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for range 200 {
		p, err := l.ProofOf(rand.Int64N(entries))
		if err == nil {
			_, _, err = p.Verify(key)
		}
		if err != nil {
			t.Fatal(err)
		}
		size := rand.Int64N(entries)
		c, proof, err := l.Consistency(size)
		if err != nil || c.Size != entries+100 || size > 0 && len(proof) == 0 {
			t.Fatalf("%+v %v", c, err)
		}
	}
	if total := l.Totals(numbered(0).KeyFingerprint); total != entries+100 {
		t.Errorf("the key made %d signatures", total)
	}
	after := heap() - empty
	rss := anonymous(t)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	sizes := map[string]int64{}
	names, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		st, err := n.Info()
		if err != nil {
			t.Fatal(err)
		}
		sizes[strings.SplitN(n.Name(), "-", 2)[0]] += st.Size() >> 20
	}
	start = time.Now()
	report, err := seallog.Verify(t.Context(), dir, key, nil)
	if err != nil || report.Entries != entries+100 {
		t.Fatalf("%+v %v", report, err)
	}
	verified := time.Since(start)
	t.Logf("%d entries: made in %.0f s; opened in %v; heap %.1f MiB after opening, %.1f MiB after use, RssAnon %.1f MiB", entries, made.Seconds(),
		opened.Round(time.Millisecond), used, after, rss)
	t.Logf("look-up of a signature p50 %v p99 %v; of one that is new p50 %v p99 %v; a new signature p50 %v", at(hits, 50), at(hits, 99),
		at(misses, 50), at(misses, 99), at(news, 50))
	t.Logf("verified in %.0f s; MiB on disk: %v", verified.Seconds(), sizes)
	if used > 16 || after > 16 {
		t.Errorf("the log holds %.1f and %.1f MiB of memory, more than 16", used, after)
	}
	if opened > 5*time.Second {
		t.Errorf("opening took %v", opened)
	}

	// Without the files made from it, it takes a while, but no more memory.
	start = time.Now()
	for _, pattern := range []string{"tree", "places", "index-*"} {
		names, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range names {
			if err := os.Remove(n); err != nil {
				t.Fatal(err)
			}
		}
	}
	l = openWith(t, dir, options)
	rebuilt := time.Since(start)
	if rec, ok, err := l.Find(numbered(entries / 3)); err != nil || !ok || rec.Index != entries/3 {
		t.Errorf("after making the index anew: %+v %v %v", rec, ok, err)
	}
	used = heap() - empty
	t.Logf("index made anew in %.0f s; heap %.1f MiB", rebuilt.Seconds(), used)
	if used > 16 {
		t.Errorf("the log holds %.1f MiB of memory after its index was made anew, more than 16", used)
	}
}

func at(d []time.Duration, percent int) time.Duration {
	slices.Sort(d)
	return d[len(d)*percent/100].Round(100 * time.Nanosecond)
}

// The large log of make test-long, small: several levels of index files, merged.
func TestManyEntries(t *testing.T) { bigLog(t, small(512), 60_000) }

package seallog_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/privyseal/privyseal/internal/seal"
	"github.com/privyseal/privyseal/signer/seallog"
)

// small makes the index go to files after a few entries.
func small(n int64) seallog.Options { return options.With(nil, n) }

func openWith(t testing.TB, dir string, o seallog.Options) *seallog.Log {
	t.Helper()
	l, err := seallog.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// fill signs subjects from first to end, many at once, and gives what was signed.
func fill(t testing.TB, l *seallog.Log, first, end int) []seallog.Signed {
	t.Helper()
	pending := make([]*seallog.Pending, 0, end-first)
	for n := first; n < end; n++ {
		p, err := l.Start(t.Context(), subject(n), meta, constant(fmt.Sprintf("signature %d", n)))
		if err != nil {
			t.Fatal(err)
		}
		pending = append(pending, p)
	}
	out := make([]seallog.Signed, len(pending))
	for i, p := range pending {
		var err error
		if out[i], err = p.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func checkProof(t *testing.T, p *seal.Proof, key seal.LogKey, n int) *seal.Checkpoint {
	t.Helper()
	again, err := seal.ParseProof(p.Marshal())
	if err != nil {
		t.Fatal(err)
	}
	e, c, err := again.Verify(key)
	if err != nil {
		t.Fatalf("proof of subject %d: %v", n, err)
	}
	s := subject(n)
	if err := e.Matches(s.Op, s.KeyFingerprint, s.Digest, fmt.Appendf(nil, "signature %d", n)); err != nil {
		t.Fatalf("proof of subject %d: %v", n, err)
	}
	return c
}

// Every signature comes with a proof that holds, when it is made, when it is asked for again, and after a restart; and every checkpoint
// that was given out is continued by every later one.
func TestProofs(t *testing.T) {
	dir := t.TempDir()
	l := openWith(t, dir, small(50))
	key := l.Key()
	var seen []*seal.Checkpoint
	check := func(signed []seallog.Signed, first int) {
		t.Helper()
		for i, s := range signed {
			seen = append(seen, checkProof(t, s.Proof, key, first+i))
		}
	}
	for n := 0; n < 1000; {
		step := 1 + rand.IntN(1+n/4)
		check(fill(t, l, n, n+step), n)
		n += step
	}
	size := int(l.Size())
	check(fill(t, l, 0, 100), 0)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = openWith(t, dir, small(50))
	if l.Size() != int64(size) || l.Notice() != "" {
		t.Fatalf("%d entries after opening, want %d; notice %q", l.Size(), size, l.Notice())
	}
	for _, s := range fill(t, l, 0, size) {
		if !s.Existed {
			t.Fatalf("entry %d was made again", s.Index)
		}
		checkProof(t, s.Proof, key, int(s.Index))
	}
	for range 200 {
		old, newer := seen[rand.IntN(len(seen))], seen[rand.IntN(len(seen))]
		if old.Size > newer.Size {
			old, newer = newer, old
		}
		proof, err := l.ConsistencyTo(old.Size, newer.Size)
		if err != nil {
			t.Fatal(err)
		}
		if err := seal.VerifyConsistency(old, newer, proof); err != nil {
			t.Errorf("from %d to %d: %v", old.Size, newer.Size, err)
		}
		c, proof, err := l.Consistency(old.Size)
		if err != nil {
			t.Fatal(err)
		}
		if err := seal.VerifyConsistency(old, c, proof); err != nil {
			t.Errorf("from %d to the newest: %v", old.Size, err)
		}
	}
	if n := l.Totals(subject(1).KeyFingerprint); n != int64(size) {
		t.Errorf("the key made %d signatures, want %d", n, size)
	}
	var rollback *seal.RollbackError
	if _, _, err := l.Consistency(int64(size) + 1); !errors.As(err, &rollback) {
		t.Errorf("consistency with more than there is: %v", err)
	}
	report, err := seallog.Verify(t.Context(), dir, key, seen[len(seen)/2])
	if err != nil || report.Entries != int64(size) || report.Signatures != int64(size) || report.Checkpoint.Size != int64(size) {
		t.Errorf("%+v %v", report, err)
	}
}

// The clock must not be behind the last entry: no signature is made, until a person accepts the clock.
func TestClock(t *testing.T) {
	dir := t.TempDir()
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	clock := options.With(func() time.Time { return now }, 0)
	l := openWith(t, dir, clock)
	fill(t, l, 0, 3)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	now = now.Add(-time.Hour)
	l = openWith(t, dir, clock)
	made := false
	_, err := l.Sign(t.Context(), subject(3), meta, func() ([]byte, error) { made = true; return []byte("s"), nil })
	var behind *seallog.ClockError
	if !errors.Is(err, seallog.ErrClock) || !errors.As(err, &behind) || made || l.Size() != 3 {
		t.Fatalf("%v, made %v", err, made)
	}
	if !behind.Now.Equal(now) || behind.Last.Sub(now) != time.Hour || !strings.Contains(err.Error(), "11:00:00Z") || !strings.Contains(err.Error(), "12:00:00Z") {
		t.Errorf("the error does not tell both times: %v", err)
	}
	if _, err := l.AppendEvent(t.Context(), "state", nil); !errors.Is(err, seallog.ErrClock) {
		t.Errorf("an event: %v", err)
	}
	if s, err := l.Sign(t.Context(), subject(1), meta, constant("")); err != nil || !s.Existed {
		t.Errorf("what is recorded is not given out: %v", err)
	}
	if _, err := l.AcceptClock(t.Context(), "uid 0"); err != nil {
		t.Fatal(err)
	}
	mustSign(t, l, 3, "signature 3")
	if _, err := seallog.Verify(t.Context(), dir, l.Key(), nil); err != nil {
		t.Error(err)
	}
	// A step of less than a second is waited for.
	var asked int
	base := now
	step := options.With(func() time.Time {
		if asked++; asked == 1 {
			return base.Add(-50 * time.Millisecond)
		}
		return base.Add(time.Second)
	}, 0)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	mustSign(t, openWith(t, dir, step), 4, "signature 4")
}

// An export is checked as a stream, and one continues another.
func TestExport(t *testing.T) {
	dir := t.TempDir()
	l := openWith(t, dir, small(40))
	ctx, key := t.Context(), l.Key()
	fill(t, l, 0, 150)
	if _, err := l.AppendEvent(ctx, "state", []byte(`{"a":1}`)); err != nil {
		t.Fatal(err)
	}
	var first, second bytes.Buffer
	c1, err := l.Export(ctx, &first, 0)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, l, 150, 290)
	if _, err := l.Export(ctx, &second, c1.Size); err != nil {
		t.Fatal(err)
	}
	count := 0
	r, err := seallog.VerifyExport(ctx, bytes.NewReader(first.Bytes()), key, nil, func(it seallog.Item) error {
		if it.Index != int64(count) {
			t.Errorf("entry %d comes as number %d", it.Index, count)
		}
		count++
		return nil
	})
	if err != nil || count != 151 || r.Entries != 151 || r.Signatures != 150 || r.Checkpoint.Root != c1.Root {
		t.Fatalf("%d entries, %+v, %v", count, r, err)
	}
	if r, err = seallog.VerifyExport(ctx, bytes.NewReader(second.Bytes()), key, c1, nil); err != nil || r.From != 151 || r.Entries != 291 {
		t.Fatalf("%+v %v", r, err)
	}
	if _, err := seallog.VerifyExport(ctx, bytes.NewReader(second.Bytes()), key, nil, nil); err == nil {
		t.Error("an export that begins in the middle is believed without a checkpoint")
	}
	var fork *seal.ForkError
	other := *c1
	other.Root[3] ^= 1
	if _, err := seallog.VerifyExport(ctx, bytes.NewReader(second.Bytes()), key, &other, nil); !errors.As(err, &fork) {
		t.Errorf("against another root: %v", err)
	}
	var rollback *seal.RollbackError
	if _, err := seallog.VerifyExport(ctx, bytes.NewReader(first.Bytes()), key, r.Checkpoint, nil); !errors.As(err, &rollback) {
		t.Errorf("against a later checkpoint: %v", err)
	}
	if _, err := l.Export(ctx, io.Discard, l.Size()+1); !errors.As(err, &rollback) {
		t.Errorf("what comes after a checkpoint that the log does not reach: %v", err)
	}
	for i := 0; i < second.Len(); i += 13 {
		bad := bytes.Clone(second.Bytes())
		bad[i] ^= 1 << (i % 8)
		if _, err := seallog.VerifyExport(ctx, bytes.NewReader(bad), key, c1, nil); err == nil {
			t.Errorf("a flipped bit in octet %d of an export is not noticed", i)
		}
		if i%11 == 0 {
			if _, err := seallog.VerifyExport(ctx, bytes.NewReader(second.Bytes()[:i]), key, c1, nil); err == nil {
				t.Errorf("an export cut at %d is believed", i)
			}
		}
	}
}

// Entries can be followed from any place, by the holder and by a reader beside it.
func TestEntries(t *testing.T) {
	dir := t.TempDir()
	l := openWith(t, dir, small(30))
	for n := range 20 {
		fill(t, l, n*10, n*10+10)
	}
	reader, err := seallog.Open(dir, seallog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if _, err := reader.AppendEvent(t.Context(), "state", nil); !errors.Is(err, seallog.ErrReadOnly) {
		t.Errorf("a reader may write: %v", err)
	}
	for _, log := range []*seallog.Log{l, reader} {
		if log.Size() != 200 || !bytes.Equal(log.Checkpoint().Note, l.Checkpoint().Note) {
			t.Fatalf("%d entries", log.Size())
		}
		for _, from := range []int64{0, 1, 9, 10, 57, 199, 200} {
			next := from
			for it, err := range log.Entries(from) {
				if err != nil || it.Index != next || it.Entry.Signature.Digest != subject(int(next)).Digest {
					t.Fatalf("from %d: %+v %v", from, it, err)
				}
				next++
			}
			if next != 200 {
				t.Errorf("from %d: ended at %d", from, next)
			}
		}
		rec, ok, err := log.Find(subject(77))
		if err != nil || !ok || rec.Index != 77 {
			t.Errorf("%+v %v %v", rec, ok, err)
		}
		if n, err := log.Since(rec.Time); err != nil || n > 77 || n < 67 {
			t.Errorf("since entry 77: %d %v", n, err)
		}
		p, err := log.ProofOf(77)
		if err != nil {
			t.Fatal(err)
		}
		checkProof(t, p, l.Key(), 77)
	}
}

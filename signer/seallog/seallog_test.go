package seallog_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/privyseal/privyseal/signer/seallog"
)

func subject(n int) seallog.Subject {
	return seallog.Subject{
		KeyFingerprint: "983D50AF8F6B02D4A27637C236D55C9681157503",
		Op:             "rpm-header",
		Hash:           8,
		Digest:         sha256.Sum256(fmt.Appendf(nil, "%d", n)),
	}
}

var options = seallog.Options{Origin: "privyseal/test", Key: ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32))}

var meta = seallog.Meta{User: "releng", What: "hello-1.0-1.noarch"}

func open(t testing.TB, dir string) *seallog.Log {
	t.Helper()
	l, err := seallog.Open(dir, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func constant(s string) func() ([]byte, error) {
	return func() ([]byte, error) { return []byte(s), nil }
}

func split(s seallog.Signed, err error) (sig []byte, index int64, existed bool, _ error) {
	return s.Signature, s.Index, s.Existed, err
}

func sign(l *seallog.Log, ctx context.Context, s seallog.Subject, m seallog.Meta, make func() ([]byte, error)) ([]byte, int64, bool, error) {
	return split(l.Sign(ctx, s, m, make))
}

func mustSign(t testing.TB, l *seallog.Log, n int, sig string) int64 {
	t.Helper()
	got, index, _, err := sign(l, t.Context(), subject(n), meta, constant(sig))
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != sig {
		t.Fatalf("subject %d: signature %q, want %q", n, got, sig)
	}
	return index
}

func TestSameBytesForTheSameSubject(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	if sig, index, existed, err := sign(l, t.Context(), subject(1), meta, constant("first")); err != nil || existed || index != 0 || string(sig) != "first" {
		t.Fatalf("%q %d %v %v", sig, index, existed, err)
	}
	again := func(l *seallog.Log) {
		t.Helper()
		sig, index, existed, err := sign(l, t.Context(), subject(1), seallog.Meta{User: "other"}, func() ([]byte, error) {
			t.Error("a second signature is made")
			return []byte("second"), nil
		})
		if err != nil || !existed || index != 0 || string(sig) != "first" {
			t.Errorf("%q %d %v %v", sig, index, existed, err)
		}
	}
	again(l)
	// Each part of the subject counts.
	for i, change := range []func(*seallog.Subject){
		func(s *seallog.Subject) { s.KeyFingerprint = strings.Repeat("A", 40) },
		func(s *seallog.Subject) { s.Op = "data" },
		func(s *seallog.Subject) { s.SigType = 1 },
		func(s *seallog.Subject) { s.Hash = 10 },
		func(s *seallog.Subject) { s.Digest[31] ^= 1 },
		func(s *seallog.Subject) { s.Generation++ },
	} {
		s := subject(1)
		change(&s)
		if _, index, existed, err := sign(l, t.Context(), s, meta, constant("other")); err != nil || existed || index != int64(i+1) {
			t.Errorf("change %d: index %d existed %v %v", i, index, existed, err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, dir)
	again(l)
	rec, ok, err := l.Find(subject(1))
	if err != nil || !ok || rec.Index != 0 || rec.Meta != meta || rec.Subject != subject(1) || string(rec.Signature) != "first" ||
		time.Since(rec.Time) > time.Minute {
		t.Errorf("%+v %v %v", rec, ok, err)
	}
	if _, ok, err := l.Find(subject(2)); ok || err != nil {
		t.Errorf("a subject never signed is found: %v", err)
	}
	if l.Size() != 7 {
		t.Errorf("size %d, want 7", l.Size())
	}
}

func TestEvents(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	mustSign(t, l, 1, "sig")
	for i := range 3 {
		if index, err := l.AppendEvent(t.Context(), "state", fmt.Appendf(nil, "s%d", i)); err != nil || index != int64(i+1) {
			t.Fatal(index, err)
		}
	}
	check := func(l *seallog.Log) {
		t.Helper()
		data, index, ok, err := l.LastEvent("state")
		if err != nil || !ok || string(data) != "s2" || index != 3 {
			t.Errorf("%q %d %v %v", data, index, ok, err)
		}
		if _, _, ok, err := l.LastEvent("none"); ok || err != nil {
			t.Errorf("an event that never was: %v", err)
		}
	}
	check(l)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	check(open(t, dir))
}

func TestOneMakerAtATime(t *testing.T) {
	l := open(t, t.TempDir())
	var made atomic.Int32
	var wg sync.WaitGroup
	var existed atomic.Int32
	for range 50 {
		wg.Go(func() {
			sig, _, e, err := sign(l, t.Context(), subject(1), meta, func() ([]byte, error) {
				time.Sleep(5 * time.Millisecond)
				return fmt.Appendf(nil, "made %d", made.Add(1)), nil
			})
			if err != nil || string(sig) != "made 1" {
				t.Errorf("%q %v", sig, err)
			}
			if e {
				existed.Add(1)
			}
		})
	}
	wg.Wait()
	if made.Load() != 1 || existed.Load() != 49 {
		t.Errorf("made %d times, existed for %d", made.Load(), existed.Load())
	}
}

func TestFailedMakerLeavesNothing(t *testing.T) {
	l := open(t, t.TempDir())
	boom := errors.New("boom")
	if _, _, _, err := sign(l, t.Context(), subject(1), meta, func() ([]byte, error) { return nil, boom }); !errors.Is(err, boom) {
		t.Errorf("got %v", err)
	}
	if _, _, _, err := sign(l, t.Context(), subject(1), meta, constant("")); err == nil {
		t.Error("an empty signature is recorded")
	}
	func() {
		defer func() { _ = recover() }()
		_, _, _, _ = sign(l, t.Context(), subject(1), meta, func() ([]byte, error) { panic("in the key") })
	}()
	if l.Size() != 0 {
		t.Errorf("size %d", l.Size())
	}
	mustSign(t, l, 1, "at last")
}

// Those who joined a maker whose session went away get a signature all the same, from a maker of their own.
func TestJoinedMakerFails(t *testing.T) {
	l := open(t, t.TempDir())
	gone := errors.New("the session went away")
	entered, leave := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		_, _, _, err := sign(l, t.Context(), subject(1), meta, func() ([]byte, error) {
			close(entered)
			<-leave
			return nil, gone
		})
		if !errors.Is(err, gone) {
			t.Errorf("the first: %v", err)
		}
	})
	<-entered
	var made atomic.Int32
	joined := make([]*seallog.Pending, 5)
	for i := range joined {
		p, err := l.Start(t.Context(), subject(1), meta, func() ([]byte, error) { return fmt.Appendf(nil, "made %d", made.Add(1)), nil })
		if err != nil {
			t.Fatal(err)
		}
		joined[i] = p
	}
	close(leave)
	for _, p := range joined {
		wg.Go(func() {
			if sig, index, _, err := split(p.Wait(t.Context())); err != nil || string(sig) != "made 1" || index != 0 {
				t.Errorf("%q %d %v", sig, index, err)
			}
		})
	}
	wg.Wait()
	if made.Load() != 1 {
		t.Errorf("made %d times", made.Load())
	}
}

func TestCancelledCallerKeepsOneSignature(t *testing.T) {
	l := open(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	p, err := l.Start(ctx, subject(1), meta, constant("one"))
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	// Either outcome is right for the caller who went away; the record must hold one signature all the same.
	_, _, _, err = split(p.Wait(ctx))
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	sig, index, _, err := sign(l, t.Context(), subject(1), meta, constant("two"))
	if err != nil || string(sig) != "one" || index != 0 {
		t.Errorf("%q %d %v", sig, index, err)
	}
}

func TestRefusesBadSubjects(t *testing.T) {
	l := open(t, t.TempDir())
	for _, s := range []seallog.Subject{{}, {KeyFingerprint: "A"}, {Op: "x"}, {KeyFingerprint: strings.Repeat("A", 65), Op: "x"}} {
		if _, _, _, err := sign(l, t.Context(), s, meta, constant("s")); err == nil {
			t.Errorf("subject %+v is taken", s)
		}
	}
	if _, err := l.AppendEvent(t.Context(), "", nil); err == nil {
		t.Error("an event without kind is taken")
	}
	if _, err := l.AppendEvent(t.Context(), "big", make([]byte, 65<<10)); err == nil {
		t.Error("an event beyond the limit is taken")
	}
	long := seallog.Meta{What: strings.Repeat("é", 2000)}
	if _, _, _, err := sign(l, t.Context(), subject(1), long, constant("s")); err != nil {
		t.Error(err)
	}
	if rec, ok, err := l.Find(subject(1)); err != nil || !ok || len(rec.Meta.What) != 1024 || !strings.HasPrefix(long.What, rec.Meta.What) {
		t.Errorf("description of %d bytes, %v", len(rec.Meta.What), err)
	}
}

func TestSecondProcessIsRefused(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	if _, err := seallog.Open(dir, options); !errors.Is(err, seallog.ErrBusy) {
		t.Errorf("got %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := sign(l, t.Context(), subject(1), meta, constant("s")); !errors.Is(err, seallog.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	mustSign(t, open(t, dir), 1, "s")
}

// build makes a log with n frames of one entry each and gives the file and the offsets at which frames begin.
func build(t *testing.T, n int) (dir string, content []byte, starts []int) {
	t.Helper()
	dir = t.TempDir()
	l := open(t, dir)
	for i := range n {
		mustSign(t, l, i, fmt.Sprintf("signature %d", i))
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(dir, "seal.log"))
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; ; at++ {
		i := bytes.Index(content[at:], []byte("seallog\x02"))
		if i < 0 {
			return dir, content, append(starts, len(content))
		}
		at += i
		starts = append(starts, at)
	}
}

// forgetIndex removes what is made from the log, as when power failed before it was written.
func forgetIndex(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "index-*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range append(files, filepath.Join(dir, "tree"), filepath.Join(dir, "places")) {
		if err := os.Remove(f); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
}

// The tail may be cut anywhere, or hold garbage or zeros where the last commit did not reach the disk: everything before it stays.
func TestTornTail(t *testing.T) {
	dir, content, starts := build(t, 3)
	last := starts[2]
	try := func(name string, data []byte) {
		t.Helper()
		forgetIndex(t, dir)
		if err := os.WriteFile(filepath.Join(dir, "seal.log"), data, 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := seallog.Open(dir, options)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		defer l.Close()
		if l.Size() != 2 || (l.Notice() == "") != (len(data) == last) {
			t.Errorf("%s: %d entries, notice %q", name, l.Size(), l.Notice())
		}
		if len(data) > last {
			torn, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("torn-%d", last)))
			if err != nil || !bytes.Equal(torn, data[last:]) {
				t.Errorf("%s: what was cut is not kept: %v", name, err)
			}
		}
		if sig, index, existed, err := sign(l, t.Context(), subject(1), meta, constant("x")); err != nil || !existed || index != 1 || string(sig) != "signature 1" {
			t.Errorf("%s: %q %d %v %v", name, sig, index, existed, err)
		}
		if _, index, existed, err := sign(l, t.Context(), subject(2), meta, constant("again")); err != nil || existed || index != 2 {
			t.Errorf("%s: %d %v %v", name, index, existed, err)
		}
	}
	for n := last; n < len(content); n += 7 {
		try(fmt.Sprintf("cut at %d", n), content[:n])
	}
	zeros := bytes.Clone(content)
	clear(zeros[last:])
	try("zeros", zeros)
	halfZeros := bytes.Clone(content)
	clear(halfZeros[last+100:])
	try("zeros in the body", halfZeros)
	flipped := bytes.Clone(content)
	flipped[len(flipped)-5] ^= 1
	try("flipped bit", flipped)
	try("garbage", append(bytes.Clone(content[:last]), bytes.Repeat([]byte("x"), 5000)...))
}

func TestCorruptMiddleRefuses(t *testing.T) {
	dir, content, starts := build(t, 4)
	second := starts[1]
	path := filepath.Join(dir, "seal.log")
	for name, data := range map[string][]byte{
		"flipped bit":     flip(content, second+120),
		"flipped magic":   flip(content, second),
		"flipped length":  flip(content, second+10),
		"frame dropped":   append(bytes.Clone(content[:second]), content[starts[2]:]...),
		"frames swapped":  bytes.Join([][]byte{content[:second], content[starts[2]:starts[3]], content[second:starts[2]], content[starts[3]:]}, nil),
		"frame twice":     append(bytes.Clone(content), content[second:starts[2]]...),
		"zeros in middle": append(append(bytes.Clone(content[:second]), make([]byte, starts[2]-second)...), content[starts[2]:]...),
	} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := seallog.Open(dir, options)
		var corrupt *seallog.CorruptError
		if !errors.As(err, &corrupt) {
			t.Errorf("%s: got %v", name, err)
			if l != nil {
				_ = l.Close()
			}
			continue
		}
		want := int64(second)
		if name == "frame twice" {
			want = int64(len(content))
		}
		if corrupt.Offset != want || !strings.Contains(err.Error(), fmt.Sprintf("offset %d", want)) {
			t.Errorf("%s: %v, want offset %d", name, err, want)
		}
		if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, data) {
			t.Errorf("%s: the refused log was changed", name)
		}
	}
}

func flip(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 0x10
	return b
}

func TestChangeBehindTheBackIsNoticed(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	mustSign(t, l, 1, "signature")
	f, err := os.OpenFile(filepath.Join(dir, "seal.log"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("X"), st.Size()-3); err != nil {
		t.Fatal(err)
	}
	if sig, _, _, err := sign(l, t.Context(), subject(1), meta, constant("new")); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("%q %v", sig, err)
	}
}

func FuzzOpen(f *testing.F) {
	dir := f.TempDir()
	l, err := seallog.Open(dir, options)
	if err != nil {
		f.Fatal(err)
	}
	for i := range 2 {
		if _, _, _, err := sign(l, f.Context(), subject(i), meta, constant("s")); err != nil {
			f.Fatal(err)
		}
	}
	if _, err := l.AppendEvent(f.Context(), "state", []byte("x")); err != nil {
		f.Fatal(err)
	}
	if err := l.Close(); err != nil {
		f.Fatal(err)
	}
	seed, err := os.ReadFile(filepath.Join(dir, "seal.log"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add(seed[:100])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "seal.log"), data, 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := seallog.Open(dir, options)
		if err != nil {
			return
		}
		n := l.Size()
		if _, index, existed, err := sign(l, t.Context(), subject(99), meta, constant("s")); err != nil || !existed && index != n {
			t.Fatalf("opened with %d entries, then %d %v", n, index, err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if l, err = seallog.Open(dir, options); err != nil || l.Notice() != "" {
			t.Fatalf("a repaired log needs repair again: %v", err)
		}
		_ = l.Close()
	})
}

func BenchmarkSign64(b *testing.B) {
	l := open(b, b.TempDir())
	sig := make([]byte, 566)
	var n atomic.Int64
	b.SetParallelism(64 / max(1, min(64, runtime.GOMAXPROCS(0))))
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			s := subject(int(n.Add(1)))
			if _, _, _, err := sign(l, b.Context(), s, meta, func() ([]byte, error) { return sig, nil }); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}

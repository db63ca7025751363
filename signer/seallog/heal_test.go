package seallog_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/privyseal/privyseal/signer/seallog"
)

// Files are damaged again and again under a log in use: each answer is right all the same, and signing goes on.
func TestDamagedWhileInUse(t *testing.T) {
	dir := t.TempDir()
	l := openWith(t, dir, small(32))
	fill(t, l, 0, 500)
	var stop atomic.Bool
	var next atomic.Int64
	next.Store(500)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for !stop.Load() {
				n := int(next.Add(1)) - 1
				s, err := l.Sign(t.Context(), subject(n), meta, constant(fmt.Sprintf("signature %d", n)))
				if err == nil && s.Existed {
					err = fmt.Errorf("subject %d was there before", n)
				}
				if err == nil {
					_, _, err = s.Proof.Verify(l.Key())
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 60 {
		names, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil {
			t.Fatal(err)
		}
		name := names[rand.IntN(len(names))]
		if filepath.Base(name) == seallog.File {
			continue
		}
		if f, err := os.OpenFile(name, os.O_RDWR, 0); err == nil { // it may be merged away meanwhile
			if st, err := f.Stat(); err == nil && st.Size() > 64 {
				// Not at the end, where the log is writing.
				if _, err := f.WriteAt([]byte("damage"), rand.Int64N(st.Size()/2)); err != nil {
					t.Error(err)
				}
			}
			f.Close()
		}
		for range 10 {
			n := rand.IntN(500)
			rec, ok, err := l.Find(subject(n))
			if err != nil || !ok || string(rec.Signature) != fmt.Sprintf("signature %d", n) {
				t.Fatalf("after damage to %s: subject %d: %q %v %v", filepath.Base(name), n, rec.Signature, ok, err)
			}
			p, err := l.ProofOf(rec.Index)
			if err != nil {
				t.Fatalf("after damage to %s: %v", filepath.Base(name), err)
			}
			checkProof(t, p, l.Key(), n)
		}
	}
	stop.Store(true)
	wg.Wait()
}

// When the index cannot be written, signing goes on for a while, then it is refused, and nothing is lost when it can be written again.
func TestIndexCannotBeWritten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	l := openWith(t, dir, small(8))
	fill(t, l, 0, 4)
	if err := os.Rename(dir, dir+"-away"); err != nil { // open files go on working, new ones are not to be made
		t.Fatal(err)
	}
	n := 4
	var err error
	for start := time.Now(); err == nil; n++ {
		if time.Since(start) > 20*time.Second {
			t.Fatal("signing goes on without an index")
		}
		_, err = l.Sign(t.Context(), subject(n), meta, constant(fmt.Sprintf("signature %d", n)))
	}
	n--
	if !strings.Contains(err.Error(), "nothing was signed") || n < 20 || l.Size() != int64(n) {
		t.Errorf("after %d: %v", n, err)
	}
	if s, err := l.Sign(t.Context(), subject(2), meta, constant("")); err != nil || !s.Existed {
		t.Errorf("what is recorded is not given out: %v", err)
	}
	if err := os.Rename(dir+"-away", dir); err != nil {
		t.Fatal(err)
	}
	for start := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		if _, err = l.Sign(t.Context(), subject(n), meta, constant(fmt.Sprintf("signature %d", n))); err == nil {
			break
		}
		if time.Since(start) > 20*time.Second {
			t.Fatal(err)
		}
	}
	for _, s := range fill(t, l, 0, n+100) {
		if s.Existed != (s.Index <= int64(n)) {
			t.Errorf("entry %d: existed %v", s.Index, s.Existed)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := seallog.Verify(t.Context(), dir, l.Key(), nil); err != nil {
		t.Error(err)
	}
}

// After Close nothing is read, and above all nothing repaired: another process may have the log.
func TestUseAfterClose(t *testing.T) {
	dir := t.TempDir()
	l := openWith(t, dir, small(8))
	fill(t, l, 0, 40)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	before := readFiles(t, dir)
	_, _, err := l.Find(subject(1))
	_, perr := l.ProofOf(1)
	_, eerr := l.Entry(1)
	_, _, cerr := l.Consistency(3)
	_, serr := l.Sign(t.Context(), subject(1), meta, constant("x"))
	for what, err := range map[string]error{"find": err, "proof": perr, "entry": eerr, "consistency": cerr, "sign": serr} {
		if !errors.Is(err, seallog.ErrClosed) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if !maps.EqualFunc(before, readFiles(t, dir), bytes.Equal) {
		t.Error("files were changed")
	}
}

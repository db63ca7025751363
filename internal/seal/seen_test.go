package seal_test

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/privyseal/privyseal/internal/seal"
)

func openSeen(t *testing.T, file string) *seal.Seen {
	t.Helper()
	s, err := seal.OpenSeen(file)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The highest checkpoint is kept, and what does not continue it is refused and changes nothing.
func TestSeen(t *testing.T) {
	l, fork := newMemLog(t, "", 40), newMemLog(t, "fork", 40)
	file := filepath.Join(t.TempDir(), "seen")
	s := openSeen(t, file)
	if s.Highest() != nil {
		t.Fatal("something was seen before anything was")
	}
	advance := func(s *seal.Seen, from, to int64) error {
		return s.Advance(l.checkpoint(t, to), l.consistency(t, from, to))
	}
	if err := advance(s, 0, 7); err != nil {
		t.Fatal(err)
	}
	if err := advance(s, 7, 7); err != nil {
		t.Error(err)
	}
	s = openSeen(t, file)
	if c := s.Highest(); c == nil || c.Size != 7 || c.Root != l.checkpoint(t, 7).Root || string(c.Note) != string(l.checkpoint(t, 7).Note) {
		t.Fatalf("after opening: %+v", c)
	}
	if err := advance(s, 7, 20); err != nil {
		t.Fatal(err)
	}
	var rollback *seal.RollbackError
	if err := advance(s, 0, 19); !errors.As(err, &rollback) {
		t.Errorf("back: %v", err)
	}
	var forked *seal.ForkError
	for _, err := range []error{s.Advance(fork.checkpoint(t, 20), nil), s.Advance(fork.checkpoint(t, 30), fork.consistency(t, 20, 30)),
		s.Advance(l.checkpoint(t, 30), nil)} {
		if !errors.As(err, &forked) {
			t.Errorf("fork: %v", err)
		}
	}
	if c := openSeen(t, file).Highest(); c.Size != 20 {
		t.Errorf("a refused checkpoint changed what was seen: %d", c.Size)
	}
	// Another process was faster: its checkpoint is not lost, whichever is higher.
	other := openSeen(t, file)
	if err := advance(other, 20, 30); err != nil {
		t.Fatal(err)
	}
	if err := advance(s, 20, 25); !errors.Is(err, seal.ErrSeenMoved) || s.Highest().Size != 30 {
		t.Errorf("%v, now at %d", err, s.Highest().Size)
	}
	if err := advance(s, 30, 40); err != nil {
		t.Error(err)
	}
	if err := advance(other, 30, 40); err != nil {
		t.Errorf("the same as the other saw: %v", err)
	}
}

// Whoever puts an older file in place while a program runs, or that of a fork, does not make it forget what it saw.
func TestSeenFileGoesBack(t *testing.T) {
	l, fork := newMemLog(t, "", 40), newMemLog(t, "fork", 40)
	file := filepath.Join(t.TempDir(), "seen")
	put := func(c *seal.Checkpoint) {
		t.Helper()
		if err := os.WriteFile(file, c.Note, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := openSeen(t, file)
	if err := s.Advance(l.checkpoint(t, 20), nil); err != nil {
		t.Fatal(err)
	}
	put(l.checkpoint(t, 7))
	var rollback *seal.RollbackError
	if err := s.Advance(l.checkpoint(t, 7), nil); !errors.As(err, &rollback) || s.Highest().Size != 20 {
		t.Errorf("with an older file: %v, highest %d", err, s.Highest().Size)
	}
	var forked *seal.ForkError
	if err := s.Advance(fork.checkpoint(t, 30), fork.consistency(t, 7, 30)); !errors.As(err, &forked) {
		t.Errorf("a fork, with an older file: %v", err)
	}
	put(fork.checkpoint(t, 20))
	if err := s.Advance(fork.checkpoint(t, 30), fork.consistency(t, 20, 30)); !errors.As(err, &forked) || s.Highest().Root != l.checkpoint(t, 20).Root {
		t.Errorf("with the file of a fork: %v", err)
	}
	put(l.checkpoint(t, 7))
	if err := s.Advance(l.checkpoint(t, 30), l.consistency(t, 20, 30)); err != nil {
		t.Error(err)
	}
	if c := openSeen(t, file).Highest(); c.Size != 30 {
		t.Errorf("%d in the file", c.Size)
	}
}

func TestSeenByMany(t *testing.T) {
	l := newMemLog(t, "", 60)
	file := filepath.Join(t.TempDir(), "seen")
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			s, err := seal.OpenSeen(file)
			if err != nil {
				t.Error(err)
				return
			}
			for to := int64(1); to <= 60; {
				from := int64(0)
				if c := s.Highest(); c != nil {
					from = c.Size
				}
				to = max(to, from)
				err := s.Advance(l.checkpoint(t, to), l.consistency(t, from, to))
				if err != nil && !errors.Is(err, seal.ErrSeenMoved) {
					t.Error(err)
					return
				}
				if err == nil {
					to += 3
				}
			}
		})
	}
	wg.Wait()
	if c := openSeen(t, file).Highest(); c == nil || c.Size < 58 {
		t.Errorf("highest seen: %+v", c)
	}
}

func TestDamagedSeen(t *testing.T) {
	file := filepath.Join(t.TempDir(), "seen")
	for _, content := range []string{"", "x", "privyseal/a\n5\n", "privyseal/a\n9223372036854775807\nAAAA\n\n"} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := seal.OpenSeen(file); err == nil {
			t.Errorf("%q is taken", content)
		}
	}
}

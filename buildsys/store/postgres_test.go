package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/privyseal/privyseal/internal/lab"
)

// The database is killed under writers again and again. What a Write said is committed is there once; what it said is not,
// is not there.
func TestKilledDatabase(t *testing.T) {
	if !onPostgres {
		return
	}
	server := lab.OwnPostgres(t)
	where := server.Database(t, "template0")
	var wg sync.WaitGroup
	stop := make(chan struct{})
	var mu sync.Mutex
	said := map[string]bool{}
	for w := range 4 {
		s, err := Open(t.Context(), where) // each is a hub of its own
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		if _, err := s.EnsureAdmin(t.Context(), "admin"); err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				name := fmt.Sprintf("w%d-%d", w, i)
				err := s.Write(t.Context(), 1, func(tx *Tx) error {
					_, err := tx.insert(`INSERT INTO package (name) VALUES ($1) RETURNING id`, name) // fails if it is there
					if err == nil {
						_, err = tx.Event()
					}
					return err
				})
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
				mu.Lock()
				said[name] = err == nil
				mu.Unlock()
				if err := s.Read(t.Context(), func(tx *Tx) error { _, err := tx.PackageID(name); return err }); err != nil {
					t.Errorf("%s was committed: %v", name, err)
				}
			}
		})
	}
	server.Crash(t, 200*time.Millisecond)
	close(stop)
	wg.Wait()
	s, err := Open(t.Context(), where)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	there := mustRead(t, s, func(tx *Tx) (map[string]int, error) {
		all, err := tx.Packages()
		out := map[string]int{}
		for _, p := range all {
			out[p.PackageName]++
		}
		return out, err
	})
	for name, ok := range said {
		if (there[name] == 1) != ok {
			t.Errorf("%s: committed %v, there %d times", name, ok, there[name])
		}
	}
	if len(there) != len(said) {
		t.Errorf("%d packages, %d were written", len(there), len(said))
	}
	t.Logf("%d commits", len(said))
}

// twoHubs are two stores of one PostgreSQL database; nil while the tests run on SQLite.
func twoHubs(t *testing.T) (s, other *Store) {
	t.Helper()
	if !onPostgres {
		return nil, nil
	}
	s, where := open(t)
	return s, openPath(t, where)
}

// A connection that is cut while it commits: the writer finds out what became of it.
func TestLostCommit(t *testing.T) {
	s, other := twoHubs(t)
	if s == nil {
		return
	}
	for _, arrived := range []bool{true, false} {
		tx, err := s.BeginWrite(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprintf("arrived-%v", arrived)
		if _, err := tx.EnsurePackage(name); err != nil {
			t.Fatal(err)
		}
		told := false
		tx.AfterCommit(func() { told = true })
		c := tx.c.(*pgConn)
		if arrived { // the server commits, and the answer is lost
			c.seq++
			if err := c.simple(t.Context(), fmt.Sprintf(`INSERT INTO committed (store, seq, time) VALUES ('%s', %d, 0)
				ON CONFLICT (store) DO UPDATE SET seq = excluded.seq; COMMIT`, s.pg.id, c.seq)); err != nil {
				t.Fatal(err)
			}
			c.seq--
		}
		if err := c.c.PgConn().Conn().Close(); err != nil {
			t.Fatal(err)
		}
		err = tx.Commit()
		if arrived != (err == nil) || arrived != told || !arrived && !Retryable(err) {
			t.Errorf("arrived %v: %v, told %v", arrived, err, told)
		}
		err = other.Read(t.Context(), func(tx *Tx) error { _, err := tx.PackageID(name); return err })
		if arrived != (err == nil) {
			t.Errorf("arrived %v: %v", arrived, err)
		}
		s.mustWrite(t, func(tx *Tx) error { _, err := tx.EnsurePackage("goes on"); return err })
	}
}

// Writers of several hubs take turns: events are in the order of commits, and a look before a change counts.
func TestHubsTakeTurns(t *testing.T) {
	s, where := open(t)
	if s.pg == nil {
		return
	}
	var wg sync.WaitGroup
	for range 3 {
		s, err := Open(t.Context(), where)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		wg.Go(func() {
			for range 20 {
				if err := s.Write(t.Context(), 1, func(tx *Tx) error {
					last, err := tx.LastEvent(0)
					if err != nil {
						return err
					}
					ev, err := tx.Event()
					if err == nil && ev <= last.ID {
						err = fmt.Errorf("event %d after %d", ev, last.ID)
					}
					if err != nil {
						return err
					}
					p, err := tx.Packages()
					if err != nil {
						return err
					}
					_, err = tx.EnsurePackage(fmt.Sprintf("p%d", len(p)))
					return err
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if p := mustRead(t, s, (*Tx).Packages); len(p) != 60 {
		t.Errorf("%d packages: a look was out of date", len(p))
	}
}

// A hub that stands still while it is the writer loses its turn, and what it had not committed.
func TestIdleWriter(t *testing.T) {
	s, other := twoHubs(t)
	if s == nil {
		return
	}
	s.pg.beginWriting = beginWriting(200 * time.Millisecond)
	tx, err := s.BeginWrite(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.EnsurePackage("lost"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := other.Write(ctx, 1, func(tx *Tx) error { _, err := tx.EnsurePackage("kept"); return err }); err != nil {
		t.Fatalf("another writer: %v", err)
	}
	if err := tx.Commit(); !errors.Is(err, ErrUnavailable) {
		t.Errorf("the idle writer's commit: %v", err)
	}
	tx.Rollback()
	if p := mustRead(t, other, (*Tx).Packages); len(p) != 1 || p[0].PackageName != "kept" {
		t.Errorf("%v", p)
	}
	s.mustWrite(t, func(tx *Tx) error { _, err := tx.EnsurePackage("goes on"); return err })
}

func TestHints(t *testing.T) {
	s, other := twoHubs(t)
	if s == nil {
		return
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	heard := make(chan string, 100)
	wg.Go(func() { s.RunHints(ctx, func(string) {}) })
	wg.Go(func() { other.RunHints(ctx, func(topic string) { heard <- topic }) })
	defer wg.Wait()
	defer cancel()
	if first := <-heard; first != "" {
		t.Errorf("first heard %q", first)
	}
	s.Hint("host:7")
	select {
	case topic := <-heard:
		if topic != "host:7" {
			t.Errorf("heard %q", topic)
		}
	case <-time.After(5 * time.Second):
		t.Error("a hint was not heard")
	}
}

func TestAlone(t *testing.T) {
	s, other := twoHubs(t)
	if s == nil {
		return
	}
	var inside, most atomic.Int32
	var wg sync.WaitGroup
	for _, s := range []*Store{s, other, s, other} {
		wg.Go(func() {
			if err := s.Alone(t.Context(), "x", func() error {
				most.Store(max(most.Load(), inside.Add(1)))
				time.Sleep(10 * time.Millisecond)
				inside.Add(-1)
				return nil
			}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if most.Load() != 1 {
		t.Errorf("%d were alone at a time", most.Load())
	}
}

func TestUnreachableDatabase(t *testing.T) {
	if !onPostgres {
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := Open(ctx, "postgres://u:secret@127.0.0.1:1/x")
	if !errors.Is(err, ErrUnavailable) && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	if _, err := Open(t.Context(), "postgres://u:secret@127.0.0.1:x/x"); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
}

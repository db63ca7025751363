package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/privyseal/privyseal/buildsys"
)

func (s *Store) mustWrite(t *testing.T, fn func(tx *Tx) error) {
	t.Helper()
	if err := s.Write(t.Context(), 1, fn); err != nil {
		t.Fatal(err)
	}
}

func mustRead[T any](t *testing.T, s *Store, fn func(tx *Tx) (T, error)) T {
	t.Helper()
	var out T
	err := s.Read(t.Context(), func(tx *Tx) (err error) {
		out, err = fn(tx)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// makeTag makes a tag with settings.
func makeTag(tx *Tx, name string) (int64, error) {
	id, err := tx.EnsureTag(name)
	if err == nil {
		err = tx.SetTagConfig(buildsys.Tag{ID: id})
	}
	return id, err
}

func TestRollbackAndSavepoints(t *testing.T) {
	s, _ := open(t)
	boom := errors.New("boom")
	if err := s.Write(t.Context(), 1, func(tx *Tx) error {
		if _, err := makeTag(tx, "undone"); err != nil {
			return err
		}
		return boom
	}); !errors.Is(err, boom) {
		t.Fatal(err)
	}
	told := 0
	s.mustWrite(t, func(tx *Tx) error {
		if _, err := makeTag(tx, "kept"); err != nil {
			return err
		}
		end, err := tx.Savepoint()
		if err != nil {
			return err
		}
		if _, err := makeTag(tx, "undone"); err != nil {
			return err
		}
		tx.AfterCommit(func() { told += 100 })
		if err := end(false); err != nil {
			return err
		}
		if end, err = tx.Savepoint(); err != nil {
			return err
		}
		tx.AfterCommit(func() { told++ })
		if _, err := makeTag(tx, "kept too"); err != nil {
			return err
		}
		return end(true)
	})
	tags := mustRead(t, s, (*Tx).Tags)
	if len(tags) != 2 || tags[0].Name != "kept" || tags[1].Name != "kept too" {
		t.Errorf("tags: %v", tags)
	}
	if told != 1 {
		t.Errorf("told %d", told)
	}
}

func TestEvents(t *testing.T) {
	s, _ := open(t)
	var first, second, id int64
	s.mustWrite(t, func(tx *Tx) (err error) {
		if tx.Dirty() {
			t.Error("nothing was changed yet")
		}
		if id, err = makeTag(tx, "t"); err != nil {
			return err
		}
		first, err = tx.Event()
		if err != nil {
			return err
		}
		if again, err := tx.Event(); err != nil || again != first {
			t.Errorf("a call's second change is at event %d, its first at %d (%v)", again, first, err)
		}
		tx.NextCall()
		arches := "x86_64"
		if err := tx.SetTagConfig(buildsys.Tag{ID: id, Arches: &arches}); err != nil {
			return err
		}
		second, err = tx.Event()
		return err
	})
	if second <= first {
		t.Errorf("events %d and %d", first, second)
	}
	for event, arches := range map[int64]bool{first: false, second: true, 0: true} {
		tag := mustRead(t, s, func(tx *Tx) (buildsys.Tag, error) { return tx.Tag(id, event) })
		if (tag.Arches != nil) != arches {
			t.Errorf("at %d: %+v", event, tag)
		}
	}
	if err := s.Read(t.Context(), func(tx *Tx) error {
		_, err := tx.Tag(id, first-1)
		return err
	}); !errors.Is(err, ErrNotFound) {
		t.Errorf("before its making: %v", err)
	}
}

func TestReadersChangeNothing(t *testing.T) {
	s, _ := open(t)
	err := s.Read(t.Context(), func(tx *Tx) error {
		if _, err := tx.insert(`INSERT INTO tag (name) VALUES ($1) RETURNING id`, "x"); err == nil {
			t.Error("insert worked")
		}
		if _, err := tx.run(t.Context(), `DELETE FROM tag`); err == nil {
			t.Error("the connection itself let a reader write")
		}
		_, err := tx.exec(`DELETE FROM tag`)
		return err
	})
	if err == nil {
		t.Error("exec worked")
	}
}

// TestReadersDoNotWait holds the writing transaction open while others read.
func TestReadersDoNotWait(t *testing.T) {
	s, _ := open(t)
	tx, err := s.BeginWrite(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := makeTag(tx, "uncommitted"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	var tags []buildsys.Tag
	if err := s.Read(ctx, func(r *Tx) (err error) { tags, err = r.Tags(); return err }); err != nil || len(tags) != 0 {
		t.Errorf("a reader beside a writer: %v, %v", tags, err)
	}
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.BeginWrite(short, 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a second writer: %v", err)
	}
}

func TestWritersTakeTurns(t *testing.T) {
	s, _ := open(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 10 {
				if err := s.Write(t.Context(), 1, func(tx *Tx) error {
					_, err := tx.EnsurePackage("p")
					if err == nil {
						_, err = tx.Event()
					}
					return err
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	e := mustRead(t, s, func(tx *Tx) (buildsys.Event, error) { return tx.LastEvent(0) })
	if e.ID != 81 { // and the one of the first administrator
		t.Errorf("last event %d", e.ID)
	}
}

// TestCanceledContextLeavesNoTransaction ends the context in the middle of a transaction: the connection is usable again.
func TestCanceledContextLeavesNoTransaction(t *testing.T) {
	s, _ := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	err := s.Write(ctx, 1, func(tx *Tx) error {
		if _, err := makeTag(tx, "half"); err != nil {
			return err
		}
		cancel()
		_, err := makeTag(tx, "other half")
		return err
	})
	if err == nil {
		t.Error("a canceled transaction went on")
	}
	s.mustWrite(t, func(tx *Tx) error { _, err := makeTag(tx, "after"); return err })
	if tags := mustRead(t, s, (*Tx).Tags); len(tags) != 1 || tags[0].Name != "after" {
		t.Errorf("tags: %v", tags)
	}
}

func TestNewerTablesAreLeftAlone(t *testing.T) {
	s, where := open(t)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	driver := "sqlite"
	if IsPostgres(where) {
		driver = "pgx"
	}
	db, err := sql.Open(driver, where)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, TRUE)`); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), where); err == nil || !strings.Contains(err.Error(), "newer program") {
		t.Errorf("opened tables of a newer program: %v", err)
	}
}

// Programs that open a new database at the same time, as after a kill in the middle of the first start, all come to have it.
func TestOpenedByManyAtOnce(t *testing.T) {
	for range 3 {
		where := empty(t)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				s, err := Open(t.Context(), where)
				if err != nil {
					t.Error(err)
					return
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
}

func TestEnsureAdminOnce(t *testing.T) {
	s, _ := open(t)
	if changed, err := s.EnsureAdmin(t.Context(), "admin"); err != nil || changed {
		t.Errorf("the second time: %v, %v", changed, err)
	}
	perms := mustRead(t, s, func(tx *Tx) ([]string, error) { return tx.PermissionsOf(1) })
	if len(perms) != 1 || perms[0] != "admin" {
		t.Errorf("permissions: %v", perms)
	}
}

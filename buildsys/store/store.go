package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	_ "modernc.org/sqlite" // the engine, as database/sql driver "sqlite"
)

// ErrNotFound is what look-ups of a single row return when there is none.
var ErrNotFound = errors.New("not found")

// Store is an open database.
type Store struct {
	writer, reader *pool
	now            func() time.Time
	closing        sync.Once
}

// Open opens the database file at path, making it (mode 0600) and bringing its tables up to date as needed.
func Open(ctx context.Context, path string) (*Store, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	unlock, err := lockSetup(ctx, abs)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", abs, err)
	}
	defer unlock()
	if err := create(abs); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	writer, err := sql.Open("sqlite", dsn(abs, false))
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", abs, err)
	}
	writer.SetMaxOpenConns(1)
	if err := migrate(ctx, writer); err != nil {
		writer.Close()
		return nil, fmt.Errorf("open database %s: %w", abs, err)
	}
	reader, err := sql.Open("sqlite", dsn(abs, true))
	if err != nil {
		writer.Close()
		return nil, fmt.Errorf("open database %s: %w", abs, err)
	}
	return &Store{
		writer: newPool(writer, 1, "BEGIN IMMEDIATE"),
		reader: newPool(reader, max(8, 2*runtime.GOMAXPROCS(0)), "BEGIN"),
		now:    time.Now,
	}, nil
}

// dsn spells the connection settings; they are in it because every pooled connection needs them.
func dsn(path string, readOnly bool) string {
	q := url.Values{}
	for _, p := range []string{
		"busy_timeout(30000)", "foreign_keys(1)", "journal_mode(WAL)", "synchronous(FULL)", "cache_size(-32768)", "temp_store(MEMORY)",
	} {
		q.Add("_pragma", p)
	}
	if readOnly {
		q.Add("_pragma", "query_only(1)")
	}
	q.Set("_txlock", "immediate") // what database/sql's own transactions (the migrations') begin with
	return (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String()
}

// Readers is how many reading transactions there can be at a time; a further one waits.
func (s *Store) Readers() int { return s.reader.size }

// SetClock makes the store's times come from now, for those who try out what happens later. Set it before the store is used.
func (s *Store) SetClock(now func() time.Time) { s.now = now }

// Close closes the database when the transactions still open have ended. Closing again does nothing.
func (s *Store) Close() (err error) {
	s.closing.Do(func() { err = errors.Join(s.reader.close(), s.writer.close()) })
	return err
}

// Read runs fn in a read-only transaction, which sees one snapshot.
func (s *Store) Read(ctx context.Context, fn func(*Tx) error) error {
	tx, err := s.BeginRead(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	return fn(tx)
}

// Write runs fn in a writing transaction for the user actor and commits it unless fn fails.
func (s *Store) Write(ctx context.Context, actor int64, fn func(*Tx) error) error {
	tx, err := s.BeginWrite(ctx, actor)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := fn(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// BeginRead begins a read-only transaction. It must be ended with Rollback.
func (s *Store) BeginRead(ctx context.Context) (*Tx, error) {
	c, err := s.reader.begin(ctx)
	if err != nil {
		return nil, err
	}
	return &Tx{ctx: ctx, s: s, p: s.reader, c: c}, nil
}

// BeginWrite begins a writing transaction in the name of the user actor; it waits while another one is open. It must
// be ended with Commit or Rollback.
func (s *Store) BeginWrite(ctx context.Context, actor int64) (*Tx, error) {
	c, err := s.writer.begin(ctx)
	if err != nil {
		return nil, err
	}
	return &Tx{ctx: ctx, s: s, p: s.writer, c: c, writable: true, actor: actor}, nil
}

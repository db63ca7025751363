package store

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"
)

// ErrNotFound is what look-ups of a single row return when there is none.
var ErrNotFound = errors.New("not found")

// Store is an open database.
type Store struct {
	writer, reader *pool
	pg             *postgres // nil on SQLite
	now            func() time.Time
	closers        []func() error
	closing        sync.Once
	hints          hints
	// announcer is told of changes before they are committed; see Announce.
	announcer func(*Tx, []Change) error
}

// Open opens the database that where names, a postgres:// address or the path of an SQLite file (made, mode 0600, when
// there is none), and brings its tables up to date as needed.
func Open(ctx context.Context, where string) (*Store, error) {
	if IsPostgres(where) {
		return openPostgres(ctx, where)
	}
	return openSQLite(ctx, where)
}

// IsPostgres tells whether where names a PostgreSQL database, and not a file.
func IsPostgres(where string) bool {
	return strings.HasPrefix(where, "postgres://") || strings.HasPrefix(where, "postgresql://")
}

func newStore(writer, reader *pool, pg *postgres, closers ...func() error) *Store {
	return &Store{writer: writer, reader: reader, pg: pg, now: time.Now, closers: closers,
		hints: hints{pending: map[string]bool{}, wake: make(chan struct{}, 1)}}
}

// Readers is how many reading transactions there can be at a time; a further one waits.
func (s *Store) Readers() int { return s.reader.size }

// SetClock makes the store's times come from now, for those who try out what happens later. Set it before the store is used.
func (s *Store) SetClock(now func() time.Time) { s.now = now }

// Close closes the database when the transactions still open have ended. Closing again does nothing.
func (s *Store) Close() (err error) {
	s.closing.Do(func() {
		err = errors.Join(s.reader.close(), s.writer.close())
		for _, fn := range s.closers {
			err = errors.Join(err, fn())
		}
	})
	return err
}

// Read runs fn in a read-only transaction, which sees one snapshot. fn may run several times: see Retry.
func (s *Store) Read(ctx context.Context, fn func(*Tx) error) error {
	return Retry(ctx, func() error {
		tx, err := s.BeginRead(ctx)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		return fn(tx)
	})
}

// Write runs fn in a writing transaction for the user actor and commits it unless fn fails. fn may run several times, and
// what it did is committed once at most: see Retry.
func (s *Store) Write(ctx context.Context, actor int64, fn func(*Tx) error) error {
	return Retry(ctx, func() error {
		tx, err := s.BeginWrite(ctx, actor)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		if err := fn(tx); err != nil {
			return err
		}
		return tx.Commit()
	})
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

package store

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// channel is what the hubs of one database talk on.
const channel = "privyseal"

// hints let the hubs of one PostgreSQL database wake each other. A hint may get lost: whoever waits for one looks for itself
// too, now and then.
type hints struct {
	mu      sync.Mutex
	pending map[string]bool
	wake    chan struct{}
}

// Hint tells the other hubs of the database, soon, that something has happened that those who wait for topic want to know.
// On SQLite there are none.
func (s *Store) Hint(topic string) {
	if s.pg == nil {
		return
	}
	h := &s.hints
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pending[topic] = true
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// RunHints sends the hints and calls fn with those of others until ctx ends; fn gets "" when some may have been missed. It
// needs no answer from the database to go on.
func (s *Store) RunHints(ctx context.Context, fn func(topic string)) {
	if s.pg == nil {
		<-ctx.Done()
		return
	}
	var wg sync.WaitGroup
	wg.Go(func() { again(ctx, func() error { return s.sendHints(ctx) }) })
	wg.Go(func() { again(ctx, func() error { return s.hear(ctx, fn) }) })
	wg.Wait()
}

// again runs fn until ctx ends, with pauses that grow while it fails at once.
func again(ctx context.Context, fn func() error) {
	pause := 50 * time.Millisecond
	for ctx.Err() == nil {
		begun := time.Now()
		if err := fn(); err == nil || time.Since(begun) > time.Minute {
			pause = 50 * time.Millisecond
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
		pause = min(2*pause, 5*time.Second)
	}
}

// sendHints sends until the connection is lost.
func (s *Store) sendHints(ctx context.Context) error {
	var c *pgx.Conn
	defer func() {
		if c != nil {
			c.Close(context.WithoutCancel(ctx))
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.hints.wake:
		}
		s.hints.mu.Lock()
		topics := s.hints.pending
		s.hints.pending = map[string]bool{}
		s.hints.mu.Unlock()
		if c == nil {
			var err error
			if c, err = s.pg.connect(ctx); err != nil {
				return err
			}
		}
		for topic := range topics {
			if _, err := c.Exec(ctx, "SELECT pg_notify($1, $2)", channel, s.pg.id+" "+topic); err != nil {
				return err
			}
		}
	}
}

// hear listens until the connection is lost.
func (s *Store) hear(ctx context.Context, fn func(topic string)) error {
	c, err := s.pg.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close(context.WithoutCancel(ctx))
	if _, err := c.Exec(ctx, "LISTEN "+channel); err != nil {
		return err
	}
	fn("") // what was sent before is lost
	for {
		n, err := c.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		if from, topic, ok := strings.Cut(n.Payload, " "); ok && from != s.pg.id {
			fn(topic)
		}
	}
}

// Alone runs fn while no other hub of the database runs anything alone under the same name. On SQLite there are no others.
// It is for work that is done twice without harm, and only costs: when the connection is lost that holds the lock, fn goes on.
func (s *Store) Alone(ctx context.Context, name string, fn func() error) error {
	if s.pg == nil {
		return fn()
	}
	c, err := s.reader.take(ctx)
	if err != nil {
		return err
	}
	pc, _ := c.(*pgConn)
	if _, err := pc.exec(ctx, "SELECT pg_advisory_lock(hashtextextended($1, 0))", []any{channel + " " + name}); err != nil {
		s.reader.give(c)
		return err
	}
	err = fn()
	_, uerr := pc.exec(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock(hashtextextended($1, 0))", []any{channel + " " + name})
	if uerr != nil {
		closeQuietly(pc) // the lock goes with the connection
	}
	s.reader.give(c)
	return err
}

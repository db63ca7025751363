package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// pool hands out connections that keep their prepared statements. database/sql would prepare a statement anew in each
// transaction (or deadlock preparing on the only connection of a pool), and most requests here are one short statement.
type pool struct {
	db      *sql.DB
	size    int
	free    chan *conn // nil entries stand for connections not opened yet
	closed  chan struct{}
	beginBy string
}

// maxStmts is how many statements a connection keeps prepared. Lists of any length from outside make any number of distinct
// ones (IN ($1, $2, ...)), so it starts over when there are more.
const maxStmts = 256

// conn is a connection with the statements it has seen.
type conn struct {
	c     *sql.Conn
	stmts map[string]*sql.Stmt
}

func newPool(db *sql.DB, size int, beginBy string) *pool {
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	p := &pool{db: db, size: size, free: make(chan *conn, size), closed: make(chan struct{}), beginBy: beginBy}
	for range size {
		p.free <- nil
	}
	return p
}

// begin waits for a connection and begins a transaction on it.
func (p *pool) begin(ctx context.Context) (*conn, error) {
	var c *conn
	select {
	case c = <-p.free:
	case <-p.closed:
		return nil, errors.New("database is closed")
	case <-ctx.Done():
		return nil, fmt.Errorf("database busy: %w", context.Cause(ctx))
	}
	if c == nil {
		sc, err := p.db.Conn(ctx)
		if err != nil {
			p.free <- nil
			return nil, fmt.Errorf("open database connection: %w", err)
		}
		c = &conn{c: sc, stmts: map[string]*sql.Stmt{}}
	}
	if _, err := c.exec(ctx, p.beginBy); err != nil {
		p.discard(c)
		return nil, fmt.Errorf("begin transaction: %w", err)
	}
	return c, nil
}

// end ends the transaction by COMMIT or ROLLBACK and takes the connection back. It ignores cancellation: half an end is none.
func (p *pool) end(ctx context.Context, c *conn, by string) error {
	ctx = context.WithoutCancel(ctx)
	_, err := c.exec(ctx, by)
	if err != nil {
		if by == "COMMIT" { // a failed COMMIT may leave the transaction open
			if _, rerr := c.exec(ctx, "ROLLBACK"); rerr == nil {
				p.free <- c
				return fmt.Errorf("commit: %w", err)
			}
		}
		p.discard(c)
		return fmt.Errorf("%s: %w", by, err)
	}
	if len(c.stmts) > maxStmts {
		c.forget()
	}
	p.free <- c
	return nil
}

// discard closes a connection of unknown state and leaves room for a new one.
func (p *pool) discard(c *conn) {
	c.close()
	p.free <- nil
}

func (p *pool) close() error {
	close(p.closed)
	var errs []error
	for range p.size {
		if c := <-p.free; c != nil {
			errs = append(errs, c.close())
		}
	}
	return errors.Join(append(errs, p.db.Close())...)
}

func (c *conn) close() error {
	c.forget()
	return c.c.Close()
}

// forget closes the statements, none of which is in use between two transactions.
func (c *conn) forget() {
	for _, st := range c.stmts {
		st.Close()
	}
	clear(c.stmts)
}

func (c *conn) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	if st := c.stmts[query]; st != nil {
		return st, nil
	}
	st, err := c.c.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	c.stmts[query] = st
	return st, nil
}

func (c *conn) exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	st, err := c.stmt(ctx, query)
	if err != nil {
		return nil, err
	}
	return st.ExecContext(ctx, args...)
}

package store

import (
	"context"
	"errors"
	"fmt"
)

// conn is a connection to the database, one transaction's at a time.
type conn interface {
	// begin begins a transaction of the connection's kind.
	begin(ctx context.Context) error
	// end ends it. An error of a commit means that nothing was committed, unless it is ErrUnknownOutcome.
	end(ctx context.Context, commit bool) error
	// usable tells whether another transaction can begin.
	usable() bool
	exec(ctx context.Context, query string, args []any) (int64, error)
	query(ctx context.Context, query string, args []any) (rows, error)
	close() error
}

// rows are what a query returns. While they are open the connection serves nothing else: PostgreSQL sends the rows of one
// query at a time.
type rows interface {
	Next() bool
	Scan(dst ...any) error
	Err() error
	Close() error
}

// pool hands out connections, which keep their prepared statements. database/sql would prepare a statement anew in each
// transaction (or deadlock preparing on the only connection of a pool), and most requests here are one short statement.
type pool struct {
	size    int
	free    chan conn // nil entries stand for connections not opened yet
	closed  chan struct{}
	connect func(context.Context) (conn, error)
}

// maxStmts is how many statements a connection keeps prepared. Lists of any length from outside make any number of distinct
// ones (IN ($1, $2, ...)), so it forgets some when there are more.
const maxStmts = 256

func newPool(size int, connect func(context.Context) (conn, error)) *pool {
	p := &pool{size: size, free: make(chan conn, size), closed: make(chan struct{}), connect: connect}
	for range size {
		p.free <- nil
	}
	return p
}

// wait waits for a connection; nil stands for one that is not open yet.
func (p *pool) wait(ctx context.Context) (conn, error) {
	select {
	case <-p.closed:
		return nil, errClosed
	default:
	}
	select {
	case c := <-p.free:
		return c, nil
	case <-p.closed:
		return nil, errClosed
	case <-ctx.Done():
		return nil, fmt.Errorf("database busy: %w", context.Cause(ctx))
	}
}

// take waits for a connection that is in no transaction, for give to take back.
func (p *pool) take(ctx context.Context) (conn, error) {
	c, err := p.wait(ctx)
	if err != nil || c != nil && c.usable() {
		return c, err
	}
	if c, err = p.connect(ctx); err != nil {
		p.free <- nil
		return nil, fmt.Errorf("open database connection: %w", err)
	}
	return c, nil
}

// give takes a connection back.
func (p *pool) give(c conn) {
	if !c.usable() {
		closeQuietly(c)
		c = nil
	}
	p.free <- c
}

// begin waits for a connection and begins a transaction on it.
func (p *pool) begin(ctx context.Context) (conn, error) {
	c, err := p.wait(ctx)
	if err != nil {
		return nil, err
	}
	if c != nil {
		err := c.begin(ctx)
		if err == nil {
			return c, nil
		}
		closeQuietly(c)
		if !Retryable(err) {
			p.free <- nil
			return nil, fmt.Errorf("begin transaction: %w", err)
		}
		// The database went away and came back since the connection was last used: a new one tells whether it is there.
	}
	if c, err = p.connect(ctx); err != nil {
		p.free <- nil
		return nil, fmt.Errorf("open database connection: %w", err)
	}
	if err := c.begin(ctx); err != nil {
		closeQuietly(c)
		p.free <- nil
		return nil, fmt.Errorf("begin transaction: %w", err)
	}
	return c, nil
}

// errClosed is what transactions get after Close.
var errClosed = errors.New("database is closed")

// closeQuietly closes a connection that has failed already: how it ends changes nothing.
func closeQuietly(c conn) { _ = c.close() }

// end ends the transaction and takes the connection back. It ignores cancellation: half an end is none.
func (p *pool) end(ctx context.Context, c conn, commit bool) error {
	err := c.end(context.WithoutCancel(ctx), commit)
	p.give(c)
	return err
}

func (p *pool) close() error {
	close(p.closed)
	var errs []error
	for range p.size {
		if c := <-p.free; c != nil {
			errs = append(errs, c.close())
		}
	}
	return errors.Join(errs...)
}

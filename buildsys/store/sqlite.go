package store

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"path/filepath"
	"runtime"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the engine, as database/sql driver "sqlite"
)

// openSQLite opens the database file at path, making it (mode 0600) and bringing its tables up to date as needed.
func openSQLite(ctx context.Context, path string) (*Store, error) {
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
	if err := migrate(ctx, writer, goose.DialectSQLite3, sqliteDDL); err != nil {
		writer.Close()
		return nil, fmt.Errorf("open database %s: %w", abs, err)
	}
	reader, err := sql.Open("sqlite", dsn(abs, true))
	if err != nil {
		writer.Close()
		return nil, fmt.Errorf("open database %s: %w", abs, err)
	}
	readers := max(8, 2*runtime.GOMAXPROCS(0))
	reader.SetMaxOpenConns(readers)
	reader.SetMaxIdleConns(readers)
	connect := func(db *sql.DB, beginBy string) func(context.Context) (conn, error) {
		return func(ctx context.Context) (conn, error) {
			c, err := db.Conn(ctx)
			if err != nil {
				return nil, err
			}
			return &sqliteConn{c: c, stmts: map[string]*sql.Stmt{}, beginBy: beginBy}, nil
		}
	}
	return newStore(newPool(1, connect(writer, "BEGIN IMMEDIATE")), newPool(readers, connect(reader, "BEGIN")),
		nil, reader.Close, writer.Close), nil
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

// sqliteConn is a connection with the statements it has seen.
type sqliteConn struct {
	c       *sql.Conn
	stmts   map[string]*sql.Stmt
	beginBy string
	bad     bool // of unknown state
}

func (c *sqliteConn) begin(ctx context.Context) error {
	_, err := c.exec(ctx, c.beginBy, nil)
	return err
}

func (c *sqliteConn) end(ctx context.Context, commit bool) error {
	by := "ROLLBACK"
	if commit {
		by = "COMMIT"
	}
	if _, err := c.exec(ctx, by, nil); err != nil {
		c.bad = true
		if commit { // a failed COMMIT may leave the transaction open
			_, rerr := c.exec(ctx, "ROLLBACK", nil)
			c.bad = rerr != nil
		}
		return fmt.Errorf("%s: %w", by, err)
	}
	if len(c.stmts) > maxStmts {
		c.forget()
	}
	return nil
}

func (c *sqliteConn) usable() bool { return !c.bad }

func (c *sqliteConn) close() error {
	c.forget()
	return c.c.Close()
}

// forget closes the statements, none of which is in use between two transactions.
func (c *sqliteConn) forget() {
	for _, st := range c.stmts {
		st.Close()
	}
	clear(c.stmts)
}

func (c *sqliteConn) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
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

func (c *sqliteConn) exec(ctx context.Context, query string, args []any) (int64, error) {
	st, err := c.stmt(ctx, query)
	if err != nil {
		return 0, err
	}
	res, err := st.ExecContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func (c *sqliteConn) query(ctx context.Context, query string, args []any) (rows, error) {
	st, err := c.stmt(ctx, query)
	if err != nil {
		return nil, err
	}
	r, err := st.QueryContext(ctx, args...)
	if err != nil {
		return nil, err
	}
	return r, nil
}

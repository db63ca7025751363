package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"runtime"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"golang.org/x/sys/unix"
)

// The advisory locks of a database: its writer's, and that of whoever brings the tables up to date.
const (
	writerLock = 0x70726976796c6f63 // "privyloc"
	setupLock  = writerLock + 1
)

const beginReading = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

// writerIdle is how long a hub that stands still while it is the writer keeps the others waiting.
const writerIdle = time.Minute

// beginWriting begins a transaction that the server ends when the writer has said nothing for so long.
func beginWriting(idle time.Duration) string {
	return fmt.Sprintf("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL idle_in_transaction_session_timeout = %d; SELECT pg_advisory_xact_lock(%d)",
		idle.Milliseconds(), int64(writerLock))
}

// postgres is what the connections to one PostgreSQL database share.
type postgres struct {
	config       *pgx.ConnConfig
	id           string // of this store, in the table committed
	beginWriting string
}

// openPostgres opens the database at an address and brings its tables up to date as needed.
func openPostgres(ctx context.Context, address string) (*Store, error) {
	config, err := pgx.ParseConfig(address)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err) // without the password: pgx leaves it out
	}
	where := fmt.Sprintf("postgres %s at %s:%d", config.Database, config.Host, config.Port)
	config.StatementCacheCapacity = maxStmts
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = 10 * time.Second
	}
	config.DialFunc = dialPostgres
	for name, value := range map[string]string{
		"application_name": "privyseal-hub", "timezone": "UTC", "jit": "off", // statements here are short, compiling them is not
		// The server notices a hub whose machine is gone, and lets go of what it held.
		"tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3", "tcp_user_timeout": "20000",
	} {
		if _, set := config.RuntimeParams[name]; !set {
			config.RuntimeParams[name] = value
		}
	}
	pg := &postgres{config: config, id: rand.Text(), beginWriting: beginWriting(writerIdle)}
	if err := Retry(ctx, func() error { return pg.setup(ctx) }); err != nil {
		return nil, fmt.Errorf("open database %s: %w", where, err)
	}
	connect := func(writer bool) func(context.Context) (conn, error) {
		return func(ctx context.Context) (conn, error) {
			c, err := pg.connect(ctx)
			if err != nil {
				return nil, err
			}
			return &pgConn{pg: pg, c: c, writer: writer}, nil
		}
	}
	return newStore(newPool(1, connect(true)), newPool(max(8, 2*runtime.GOMAXPROCS(0)), connect(false)), pg), nil
}

// dialPostgres connects so that a peer that is gone is noticed within half a minute, whatever the connection was doing.
func dialPostgres(ctx context.Context, network, addr string) (net.Conn, error) {
	d := net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3},
		Control: func(network, _ string, c syscall.RawConn) (err error) {
			if network == "unix" {
				return nil
			}
			cerr := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 20_000) })
			return errors.Join(cerr, err)
		},
	}
	return d.DialContext(ctx, network, addr)
}

// setup brings the tables up to date, one program at a time.
func (pg *postgres) setup(ctx context.Context) error {
	lock, err := pg.connect(ctx)
	if err != nil {
		return err
	}
	defer lock.Close(context.WithoutCancel(ctx))
	var encoding string
	if err := lock.QueryRow(ctx, "SELECT current_setting('server_encoding')").Scan(&encoding); err != nil {
		return pg.told(ctx, lock, err)
	}
	if encoding != "UTF8" && encoding != "SQL_ASCII" {
		return fmt.Errorf("its encoding is %s: make one with createdb --template template0 --encoding UTF8", encoding)
	}
	if _, err := lock.Exec(ctx, "SELECT pg_advisory_lock($1)", int64(setupLock)); err != nil {
		return pg.told(ctx, lock, err)
	}
	db := stdlib.OpenDB(*pg.config)
	defer db.Close()
	if err := migrate(ctx, db, goose.DialectPostgres, postgresDDL); err != nil {
		return pg.told(ctx, lock, err)
	}
	return pg.forgetOthers(ctx, db)
}

// forgetOthers deletes what stores that are long gone noted of their last commit.
func (pg *postgres) forgetOthers(ctx context.Context, db *sql.DB) error {
	_, err := db.ExecContext(ctx, "DELETE FROM committed WHERE time < $1", micros(time.Now().Add(-30*24*time.Hour)))
	return err
}

func (pg *postgres) connect(ctx context.Context) (*pgx.Conn, error) {
	c, err := pgx.ConnectConfig(ctx, pg.config)
	if err != nil {
		return nil, pg.told(ctx, nil, err)
	}
	return c, nil
}

// told makes of an error what the callers of the store can tell apart. c is the connection it came from, nil when there was
// none to be had.
func (pg *postgres) told(ctx context.Context, c *pgx.Conn, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil { // pgx closes a connection whose context ends
		return fmt.Errorf("%w (%w)", context.Cause(ctx), err)
	}
	var e *pgconn.PgError
	if errors.As(err, &e) {
		switch {
		case e.Code == "40001", e.Code == "40P01":
			return fmt.Errorf("%w: %w", ErrConflict, err)
		case e.Code == "0A000" && e.Routine == "RevalidateCachedQuery": // the tables were changed under a prepared statement
			return fmt.Errorf("%w: %w", ErrConflict, err)
		case e.Code[:2] == "08", e.Code == "57P01", e.Code == "57P02", e.Code == "57P03", e.Code == "53300", e.Code == "25P03":
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		case e.Code[:2] == "28", e.Code[:2] == "3D", c != nil && !c.IsClosed():
			return err
		}
	}
	var refused *pgconn.ParseConfigError
	if errors.As(err, &refused) || c != nil && !c.IsClosed() {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// pgConn is a connection to PostgreSQL; pgx keeps its prepared statements.
type pgConn struct {
	pg     *postgres
	c      *pgx.Conn
	writer bool
	seq    int64 // of this writer's commits
}

func (c *pgConn) begin(ctx context.Context) error {
	by := beginReading
	if c.writer {
		by = c.pg.beginWriting
	}
	return c.simple(ctx, by)
}

// simple sends statements without arguments, several in one go.
func (c *pgConn) simple(ctx context.Context, statements string) error {
	_, err := c.c.PgConn().Exec(ctx, statements).ReadAll()
	return c.pg.told(ctx, c.c, err)
}

// end ends the transaction. A commit leaves a mark in the table committed, in the same transaction: when the connection is
// lost while it commits, the mark tells what became of it.
func (c *pgConn) end(ctx context.Context, commit bool) error {
	if !commit {
		err := c.simple(ctx, "ROLLBACK")
		if err != nil {
			return fmt.Errorf("ROLLBACK: %w", err)
		}
		return nil
	}
	if !c.writer {
		return c.simple(ctx, "COMMIT")
	}
	c.seq++
	// The id is of letters and digits of our own choice.
	err := c.simple(ctx, fmt.Sprintf(`INSERT INTO committed (store, seq, time) VALUES ('%[1]s', %[2]d, %[3]d)
		ON CONFLICT (store) DO UPDATE SET seq = excluded.seq, time = excluded.time; COMMIT`, c.pg.id, c.seq, micros(time.Now())))
	switch {
	case err == nil:
		return nil
	case !c.c.IsClosed(): // refused
		return errors.Join(fmt.Errorf("COMMIT: %w", err), c.simple(ctx, "ROLLBACK"))
	}
	return c.settle(ctx, err)
}

// settle finds out whether the transaction was committed on whose COMMIT the connection was lost with the error lost.
func (c *pgConn) settle(ctx context.Context, lost error) error {
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		seq, err := c.lastCommitted(ctx)
		if err == nil {
			if seq == c.seq {
				return nil
			}
			return fmt.Errorf("COMMIT: %w: %w", ErrUnavailable, lost)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ErrUnknownOutcome, errors.Join(lost, err))
		}
	}
}

// lastCommitted opens a connection in place of the lost one and reads the mark. The writer's lock is held meanwhile, so
// what the lost connection began has ended.
func (c *pgConn) lastCommitted(ctx context.Context) (seq int64, err error) {
	n, err := c.pg.connect(ctx)
	if err != nil {
		return 0, err
	}
	if _, err := n.PgConn().Exec(ctx, c.pg.beginWriting).ReadAll(); err != nil {
		return 0, errors.Join(err, n.Close(ctx))
	}
	err = n.QueryRow(ctx, "SELECT seq FROM committed WHERE store = $1", c.pg.id).Scan(&seq)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return 0, errors.Join(err, n.Close(ctx))
	}
	if _, err := n.Exec(ctx, "ROLLBACK"); err != nil {
		return 0, errors.Join(err, n.Close(ctx))
	}
	c.c = n
	return seq, nil
}

func (c *pgConn) usable() bool { return !c.c.IsClosed() && c.c.PgConn().TxStatus() == 'I' }

func (c *pgConn) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return c.c.Close(ctx)
}

func (c *pgConn) exec(ctx context.Context, query string, args []any) (int64, error) {
	tag, err := c.c.Exec(ctx, query, args...)
	return tag.RowsAffected(), c.pg.told(ctx, c.c, err)
}

func (c *pgConn) query(ctx context.Context, query string, args []any) (rows, error) {
	r, err := c.c.Query(ctx, query, args...)
	if err != nil {
		return nil, c.pg.told(ctx, c.c, err)
	}
	return &pgRows{Rows: r, c: c, ctx: ctx}, nil
}

type pgRows struct {
	pgx.Rows
	c   *pgConn
	ctx context.Context
}

func (r *pgRows) Err() error { return r.c.pg.told(r.ctx, r.c.c, r.Rows.Err()) }

func (r *pgRows) Close() error {
	r.Rows.Close()
	return r.Err()
}

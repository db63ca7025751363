package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Tx is a transaction: one goroutine's, bound to the context it was begun with.
type Tx struct {
	ctx      context.Context
	s        *Store
	p        *pool
	c        conn // nil when ended
	writable bool
	actor    int64
	dirty    bool  // something worth committing was changed
	event    int64 // of the call under way; 0: not taken yet
	after    []func()
	changes  []Change // for the announcer

	unversioned bool // see Freshness
}

// errDone tells of a use after the end, which is a bug of the caller's.
var errDone = errors.New("transaction has ended")

// errReadOnly tells of a change in a reading transaction, which is a bug of the caller's.
var errReadOnly = errors.New("change in a read-only transaction")

// Writable tells whether the transaction may change anything.
func (tx *Tx) Writable() bool { return tx.writable }

// Dirty tells whether the transaction changed anything: if not, there is nothing to commit.
func (tx *Tx) Dirty() bool { return tx.dirty }

// Actor is the user in whose name the transaction changes things.
func (tx *Tx) Actor() int64 { return tx.actor }

// SetActor changes in whose name the next changes are made.
func (tx *Tx) SetActor(user int64) { tx.actor = user }

// Now is the clock that the store's times come from, to the microsecond.
func (tx *Tx) Now() time.Time { return tx.s.now().UTC().Truncate(time.Microsecond) }

// AfterCommit has fn run after a successful Commit: to wake those who wait for what was committed.
func (tx *Tx) AfterCommit(fn func()) { tx.after = append(tx.after, fn) }

// Commit makes the changes durable.
func (tx *Tx) Commit() error {
	if tx.c == nil {
		return errDone
	}
	if err := errors.Join(tx.announce(), tx.bump()); err != nil {
		tx.Rollback()
		return err
	}
	c := tx.c
	tx.c = nil
	if err := tx.p.end(tx.ctx, c, true); err != nil {
		return err
	}
	for _, fn := range tx.after {
		fn()
	}
	return nil
}

// Rollback undoes the changes; after Commit or Rollback it does nothing, so it can be deferred.
func (tx *Tx) Rollback() {
	if tx.c == nil {
		return
	}
	c := tx.c
	tx.c = nil
	// A failed rollback costs the connection, which the pool replaces; the changes are gone either way.
	_ = tx.p.end(tx.ctx, c, false)
}

// Savepoint begins a part of the transaction that can be undone alone. end(true) keeps it, end(false) undoes it, its
// event and its AfterCommit functions included. Savepoints nest.
func (tx *Tx) Savepoint() (end func(keep bool) error, err error) {
	if _, err := tx.run(tx.ctx, "SAVEPOINT part"); err != nil {
		return nil, err
	}
	event, after, changes, dirty := tx.event, len(tx.after), len(tx.changes), tx.dirty
	return func(keep bool) error {
		if !keep {
			tx.event, tx.after, tx.changes, tx.dirty = event, tx.after[:after], tx.changes[:changes], dirty
			if _, err := tx.run(context.WithoutCancel(tx.ctx), "ROLLBACK TO part"); err != nil {
				return err
			}
		}
		_, err := tx.run(context.WithoutCancel(tx.ctx), "RELEASE part")
		return err
	}, nil
}

func (tx *Tx) run(ctx context.Context, query string, args ...any) (int64, error) {
	if tx.c == nil {
		return 0, errDone
	}
	return tx.c.exec(ctx, query, args)
}

// exec runs a statement that returns no rows, and tells how many it touched.
func (tx *Tx) exec(query string, args ...any) (int64, error) {
	if err := tx.touch(query); err != nil {
		return 0, err
	}
	n, err := tx.run(tx.ctx, query, args...)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", abridged(query), err)
	}
	return n, nil
}

// insert runs an INSERT ... RETURNING id.
func (tx *Tx) insert(query string, args ...any) (id int64, err error) {
	if err := tx.touch(query); err != nil {
		return 0, err
	}
	err = tx.row(query, args, &id)
	return id, err
}

// returning runs a statement that changes rows and calls fn for each row that it returns.
func (tx *Tx) returning(query string, args []any, fn func(scan func(...any) error) error) error {
	if err := tx.touch(query); err != nil {
		return err
	}
	return tx.each(query, args, fn)
}

// touch notes what running a statement means for the end of the transaction.
func (tx *Tx) touch(query string) error {
	if !tx.writable {
		return errReadOnly
	}
	tx.dirty = true
	tx.unversioned = tx.unversioned || isUnversioned(query)
	return nil
}

// row reads the single row of a query into dst, or returns ErrNotFound.
func (tx *Tx) row(query string, args []any, dst ...any) error {
	found := false
	err := tx.each(query, args, func(scan func(...any) error) error {
		if found {
			return nil
		}
		found = true
		return scan(dst...)
	})
	if err == nil && !found {
		return ErrNotFound
	}
	return err
}

// anyRow tells whether a query has a row.
func (tx *Tx) anyRow(query string, args ...any) (bool, error) {
	var n int64
	err := tx.row(`SELECT count(*) FROM (`+query+` LIMIT 1) AS found`, args, &n)
	return n > 0, err
}

// each calls fn for every row of a query; fn scans it, and uses the transaction for nothing else meanwhile.
func (tx *Tx) each(query string, args []any, fn func(scan func(...any) error) error) error {
	if tx.c == nil {
		return errDone
	}
	rows, err := tx.c.query(tx.ctx, query, args)
	if err != nil {
		return fmt.Errorf("%s: %w", abridged(query), err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := fn(rows.Scan); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("%s: %w", abridged(query), err)
	}
	return nil
}

// list collects the rows of a query; scan reads one into v.
func list[T any](tx *Tx, query string, args []any, scan func(scan func(...any) error, v *T) error) ([]T, error) {
	var out []T
	err := tx.each(query, args, func(sc func(...any) error) error {
		var v T
		if err := scan(sc, &v); err != nil {
			return err
		}
		out = append(out, v)
		return nil
	})
	return out, err
}

// first is the only row of a query by id, or ErrNotFound.
func first[T any](rows []T, err error) (T, error) {
	var none T
	if err != nil {
		return none, err
	}
	if len(rows) == 0 {
		return none, ErrNotFound
	}
	return rows[0], nil
}

// abridged is a statement short enough for an error message.
func abridged(query string) string {
	q := strings.Join(strings.Fields(query), " ")
	if len(q) > 60 {
		q = q[:60] + "..."
	}
	return q
}

// micros is how times are stored.
func micros(t time.Time) int64 { return t.UnixMicro() }

// fromMicros is the inverse of micros.
func fromMicros(us int64) time.Time { return time.UnixMicro(us).UTC() }

// optTime is fromMicros for a column that may be NULL.
func optTime(us *int64) *time.Time {
	if us == nil {
		return nil
	}
	t := fromMicros(*us)
	return &t
}

// where gathers the conditions and arguments of a query whose filters are optional.
type where struct {
	conds []string
	args  []any
}

// arg adds an argument and returns its placeholder.
func (w *where) arg(v any) string {
	w.args = append(w.args, v)
	return fmt.Sprintf("$%d", len(w.args))
}

// add adds a condition in which ? stands for v.
func (w *where) add(cond string, v any) {
	w.conds = append(w.conds, strings.ReplaceAll(cond, "?", w.arg(v)))
}

// in adds "col IN (...)"; no values match nothing.
func (w *where) in(col string, vals []any) {
	if len(vals) == 0 {
		w.conds = append(w.conds, "1 = 0")
		return
	}
	ps := make([]string, len(vals))
	for i, v := range vals {
		ps[i] = w.arg(v)
	}
	w.conds = append(w.conds, col+" IN ("+strings.Join(ps, ", ")+")")
}

// live adds that the row of the versioned table aliased alias was live at event (0: is live now).
func (w *where) live(alias string, event int64) {
	if event == 0 {
		w.conds = append(w.conds, alias+".active IS TRUE")
		return
	}
	p := w.arg(event)
	w.conds = append(w.conds, fmt.Sprintf("%[1]s.create_event <= %[2]s AND (%[1]s.revoke_event IS NULL OR %[1]s.revoke_event > %[2]s)", alias, p))
}

// String is the WHERE clause, or nothing.
func (w *where) String() string {
	if len(w.conds) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.conds, " AND ")
}

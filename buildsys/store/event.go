package store

import (
	"github.com/privyseal/privyseal/buildsys"
)

// Event returns the event of the call under way, taking one at its first change.
func (tx *Tx) Event() (int64, error) {
	if tx.event != 0 {
		return tx.event, nil
	}
	id, err := tx.insert(`INSERT INTO events (time) VALUES ($1) RETURNING id`, micros(tx.Now()))
	if err != nil {
		return 0, err
	}
	tx.event = id
	return id, nil
}

// NextCall makes the next change take an event of its own.
func (tx *Tx) NextCall() { tx.event = 0 }

// EventByID returns an event.
func (tx *Tx) EventByID(id int64) (buildsys.Event, error) {
	return tx.eventRow(`SELECT id, time FROM events WHERE id = $1`, id)
}

// LastEvent returns the newest event, or the newest before the time before (microseconds since 1970; 0: no limit).
func (tx *Tx) LastEvent(before int64) (buildsys.Event, error) {
	if before == 0 {
		return tx.eventRow(`SELECT id, time FROM events ORDER BY id DESC LIMIT 1`)
	}
	return tx.eventRow(`SELECT id, time FROM events WHERE time = (SELECT max(time) FROM events WHERE time < $1) ORDER BY id DESC LIMIT 1`, before)
}

func (tx *Tx) eventRow(query string, args ...any) (buildsys.Event, error) {
	var e buildsys.Event
	var us int64
	if err := tx.row(query, args, &e.ID, &us); err != nil {
		return e, err
	}
	e.Time = fromMicros(us)
	return e, nil
}

// revoke ends the live rows of a versioned table that match cond (in which $1.. are args) at the call's event, and
// tells how many there were.
func (tx *Tx) revoke(table, cond string, args ...any) (int64, error) {
	ev, err := tx.Event()
	if err != nil {
		return 0, err
	}
	var w where
	w.args = append(w.args, args...)
	q := "UPDATE " + table + " SET active = NULL, revoke_event = " + w.arg(ev) + ", revoker_id = " + w.arg(tx.actor) +
		" WHERE active IS TRUE AND " + cond
	return tx.exec(q, w.args...)
}

// create inserts a live row into a versioned table: cols and vals are its own columns.
func (tx *Tx) create(table, cols string, vals ...any) error {
	ev, err := tx.Event()
	if err != nil {
		return err
	}
	var w where
	ps := ""
	for _, v := range vals {
		ps += w.arg(v) + ", "
	}
	_, err = tx.exec("INSERT INTO "+table+" ("+cols+", create_event, creator_id, active) VALUES ("+ps+w.arg(ev)+", "+w.arg(tx.actor)+", TRUE)", w.args...)
	return err
}

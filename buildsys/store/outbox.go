package store

import (
	"fmt"
	"time"
)

// Topics of what can be announced; Fedora's message bus calls them so, below "buildsys.".
const (
	TopicTag        = "tag"
	TopicUntag      = "untag"
	TopicBuildState = "build.state.change"
	TopicRepo       = "repo" // the announcer makes repo.init, repo.done and so on of it
	TopicSign       = "rpm.sign"
)

// Change is something that happened in a transaction and that others may be told of.
type Change struct {
	Topic            string
	Tag, Build, Repo int64
	RPM              int64
	Sigkey           string
	// Old is the state of build or repository before; HasOld is false for a new one.
	Old    int
	HasOld bool
	// Event and Actor are those of the call that changed it.
	Event, Actor int64
}

// Announce has fn called at the end of each transaction that changed something worth telling, in the transaction itself: what
// fn writes is committed with it or not at all. It is set once, before the store is used.
func (s *Store) Announce(fn func(tx *Tx, changes []Change) error) { s.announcer = fn }

// note records a change for the announcer.
func (tx *Tx) note(c Change) {
	if tx.s.announcer != nil {
		c.Event, c.Actor = tx.event, tx.actor
		tx.changes = append(tx.changes, c)
	}
}

// noteBuild records that a build's state is about to change.
func (tx *Tx) noteBuild(id int64) error {
	if tx.s.announcer == nil {
		return nil
	}
	c := Change{Topic: TopicBuildState, Build: id, HasOld: true}
	if err := tx.row(`SELECT state FROM build WHERE id = $1`, []any{id}, &c.Old); err != nil {
		return err
	}
	tx.note(c)
	return nil
}

func (tx *Tx) announce() error {
	if len(tx.changes) == 0 || tx.s.announcer == nil {
		return nil
	}
	changes := tx.changes
	tx.changes = nil
	return tx.s.announcer(tx, changes)
}

// Message is a row of the outbox: what one receiver is still to be told.
type Message struct {
	ID              int64
	Sink, MessageID string
	Topic, Body     string
	Created, Due    time.Time
	Attempts        int64
	LastError       *string
	Dead            bool
}

const messageCols = `SELECT id, sink, message_id, topic, body, created, due, attempts, last_error, dead FROM outbox`

func scanMessage(scan func(...any) error, m *Message) error {
	var created, due int64
	err := scan(&m.ID, &m.Sink, &m.MessageID, &m.Topic, &m.Body, &created, &due, &m.Attempts, &m.LastError, &m.Dead)
	m.Created, m.Due = fromMicros(created), fromMicros(due)
	return err
}

// Post puts a message into the outbox, due now.
func (tx *Tx) Post(m Message) error {
	_, err := tx.exec(`INSERT INTO outbox (sink, message_id, topic, body, created, due) VALUES ($1, $2, $3, $4, $5, $5)`,
		m.Sink, m.MessageID, m.Topic, m.Body, micros(tx.Now()))
	return err
}

// NextMessages are the oldest messages for a receiver that are not given up, due or not.
func (tx *Tx) NextMessages(sink string, limit int) ([]Message, error) {
	return list(tx, messageCols+` WHERE sink = $1 AND dead IS FALSE ORDER BY id LIMIT $2`, []any{sink, limit}, scanMessage)
}

// Messages are the messages in the outbox, of one receiver unless sink is "", the dead ones alone if dead is set; at most limit.
func (tx *Tx) Messages(sink string, dead bool, limit int) ([]Message, error) {
	var w where
	if sink != "" {
		w.add("sink = ?", sink)
	}
	if dead {
		w.conds = append(w.conds, "dead IS TRUE")
	}
	return list(tx, messageCols+w.String()+fmt.Sprintf(` ORDER BY id LIMIT %d`, limit), w.args, scanMessage)
}

// Delivered forgets messages that arrived.
func (tx *Tx) Delivered(ids []int64) error {
	return inChunks(ids, func(w *where) error {
		_, err := tx.exec(`DELETE FROM outbox`+w.String(), w.args...)
		return err
	}, "id")
}

// Undelivered notes a failure: the message is due again at due, or dead.
func (tx *Tx) Undelivered(id int64, due time.Time, why string, dead bool) error {
	_, err := tx.exec(`UPDATE outbox SET attempts = attempts + 1, due = $2, last_error = $3, dead = $4 WHERE id = $1`, id, micros(due), why, dead)
	return err
}

// Revive makes dead messages due again, and tells how many there were.
func (tx *Tx) Revive(ids []int64) (n int64, err error) {
	err = inChunks(ids, func(w *where) error {
		cond := w.String()
		k, err := tx.exec(`UPDATE outbox SET dead = FALSE, attempts = 0, due = `+w.arg(micros(tx.Now()))+cond+` AND dead IS TRUE`, w.args...)
		n += k
		return err
	}, "id")
	return n, err
}

// DropDead forgets dead messages, and tells how many there were.
func (tx *Tx) DropDead(ids []int64) (n int64, err error) {
	err = inChunks(ids, func(w *where) error {
		k, err := tx.exec(`DELETE FROM outbox`+w.String()+` AND dead IS TRUE`, w.args...)
		n += k
		return err
	}, "id")
	return n, err
}

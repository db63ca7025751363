package store

import (
	"time"

	"github.com/privyseal/privyseal/buildsys"
)

// Session is a row of the sessions table.
type Session struct {
	ID, UserID int64
	KeyHash    string // SHA-256 of the key, hex
	AuthType   buildsys.AuthType
	HostIP     string
	CallNum    *int64 // of the last committed call
	Master     *int64
	Exclusive  bool
	Expired    bool
	Closed     bool
	Start      time.Time
	Update     time.Time
	Renew      *time.Time
	Cert       string // pki.SerialID of the client certificate; "" without one
}

const sessionCols = `id, user_id, key_hash, authtype, hostip, callnum, master, coalesce(exclusive, FALSE), expired, closed,
	start_time, update_time, renew_time, coalesce(cert, '')`

func scanSession(scan func(...any) error, s *Session) error {
	var start, update int64
	var renew *int64
	if err := scan(&s.ID, &s.UserID, &s.KeyHash, &s.AuthType, &s.HostIP, &s.CallNum, &s.Master, &s.Exclusive, &s.Expired,
		&s.Closed, &start, &update, &renew, &s.Cert); err != nil {
		return err
	}
	s.Start, s.Update, s.Renew = fromMicros(start), fromMicros(update), optTime(renew)
	return nil
}

// SessionByID returns a session, closed ones too.
func (tx *Tx) SessionByID(id int64) (Session, error) {
	return first(list(tx, `SELECT `+sessionCols+` FROM sessions WHERE id = $1`, []any{id}, scanSession))
}

// SessionsOf are the sessions of a user that are neither closed nor expired.
func (tx *Tx) SessionsOf(user int64) ([]Session, error) {
	return list(tx, `SELECT `+sessionCols+` FROM sessions WHERE user_id = $1 AND NOT closed AND NOT expired ORDER BY id`,
		[]any{user}, scanSession)
}

// ExclusiveSession is the id of the session that holds the user's exclusive lock, or 0.
func (tx *Tx) ExclusiveSession(user int64) (int64, error) {
	var id int64
	err := tx.row(`SELECT id FROM sessions WHERE user_id = $1 AND exclusive IS TRUE AND NOT closed`, []any{user}, &id)
	if err == ErrNotFound {
		return 0, nil
	}
	return id, err
}

// CreateSession opens a session.
func (tx *Tx) CreateSession(s Session) (int64, error) {
	now := micros(tx.Now())
	var cert *string
	if s.Cert != "" {
		cert = &s.Cert
	}
	return tx.insert(`INSERT INTO sessions (user_id, key_hash, authtype, hostip, master, start_time, update_time, cert)
		VALUES ($1, $2, $3, $4, $5, $6, $6, $7) RETURNING id`, s.UserID, s.KeyHash, int(s.AuthType), s.HostIP, s.Master, now, cert)
}

// RenewSession gives an expired session a new key, a new life and the certificate that it was renewed with.
func (tx *Tx) RenewSession(id int64, keyHash, cert string) error {
	_, err := tx.exec(`UPDATE sessions SET key_hash = $2, expired = FALSE, callnum = NULL, update_time = $3, renew_time = $3, cert = $4 WHERE id = $1`,
		id, keyHash, micros(tx.Now()), cert)
	return err
}

// AdvanceSession records the number of the call under way; it is kept only if the transaction commits, and does not by
// itself make the transaction worth committing.
func (tx *Tx) AdvanceSession(id, callnum int64) error {
	dirty := tx.dirty
	_, err := tx.exec(`UPDATE sessions SET callnum = $2, update_time = $3 WHERE id = $1`, id, callnum, micros(tx.Now()))
	tx.dirty = dirty
	return err
}

// TouchSession records that a session was used.
func (tx *Tx) TouchSession(id int64, at time.Time) error {
	_, err := tx.exec(`UPDATE sessions SET update_time = $2 WHERE id = $1 AND update_time < $2`, id, micros(at))
	return err
}

// SetExclusive gives a session its user's exclusive lock, or takes it away.
func (tx *Tx) SetExclusive(id int64, exclusive bool) error {
	var v *bool
	if exclusive {
		v = &exclusive
	}
	_, err := tx.exec(`UPDATE sessions SET exclusive = $2 WHERE id = $1`, id, v)
	return err
}

// CloseSession closes a session and those it is the master of.
func (tx *Tx) CloseSession(id int64) error {
	_, err := tx.exec(`UPDATE sessions SET expired = TRUE, closed = TRUE, exclusive = NULL WHERE id = $1 OR master = $1`, id)
	return err
}

// CloseChild closes a subsession of master.
func (tx *Tx) CloseChild(id, master int64) error {
	_, err := tx.exec(`UPDATE sessions SET expired = TRUE, closed = TRUE, exclusive = NULL WHERE id = $1 AND master = $2`, id, master)
	return err
}

// DeleteSessions deletes the closed sessions that were last used before a moment, and with unclosed the others too. A master
// outlasts its subsessions.
func (tx *Tx) DeleteSessions(before time.Time, unclosed bool) (int64, error) {
	total := int64(0)
	for {
		n, err := tx.exec(`DELETE FROM sessions WHERE update_time < $1 AND (closed OR $2)
			AND NOT EXISTS (SELECT 1 FROM sessions sub WHERE sub.master = sessions.id)`, micros(before), unclosed)
		if total += n; err != nil || n == 0 {
			return total, err
		}
	}
}

// RunsTask tells whether the task is open on the host that the user is.
func (tx *Tx) RunsTask(user, task int64) (bool, error) {
	return tx.anyRow(`SELECT 1 FROM task JOIN host ON host.id = task.host_id
		WHERE task.id = $1 AND task.state = $2 AND host.user_id = $3`, task, int(buildsys.TaskOpen), user)
}

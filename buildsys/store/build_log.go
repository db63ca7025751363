package store

import "time"

// BuildLogEntry is something that was done to a build.
type BuildLogEntry struct {
	ID, BuildID    int64
	NVR, Action    string
	Reason, Detail *string // Detail is JSON
	Event          int64
	Time           time.Time
	UserID         int64
	UserName       string
}

// LogBuild records what is done to a build, in the name of the transaction's actor.
func (tx *Tx) LogBuild(e BuildLogEntry) error {
	ev, err := tx.Event()
	if err != nil {
		return err
	}
	_, err = tx.exec(`INSERT INTO build_log (build_id, nvr, action, reason, detail, event, user_id) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		e.BuildID, e.NVR, e.Action, e.Reason, e.Detail, ev, tx.actor)
	return err
}

// BuildLog is what was done to a build, the oldest first.
func (tx *Tx) BuildLog(build int64) ([]BuildLogEntry, error) {
	return list(tx, `SELECT l.id, l.build_id, l.nvr, l.action, l.reason, l.detail, l.event, e.time, l.user_id, u.name FROM build_log l
		JOIN events e ON e.id = l.event JOIN users u ON u.id = l.user_id WHERE l.build_id = $1 ORDER BY l.id`, []any{build},
		func(scan func(...any) error, e *BuildLogEntry) error {
			var us int64
			err := scan(&e.ID, &e.BuildID, &e.NVR, &e.Action, &e.Reason, &e.Detail, &e.Event, &us, &e.UserID, &e.UserName)
			e.Time = fromMicros(us)
			return err
		})
}

// Reserve records that a build is reserved: who has the token of this hash may fill it. ErrExists tells that it is already.
func (tx *Tx) Reserve(build int64, tokenHash string) error {
	n, err := tx.exec(`INSERT INTO build_reservations (build_id, token_hash, created) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, build, tokenHash, micros(tx.Now()))
	if err == nil && n == 0 {
		return ErrExists
	}
	return err
}

// Reservation is the hash of the token that a build is reserved with.
func (tx *Tx) Reservation(build int64) (hash string, err error) {
	err = tx.row(`SELECT token_hash FROM build_reservations WHERE build_id = $1`, []any{build}, &hash)
	return hash, err
}

// EndReservation forgets a reservation.
func (tx *Tx) EndReservation(build int64) error {
	_, err := tx.exec(`DELETE FROM build_reservations WHERE build_id = $1`, build)
	return err
}

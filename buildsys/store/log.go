package store

// LogKey is the public key of a signer's log.
type LogKey struct {
	ID        int64
	Origin    string
	VKey      string // as golang.org/x/mod/sumdb/note writes it
	AddedBy   string // a user's name
	Added     int64  // microseconds since 1970
	RetiredBy *string
	Retired   *int64
}

// LogKeys lists the log keys, the oldest first, the retired ones too.
func (tx *Tx) LogKeys() ([]LogKey, error) {
	return list(tx, `SELECT k.id, k.origin, k.vkey, u.name, k.added_time, r.name, k.retired_time
		FROM log_key k JOIN users u ON u.id = k.added_by LEFT JOIN users r ON r.id = k.retired_by ORDER BY k.id`, nil,
		func(scan func(...any) error, k *LogKey) error {
			return scan(&k.ID, &k.Origin, &k.VKey, &k.AddedBy, &k.Added, &k.RetiredBy, &k.Retired)
		})
}

// InsertLogKey adds a log key and sets its id. ErrExists tells that it is known.
func (tx *Tx) InsertLogKey(k *LogKey) error {
	id, err := tx.insertNew(`INSERT INTO log_key (origin, vkey, added_by, added_time) VALUES ($1, $2, $3, $4)
		ON CONFLICT DO NOTHING RETURNING id`, k.Origin, k.VKey, tx.actor, micros(tx.Now()))
	k.ID = id
	return err
}

// SetLogKeyRetired marks a log key as no longer accepted for new proofs and checkpoints, or takes that back.
func (tx *Tx) SetLogKeyRetired(id int64, retired bool) error {
	if !retired {
		_, err := tx.exec(`UPDATE log_key SET retired_by = NULL, retired_time = NULL WHERE id = $1`, id)
		return err
	}
	_, err := tx.exec(`UPDATE log_key SET retired_by = $1, retired_time = $2 WHERE id = $3`, tx.actor, micros(tx.Now()), id)
	return err
}

// LogCheckpoint is the highest checkpoint that was seen of a log.
type LogCheckpoint struct {
	Origin string
	Size   int64
	Note   string
	SeenBy string // a user's name
	Seen   int64  // microseconds since 1970
}

// LogCheckpointOf returns the highest checkpoint of a log; ErrNotFound when none was seen.
func (tx *Tx) LogCheckpointOf(origin string) (LogCheckpoint, error) {
	return first(list(tx, `SELECT c.origin, c.size, c.note, u.name, c.seen_time FROM log_checkpoint c JOIN users u ON u.id = c.seen_by
		WHERE c.origin = $1`, []any{origin}, func(scan func(...any) error, c *LogCheckpoint) error {
		return scan(&c.Origin, &c.Size, &c.Note, &c.SeenBy, &c.Seen)
	}))
}

// SetLogCheckpoint replaces the highest checkpoint of a log.
func (tx *Tx) SetLogCheckpoint(origin string, size int64, note string) error {
	_, err := tx.exec(`INSERT INTO log_checkpoint (origin, size, note, seen_by, seen_time) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (origin) DO UPDATE SET size = excluded.size, note = excluded.note, seen_by = excluded.seen_by, seen_time = excluded.seen_time`,
		origin, size, note, tx.actor, micros(tx.Now()))
	return err
}

// SigProof is the proof that a signature is in a signer's log.
type SigProof struct {
	RPMID    int64
	Sigkey   string
	LogKeyID int64
	Origin   string
	LogIndex int64
	Proof    string // C2SP tlog-proof
}

// AddSigProofs keeps the proofs of signatures. One that is there already stays.
func (tx *Tx) AddSigProofs(proofs []SigProof) error {
	return inRows(proofs, 5, func(p SigProof, args []any) []any {
		return append(args, p.RPMID, p.Sigkey, p.LogKeyID, p.LogIndex, p.Proof)
	}, func(values string, args []any) error {
		_, err := tx.exec(`INSERT INTO rpmsig_proof (rpm_id, sigkey, log_key_id, log_index, proof) VALUES `+values+` ON CONFLICT DO NOTHING`, args...)
		return err
	})
}

// SigProofs returns the proofs of several packages' signatures by a key.
func (tx *Tx) SigProofs(ids []int64, sigkey string) (map[int64]SigProof, error) {
	out := make(map[int64]SigProof, len(ids))
	err := inChunks(ids, func(w *where) error {
		w.add("p.sigkey = ?", sigkey)
		rows, err := list(tx, `SELECT p.rpm_id, p.sigkey, p.log_key_id, k.origin, p.log_index, p.proof
			FROM rpmsig_proof p JOIN log_key k ON k.id = p.log_key_id`+w.String(), w.args,
			func(scan func(...any) error, p *SigProof) error {
				return scan(&p.RPMID, &p.Sigkey, &p.LogKeyID, &p.Origin, &p.LogIndex, &p.Proof)
			})
		for _, p := range rows {
			out[p.RPMID] = p
		}
		return err
	}, "p.rpm_id")
	return out, err
}

// SigPlace says where in which log a signature stands.
type SigPlace struct {
	RPMID    int64
	Sigkey   string
	Origin   string
	LogIndex int64
}

// SigPlaces returns the places of several packages' signatures in their logs.
func (tx *Tx) SigPlaces(ids []int64) (map[int64][]SigPlace, error) {
	out := make(map[int64][]SigPlace, len(ids))
	err := inChunks(ids, func(w *where) error {
		rows, err := list(tx, `SELECT p.rpm_id, p.sigkey, k.origin, p.log_index
			FROM rpmsig_proof p JOIN log_key k ON k.id = p.log_key_id`+w.String(), w.args,
			func(scan func(...any) error, p *SigPlace) error {
				return scan(&p.RPMID, &p.Sigkey, &p.Origin, &p.LogIndex)
			})
		for _, p := range rows {
			out[p.RPMID] = append(out[p.RPMID], p)
		}
		return err
	}, "p.rpm_id")
	return out, err
}

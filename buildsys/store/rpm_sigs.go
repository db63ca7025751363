package store

import "github.com/privyseal/privyseal/buildsys"

// RPMSig is a signature header that the hub keeps.
type RPMSig struct {
	RPMID       int64
	Sigkey      string // "" for the header of an unsigned package
	Sighash     string // MD5 of the signature header, hex
	Fingerprint *string
	State       buildsys.SignatureState
}

const sigColumns = `SELECT rpm_id, sigkey, sighash, fingerprint, state FROM rpmsigs`

func scanSig(scan func(...any) error, s *RPMSig) error {
	return scan(&s.RPMID, &s.Sigkey, &s.Sighash, &s.Fingerprint, &s.State)
}

// InsertSig adds a signature; ErrExists tells that the package has one by that key.
func (tx *Tx) InsertSig(s RPMSig) error {
	added, err := tx.InsertSigs([]RPMSig{s})
	if err == nil && len(added) == 0 {
		return ErrExists
	}
	return err
}

// InsertSigs adds signatures of different packages, and returns of which ones; the others have one by that key.
func (tx *Tx) InsertSigs(sigs []RPMSig) (added map[int64]bool, err error) {
	added = make(map[int64]bool, len(sigs))
	err = inRows(sigs, 5, func(s RPMSig, args []any) []any {
		return append(args, s.RPMID, s.Sigkey, s.Sighash, s.Fingerprint, s.State)
	}, func(values string, args []any) error {
		return tx.returning(`INSERT INTO rpmsigs (rpm_id, sigkey, sighash, fingerprint, state) VALUES `+values+` ON CONFLICT DO NOTHING RETURNING rpm_id`,
			args, func(scan func(...any) error) error {
				var id int64
				if err := scan(&id); err != nil {
					return err
				}
				added[id] = true
				return nil
			})
	})
	for _, s := range sigs {
		if added[s.RPMID] {
			tx.note(Change{Topic: TopicSign, RPM: s.RPMID, Sigkey: s.Sigkey})
		}
	}
	return added, err
}

// SigsOf returns the signatures of a package (0: of all) by a key (nil: by any), ordered.
func (tx *Tx) SigsOf(rpm int64, sigkey *string) ([]RPMSig, error) {
	var w where
	if rpm != 0 {
		w.add("rpm_id = ?", rpm)
	}
	if sigkey != nil {
		w.add("sigkey = ?", *sigkey)
	}
	return list(tx, sigColumns+w.String()+` ORDER BY rpm_id, sigkey`, w.args, scanSig)
}

// SigsOfRPMs returns the signatures of several packages.
func (tx *Tx) SigsOfRPMs(ids []int64) (map[int64][]RPMSig, error) {
	return tx.sigsOf(ids, "", nil)
}

// SigsMadeBy returns those signatures of several packages that were verified with keys of these fingerprints.
func (tx *Tx) SigsMadeBy(fingerprints []string, ids []int64) (map[int64][]RPMSig, error) {
	return tx.sigsOf(ids, "fingerprint", fingerprints)
}

// sigsOf returns the signatures of several packages, those with one of the values in a column ("": all).
func (tx *Tx) sigsOf(ids []int64, col string, values []string) (map[int64][]RPMSig, error) {
	out := make(map[int64][]RPMSig, len(ids))
	err := inChunks(ids, func(w *where) error {
		if col != "" {
			w.in(col, anys(values))
		}
		rows, err := list(tx, sigColumns+w.String()+` ORDER BY rpm_id, sigkey`, w.args, scanSig)
		for _, s := range rows {
			out[s.RPMID] = append(out[s.RPMID], s)
		}
		return err
	}, "rpm_id")
	return out, err
}

// SigsByState returns the signatures by a key that are in a state.
func (tx *Tx) SigsByState(sigkey string, state buildsys.SignatureState) ([]RPMSig, error) {
	return list(tx, sigColumns+` WHERE sigkey = $1 AND state = $2 ORDER BY rpm_id`, []any{sigkey, state}, scanSig)
}

// SetSigState changes what is known about a signature.
func (tx *Tx) SetSigState(rpm int64, sigkey string, state buildsys.SignatureState, fingerprint *string) error {
	_, err := tx.exec(`UPDATE rpmsigs SET state = $1, fingerprint = $2 WHERE rpm_id = $3 AND sigkey = $4`, state, fingerprint, rpm, sigkey)
	return err
}

// DeleteSig forgets a signature, its proof and the checksums of its signed copy.
func (tx *Tx) DeleteSig(rpm int64, sigkey string) error {
	for _, table := range []string{"rpm_checksum", "rpmsig_proof", "rpmsigs"} {
		if _, err := tx.exec(`DELETE FROM `+table+` WHERE rpm_id = $1 AND sigkey = $2`, rpm, sigkey); err != nil {
			return err
		}
	}
	return nil
}

// SigningKey is a certificate that the hub knows.
type SigningKey struct {
	ID                int64
	Fingerprint       string
	UID               string
	Algorithm         string
	Armored           string
	AddedBy           string // a user's name
	Added             int64  // microseconds since 1970
	RetiredBy         *string
	Retired           *int64
	Sigkeys           []string // of every (sub)key that may sign
	SubkeyFingerprint []string // in the same order
}

// SigningKeys lists the certificates, the oldest first, the retired ones too.
func (tx *Tx) SigningKeys() ([]SigningKey, error) {
	keys, err := list(tx, `SELECT k.id, k.fingerprint, k.uid, k.algorithm, k.armored, u.name, k.added_time, r.name, k.retired_time
		FROM signing_key k JOIN users u ON u.id = k.added_by LEFT JOIN users r ON r.id = k.retired_by ORDER BY k.id`, nil,
		func(scan func(...any) error, k *SigningKey) error {
			return scan(&k.ID, &k.Fingerprint, &k.UID, &k.Algorithm, &k.Armored, &k.AddedBy, &k.Added, &k.RetiredBy, &k.Retired)
		})
	if err != nil {
		return nil, err
	}
	byID := make(map[int64]*SigningKey, len(keys))
	for i := range keys {
		byID[keys[i].ID] = &keys[i]
	}
	return keys, tx.each(`SELECT signing_key_id, sigkey, fingerprint FROM signing_subkey ORDER BY fingerprint`, nil, func(scan func(...any) error) error {
		var id int64
		var sigkey, fpr string
		if err := scan(&id, &sigkey, &fpr); err != nil {
			return err
		}
		if k := byID[id]; k != nil {
			k.Sigkeys = append(k.Sigkeys, sigkey)
			k.SubkeyFingerprint = append(k.SubkeyFingerprint, fpr)
		}
		return nil
	})
}

// InsertSigningKey adds a certificate with its signing subkeys and sets its id. ErrExists tells that it is known.
func (tx *Tx) InsertSigningKey(k *SigningKey) error {
	id, err := tx.insertNew(`INSERT INTO signing_key (fingerprint, uid, algorithm, armored, added_by, added_time)
		VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING id`,
		k.Fingerprint, k.UID, k.Algorithm, k.Armored, tx.actor, micros(tx.Now()))
	if err != nil {
		return err
	}
	k.ID = id
	return tx.setSubkeys(k)
}

// UpdateSigningKey replaces the text of a known certificate (new subkeys, a later expiry) and takes back its retirement.
func (tx *Tx) UpdateSigningKey(k *SigningKey) error {
	if _, err := tx.exec(`UPDATE signing_key SET uid = $1, algorithm = $2, armored = $3, retired_by = NULL, retired_time = NULL WHERE id = $4`,
		k.UID, k.Algorithm, k.Armored, k.ID); err != nil {
		return err
	}
	return tx.setSubkeys(k)
}

func (tx *Tx) setSubkeys(k *SigningKey) error {
	if _, err := tx.exec(`DELETE FROM signing_subkey WHERE signing_key_id = $1`, k.ID); err != nil {
		return err
	}
	for i, sigkey := range k.Sigkeys {
		n, err := tx.exec(`INSERT INTO signing_subkey (fingerprint, sigkey, signing_key_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
			k.SubkeyFingerprint[i], sigkey, k.ID)
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrExists
		}
	}
	return nil
}

// RetireSigningKey marks a certificate as no longer accepted for new signatures.
func (tx *Tx) RetireSigningKey(id int64) error {
	_, err := tx.exec(`UPDATE signing_key SET retired_by = $1, retired_time = $2 WHERE id = $3`, tx.actor, micros(tx.Now()), id)
	return err
}

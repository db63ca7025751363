package store

// Volumes is the table of volumes.
const Volumes NameTable = "volume"

// Named is a row of a table that has nothing but names.
type Named struct {
	ID   int64
	Name string
}

// NamesIn lists a table of names in the order of ids.
func (tx *Tx) NamesIn(t NameTable) ([]Named, error) {
	return list(tx, `SELECT id, name FROM `+string(t)+` ORDER BY id`, nil,
		func(scan func(...any) error, n *Named) error { return scan(&n.ID, &n.Name) })
}

// InsertName adds a name. ErrExists tells that it is there.
func (tx *Tx) InsertName(t NameTable, name string) (int64, error) {
	return tx.insertNew(`INSERT INTO `+string(t)+` (name) VALUES ($1) ON CONFLICT DO NOTHING RETURNING id`, name)
}

// VolumeUsed tells whether a build, deleted ones too, is on a volume.
func (tx *Tx) VolumeUsed(volume int64) (bool, error) {
	return tx.anyRow(`SELECT 1 FROM build WHERE volume_id = $1`, volume)
}

// DeleteVolume deletes a volume that no build is on.
func (tx *Tx) DeleteVolume(volume int64) error {
	_, err := tx.exec(`DELETE FROM volume WHERE id = $1`, volume)
	return err
}

package store

import "errors"

// NameTable is a table of names: ids and names that live on when what they named is deleted.
type NameTable string

// The tables of names that more than one caller looks into.
const (
	GroupNames        NameTable = "groups"
	TargetNames       NameTable = "build_target"
	ExternalRepoNames NameTable = "external_repo"
)

// IDOf is the id of a name in a table.
func (tx *Tx) IDOf(t NameTable, name string) (int64, error) {
	var id int64
	err := tx.row(`SELECT id FROM `+string(t)+` WHERE name = $1`, []any{name}, &id)
	return id, err
}

// NameOf is the name of an id in a table.
func (tx *Tx) NameOf(t NameTable, id int64) (string, error) {
	var name string
	err := tx.row(`SELECT name FROM `+string(t)+` WHERE id = $1`, []any{id}, &name)
	return name, err
}

// EnsureName returns the id of a name in a table, which it makes if there is none.
func (tx *Tx) EnsureName(t NameTable, name string) (int64, error) {
	if id, err := tx.IDOf(t, name); !errors.Is(err, ErrNotFound) {
		return id, err
	}
	return tx.insert(`INSERT INTO `+string(t)+` (name) VALUES ($1) ON CONFLICT (name) DO UPDATE SET name = EXCLUDED.name RETURNING id`, name)
}

// Rename changes a name; names are not versioned.
func (tx *Tx) Rename(t NameTable, id int64, name string) error {
	_, err := tx.exec(`UPDATE `+string(t)+` SET name = $2 WHERE id = $1`, id, name)
	return err
}

package store

import "errors"

// NameTable is a table of names: ids and names that live on when what they named is deleted.
type NameTable string

// The tables of names that more than one caller looks into.
const (
	GroupNames        NameTable = "groups"
	TargetNames       NameTable = "build_target"
	ExternalRepoNames NameTable = "external_repo"
	HostNames         NameTable = "host"
	ChannelNames      NameTable = "channels"
	UserNames         NameTable = "users"
)

// IDOf is the id of a name in a table.
func (tx *Tx) IDOf(t NameTable, name string) (int64, error) {
	id, _, err := tx.LookupName(t, name)
	return id, err
}

// LookupName looks an id (int64) or a name (string) up in a table.
func (tx *Tx) LookupName(t NameTable, info any) (id int64, name string, err error) {
	col := "name"
	if _, ok := info.(int64); ok {
		col = "id"
	}
	err = tx.row(`SELECT id, name FROM `+string(t)+` WHERE `+col+` = $1`, []any{info}, &id, &name)
	return id, name, err
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

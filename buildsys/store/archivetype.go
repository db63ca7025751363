package store

// BTypes is the table of types that builds can be of.
const BTypes NameTable = "btype"

// ArchiveType is a kind of files, known by the ends of their names.
type ArchiveType struct {
	ID                int64
	Name, Description string
	Extensions        string // separated by spaces
	Compression       *string
}

// ArchiveTypes lists them all.
func (tx *Tx) ArchiveTypes() ([]ArchiveType, error) {
	return list(tx, `SELECT id, name, description, extensions, compression_type FROM archivetypes ORDER BY id`, nil,
		func(scan func(...any) error, t *ArchiveType) error {
			return scan(&t.ID, &t.Name, &t.Description, &t.Extensions, &t.Compression)
		})
}

// InsertArchiveType adds one. ErrExists tells that there is one of the name.
func (tx *Tx) InsertArchiveType(t ArchiveType) (int64, error) {
	return tx.insertNew(`INSERT INTO archivetypes (name, description, extensions, compression_type) VALUES ($1, $2, $3, $4)
		ON CONFLICT DO NOTHING RETURNING id`, t.Name, t.Description, t.Extensions, t.Compression)
}

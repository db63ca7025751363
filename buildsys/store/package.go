package store

// PackageID returns the id of a package by name.
func (tx *Tx) PackageID(name string) (int64, error) {
	var id int64
	err := tx.row(`SELECT id FROM package WHERE name = $1`, []any{name}, &id)
	return id, err
}

// PackageName returns the name of a package.
func (tx *Tx) PackageName(id int64) (string, error) {
	var name string
	err := tx.row(`SELECT name FROM package WHERE id = $1`, []any{id}, &name)
	return name, err
}

// EnsurePackage returns the id of a package, which it makes if there is none of the name.
func (tx *Tx) EnsurePackage(name string) (int64, error) {
	return tx.insert(`INSERT INTO package (name) VALUES ($1) ON CONFLICT (name) DO UPDATE SET name = EXCLUDED.name RETURNING id`, name)
}

package store

import "github.com/privyseal/privyseal/buildsys"

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

// PackageFilter chooses entries of package lists; zero fields choose nothing away.
type PackageFilter struct {
	Tag, Package, Owner int64
	Event               int64
	WithoutBlocked      bool
	// WithoutOwners leaves OwnerID and OwnerName empty, which is faster.
	WithoutOwners bool
	// Packages are those wanted, at most 500 of them; nil: all.
	Packages []int64
}

// TagPackages are the entries of tags' own package lists, not the inherited ones, in the order in which they were made.
func (tx *Tx) TagPackages(f PackageFilter) ([]buildsys.TagPackage, error) {
	var w where
	w.live("tag_packages", f.Event)
	owner, join := "0, ''", ""
	if !f.WithoutOwners {
		owner = "users.id, users.name"
		join = ` JOIN tag_package_owners ON tag_package_owners.tag_id = tag_packages.tag_id
				AND tag_package_owners.package_id = tag_packages.package_id
			JOIN users ON users.id = tag_package_owners.owner`
		w.live("tag_package_owners", f.Event)
	}
	if f.Tag != 0 {
		w.add("tag_packages.tag_id = ?", f.Tag)
	}
	if f.Packages != nil {
		vals := make([]any, len(f.Packages))
		for i, id := range f.Packages {
			vals[i] = id
		}
		w.in("tag_packages.package_id", vals)
	}
	if f.Package != 0 {
		w.add("tag_packages.package_id = ?", f.Package)
	}
	if f.Owner != 0 {
		w.add("users.id = ?", f.Owner)
	}
	if f.WithoutBlocked {
		w.conds = append(w.conds, "NOT tag_packages.blocked")
	}
	return list(tx, `SELECT package.id, package.name, tag.id, tag.name, tag_packages.extra_arches, tag_packages.blocked, `+owner+`
		FROM tag_packages JOIN tag ON tag.id = tag_packages.tag_id JOIN package ON package.id = tag_packages.package_id`+join+
		w.String()+` ORDER BY tag_packages.create_event, package.id, tag.id`, w.args,
		func(scan func(...any) error, p *buildsys.TagPackage) error {
			return scan(&p.PackageID, &p.PackageName, &p.TagID, &p.TagName, &p.ExtraArches, &p.Blocked, &p.OwnerID, &p.OwnerName)
		})
}

// SetTagPackage makes p the entry of its package in its tag's own list, its owner included.
func (tx *Tx) SetTagPackage(p buildsys.TagPackage) error {
	if err := tx.RemoveTagPackage(p.TagID, p.PackageID); err != nil {
		return err
	}
	if err := tx.create("tag_packages", "package_id, tag_id, blocked, extra_arches", p.PackageID, p.TagID, p.Blocked, p.ExtraArches); err != nil {
		return err
	}
	return tx.SetPackageOwner(p.TagID, p.PackageID, p.OwnerID)
}

// SetPackageOwner changes who owns a package in a tag.
func (tx *Tx) SetPackageOwner(tag, pkg, owner int64) error {
	if _, err := tx.revoke("tag_package_owners", "tag_id = $1 AND package_id = $2", tag, pkg); err != nil {
		return err
	}
	return tx.create("tag_package_owners", "package_id, tag_id, owner", pkg, tag, owner)
}

// RemoveTagPackage removes the entry of a package from a tag's own list. The owner stays on record, as in Koji.
func (tx *Tx) RemoveTagPackage(tag, pkg int64) error {
	_, err := tx.revoke("tag_packages", "tag_id = $1 AND package_id = $2", tag, pkg)
	return err
}

// Packages lists all packages by id and name.
func (tx *Tx) Packages() ([]buildsys.TagPackage, error) {
	return list(tx, `SELECT id, name FROM package ORDER BY id`, nil,
		func(scan func(...any) error, p *buildsys.TagPackage) error { return scan(&p.PackageID, &p.PackageName) })
}

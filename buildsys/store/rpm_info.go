package store

import "github.com/privyseal/privyseal/buildsys"

const rpmSelect = `SELECT r.id, r.build_id, r.buildroot_id, r.name, r.version, r.release, r.epoch, r.arch, r.draft,
	r.external_repo_id, x.name, r.payloadhash, r.size, r.buildtime, r.metadata_only, r.extra, coalesce(r.header_start, 0),
	coalesce(r.header_end, 0), coalesce(r.header_sha256, ''), r.legacy`

const rpmFrom = ` FROM rpminfo r JOIN external_repo x ON x.id = r.external_repo_id`

const rpmColumns = rpmSelect + rpmFrom

// rpmPreferred is the order in which package files of one name are meant: our own before one of an external repository, a
// build's before a draft's, and newer before older.
const rpmPreferred = `CASE WHEN r.external_repo_id = 0 THEN 0 ELSE 1 END, CASE WHEN r.draft THEN 1 ELSE 0 END, r.id DESC`

func scanRPM(scan func(...any) error, r *buildsys.RPM) error {
	return scan(&r.ID, &r.BuildID, &r.BuildrootID, &r.Name, &r.Version, &r.Release, &r.Epoch, &r.Arch, &r.Draft,
		&r.ExternalRepoID, &r.ExternalRepoName, &r.PayloadHash, &r.Size, &r.BuildTime, &r.MetadataOnly, &r.Extra,
		&r.HeaderStart, &r.HeaderEnd, &r.HeaderSHA256, &r.Legacy)
}

// RPMByID returns a package file.
func (tx *Tx) RPMByID(id int64) (*buildsys.RPM, error) {
	return one(list(tx, rpmColumns+` WHERE r.id = $1`, []any{id}, scanRPM))
}

// RPMByNVRA returns a package file by its name. One of our own goes before one of an external repository, a build's
// before a draft's, and newer before older.
func (tx *Tx) RPMByNVRA(name, version, release, arch string) (*buildsys.RPM, error) {
	return one(list(tx, rpmColumns+` WHERE r.name = $1 AND r.version = $2 AND r.release = $3 AND r.arch = $4
		ORDER BY `+rpmPreferred+` LIMIT 1`,
		[]any{name, version, release, arch}, scanRPM))
}

// RPMsByIDs returns the package files of the ids that exist.
func (tx *Tx) RPMsByIDs(ids []int64) (map[int64]*buildsys.RPM, error) {
	out := make(map[int64]*buildsys.RPM, len(ids))
	err := inChunks(ids, func(w *where) error {
		rows, err := list(tx, rpmColumns+w.String(), w.args, scanRPM)
		for i := range rows {
			out[rows[i].ID] = &rows[i]
		}
		return err
	}, "r.id")
	return out, err
}

// RPMFilter narrows a list of package files; a nil field does not.
type RPMFilter struct {
	BuildID, BuildrootID *int64 // BuildrootID: where they were built
	ComponentOf          *int64 // a build root that they were installed in
	HostID               *int64 // that built them
	Arches               []string
	Draft                *bool
	Order                []Order
	Limit, Offset        *int64
}

var rpmOrder = map[string]string{
	"id": "r.id", "name": "r.name", "version": "r.version", "release": "r.release", "nvr": "r.name || '-' || r.version || '-' || r.release",
	"arch": "r.arch", "epoch": "r.epoch", "draft": "r.draft", "payloadhash": "r.payloadhash", "size": "r.size", "buildtime": "r.buildtime",
	"build_id": "r.build_id", "buildroot_id": "r.buildroot_id", "external_repo_id": "r.external_repo_id", "external_repo_name": "x.name",
	"metadata_only": "r.metadata_only",
}

// CheckOrder tells of a column that package files cannot be ordered by.
func (f *RPMFilter) CheckOrder() error { return checkOrder(rpmOrder, f.Order) }

func (f *RPMFilter) where() where {
	var w where
	if f.ComponentOf != nil {
		w.add("l.buildroot_id = ?", *f.ComponentOf)
	}
	for _, c := range []struct {
		cond string
		v    *int64
	}{
		{"r.build_id = ?", f.BuildID}, {"r.buildroot_id = ?", f.BuildrootID},
		{"r.buildroot_id IN (SELECT buildroot_id FROM standard_buildroot WHERE host_id = ?)", f.HostID},
	} {
		if c.v != nil {
			w.add(c.cond, *c.v)
		}
	}
	if f.Draft != nil {
		w.add("r.draft = ?", *f.Draft)
	}
	if f.Arches != nil {
		w.in("r.arch", anys(f.Arches))
	}
	return w
}

// from is the tables of a query.
func (f *RPMFilter) from() string {
	if f.ComponentOf != nil {
		return ` JOIN buildroot_listing l ON l.rpm_id = r.id`
	}
	return ""
}

// RPMs lists package files in order of their ids.
func (tx *Tx) RPMs(f RPMFilter) (out []buildsys.RPM, err error) {
	err = tx.EachRPM(f, func(r *InstalledRPM) error {
		out = append(out, r.RPM)
		return nil
	})
	return out, err
}

// EachRPM calls fn for the package files that match. The value is fn's only until it returns; Update is told of components.
func (tx *Tx) EachRPM(f RPMFilter, fn func(*InstalledRPM) error) error {
	w := f.where()
	tail, err := ordered(&w, rpmOrder, f.Order, "r.id", f.Limit, f.Offset)
	if err != nil {
		return err
	}
	update := "FALSE"
	if f.ComponentOf != nil {
		update = "l.is_update"
	}
	query := rpmSelect + ", " + update + rpmFrom + f.from() + tail
	var r InstalledRPM
	return tx.each(query, w.args, func(scan func(...any) error) error {
		r = InstalledRPM{}
		if err := scanRPM(func(dst ...any) error { return scan(append(dst, &r.Update)...) }, &r.RPM); err != nil {
			return err
		}
		return fn(&r)
	})
}

// CountRPMs counts the package files that match, whatever the limits.
func (tx *Tx) CountRPMs(f RPMFilter) (n int64, err error) {
	w := f.where()
	err = tx.row(`SELECT count(*)`+rpmFrom+f.from()+w.String(), w.args, &n)
	return n, err
}

// RPMsByNVRA returns all package files of a name, drafts' and external ones included: our own before others, newer before older.
func (tx *Tx) RPMsByNVRA(name, version, release, arch string) ([]buildsys.RPM, error) {
	return list(tx, rpmColumns+` WHERE r.name = $1 AND r.version = $2 AND r.release = $3 AND r.arch = $4 ORDER BY `+rpmPreferred,
		[]any{name, version, release, arch}, scanRPM)
}

// InsertRPM adds a package file and sets its id. ErrExists tells that its name is taken.
func (tx *Tx) InsertRPM(r *buildsys.RPM) error {
	id, err := tx.insertNew(`INSERT INTO rpminfo (build_id, buildroot_id, name, version, release, epoch, arch, draft, external_repo_id,
		payloadhash, size, buildtime, metadata_only, extra, header_start, header_end, header_sha256, legacy)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) ON CONFLICT DO NOTHING RETURNING id`,
		r.BuildID, r.BuildrootID, r.Name, r.Version, r.Release, r.Epoch, r.Arch, r.Draft, r.ExternalRepoID,
		r.PayloadHash, r.Size, r.BuildTime, r.MetadataOnly, r.Extra, r.HeaderStart, r.HeaderEnd, r.HeaderSHA256, r.Legacy)
	r.ID = id
	return err
}

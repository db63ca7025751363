package store

import "github.com/privyseal/privyseal/buildsys"

const rpmColumns = `SELECT r.id, r.build_id, r.buildroot_id, r.name, r.version, r.release, r.epoch, r.arch, r.draft,
	r.external_repo_id, x.name, r.payloadhash, r.size, r.buildtime, r.metadata_only, r.extra, coalesce(r.header_start, 0),
	coalesce(r.header_end, 0), coalesce(r.header_sha256, ''), r.legacy
	FROM rpminfo r JOIN external_repo x ON x.id = r.external_repo_id`

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
		ORDER BY CASE WHEN r.external_repo_id = 0 THEN 0 ELSE 1 END, CASE WHEN r.draft THEN 1 ELSE 0 END, r.id DESC LIMIT 1`,
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
	BuildID, BuildrootID *int64
	Arches               []string // nil: all
	Draft                *bool
}

// RPMs lists package files in order of their ids.
func (tx *Tx) RPMs(f RPMFilter) ([]buildsys.RPM, error) {
	var w where
	if f.BuildID != nil {
		w.add("r.build_id = ?", *f.BuildID)
	}
	if f.BuildrootID != nil {
		w.add("r.buildroot_id = ?", *f.BuildrootID)
	}
	if f.Draft != nil {
		w.add("r.draft = ?", *f.Draft)
	}
	if f.Arches != nil {
		vals := make([]any, len(f.Arches))
		for i, a := range f.Arches {
			vals[i] = a
		}
		w.in("r.arch", vals)
	}
	return list(tx, rpmColumns+w.String()+` ORDER BY r.id`, w.args, scanRPM)
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

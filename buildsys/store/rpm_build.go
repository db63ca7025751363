package store

import (
	"time"

	"github.com/privyseal/privyseal/buildsys"
)

const buildColumns = `SELECT b.id, b.pkg_id, p.name, b.version, b.release, b.epoch, b.draft, b.source, b.state, b.task_id,
	b.owner, u.name, b.volume_id, v.name, b.cg_id, cg.name, b.promoter, pr.name, b.extra, b.create_event, e.time,
	b.start_time, b.completion_time, b.promotion_time
	FROM build b JOIN package p ON p.id = b.pkg_id JOIN users u ON u.id = b.owner JOIN volume v ON v.id = b.volume_id
	JOIN events e ON e.id = b.create_event LEFT JOIN content_generator cg ON cg.id = b.cg_id
	LEFT JOIN users pr ON pr.id = b.promoter`

func scanBuild(scan func(...any) error, b *buildsys.Build) error {
	var created int64
	var start, done, promoted *int64
	err := scan(&b.ID, &b.PackageID, &b.PackageName, &b.Version, &b.Release, &b.Epoch, &b.Draft, &b.Source, &b.State, &b.TaskID,
		&b.OwnerID, &b.OwnerName, &b.VolumeID, &b.VolumeName, &b.CGID, &b.CGName, &b.PromoterID, &b.PromoterName, &b.Extra,
		&b.CreationEvent, &created, &start, &done, &promoted)
	if err != nil {
		return err
	}
	b.Creation, b.Start, b.Completion, b.Promotion = fromMicros(created), optTime(start), optTime(done), optTime(promoted)
	return nil
}

// one returns the first row of a query that is expected to have at most one.
func one[T any](rows []T, err error) (*T, error) {
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, ErrNotFound
	}
	return &rows[0], nil
}

// BuildByID returns a build.
func (tx *Tx) BuildByID(id int64) (*buildsys.Build, error) {
	return one(list(tx, buildColumns+` WHERE b.id = $1`, []any{id}, scanBuild))
}

// BuildByNVR returns a build by its name, version and release.
func (tx *Tx) BuildByNVR(name, version, release string) (*buildsys.Build, error) {
	return one(list(tx, buildColumns+` WHERE p.name = $1 AND b.version = $2 AND b.release = $3`, []any{name, version, release}, scanBuild))
}

// BuildsByIDs returns the builds of the ids that exist, in no order.
func (tx *Tx) BuildsByIDs(ids []int64) (map[int64]*buildsys.Build, error) {
	out := make(map[int64]*buildsys.Build, len(ids))
	err := inChunks(ids, func(w *where) error {
		rows, err := list(tx, buildColumns+w.String(), w.args, scanBuild)
		for i := range rows {
			out[rows[i].ID] = &rows[i]
		}
		return err
	}, "b.id")
	return out, err
}

// inChunks calls fn with conditions "col IN (...)" that together cover ids. The lists have one of four lengths, filled
// up with repeats, because every distinct statement is kept prepared.
func inChunks(ids []int64, fn func(*where) error, col string) error {
	for len(ids) > 0 {
		size := 500
		for _, s := range []int{1, 8, 64} {
			if len(ids) <= s {
				size = s
				break
			}
		}
		n := min(size, len(ids))
		vals := make([]any, size)
		for i := range vals {
			vals[i] = ids[min(i, n-1)]
		}
		ids = ids[n:]
		var w where
		w.in(col, vals)
		if err := fn(&w); err != nil {
			return err
		}
	}
	return nil
}

// BuildFilter narrows a list of builds; a nil field does not.
type BuildFilter struct {
	PackageID, OwnerID, VolumeID, CGID, PromoterID *int64
	TaskID                                         *int64 // -1: any task
	State                                          *int64
	Draft                                          *bool
	Type                                           *string // of build: rpm, maven, ...
	Prefix                                         *string // of the package name, case ignored
	Pattern, Source                                *string // globs with * and ?, case ignored
	CreatedBefore, CreatedAfter                    *time.Time
	CompleteBefore, CompleteAfter                  *time.Time
}

// escapeLike makes a string match itself in LIKE ... ESCAPE '\'.
func escapeLike(s string) string {
	out := make([]byte, 0, len(s)+8)
	for i := range len(s) {
		if c := s[i]; c == '%' || c == '_' || c == '\\' {
			out = append(out, '\\')
		}
		out = append(out, s[i])
	}
	return string(out)
}

// globToLike turns * and ? into LIKE's wildcards.
func globToLike(s string) string {
	out := []byte(escapeLike(s))
	for i, c := range out {
		switch c {
		case '*':
			out[i] = '%'
		case '?':
			out[i] = '_'
		}
	}
	return string(out)
}

func optMicros(t *time.Time) *int64 {
	if t == nil {
		return nil
	}
	us := micros(*t)
	return &us
}

// insertNew runs INSERT ... ON CONFLICT DO NOTHING RETURNING id and makes a conflict ErrExists. It is not left to the
// error of the engine: what an error says differs between engines, and on some it ends the transaction.
func (tx *Tx) insertNew(query string, args ...any) (int64, error) {
	id, err := tx.insert(query, args...)
	if err == ErrNotFound {
		return 0, ErrExists
	}
	return id, err
}

// AddBuildType makes a build one of the type; it may be one already.
func (tx *Tx) AddBuildType(build int64, btype string) error {
	_, err := tx.exec(`INSERT INTO build_types (build_id, btype_id) SELECT $1, id FROM btype WHERE name = $2 ON CONFLICT DO NOTHING`, build, btype)
	return err
}

// BuildTypes are the types of a build.
func (tx *Tx) BuildTypes(build int64) ([]string, error) {
	return list(tx, `SELECT t.name FROM build_types bt JOIN btype t ON t.id = bt.btype_id WHERE bt.build_id = $1 ORDER BY t.id`,
		[]any{build}, func(scan func(...any) error, s *string) error { return scan(s) })
}

// TagIDsOfBuild are the tags that a build is in now.
func (tx *Tx) TagIDsOfBuild(build int64) ([]int64, error) {
	return list(tx, `SELECT tag_id FROM tag_listing WHERE build_id = $1 AND active IS TRUE ORDER BY tag_id`, []any{build}, scanInt)
}

func scanInt(scan func(...any) error, v *int64) error { return scan(v) }

// AddTagUpdate records that a tag counts as changed.
func (tx *Tx) AddTagUpdate(tag int64, why buildsys.TagUpdate) error {
	ev, err := tx.Event()
	if err != nil {
		return err
	}
	_, err = tx.exec(`INSERT INTO tag_updates (tag_id, update_event, updater_id, update_type) VALUES ($1, $2, $3, $4)`, tag, ev, tx.actor, why)
	return err
}

// RecycleBuild gives a failed or canceled build a new life under its old id: state, owner, times and source as in b.
func (tx *Tx) RecycleBuild(b *buildsys.Build) error {
	if err := tx.noteBuild(b.ID); err != nil {
		return err
	}
	ev, err := tx.Event()
	if err != nil {
		return err
	}
	if _, err := tx.exec(`DELETE FROM build_types WHERE build_id = $1`, b.ID); err != nil {
		return err
	}
	_, err = tx.exec(`UPDATE build SET state = $1, task_id = $2, owner = $3, start_time = $4, completion_time = $5, epoch = $6,
		source = $7, extra = $8, volume_id = $9, create_event = $10 WHERE id = $11`,
		b.State, b.TaskID, b.OwnerID, optMicros(b.Start), optMicros(b.Completion), b.Epoch, b.Source, b.Extra, b.VolumeID, ev, b.ID)
	b.CreationEvent = ev
	return err
}

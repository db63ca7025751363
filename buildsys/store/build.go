package store

import (
	"time"

	"github.com/privyseal/privyseal/buildsys"
)

// BuildQuery is a filter with an order and limits.
type BuildQuery struct {
	BuildFilter
	PromotedBefore, PromotedAfter *time.Time
	Order                         []Order
	Limit, Offset                 *int64
}

const buildFrom = ` FROM build b JOIN package p ON p.id = b.pkg_id JOIN users u ON u.id = b.owner JOIN volume v ON v.id = b.volume_id
	JOIN events e ON e.id = b.create_event LEFT JOIN users pr ON pr.id = b.promoter`

const buildNVR = "p.name || '-' || b.version || '-' || b.release"

// buildOrder are the columns that a list of builds can be ordered by.
var buildOrder = map[string]string{
	"id": "b.id", "build_id": "b.id", "name": "p.name", "package_name": "p.name", "package_id": "b.pkg_id", "version": "b.version", "release": "b.release",
	"epoch": "b.epoch", "nvr": buildNVR, "draft": "b.draft", "state": "b.state", "task_id": "b.task_id", "owner_id": "b.owner",
	"owner_name": "u.name", "volume_id": "b.volume_id", "volume_name": "v.name", "source": "b.source", "promoter_id": "b.promoter",
	"promoter_name": "pr.name", "creation_event_id": "b.create_event", "creation_time": "e.time", "creation_ts": "e.time",
	"start_time": "b.start_time", "start_ts": "b.start_time", "completion_time": "b.completion_time", "completion_ts": "b.completion_time",
	"promotion_time": "b.promotion_time", "promotion_ts": "b.promotion_time",
}

func (q *BuildQuery) where() where {
	var w where
	f := &q.BuildFilter
	for _, c := range []struct {
		col string
		v   *int64
	}{
		{"b.pkg_id", f.PackageID}, {"b.owner", f.OwnerID}, {"b.volume_id", f.VolumeID}, {"b.cg_id", f.CGID},
		{"b.promoter", f.PromoterID}, {"b.state", f.State},
	} {
		if c.v != nil {
			w.add(c.col+" = ?", *c.v)
		}
	}
	if f.TaskID != nil {
		if *f.TaskID == -1 {
			w.conds = append(w.conds, "b.task_id IS NOT NULL")
		} else {
			w.add("b.task_id = ?", *f.TaskID)
		}
	}
	if f.Draft != nil {
		w.add("b.draft = ?", *f.Draft)
	}
	if f.Type != nil {
		w.add("b.id IN (SELECT bt.build_id FROM build_types bt JOIN btype t ON t.id = bt.btype_id WHERE t.name = ?)", *f.Type)
	}
	for _, c := range []struct {
		col  string
		glob *string
	}{{buildNVR, f.Pattern}, {"b.source", f.Source}} {
		if c.glob != nil {
			w.add("lower("+c.col+`) LIKE lower(?) ESCAPE '\'`, globToLike(*c.glob))
		}
	}
	if f.Prefix != nil {
		w.add(`lower(p.name) LIKE lower(?) ESCAPE '\'`, escapeLike(*f.Prefix)+"%")
	}
	for _, c := range []struct {
		cond string
		t    *time.Time
	}{
		{"e.time < ?", f.CreatedBefore}, {"e.time > ?", f.CreatedAfter},
		{"b.completion_time < ?", f.CompleteBefore}, {"b.completion_time > ?", f.CompleteAfter},
		{"b.promotion_time < ?", q.PromotedBefore}, {"b.promotion_time > ?", q.PromotedAfter},
	} {
		if c.t != nil {
			w.add(c.cond, micros(*c.t))
		}
	}
	return w
}

// EachBuild calls fn for the builds that match. The value is fn's only until it returns.
func (tx *Tx) EachBuild(q BuildQuery, fn func(*buildsys.Build) error) error {
	w := q.where()
	tail, err := ordered(&w, buildOrder, q.Order, "b.id", q.Limit, q.Offset)
	if err != nil {
		return err
	}
	var b buildsys.Build
	return tx.each(buildColumns+tail, w.args, func(scan func(...any) error) error {
		b = buildsys.Build{}
		if err := scanBuild(scan, &b); err != nil {
			return err
		}
		return fn(&b)
	})
}

// CountBuilds counts the builds that match, whatever the limits.
func (tx *Tx) CountBuilds(q BuildQuery) (n int64, err error) {
	w := q.where()
	err = tx.row(`SELECT count(*)`+buildFrom+w.String(), w.args, &n)
	return n, err
}

// UntaggedQuery chooses among the complete builds that no tag holds.
type UntaggedQuery struct {
	Name          string // of the package; "": any
	Draft         *bool
	Order         []Order
	Limit, Offset *int64
}

func (q *UntaggedQuery) where() where {
	var w where
	w.add("b.state = ?", int(buildsys.BuildComplete))
	w.conds = append(w.conds, "NOT EXISTS (SELECT 1 FROM tag_listing l WHERE l.build_id = b.id AND l.active IS TRUE)")
	if q.Name != "" {
		w.add("p.name = ?", q.Name)
	}
	if q.Draft != nil {
		w.add("b.draft = ?", *q.Draft)
	}
	return w
}

var untaggedOrder = map[string]string{"id": "b.id", "name": "p.name", "version": "b.version", "release": "b.release"}

const untaggedFrom = ` FROM build b JOIN package p ON p.id = b.pkg_id`

// EachUntagged calls fn for the builds that match, with their ids and names only.
func (tx *Tx) EachUntagged(q UntaggedQuery, fn func(*buildsys.Build) error) error {
	w := q.where()
	tail, err := ordered(&w, untaggedOrder, q.Order, "b.id", q.Limit, q.Offset)
	if err != nil {
		return err
	}
	var b buildsys.Build
	return tx.each(`SELECT b.id, p.name, b.version, b.release`+untaggedFrom+tail, w.args, func(scan func(...any) error) error {
		if err := scan(&b.ID, &b.PackageName, &b.Version, &b.Release); err != nil {
			return err
		}
		return fn(&b)
	})
}

// CountUntagged counts what EachUntagged would show without limits.
func (tx *Tx) CountUntagged(q UntaggedQuery) (n int64, err error) {
	w := q.where()
	err = tx.row(`SELECT count(*)`+untaggedFrom+w.String(), w.args, &n)
	return n, err
}

// LastRelease is the release of the newest build of a package at a version that was not in vain and is no draft; "" if
// there is none.
func (tx *Tx) LastRelease(name, version string) (string, error) {
	rows, err := list(tx, `SELECT b.release`+untaggedFrom+` WHERE p.name = $1 AND b.version = $2 AND b.state IN ($3, $4, $5)
		AND b.draft IS NOT TRUE ORDER BY b.id DESC LIMIT 1`,
		[]any{name, version, buildsys.BuildComplete, buildsys.BuildDeleted, buildsys.BuildBuilding},
		func(scan func(...any) error, s *string) error { return scan(s) })
	if err != nil || len(rows) == 0 {
		return "", err
	}
	return rows[0], nil
}

// AverageBuildTime is how long builds of a package took that were built (imports are no measure) and completed after a
// time, which may be nil; false if there are none.
func (tx *Tx) AverageBuildTime(pkg int64, since *time.Time) (time.Duration, bool, error) {
	var w where
	w.add("b.pkg_id = ?", pkg)
	w.add("b.state = ?", int(buildsys.BuildComplete))
	w.conds = append(w.conds, "(b.task_id IS NOT NULL OR b.extra LIKE '%koji_task_id%')")
	if since != nil {
		w.add("b.completion_time > ?", micros(*since))
	}
	var n, total int64
	err := tx.row(`SELECT count(*), coalesce(sum(b.completion_time - e.time), 0) FROM build b JOIN events e ON e.id = b.create_event`+w.String(), w.args, &n, &total)
	if err != nil || n == 0 {
		return 0, false, err
	}
	return time.Duration(total/n) * time.Microsecond, true, nil
}

// CheckOrder tells of a column that builds cannot be ordered by.
func (q *BuildQuery) CheckOrder() error { return checkOrder(buildOrder, q.Order) }

// CheckOrder tells of a column that the list cannot be ordered by.
func (q *UntaggedQuery) CheckOrder() error { return checkOrder(untaggedOrder, q.Order) }

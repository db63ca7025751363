package store

import (
	"time"

	"github.com/privyseal/privyseal/buildsys"
)

// Buildroot is where packages were built. The fields from HostID on are those of a builder's.
type Buildroot struct {
	ID                           int64
	Type                         buildsys.BuildrootType
	CGID                         *int64
	CGName, CGVersion            *string
	ContainerType, ContainerArch *string
	HostOS, HostArch             *string
	Extra                        *string // JSON
	HostID                       *int64
	HostName                     *string
	RepoID, TaskID               *int64
	RepoState, RepoTagID         *int64
	RepoTagName                  *string
	RepoEvent                    *int64
	RepoTime                     *time.Time
	CreateEvent, RetireEvent     *int64
	Create, Retire               *time.Time
	State                        *int64
}

// BuildrootFilter narrows a list of build roots; a nil field does not.
type BuildrootFilter struct {
	IDs, States                   []int64
	HostID, TagID, TaskID, RepoID *int64
	RPMID                         *int64 // that was installed in them
	Order                         []Order
	Limit, Offset                 *int64
}

const buildrootFrom = ` FROM buildroot br LEFT JOIN standard_buildroot sb ON sb.buildroot_id = br.id
	LEFT JOIN content_generator cg ON cg.id = br.cg_id LEFT JOIN host h ON h.id = sb.host_id
	LEFT JOIN events ce ON ce.id = sb.create_event LEFT JOIN events re ON re.id = sb.retire_event
	LEFT JOIN repo ON repo.id = sb.repo_id LEFT JOIN tag t ON t.id = repo.tag_id
	LEFT JOIN events pe ON pe.id = repo.create_event`

// buildrootOrder are the columns that a list can be ordered by.
var buildrootOrder = map[string]string{
	"id": "br.id", "buildroot.id": "br.id", "br_type": "br.br_type", "state": "sb.state", "task_id": "sb.task_id", "host_id": "h.id", "host_name": "h.name",
	"repo_id": "repo.id", "tag_id": "t.id", "tag_name": "t.name", "create_event_id": "ce.id", "create_event_time": "ce.time", "create_ts": "ce.time",
	"retire_event_id": "re.id", "retire_event_time": "re.time", "retire_ts": "re.time", "arch": "br.container_arch",
	"container_arch": "br.container_arch", "repo_state": "repo.state", "repo_create_event_id": "pe.id", "cg_name": "cg.name",
}

func (f BuildrootFilter) where() where {
	var w where
	if f.IDs != nil {
		w.in("br.id", anys(f.IDs))
	}
	if f.States != nil {
		w.in("sb.state", anys(f.States))
	}
	for _, c := range []struct {
		cond string
		v    *int64
	}{
		{"sb.host_id = ?", f.HostID}, {"t.id = ?", f.TagID}, {"sb.task_id = ?", f.TaskID}, {"sb.repo_id = ?", f.RepoID},
		{"br.id IN (SELECT buildroot_id FROM buildroot_listing WHERE rpm_id = ?)", f.RPMID},
	} {
		if c.v != nil {
			w.add(c.cond, *c.v)
		}
	}
	return w
}

// Buildroots lists build roots.
func (tx *Tx) Buildroots(f BuildrootFilter) ([]Buildroot, error) {
	w := f.where()
	tail, err := ordered(&w, buildrootOrder, f.Order, "br.id", f.Limit, f.Offset)
	if err != nil {
		return nil, err
	}
	return list(tx, `SELECT br.id, br.br_type, br.cg_id, cg.name, br.cg_version, br.container_type, br.container_arch, br.host_os,
		br.host_arch, br.extra, sb.host_id, h.name, sb.repo_id, sb.task_id, sb.create_event, sb.retire_event, ce.time, re.time, sb.state,
		repo.state, t.id, t.name, pe.id, pe.time`+buildrootFrom+tail, w.args, func(scan func(...any) error, b *Buildroot) error {
		var created, retired, repo *int64
		err := scan(&b.ID, &b.Type, &b.CGID, &b.CGName, &b.CGVersion, &b.ContainerType, &b.ContainerArch, &b.HostOS,
			&b.HostArch, &b.Extra, &b.HostID, &b.HostName, &b.RepoID, &b.TaskID, &b.CreateEvent, &b.RetireEvent, &created, &retired, &b.State,
			&b.RepoState, &b.RepoTagID, &b.RepoTagName, &b.RepoEvent, &repo)
		b.Create, b.Retire, b.RepoTime = optTime(created), optTime(retired), optTime(repo)
		return err
	})
}

// CountBuildroots counts what Buildroots would list without limits.
func (tx *Tx) CountBuildroots(f BuildrootFilter) (n int64, err error) {
	w := f.where()
	err = tx.row(`SELECT count(*)`+buildrootFrom+w.String(), w.args, &n)
	return n, err
}

// BuildrootByID returns a build root.
func (tx *Tx) BuildrootByID(id int64) (*Buildroot, error) {
	return one(tx.Buildroots(BuildrootFilter{IDs: []int64{id}}))
}

// InsertBuildroot adds a build root and sets its id; one with a HostID is a builder's.
func (tx *Tx) InsertBuildroot(b *Buildroot) error {
	id, err := tx.insert(`INSERT INTO buildroot (br_type, cg_id, cg_version, container_type, container_arch, host_os, host_arch, extra)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id`,
		b.Type, b.CGID, b.CGVersion, b.ContainerType, b.ContainerArch, b.HostOS, b.HostArch, b.Extra)
	if err != nil {
		return err
	}
	b.ID = id
	if b.HostID == nil {
		return nil
	}
	ev, err := tx.Event()
	if err != nil {
		return err
	}
	_, err = tx.exec(`INSERT INTO standard_buildroot (buildroot_id, host_id, repo_id, task_id, create_event, state) VALUES ($1, $2, $3, $4, $5, $6)`,
		id, b.HostID, b.RepoID, b.TaskID, ev, buildsys.BuildrootInit)
	return err
}

// SetBuildrootState changes the state of a builder's build root; one that expires is retired.
func (tx *Tx) SetBuildrootState(id int64, state buildsys.BuildrootState) error {
	var retired *int64
	if state == buildsys.BuildrootExpired {
		ev, err := tx.Event()
		if err != nil {
			return err
		}
		retired = &ev
	}
	_, err := tx.exec(`UPDATE standard_buildroot SET state = $1, retire_event = $2 WHERE buildroot_id = $3`, state, retired, id)
	return err
}

// AddToBuildroot records packages as installed in a build root; those that are on record stay as they are.
func (tx *Tx) AddToBuildroot(id int64, rpms []int64, update bool) error {
	for _, rpm := range rpms {
		if _, err := tx.exec(`INSERT INTO buildroot_listing (buildroot_id, rpm_id, is_update) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, id, rpm, update); err != nil {
			return err
		}
	}
	return nil
}

// InstalledRPM is a package in a build root.
type InstalledRPM struct {
	buildsys.RPM
	Update bool // installed by the build itself
}

// BuildrootRPMs lists what was installed in a build root.
func (tx *Tx) BuildrootRPMs(id int64) ([]InstalledRPM, error) {
	return list(tx, `SELECT r.id, l.is_update, r.name, r.version, r.release, r.epoch, r.arch, r.build_id, r.draft, r.external_repo_id, x.name
		FROM buildroot_listing l JOIN rpminfo r ON r.id = l.rpm_id JOIN external_repo x ON x.id = r.external_repo_id
		WHERE l.buildroot_id = $1 ORDER BY r.id`, []any{id}, func(scan func(...any) error, r *InstalledRPM) error {
		return scan(&r.ID, &r.Update, &r.Name, &r.Version, &r.Release, &r.Epoch, &r.Arch, &r.BuildID, &r.Draft, &r.ExternalRepoID, &r.ExternalRepoName)
	})
}

// SetBuildrootTools records the programs that an external build root was made with.
func (tx *Tx) SetBuildrootTools(id int64, tools [][2]string) error {
	for _, t := range tools {
		if _, err := tx.exec(`INSERT INTO buildroot_tools_info (buildroot_id, tool, version) VALUES ($1, $2, $3)`, id, t[0], t[1]); err != nil {
			return err
		}
	}
	return nil
}

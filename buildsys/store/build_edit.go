package store

import (
	"fmt"
	"time"

	"github.com/privyseal/privyseal/buildsys"
)

// AddBuild adds a build and sets its id and event. ErrExists tells that its name is taken. The release of a draft gets its
// suffix, ",draft_ID", here, since the id is in it.
func (tx *Tx) AddBuild(b *buildsys.Build) error {
	ev, err := tx.Event()
	if err != nil {
		return err
	}
	release := b.Release
	if b.Draft {
		release = fmt.Sprintf("%s,draft_of_event_%d", b.Release, ev) // unique until the id is known
	}
	id, err := tx.insertNew(`INSERT INTO build (volume_id, pkg_id, version, release, epoch, draft, source, create_event, start_time,
		completion_time, state, task_id, owner, extra, cg_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
		ON CONFLICT DO NOTHING RETURNING id`,
		b.VolumeID, b.PackageID, b.Version, release, b.Epoch, b.Draft, b.Source, ev, optMicros(b.Start), optMicros(b.Completion),
		b.State, b.TaskID, b.OwnerID, b.Extra, b.CGID)
	if err != nil {
		return err
	}
	b.ID, b.CreationEvent = id, ev
	tx.note(Change{Topic: TopicBuildState, Build: id})
	if !b.Draft {
		return nil
	}
	b.Release = fmt.Sprintf("%s,draft_%d", b.Release, id)
	_, err = tx.exec(`UPDATE build SET release = $1 WHERE id = $2`, b.Release, id)
	return err
}

// ReuseBuild gives a failed or canceled build a new life under its old id, as b says.
func (tx *Tx) ReuseBuild(b *buildsys.Build) error {
	if err := tx.RecycleBuild(b); err != nil {
		return err
	}
	_, err := tx.exec(`UPDATE build SET cg_id = $1 WHERE id = $2`, b.CGID, b.ID)
	return err
}

// FinishBuild ends a build: state, completion and volume as in b.
func (tx *Tx) FinishBuild(id int64, state buildsys.BuildState, at time.Time) error {
	if err := tx.noteBuild(id); err != nil {
		return err
	}
	_, err := tx.exec(`UPDATE build SET state = $1, completion_time = $2 WHERE id = $3`, state, micros(at), id)
	return err
}

// UpdateReserved fills in a reserved build what its content generator tells when it is done.
func (tx *Tx) UpdateReserved(b *buildsys.Build) error {
	if err := tx.noteBuild(b.ID); err != nil {
		return err
	}
	_, err := tx.exec(`UPDATE build SET state = $1, start_time = $2, completion_time = $3, epoch = $4, source = $5, extra = $6, owner = $7,
		task_id = $8, volume_id = $9 WHERE id = $10`,
		b.State, optMicros(b.Start), optMicros(b.Completion), b.Epoch, b.Source, b.Extra, b.OwnerID, b.TaskID, b.VolumeID, b.ID)
	return err
}

// SetBuildOwner gives a build to another user.
func (tx *Tx) SetBuildOwner(id, owner int64) error {
	_, err := tx.exec(`UPDATE build SET owner = $1 WHERE id = $2`, owner, id)
	return err
}

// SetBuildCompletion changes when a build was completed.
func (tx *Tx) SetBuildCompletion(id int64, at time.Time) error {
	_, err := tx.exec(`UPDATE build SET completion_time = $1 WHERE id = $2`, micros(at), id)
	return err
}

// SetBuildVolume changes where a build's files are.
func (tx *Tx) SetBuildVolume(id, volume int64) error {
	_, err := tx.exec(`UPDATE build SET volume_id = $1 WHERE id = $2`, volume, id)
	return err
}

// PromoteBuild makes a draft a build, with a release of its own. ErrExists tells that there is one of that name, or that a
// package of it has the name of one that is no draft.
func (tx *Tx) PromoteBuild(b *buildsys.Build, release string) error {
	taken := func(query string, args ...any) error {
		var n int
		if err := tx.row(query, args, &n); err != nil {
			return err
		}
		if n > 0 {
			return ErrExists
		}
		return nil
	}
	if err := taken(`SELECT count(*) FROM build WHERE pkg_id = $1 AND version = $2 AND release = $3`, b.PackageID, b.Version, release); err != nil {
		return err
	}
	if err := taken(`SELECT count(*) FROM rpminfo r JOIN rpminfo o ON o.name = r.name AND o.version = r.version AND o.release = r.release
		AND o.arch = r.arch AND o.external_repo_id = 0 AND o.draft IS NOT TRUE WHERE r.build_id = $1`, b.ID); err != nil {
		return err
	}
	if _, err := tx.exec(`UPDATE build SET draft = FALSE, release = $1, promoter = $2, promotion_time = $3 WHERE id = $4`,
		release, tx.actor, micros(tx.Now()), b.ID); err != nil {
		return err
	}
	_, err := tx.exec(`UPDATE rpminfo SET draft = FALSE WHERE build_id = $1`, b.ID)
	return err
}

// DeleteBuild marks a build deleted and forgets its signatures. Its packages and its past stay on record.
func (tx *Tx) DeleteBuild(id int64) error {
	if err := tx.noteBuild(id); err != nil {
		return err
	}
	if err := tx.dropSignatures(id); err != nil {
		return err
	}
	_, err := tx.exec(`UPDATE build SET state = $1, completion_time = coalesce(completion_time, $2) WHERE id = $3`,
		buildsys.BuildDeleted, micros(tx.Now()), id)
	return err
}

func (tx *Tx) dropSignatures(build int64) error {
	for _, table := range []string{"rpmsigs", "rpm_checksum", "rpmsig_proof"} {
		if _, err := tx.exec(`DELETE FROM `+table+` WHERE rpm_id IN (SELECT id FROM rpminfo WHERE build_id = $1)`, build); err != nil {
			return err
		}
	}
	return nil
}

// ResetBuild empties a build and cancels it, so that its name can be built again. What was tagged stays in the tags' past;
// what is tagged from now on is a build that begins anew.
func (tx *Tx) ResetBuild(id int64) error {
	if err := tx.noteBuild(id); err != nil {
		return err
	}
	ev, err := tx.Event()
	if err != nil {
		return err
	}
	if err := tx.dropSignatures(id); err != nil {
		return err
	}
	for _, q := range []string{
		`DELETE FROM buildroot_listing WHERE rpm_id IN (SELECT id FROM rpminfo WHERE build_id = $1)`,
		`DELETE FROM rpminfo WHERE build_id = $1`,
		`DELETE FROM build_types WHERE build_id = $1`,
		`DELETE FROM build_reservations WHERE build_id = $1`,
	} {
		if _, err := tx.exec(q, id); err != nil {
			return err
		}
	}
	_, err = tx.exec(`UPDATE build SET state = $1, completion_time = coalesce(completion_time, $2), task_id = NULL, volume_id = 0, reset_event = $3
		WHERE id = $4`, buildsys.BuildCanceled, micros(tx.Now()), ev, id)
	return err
}

// BuildTraces tells what keeps a build from beginning anew: whether it was tagged since it was last reset, whether it has packages.
func (tx *Tx) BuildTraces(id int64) (tagged, rpms bool, err error) {
	var tags, files int64
	err = tx.row(`SELECT (SELECT count(*) FROM tag_listing l JOIN build b ON b.id = l.build_id
			WHERE l.build_id = $1 AND (b.reset_event IS NULL OR l.create_event > b.reset_event)),
		(SELECT count(*) FROM rpminfo WHERE build_id = $1)`, []any{id}, &tags, &files)
	return tags > 0, files > 0, err
}

// BuiltWith are packages of complete builds that were built where a package of a build was installed.
func (tx *Tx) BuiltWith(id int64, limit *int64) ([]buildsys.RPM, error) {
	var w where
	p := w.arg(id)
	w.add("b.state = ?", int(buildsys.BuildComplete))
	w.conds = append(w.conds, `r.buildroot_id IN (SELECT l.buildroot_id FROM buildroot_listing l JOIN rpminfo m ON m.id = l.rpm_id WHERE m.build_id = `+p+`)`)
	q := `SELECT r.id, r.name, r.version, r.release, r.arch, r.build_id FROM rpminfo r JOIN build b ON b.id = r.build_id` + w.String() + ` ORDER BY r.id`
	if limit != nil {
		q += ` LIMIT ` + w.arg(*limit)
	}
	return list(tx, q, w.args, func(scan func(...any) error, r *buildsys.RPM) error {
		return scan(&r.ID, &r.Name, &r.Version, &r.Release, &r.Arch, &r.BuildID)
	})
}

// LastInstalled is when a build root was last made that a package of a build was installed in, nil for never.
func (tx *Tx) LastInstalled(id int64) (*time.Time, error) {
	var us *int64
	err := tx.row(`SELECT max(e.time) FROM buildroot_listing l JOIN rpminfo m ON m.id = l.rpm_id
		JOIN standard_buildroot s ON s.buildroot_id = l.buildroot_id JOIN events e ON e.id = s.create_event WHERE m.build_id = $1`, []any{id}, &us)
	return optTime(us), err
}

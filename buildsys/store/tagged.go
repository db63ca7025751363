package store

import (
	"github.com/privyseal/privyseal/buildsys"
)

// TaggedBuild is a build in a tag.
type TaggedBuild struct {
	buildsys.Build
	TagID       int64
	TagName     string
	CreateEvent int64 // of the tagging
}

// TaggedFilter chooses builds in a tag; zero fields choose nothing away.
type TaggedFilter struct {
	Event          int64
	Package, Owner string // names
	Type           string // a build type
	Draft          *bool
}

// TaggedBuilds are the complete builds in a tag itself, the most recently tagged first, the newer build first where two
// were tagged at one event.
func (tx *Tx) TaggedBuilds(tag int64, f TaggedFilter) ([]TaggedBuild, error) {
	var w where
	w.live("tag_listing", f.Event)
	w.add("tag_listing.tag_id = ?", tag)
	w.add("build.state = ?", int(buildsys.BuildComplete))
	w.conds = append(w.conds, "(build.reset_event IS NULL OR tag_listing.create_event > build.reset_event)")
	if f.Package != "" {
		w.add("package.name = ?", f.Package)
	}
	if f.Owner != "" {
		w.add("users.name = ?", f.Owner)
	}
	if f.Draft != nil {
		w.add("build.draft = ?", *f.Draft)
	}
	join := ""
	if f.Type != "" {
		join = ` JOIN build_types ON build_types.build_id = build.id JOIN btype ON btype.id = build_types.btype_id`
		w.add("btype.name = ?", f.Type)
	}
	return list(tx, `SELECT tag.id, tag.name, tag_listing.create_event, build.id, package.id, package.name, build.version, build.release,
			build.epoch, build.draft, build.state, build.task_id, build.source, build.extra, users.id, users.name, volume.id, volume.name,
			build.promoter, promoter.name, build.create_event, events.time, build.start_time, build.completion_time, build.promotion_time
		FROM tag_listing JOIN tag ON tag.id = tag_listing.tag_id JOIN build ON build.id = tag_listing.build_id
			JOIN events ON events.id = build.create_event JOIN package ON package.id = build.pkg_id
			JOIN volume ON volume.id = build.volume_id JOIN users ON users.id = build.owner
			LEFT JOIN users AS promoter ON promoter.id = build.promoter`+join+w.String()+
		` ORDER BY tag_listing.create_event DESC, build.id DESC`, w.args, scanTaggedBuild)
}

func scanTaggedBuild(scan func(...any) error, b *TaggedBuild) error {
	var created int64
	var start, done, promoted *int64
	err := scan(&b.TagID, &b.TagName, &b.CreateEvent, &b.ID, &b.PackageID, &b.PackageName, &b.Version, &b.Release,
		&b.Epoch, &b.Draft, &b.State, &b.TaskID, &b.Source, &b.Extra, &b.OwnerID, &b.OwnerName, &b.VolumeID, &b.VolumeName,
		&b.PromoterID, &b.PromoterName, &b.CreationEvent, &created, &start, &done, &promoted)
	b.Creation = fromMicros(created)
	b.Start, b.Completion, b.Promotion = optTime(start), optTime(done), optTime(promoted)
	return err
}

// TaggedRPM is a package file of a build in a tag, once for each of its signatures where those are asked for.
type TaggedRPM struct {
	buildsys.RPM
	Sigkey *string // nil: no signature on record
}

// TaggedRPMFilter chooses package files; zero fields choose nothing away.
type TaggedRPMFilter struct {
	Event   int64
	Package string
	Arches  []string
	Sigs    bool // a row for each signature
	Draft   *bool
}

// TaggedRPMs calls fn for the package files of all builds in a tag itself. The value is fn's only until it returns.
func (tx *Tx) TaggedRPMs(tag int64, f TaggedRPMFilter, fn func(*TaggedRPM) error) error {
	var w where
	w.live("tag_listing", f.Event)
	w.add("tag_listing.tag_id = ?", tag)
	join, sigkey := "", "NULL"
	if f.Package != "" {
		join += ` JOIN build ON build.id = rpminfo.build_id JOIN package ON package.id = build.pkg_id`
		w.add("package.name = ?", f.Package)
	}
	if f.Sigs {
		join += ` LEFT JOIN rpmsigs ON rpmsigs.rpm_id = rpminfo.id`
		sigkey = "rpmsigs.sigkey"
	}
	if f.Arches != nil {
		vals := make([]any, len(f.Arches))
		for i, a := range f.Arches {
			vals[i] = a
		}
		w.in("rpminfo.arch", vals)
	}
	if f.Draft != nil {
		w.add("rpminfo.draft = ?", *f.Draft)
	}
	var r TaggedRPM
	return tx.each(`SELECT rpminfo.id, rpminfo.name, rpminfo.version, rpminfo.release, rpminfo.epoch, rpminfo.arch, rpminfo.draft,
			rpminfo.payloadhash, rpminfo.size, rpminfo.buildtime, rpminfo.buildroot_id, rpminfo.build_id, rpminfo.metadata_only,
			rpminfo.extra, `+sigkey+`
		FROM tag_listing JOIN rpminfo ON rpminfo.build_id = tag_listing.build_id`+join+w.String()+
		` ORDER BY tag_listing.create_event DESC, rpminfo.build_id DESC, rpminfo.id`, w.args, func(scan func(...any) error) error {
		r = TaggedRPM{}
		if err := scan(&r.ID, &r.Name, &r.Version, &r.Release, &r.Epoch, &r.Arch, &r.Draft, &r.PayloadHash, &r.Size, &r.BuildTime,
			&r.BuildrootID, &r.BuildID, &r.MetadataOnly, &r.Extra, &r.Sigkey); err != nil {
			return err
		}
		return fn(&r)
	})
}

// IsTagged tells whether a build is in a tag now.
func (tx *Tx) IsTagged(tag, build int64) (bool, error) {
	return tx.anyRow(`SELECT 1 FROM tag_listing WHERE tag_id = $1 AND build_id = $2 AND active IS TRUE`, tag, build)
}

// TaggedAt returns the event at which each of several builds was put into a tag, of those that are in it now.
func (tx *Tx) TaggedAt(tag int64, builds []int64) (map[int64]int64, error) {
	out := make(map[int64]int64, len(builds))
	err := inChunks(builds, func(w *where) error {
		w.add("tag_id = ?", tag)
		return tx.each(`SELECT build_id, create_event FROM tag_listing`+w.String()+` AND active IS TRUE`, w.args, func(scan func(...any) error) error {
			var build, event int64
			err := scan(&build, &event)
			out[build] = event
			return err
		})
	}, "build_id")
	return out, err
}

// TagBuild puts a build into a tag, in the name of the transaction's actor.
func (tx *Tx) TagBuild(tag, build int64) error {
	err := tx.create("tag_listing", "build_id, tag_id", build, tag)
	tx.note(Change{Topic: TopicTag, Tag: tag, Build: build})
	return err
}

// UntagBuild takes a build out of a tag and tells whether it was in it.
func (tx *Tx) UntagBuild(tag, build int64) (bool, error) {
	n, err := tx.revoke("tag_listing", "tag_id = $1 AND build_id = $2", tag, build)
	if n > 0 {
		tx.note(Change{Topic: TopicUntag, Tag: tag, Build: build})
	}
	return n > 0, err
}

// BuildTypeExists tells whether there is such a type of builds.
func (tx *Tx) BuildTypeExists(name string) (bool, error) {
	return tx.anyRow(`SELECT 1 FROM btype WHERE name = $1`, name)
}

package store

import (
	"slices"
	"strings"

	"github.com/privyseal/privyseal/buildsys"
)

// SetTagPackages is SetTagPackage for many packages of one tag, each once, by few statements: the writing transaction, which
// all writers wait for, is shorter.
func (tx *Tx) SetTagPackages(tag int64, packages []buildsys.TagPackage) error {
	if len(packages) == 0 {
		return nil
	}
	event, err := tx.Event()
	if err != nil {
		return err
	}
	ids := make([]int64, len(packages))
	for i, p := range packages {
		ids[i] = p.PackageID
	}
	for _, table := range []string{"tag_packages", "tag_package_owners"} {
		if err := inChunks(ids, func(w *where) error {
			w.add("tag_id = ?", tag)
			_, err := tx.revoke(table, strings.Join(w.conds, " AND "), w.args...)
			return err
		}, "package_id"); err != nil {
			return err
		}
	}
	err = inRows(packages, 6, func(p buildsys.TagPackage, args []any) []any {
		return append(args, p.PackageID, tag, p.Blocked, p.ExtraArches, event, tx.actor)
	}, func(values string, args []any) error {
		_, err := tx.exec(`INSERT INTO tag_packages (package_id, tag_id, blocked, extra_arches, create_event, creator_id) VALUES `+values, args...)
		return err
	})
	if err != nil {
		return err
	}
	return inRows(packages, 5, func(p buildsys.TagPackage, args []any) []any {
		return append(args, p.PackageID, tag, p.OwnerID, event, tx.actor)
	}, func(values string, args []any) error {
		_, err := tx.exec(`INSERT INTO tag_package_owners (package_id, tag_id, owner, create_event, creator_id) VALUES `+values, args...)
		return err
	})
}

// TagBuilds is TagBuild for many builds, in their order: each has an event of its own, since events are what the order of
// builds in a tag is made of.
func (tx *Tx) TagBuilds(tag int64, builds []int64) error {
	now := micros(tx.Now())
	var events []int64
	err := inRows(builds, 1, func(_ int64, args []any) []any { return append(args, now) }, func(values string, args []any) error {
		return tx.returning(`INSERT INTO events (time) VALUES `+values+` RETURNING id`, args, func(scan func(...any) error) error {
			var id int64
			err := scan(&id)
			events = append(events, id)
			return err
		})
	})
	if err != nil {
		return err
	}
	slices.Sort(events)
	at := 0
	err = inRows(builds, 4, func(build int64, args []any) []any {
		at++
		return append(args, build, tag, events[at-1], tx.actor)
	}, func(values string, args []any) error {
		_, err := tx.exec(`INSERT INTO tag_listing (build_id, tag_id, create_event, creator_id) VALUES `+values, args...)
		return err
	})
	if err != nil {
		return err
	}
	for i, build := range builds {
		tx.event = events[i]
		tx.note(Change{Topic: TopicTag, Tag: tag, Build: build})
	}
	tx.NextCall()
	return nil
}

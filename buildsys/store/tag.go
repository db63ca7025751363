package store

import (
	"github.com/privyseal/privyseal/buildsys"
)

// TagID returns the id behind a tag's name, deleted tags' too.
func (tx *Tx) TagID(name string) (int64, error) {
	var id int64
	err := tx.row(`SELECT id FROM tag WHERE name = $1`, []any{name}, &id)
	return id, err
}

// TagName returns the name of a tag, deleted tags' too.
func (tx *Tx) TagName(id int64) (string, error) {
	var name string
	err := tx.row(`SELECT name FROM tag WHERE id = $1`, []any{id}, &name)
	return name, err
}

const tagFrom = ` FROM tag_config JOIN tag ON tag.id = tag_config.tag_id
	LEFT JOIN permissions ON permissions.id = tag_config.perm_id`

const tagCols = `tag.id, tag.name, tag_config.arches, tag_config.perm_id, permissions.name, tag_config.locked,
	tag_config.maven_support, tag_config.maven_include_all`

func scanTag(scan func(...any) error, t *buildsys.Tag) error {
	return scan(&t.ID, &t.Name, &t.Arches, &t.PermID, &t.Perm, &t.Locked, &t.MavenSupport, &t.MavenIncludeAll)
}

// Tag returns a tag as it was at event (0: now), without its extra settings.
func (tx *Tx) Tag(id, event int64) (buildsys.Tag, error) {
	var w where
	w.add("tag.id = ?", id)
	w.live("tag_config", event)
	return first(list(tx, `SELECT `+tagCols+tagFrom+w.String(), w.args, scanTag))
}

// Tags lists the tags that are live now, in the order of ids.
func (tx *Tx) Tags() ([]buildsys.Tag, error) {
	return list(tx, `SELECT `+tagCols+tagFrom+` WHERE tag_config.active IS TRUE ORDER BY tag.id`, nil, scanTag)
}

// TagsOfBuild lists the tags a build is in now, in the order of tagging.
func (tx *Tx) TagsOfBuild(build int64) ([]buildsys.Tag, error) {
	return list(tx, `SELECT `+tagCols+tagFrom+` JOIN tag_listing ON tag_listing.tag_id = tag.id
		WHERE tag_config.active IS TRUE AND tag_listing.active IS TRUE AND tag_listing.build_id = $1
		ORDER BY tag_listing.create_event, tag.id`, []any{build}, scanTag)
}

// DeletedAt is the event at which the tag's last configuration was revoked, 0 while the tag is live.
func (tx *Tx) DeletedAt(tag int64) (int64, error) {
	var ev *int64
	err := tx.row(`SELECT revoke_event FROM tag_config WHERE tag_id = $1 ORDER BY create_event DESC LIMIT 1`, []any{tag}, &ev)
	if err != nil || ev == nil {
		return 0, err
	}
	return *ev, nil
}

// TagExtra are a tag's own extra settings, as JSON; nil blocks an inherited one.
func (tx *Tx) TagExtra(tag, event int64) (map[string]*string, error) {
	var w where
	w.add("tag_id = ?", tag)
	w.live("tag_extra", event)
	out := map[string]*string{}
	err := tx.each(`SELECT key, value FROM tag_extra`+w.String(), w.args, func(scan func(...any) error) error {
		var k string
		var v *string
		if err := scan(&k, &v); err != nil {
			return err
		}
		out[k] = v
		return nil
	})
	return out, err
}

// EnsureTag returns the id of a tag's name, which it makes if there is none. A deleted tag's name keeps its id.
func (tx *Tx) EnsureTag(name string) (int64, error) {
	return tx.insert(`INSERT INTO tag (name) VALUES ($1) ON CONFLICT (name) DO UPDATE SET name = EXCLUDED.name RETURNING id`, name)
}

// RenameTag changes a tag's name; names are not versioned.
func (tx *Tx) RenameTag(id int64, name string) error {
	_, err := tx.exec(`UPDATE tag SET name = $2 WHERE id = $1`, id, name)
	return err
}

// SetTagConfig makes t's settings (not its name, not its extra ones) the live ones.
func (tx *Tx) SetTagConfig(t buildsys.Tag) error {
	if _, err := tx.revoke("tag_config", "tag_id = $1", t.ID); err != nil {
		return err
	}
	return tx.create("tag_config", "tag_id, arches, perm_id, locked, maven_support, maven_include_all",
		t.ID, t.Arches, t.PermID, t.Locked, t.MavenSupport, t.MavenIncludeAll)
}

// SetTagExtra sets one of a tag's extra settings to JSON, or blocks it (nil).
func (tx *Tx) SetTagExtra(tag int64, key string, value *string) error {
	if err := tx.RemoveTagExtra(tag, key); err != nil {
		return err
	}
	return tx.create("tag_extra", "tag_id, key, value", tag, key, value)
}

// RemoveTagExtra removes one of a tag's extra settings.
func (tx *Tx) RemoveTagExtra(tag int64, key string) error {
	_, err := tx.revoke("tag_extra", "tag_id = $1 AND key = $2", tag, key)
	return err
}

// DeleteTag revokes everything that makes a tag, and what refers to it.
func (tx *Tx) DeleteTag(id int64) error {
	for _, table := range []struct{ name, cond string }{
		{"tag_config", "tag_id = $1"},
		{"tag_extra", "tag_id = $1"},
		{"tag_inheritance", "(tag_id = $1 OR parent_id = $1)"},
		{"build_target_config", "(build_tag = $1 OR dest_tag = $1)"},
		{"tag_listing", "tag_id = $1"},
		{"tag_packages", "tag_id = $1"},
		{"tag_package_owners", "tag_id = $1"},
		{"tag_external_repos", "tag_id = $1"},
		{"group_config", "tag_id = $1"},
		{"group_req_listing", "tag_id = $1"},
		{"group_package_listing", "tag_id = $1"},
	} {
		if _, err := tx.revoke(table.name, table.cond, id); err != nil {
			return err
		}
	}
	return nil
}

const inheritanceCols = `tag_inheritance.tag_id, tag_inheritance.parent_id, tag.name, tag_inheritance.priority, tag_inheritance.maxdepth,
	tag_inheritance.intransitive, tag_inheritance.noconfig, coalesce(tag_inheritance.pkg_filter, '')`

func scanInheritance(scan func(...any) error, l *buildsys.Inheritance) error {
	return scan(&l.TagID, &l.ParentID, &l.Name, &l.Priority, &l.MaxDepth, &l.Intransitive, &l.NoConfig, &l.PkgFilter)
}

// Parents are a tag's links to its parents, by priority; Name is the parent's.
func (tx *Tx) Parents(tag, event int64) ([]buildsys.Inheritance, error) {
	var w where
	w.add("tag_inheritance.tag_id = ?", tag)
	w.live("tag_inheritance", event)
	return list(tx, `SELECT `+inheritanceCols+` FROM tag_inheritance JOIN tag ON tag.id = tag_inheritance.parent_id`+
		w.String()+` ORDER BY tag_inheritance.priority`, w.args, scanInheritance)
}

// Children are the links to a tag from those that inherit it; Name is the child's.
func (tx *Tx) Children(tag, event int64) ([]buildsys.Inheritance, error) {
	var w where
	w.add("tag_inheritance.parent_id = ?", tag)
	w.live("tag_inheritance", event)
	return list(tx, `SELECT `+inheritanceCols+` FROM tag_inheritance JOIN tag ON tag.id = tag_inheritance.tag_id`+
		w.String()+` ORDER BY tag_inheritance.priority, tag_inheritance.tag_id`, w.args, scanInheritance)
}

// RemoveParent ends a link.
func (tx *Tx) RemoveParent(tag, parent int64) error {
	_, err := tx.revoke("tag_inheritance", "tag_id = $1 AND parent_id = $2", tag, parent)
	return err
}

// AddParent makes a link; an old one to the same parent has been removed before.
func (tx *Tx) AddParent(l buildsys.Inheritance) error {
	return tx.create("tag_inheritance", "tag_id, parent_id, priority, maxdepth, intransitive, noconfig, pkg_filter",
		l.TagID, l.ParentID, l.Priority, l.MaxDepth, l.Intransitive, l.NoConfig, l.PkgFilter)
}

// changeTables are the versioned tables whose rows make a tag what it is. Who owns a package is not among them.
var changeTables = []string{
	"tag_listing", "tag_inheritance", "tag_config", "tag_extra", "tag_packages", "tag_external_repos",
	"group_package_listing", "group_req_listing", "group_config",
}

// LastChange is the last event before the event before (0: no limit) at which one of the tags changed, 0 if none did.
func (tx *Tx) LastChange(tags []int64, before int64) (int64, error) {
	vals := make([]any, len(tags))
	for i, t := range tags {
		vals[i] = t
	}
	last := int64(0)
	newest := func(table, col, key string, keys []any) error {
		var w where
		w.in(key, keys)
		if before != 0 {
			w.add(col+" < ?", before)
		}
		var ev *int64
		if err := tx.row(`SELECT max(`+col+`) FROM `+table+w.String(), w.args, &ev); err != nil {
			return err
		}
		if ev != nil {
			last = max(last, *ev)
		}
		return nil
	}
	if err := newest("tag_updates", "update_event", "tag_id", vals); err != nil {
		return 0, err
	}
	for _, table := range changeTables {
		for _, col := range []string{"create_event", "revoke_event"} {
			if err := newest(table, col, "tag_id", vals); err != nil {
				return 0, err
			}
		}
	}
	var w where
	w.in("tag_id", vals)
	w.live("tag_external_repos", before)
	repos, err := list(tx, `SELECT external_repo_id FROM tag_external_repos`+w.String(), w.args,
		func(scan func(...any) error, v *any) error {
			var id int64
			err := scan(&id)
			*v = id
			return err
		})
	if err != nil || len(repos) == 0 {
		return last, err
	}
	for _, table := range repoChangeTables {
		for _, col := range []string{"create_event", "revoke_event"} {
			if err := newest(table, col, "external_repo_id", repos); err != nil {
				return 0, err
			}
		}
	}
	return last, nil
}

package store

import (
	"regexp"
	"sync"
)

// Freshness is how far the database has come. What was read of the past, or of what events tell of, is still so at another
// moment of the same generation.
type Freshness struct {
	Event      int64 // the newest
	Generation int64
}

// Freshness returns how far the database had come when the transaction's snapshot was taken.
func (tx *Tx) Freshness() (Freshness, error) {
	var f Freshness
	err := tx.row(`SELECT (SELECT coalesce(max(id), 0) FROM events), (SELECT value FROM generation WHERE id = 0)`, nil, &f.Event, &f.Generation)
	return f, err
}

// ListsChanged tells whether the builds or packages that the tags list, or what the tags inherit, changed after an event.
func (tx *Tx) ListsChanged(tags []int64, after int64) (bool, error) {
	for _, table := range []string{"tag_listing", "tag_packages", "tag_package_owners", "tag_inheritance", "tag_config"} {
		for _, col := range []string{"create_event", "revoke_event"} {
			for i := 0; i < len(tags); i += 200 {
				var w where
				w.in("tag_id", anys(tags[i:min(len(tags), i+200)]))
				w.add(col+" > ?", after)
				if yes, err := tx.anyRow(`SELECT 1 FROM `+table+w.String(), w.args...); err != nil || yes {
					return true, err
				}
			}
		}
	}
	return false, nil
}

// unversioned are the statements that change what answers show and no event tells of.
var unversioned = regexp.MustCompile(`^\s*(?i:UPDATE|DELETE\s+FROM|INSERT\s+INTO)\s+(?i:users|tag|build|build_types|rpminfo|volume|package|content_generator|tag_updates)\s`)

// harmless are those that look like it: making a name that nothing refers to yet.
var harmless = regexp.MustCompile(`^\s*(?i:INSERT\s+INTO)\s+(?i:users|tag|build|volume|package|content_generator)\s`)

var judged sync.Map // statement: whether it is unversioned

func isUnversioned(query string) bool {
	if v, ok := judged.Load(query); ok {
		return v.(bool)
	}
	is := unversioned.MatchString(query) && !harmless.MatchString(query)
	if len(query) < 400 { // long ones have lists of any length
		judged.Store(query, is)
	}
	return is
}

// bump notes at the commit that something unversioned was changed.
func (tx *Tx) bump() error {
	if !tx.unversioned {
		return nil
	}
	_, err := tx.exec(`UPDATE generation SET value = value + 1 WHERE id = 0`)
	return err
}

package store

// TagsChanged tells whether one of the tags changed after an event. External repositories that they use do not count.
func (tx *Tx) TagsChanged(tags []int64, after int64) (bool, error) {
	changed := func(table string, cols ...string) (bool, error) {
		for _, col := range cols {
			var w where
			w.in("tag_id", anys(tags))
			w.add(col+" > ?", after)
			if yes, err := tx.anyRow(`SELECT 1 FROM `+table+w.String(), w.args...); err != nil || yes {
				return yes, err
			}
		}
		return false, nil
	}
	if yes, err := changed("tag_updates", "update_event"); err != nil || yes {
		return yes, err
	}
	for _, table := range changeTables {
		if yes, err := changed(table, "create_event", "revoke_event"); err != nil || yes {
			return yes, err
		}
	}
	return false, nil
}

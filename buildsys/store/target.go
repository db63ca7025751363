package store

import "github.com/privyseal/privyseal/buildsys"

// TargetFilter chooses build targets; zero fields choose nothing away.
type TargetFilter struct {
	ID                int64
	Name              string
	BuildTag, DestTag int64
	Event             int64
}

// Targets are the build targets as of an event, in the order of their making.
func (tx *Tx) Targets(f TargetFilter) ([]buildsys.Target, error) {
	var w where
	w.live("build_target_config", f.Event)
	if f.ID != 0 {
		w.add("build_target.id = ?", f.ID)
	}
	if f.Name != "" {
		w.add("build_target.name = ?", f.Name)
	}
	if f.BuildTag != 0 {
		w.add("build_target_config.build_tag = ?", f.BuildTag)
	}
	if f.DestTag != 0 {
		w.add("build_target_config.dest_tag = ?", f.DestTag)
	}
	return list(tx, `SELECT build_target.id, build_target.name, build_target_config.build_tag, t1.name, build_target_config.dest_tag, t2.name,
			build_target_config.create_event
		FROM build_target_config JOIN build_target ON build_target.id = build_target_config.build_target_id
			JOIN tag AS t1 ON t1.id = build_target_config.build_tag
			JOIN tag AS t2 ON t2.id = build_target_config.dest_tag`+w.String()+
		` ORDER BY build_target_config.create_event, build_target.id`, w.args,
		func(scan func(...any) error, t *buildsys.Target) error {
			return scan(&t.ID, &t.Name, &t.BuildTag, &t.BuildTagName, &t.DestTag, &t.DestTagName, &t.CreationEvent)
		})
}

// SetTarget makes t's tags those of the target t.ID.
func (tx *Tx) SetTarget(t buildsys.Target) error {
	if err := tx.RemoveTarget(t.ID); err != nil {
		return err
	}
	return tx.create("build_target_config", "build_target_id, build_tag, dest_tag", t.ID, t.BuildTag, t.DestTag)
}

// RemoveTarget ends a target. Its name and its history stay.
func (tx *Tx) RemoveTarget(id int64) error {
	_, err := tx.revoke("build_target_config", "build_target_id = $1", id)
	return err
}

// HostArches are the lists of architectures of all builders, in the order of ids.
func (tx *Tx) HostArches() ([]string, error) {
	return list(tx, `SELECT arches FROM host_config WHERE active IS TRUE AND arches IS NOT NULL ORDER BY host_id`, nil,
		func(scan func(...any) error, s *string) error { return scan(s) })
}

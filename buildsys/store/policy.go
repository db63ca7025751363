package store

// BuildrootsOfBuild are the build roots that a build's packages were made in, each once; without tells of a package that was
// made in none.
func (tx *Tx) BuildrootsOfBuild(build int64) (ids []int64, without bool, err error) {
	err = tx.each(`SELECT DISTINCT buildroot_id FROM rpminfo WHERE build_id = $1 ORDER BY buildroot_id`, []any{build},
		func(scan func(...any) error) error {
			var id *int64
			if err := scan(&id); err != nil {
				return err
			}
			if id == nil {
				without = true
			} else {
				ids = append(ids, *id)
			}
			return nil
		})
	return ids, without, err
}

// LookupName looks an id or a name up in one of the tables that have nothing but names: volume, content_generator, build_target.
func (tx *Tx) LookupName(table string, info any) (id int64, name string, err error) {
	col := "name"
	if _, ok := info.(int64); ok {
		col = "id"
	}
	err = tx.row(`SELECT id, name FROM `+table+` WHERE `+col+` = $1`, []any{info}, &id, &name)
	return id, name, err
}

// TargetBuildTag is the build tag that a build target has now.
func (tx *Tx) TargetBuildTag(target int64) (tag int64, err error) {
	err = tx.row(`SELECT build_tag FROM build_target_config WHERE build_target_id = $1 AND active IS TRUE`, []any{target}, &tag)
	return tag, err
}

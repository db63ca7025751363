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

// TargetBuildTag is the build tag that a build target has now.
func (tx *Tx) TargetBuildTag(target int64) (tag int64, err error) {
	err = tx.row(`SELECT build_tag FROM build_target_config WHERE build_target_id = $1 AND active IS TRUE`, []any{target}, &tag)
	return tag, err
}

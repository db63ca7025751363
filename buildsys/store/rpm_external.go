package store

import "github.com/privyseal/privyseal/buildsys"

// ExternalRPM finds the package of an external repository that has the name of r.
func (tx *Tx) ExternalRPM(r *buildsys.RPM) (*buildsys.RPM, error) {
	return one(list(tx, rpmColumns+` WHERE r.name = $1 AND r.version = $2 AND r.release = $3 AND r.arch = $4 AND r.external_repo_id = $5`,
		[]any{r.Name, r.Version, r.Release, r.Arch, r.ExternalRepoID}, scanRPM))
}

// RepoExists tells whether there is a repository of this id, whatever its state.
func (tx *Tx) RepoExists(id int64) (bool, error) {
	return tx.anyRow(`SELECT 1 FROM repo WHERE id = $1`, id)
}

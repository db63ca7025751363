package store

import "github.com/privyseal/privyseal/buildsys"

// MayUseCG tells whether a user may act for a content generator.
func (tx *Tx) MayUseCG(user, cg int64) (bool, error) {
	return tx.anyRow(`SELECT 1 FROM cg_users WHERE user_id = $1 AND cg_id = $2 AND active IS TRUE`, user, cg)
}

// DistRepo is a repository of signed packages that is in use.
type DistRepo struct {
	ID, Tag, Event int64
	TagName        string
}

// DistRepos are the repositories of signed packages that are ready.
func (tx *Tx) DistRepos() ([]DistRepo, error) {
	return list(tx, `SELECT r.id, r.tag_id, r.create_event, t.name FROM repo r JOIN tag t ON t.id = r.tag_id
		WHERE r.dist IS TRUE AND r.state = $1 ORDER BY r.id`, []any{buildsys.RepoReady},
		func(scan func(...any) error, r *DistRepo) error { return scan(&r.ID, &r.Tag, &r.Event, &r.TagName) })
}

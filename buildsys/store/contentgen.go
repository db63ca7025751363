package store

// ContentGenerators is the table of content generators.
const ContentGenerators NameTable = "content_generator"

// GeneratorUser is somebody who may import as a content generator.
type GeneratorUser struct {
	CGID     int64
	CG, User string
}

// GeneratorUsers lists who may import as which content generator.
func (tx *Tx) GeneratorUsers() ([]GeneratorUser, error) {
	return list(tx, `SELECT g.id, g.name, u.name FROM cg_users c JOIN content_generator g ON g.id = c.cg_id JOIN users u ON u.id = c.user_id
		WHERE c.active IS TRUE ORDER BY g.id, c.create_event, u.id`, nil,
		func(scan func(...any) error, g *GeneratorUser) error { return scan(&g.CGID, &g.CG, &g.User) })
}

// GrantGenerator lets a user import as a content generator.
func (tx *Tx) GrantGenerator(user, cg int64) error {
	return tx.create("cg_users", "cg_id, user_id", cg, user)
}

// RevokeGenerator takes that back and tells whether there was anything to take.
func (tx *Tx) RevokeGenerator(user, cg int64) (bool, error) {
	return changed(tx.revoke("cg_users", "cg_id = $1 AND user_id = $2", cg, user))
}

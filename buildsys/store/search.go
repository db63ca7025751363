package store

// SearchQuery asks for things by their names.
type SearchQuery struct {
	// What is one of package, build, tag, target, user, host and rpm.
	What string
	// Glob has * and ?, Exact is the whole name; case counts for Exact alone. Neither: all.
	Glob, Exact string
	// NVR is Exact of a build or an rpm taken apart, so that an index serves: name, version, release, and an rpm's arch.
	NVR           []string
	Order         []Order // id, name
	Limit, Offset *int64
}

// searchTables say where a name stands and which rows count: what is deleted is not found.
var searchTables = map[string]struct {
	from, name string
	id         string
	parts      []string // of the name
}{
	"package": {from: "package AS x", id: "x.id", name: "x.name"},
	"user":    {from: "users AS x JOIN users AS k ON k.id = x.id AND NOT k.removed", id: "x.id", name: "x.name"},
	"host":    {from: "host AS x JOIN host_config AS k ON k.host_id = x.id AND k.active IS TRUE", id: "x.id", name: "x.name"},
	"tag":     {from: "tag AS x JOIN tag_config AS k ON k.tag_id = x.id AND k.active IS TRUE", id: "x.id", name: "x.name"},
	"target":  {from: "build_target AS x JOIN build_target_config AS k ON k.build_target_id = x.id AND k.active IS TRUE", id: "x.id", name: "x.name"},
	"build": {from: "build AS x JOIN package AS p ON p.id = x.pkg_id", id: "x.id", name: "p.name || '-' || x.version || '-' || x.release",
		parts: []string{"p.name", "x.version", "x.release"}},
	"rpm": {from: "rpminfo AS x", id: "x.id", name: "x.name || '-' || x.version || '-' || x.release || '.' || x.arch || '.rpm'",
		parts: []string{"x.name", "x.version", "x.release", "x.arch"}},
}

// Search hands out the ids and names that are found, by id unless another order is wanted.
func (tx *Tx) Search(q SearchQuery, fn func(id int64, name string) error) error {
	t := searchTables[q.What]
	w := q.where()
	end, err := ordered(w, map[string]string{"id": t.id, "name": t.name}, q.Order, t.id, q.Limit, q.Offset)
	if err != nil {
		return err
	}
	return tx.each(`SELECT `+t.id+`, `+t.name+` FROM `+t.from+end, w.args, func(scan func(...any) error) error {
		var id int64
		var name string
		if err := scan(&id, &name); err != nil {
			return err
		}
		return fn(id, name)
	})
}

// CountSearch is how many there are, whatever limits there are.
func (tx *Tx) CountSearch(q SearchQuery) (n int64, err error) {
	w := q.where()
	err = tx.row(`SELECT count(*) FROM `+searchTables[q.What].from+w.String(), w.args, &n)
	return n, err
}

func (q *SearchQuery) where() *where {
	var w where
	t := searchTables[q.What]
	switch {
	case q.NVR != nil:
		for i, part := range t.parts {
			w.add(part+" = ?", q.NVR[i])
		}
	case q.Exact != "":
		w.add(t.name+" = ?", q.Exact)
	case q.Glob != "":
		w.add("lower("+t.name+`) LIKE lower(?) ESCAPE '\'`, globToLike(q.Glob))
	}
	return &w
}

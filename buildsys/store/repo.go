package store

import (
	"time"

	"github.com/privyseal/privyseal/buildsys"
)

// Repo is a repository of a tag.
type Repo struct {
	ID           int64
	Creation     time.Time
	StateTime    time.Time
	CreateEvent  int64
	BeginEvent   *int64
	EndEvent     *int64
	TagID        int64
	TagName      string
	State        buildsys.RepoState
	Dist         bool
	Opts, Custom map[string]any // nil for a dist repository
	TaskID       *int64
}

// RepoView are the repositories as clients query them.
var RepoView = &View{
	table: "repo",
	joins: map[string]string{
		"tag":       "JOIN tag ON repo.tag_id = tag.id",
		"create_ev": "JOIN events AS create_ev ON repo.create_event = create_ev.id",
		"begin_ev":  "LEFT JOIN events AS begin_ev ON repo.begin_event = begin_ev.id",
		"end_ev":    "LEFT JOIN events AS end_ev ON repo.end_event = end_ev.id",
		"task":      "LEFT JOIN task ON repo.task_id = task.id",
	},
	fields: []viewField{
		{"id", "repo.id", "", KindInt},
		{"tag_id", "repo.tag_id", "", KindInt},
		{"creation_time", "repo.creation_time", "", KindTime},
		{"creation_ts", "repo.creation_time", "", KindSeconds},
		{"state_time", "repo.state_time", "", KindTime},
		{"state_ts", "repo.state_time", "", KindSeconds},
		{"create_event", "repo.create_event", "", KindInt},
		{"create_ts", "create_ev.time", "create_ev", KindSeconds},
		{"begin_event", "repo.begin_event", "", KindInt},
		{"begin_ts", "begin_ev.time", "begin_ev", KindSeconds},
		{"end_event", "repo.end_event", "", KindInt},
		{"end_ts", "end_ev.time", "end_ev", KindSeconds},
		{"state", "repo.state", "", KindInt},
		{"dist", "repo.dist", "", KindBool},
		{"opts", "repo.opts", "", KindJSON},
		{"custom_opts", "repo.custom_opts", "", KindJSON},
		{"task_id", "repo.task_id", "", KindInt},
		{"task_state", "task.state", "task", KindInt},
		{"tag_name", "tag.name", "tag", KindText},
	},
	standard: []string{"id", "tag_id", "create_event", "state", "dist", "task_id", "opts", "custom_opts"},
}

// RepoByID returns a repository.
func (tx *Tx) RepoByID(id int64) (*Repo, error) {
	r := &Repo{ID: id}
	var creation, state int64
	var opts, custom *string
	err := tx.row(`SELECT r.creation_time, r.state_time, r.create_event, r.begin_event, r.end_event, r.tag_id, t.name, r.state, r.dist, r.opts,
		r.custom_opts, r.task_id FROM repo r JOIN tag t ON t.id = r.tag_id WHERE r.id = $1`, []any{id},
		&creation, &state, &r.CreateEvent, &r.BeginEvent, &r.EndEvent, &r.TagID, &r.TagName, &r.State, &r.Dist, &opts, &custom, &r.TaskID)
	if err != nil {
		return nil, err
	}
	r.Creation, r.StateTime = fromMicros(creation), fromMicros(state)
	if r.Opts, err = decodeStruct(opts); err != nil {
		return nil, err
	}
	r.Custom, err = decodeStruct(custom)
	return r, err
}

// decodeStruct reads a column that holds a JSON struct; NULL is nil.
func decodeStruct(text *string) (map[string]any, error) {
	if text == nil {
		return nil, nil
	}
	v, err := decodeJSON(*text)
	m, _ := v.(map[string]any)
	return m, err
}

func encodeStruct(m map[string]any) (*string, error) {
	if m == nil {
		return nil, nil
	}
	s, err := EncodeJSON(m)
	return &s, err
}

// InsertRepo adds a repository in its first state and sets its id and times.
func (tx *Tx) InsertRepo(r *Repo) error {
	opts, err := encodeStruct(r.Opts)
	if err != nil {
		return err
	}
	custom, err := encodeStruct(r.Custom)
	if err != nil {
		return err
	}
	r.Creation, r.State = tx.Now(), buildsys.RepoInit
	r.StateTime = r.Creation
	r.ID, err = tx.insert(`INSERT INTO repo (creation_time, state_time, create_event, begin_event, end_event, tag_id, state, dist, opts, custom_opts, task_id)
		VALUES ($1, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id`,
		micros(r.Creation), r.CreateEvent, r.BeginEvent, r.EndEvent, r.TagID, r.State, r.Dist, opts, custom, r.TaskID)
	tx.note(Change{Topic: TopicRepo, Repo: r.ID})
	return err
}

// SetRepoState moves a repository from one state to another; false tells that it was not in that one.
func (tx *Tx) SetRepoState(id int64, from, to buildsys.RepoState) (bool, error) {
	done, err := changed(tx.exec(`UPDATE repo SET state = $1, state_time = $2 WHERE id = $3 AND state = $4`, to, micros(tx.Now()), id, from))
	if done {
		tx.note(Change{Topic: TopicRepo, Repo: id, Old: int(from), HasOld: true})
	}
	return done, err
}

// SetRepoTask notes the task that makes a repository.
func (tx *Tx) SetRepoTask(id, task int64) error {
	_, err := tx.exec(`UPDATE repo SET task_id = $1 WHERE id = $2`, task, id)
	return err
}

// EndRepo notes the event at which a repository's tag changed.
func (tx *Tx) EndRepo(id, event int64) error {
	_, err := tx.exec(`UPDATE repo SET end_event = $1 WHERE id = $2 AND end_event IS NULL`, event, id)
	return err
}

// CurrentRepos are the ready repositories whose tags are not known to have changed: only id, tag and event are filled.
func (tx *Tx) CurrentRepos() ([]Repo, error) {
	return list(tx, `SELECT id, tag_id, create_event FROM repo WHERE end_event IS NULL AND state = $1 ORDER BY id`, []any{buildsys.RepoReady},
		func(scan func(...any) error, r *Repo) error { return scan(&r.ID, &r.TagID, &r.CreateEvent) })
}

// NewerRepo tells whether a tag has a ready repository, of packages or dist, from a later event than event. Of those of
// packages only the ones without custom options count.
func (tx *Tx) NewerRepo(tag, event int64, dist bool) (bool, error) {
	q := `SELECT 1 FROM repo WHERE tag_id = $1 AND state = $2 AND create_event > $3`
	if dist {
		q += ` AND dist IS TRUE`
	} else {
		q += ` AND custom_opts = '{}'`
	}
	return tx.anyRow(q, tag, buildsys.RepoReady, event)
}

// RepoReference is a build root that was made from a repository and is not retired.
type RepoReference struct {
	Buildroot, Host, Task, CreateEvent, State int64
}

// RepoReferences are the build roots that still use a repository.
func (tx *Tx) RepoReferences(repo int64) ([]RepoReference, error) {
	return list(tx, `SELECT buildroot_id, host_id, task_id, create_event, state FROM standard_buildroot
		WHERE repo_id = $1 AND retire_event IS NULL AND state <> 3 ORDER BY buildroot_id`, []any{repo},
		func(scan func(...any) error, r *RepoReference) error {
			return scan(&r.Buildroot, &r.Host, &r.Task, &r.CreateEvent, &r.State)
		})
}

// ExternalRepoData is what was last seen of an external repository, as JSON; ErrNotFound if nothing was.
func (tx *Tx) ExternalRepoData(repo int64) (any, error) {
	var text *string
	if err := tx.row(`SELECT data FROM external_repo_data WHERE external_repo_id = $1 AND active IS TRUE`, []any{repo}, &text); err != nil {
		return nil, err
	}
	if text == nil {
		return nil, nil
	}
	return decodeJSON(*text)
}

// SetExternalRepoData notes what was seen of an external repository.
func (tx *Tx) SetExternalRepoData(repo int64, data map[string]any) error {
	text, err := EncodeJSON(data)
	if err != nil {
		return err
	}
	if _, err := tx.revoke("external_repo_data", "external_repo_id = $1", repo); err != nil {
		return err
	}
	return tx.create("external_repo_data", "external_repo_id, data", repo, text)
}

// TagSettings are the live values (JSON) of some extra settings, of all tags that have them, in order of the tags.
func (tx *Tx) TagSettings(keys ...string) ([]TagSetting, error) {
	var w where
	w.in("key", anys(keys))
	w.live("tag_extra", 0)
	return list(tx, `SELECT tag_id, key, value FROM tag_extra`+w.String()+` AND value IS NOT NULL ORDER BY tag_id, key`, w.args,
		func(scan func(...any) error, s *TagSetting) error { return scan(&s.TagID, &s.Key, &s.Value) })
}

// TagSetting is an extra setting of a tag.
type TagSetting struct {
	TagID      int64
	Key, Value string
}

// repoChangeTables are the versioned tables of external repositories whose rows make tags what they are.
var repoChangeTables = []string{"external_repo_config", "external_repo_data"}

// FirstChange is the first event after the event after at which one of the tags changed, 0 if none did.
func (tx *Tx) FirstChange(tags []int64, after int64) (int64, error) {
	first := int64(0)
	oldest := func(table, col, key string, keys []any) error {
		var w where
		w.in(key, keys)
		w.add(col+" > ?", after)
		var ev *int64
		if err := tx.row(`SELECT min(`+col+`) FROM `+table+w.String(), w.args, &ev); err != nil {
			return err
		}
		if ev != nil && (first == 0 || *ev < first) {
			first = *ev
		}
		return nil
	}
	vals := anys(tags)
	if err := oldest("tag_updates", "update_event", "tag_id", vals); err != nil {
		return 0, err
	}
	for _, table := range changeTables {
		for _, col := range []string{"create_event", "revoke_event"} {
			if err := oldest(table, col, "tag_id", vals); err != nil {
				return 0, err
			}
		}
	}
	var w where
	w.in("tag_id", vals)
	w.live("tag_external_repos", after)
	repos, err := list(tx, `SELECT DISTINCT external_repo_id FROM tag_external_repos`+w.String(), w.args, scanInt)
	if err != nil || len(repos) == 0 {
		return first, err
	}
	for _, table := range repoChangeTables {
		for _, col := range []string{"create_event", "revoke_event"} {
			if err := oldest(table, col, "external_repo_id", anys(repos)); err != nil {
				return 0, err
			}
		}
	}
	return first, nil
}

// TagCreated is the event at which a tag got its first configuration, 0 if it has none.
func (tx *Tx) TagCreated(tag int64) (int64, error) {
	var ev *int64
	if err := tx.row(`SELECT min(create_event) FROM tag_config WHERE tag_id = $1`, []any{tag}, &ev); err != nil || ev == nil {
		return 0, err
	}
	return *ev, nil
}

package store

import (
	"time"

	"github.com/privyseal/privyseal/buildsys"
)

// RepoRequest is a wish for a repository of a tag: at an event, or not older than one.
type RepoRequest struct {
	ID             int64
	Owner          int64
	Priority       int
	TagID          int64
	TagName        string
	AtEvent, Min   *int64
	Opts           map[string]any
	TaskID, RepoID *int64
	TaskState      *buildsys.TaskState
	Tries          int
	Active         bool
}

// RepoQueueView are the requests as clients query them.
var RepoQueueView = &View{
	table: "repo_queue",
	joins: map[string]string{
		"tag":   "JOIN tag ON repo_queue.tag_id = tag.id",
		"task":  "LEFT JOIN task ON repo_queue.task_id = task.id",
		"users": "JOIN users ON repo_queue.owner = users.id",
	},
	fields: []viewField{
		{"id", "repo_queue.id", "", KindInt},
		{"create_time", "repo_queue.create_time", "", KindTime},
		{"create_ts", "repo_queue.create_time", "", KindSeconds},
		{"owner", "repo_queue.owner", "", KindInt},
		{"owner_name", "users.name", "users", KindText},
		{"priority", "repo_queue.priority", "", KindInt},
		{"tag_id", "repo_queue.tag_id", "", KindInt},
		{"tag_name", "tag.name", "tag", KindText},
		{"at_event", "repo_queue.at_event", "", KindInt},
		{"min_event", "repo_queue.min_event", "", KindInt},
		{"opts", "repo_queue.opts", "", KindJSON},
		{"update_time", "repo_queue.update_time", "", KindTime},
		{"update_ts", "repo_queue.update_time", "", KindSeconds},
		{"active", "repo_queue.active", "", KindBool},
		{"task_id", "repo_queue.task_id", "", KindInt},
		{"task_state", "task.state", "task", KindInt},
		{"tries", "repo_queue.tries", "", KindInt},
		{"repo_id", "repo_queue.repo_id", "", KindInt},
	},
	standard: []string{"id", "tag_id", "at_event", "min_event", "create_ts", "task_id", "tries", "repo_id", "opts", "active", "update_ts"},
}

const repoRequestColumns = `SELECT q.id, q.owner, q.priority, q.tag_id, t.name, q.at_event, q.min_event, q.opts, q.task_id, task.state, q.tries, q.repo_id,
	q.active FROM repo_queue q JOIN tag t ON t.id = q.tag_id LEFT JOIN task ON task.id = q.task_id`

func scanRepoRequest(scan func(...any) error, r *RepoRequest) error {
	var opts string
	var state *int64
	if err := scan(&r.ID, &r.Owner, &r.Priority, &r.TagID, &r.TagName, &r.AtEvent, &r.Min, &opts, &r.TaskID, &state, &r.Tries, &r.RepoID, &r.Active); err != nil {
		return err
	}
	if state != nil {
		s := buildsys.TaskState(*state)
		r.TaskState = &s
	}
	var err error
	r.Opts, err = decodeStruct(&opts)
	return err
}

// RepoRequestByID returns a request.
func (tx *Tx) RepoRequestByID(id int64) (*RepoRequest, error) {
	return one(list(tx, repoRequestColumns+` WHERE q.id = $1`, []any{id}, scanRepoRequest))
}

// WaitingRepoRequests are the requests that have no repository yet, the first in line first.
func (tx *Tx) WaitingRepoRequests() ([]RepoRequest, error) {
	return list(tx, repoRequestColumns+` WHERE q.active IS TRUE AND q.repo_id IS NULL ORDER BY q.priority, q.id`, nil, scanRepoRequest)
}

// RepoRequestsOfTag are the active requests for a tag, the first in line first.
func (tx *Tx) RepoRequestsOfTag(tag int64) ([]RepoRequest, error) {
	return list(tx, repoRequestColumns+` WHERE q.active IS TRUE AND q.repo_id IS NULL AND q.tag_id = $1 ORDER BY q.priority, q.id`, []any{tag}, scanRepoRequest)
}

// InsertRepoRequest adds a request and sets its id.
func (tx *Tx) InsertRepoRequest(r *RepoRequest) error {
	opts, err := EncodeJSON(r.Opts)
	if err != nil {
		return err
	}
	r.ID, err = tx.insert(`INSERT INTO repo_queue (create_time, owner, priority, tag_id, at_event, min_event, opts, update_time)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $1) RETURNING id`, micros(tx.Now()), r.Owner, r.Priority, r.TagID, r.AtEvent, r.Min, opts)
	r.Active = true
	return err
}

// SaveRepoRequest writes what changes of a request: its task, tries, repository and whether it is active.
func (tx *Tx) SaveRepoRequest(r *RepoRequest) error {
	_, err := tx.exec(`UPDATE repo_queue SET task_id = $1, tries = $2, repo_id = $3, active = $4, update_time = $5 WHERE id = $6`,
		r.TaskID, r.Tries, r.RepoID, r.Active, micros(tx.Now()), r.ID)
	return err
}

// SetRepoRequestPriority changes when a request gets its turn; false tells that there is none.
func (tx *Tx) SetRepoRequestPriority(id int64, priority int) (bool, error) {
	return changed(tx.exec(`UPDATE repo_queue SET priority = $1 WHERE id = $2`, priority, id))
}

// CleanRepoQueue deletes requests that were over before a time.
func (tx *Tx) CleanRepoQueue(before time.Time) (int64, error) {
	return tx.exec(`DELETE FROM repo_queue WHERE active IS FALSE AND update_time < $1`, micros(before))
}

package store

import (
	"errors"
	"strings"

	"github.com/privyseal/privyseal/buildsys"
)

const taskColumns = `SELECT t.id, t.method, t.state, t.owner, t.arch, t.channel_id, t.host_id, t.parent, t.label, t.priority, t.weight,
	t.waiting, t.awaited, t.request, t.result, t.create_time, t.start_time, t.completion_time FROM task t`

func scanTask(scan func(...any) error, t *buildsys.Task) error {
	var create, start, done *int64
	err := scan(&t.ID, &t.Method, &t.State, &t.Owner, &t.Arch, &t.ChannelID, &t.HostID, &t.Parent, &t.Label, &t.Priority, &t.Weight,
		&t.Waiting, &t.Awaited, &t.Request, &t.Result, &create, &start, &done)
	t.Create, t.Start, t.Completion = optTime(create), optTime(start), optTime(done)
	return err
}

// TaskByID returns a task.
func (tx *Tx) TaskByID(id int64) (*buildsys.Task, error) {
	return one(list(tx, taskColumns+` WHERE t.id = $1`, []any{id}, scanTask))
}

// TasksByIDs returns the tasks of the ids that exist.
func (tx *Tx) TasksByIDs(ids []int64) (map[int64]*buildsys.Task, error) {
	out := make(map[int64]*buildsys.Task, len(ids))
	err := inChunks(ids, func(w *where) error {
		rows, err := list(tx, taskColumns+w.String(), w.args, scanTask)
		for i := range rows {
			out[rows[i].ID] = &rows[i]
		}
		return err
	}, "t.id")
	return out, err
}

// ChildTasks returns the tasks whose parent a task is, in order of their ids.
func (tx *Tx) ChildTasks(parent int64) ([]buildsys.Task, error) {
	return list(tx, taskColumns+` WHERE t.parent = $1 ORDER BY t.id`, []any{parent}, scanTask)
}

// TaskByLabel returns the subtask of a parent that has the label.
func (tx *Tx) TaskByLabel(parent int64, label string) (*buildsys.Task, error) {
	return one(list(tx, taskColumns+` WHERE t.parent = $1 AND t.label = $2`, []any{parent, label}, scanTask))
}

// TaskFilter narrows a list of tasks; nil fields do not. In the lists, a value nil stands for "none".
type TaskFilter struct {
	Method                                       *string
	States, NotStates                            []int64
	Arches, NotArches                            []string
	Owners, Hosts, Channels, Parents             *[]*int64
	NotOwners, NotHosts, NotChannels, NotParents *[]*int64
	CreatedBefore, CreatedAfter                  *int64
	StartedBefore, StartedAfter                  *int64
	CompleteBefore, CompleteAfter                *int64 // times in microseconds since 1970
	Order                                        []Order
	Limit, Offset                                *int64
}

// taskOrder are the columns that a list of tasks may be ordered by.
var taskOrder = map[string]string{
	"id": "t.id", "state": "t.state", "create_time": "t.create_time", "create_ts": "t.create_time", "start_time": "t.start_time",
	"start_ts": "t.start_time", "completion_time": "t.completion_time", "completion_ts": "t.completion_time", "channel_id": "t.channel_id",
	"host_id": "t.host_id", "parent": "t.parent", "label": "t.label", "waiting": "t.waiting", "awaited": "t.awaited", "owner": "t.owner",
	"method": "t.method", "arch": "t.arch", "priority": "t.priority", "weight": "t.weight", "request": "t.request", "result": "t.result",
	"owner_name": "u.name", "owner_type": "u.usertype",
}

func (f *TaskFilter) where() *where {
	w := &where{}
	if f.Method != nil {
		w.add("t.method = ?", *f.Method)
	}
	in := func(col string, vals []any, not bool) {
		if vals == nil {
			return
		}
		w.in(col, vals)
		if last := len(w.conds) - 1; not {
			w.conds[last] = "NOT (" + w.conds[last] + ")"
		}
	}
	in("t.state", anys(f.States), false)
	in("t.state", anys(f.NotStates), true)
	in("t.arch", anys(f.Arches), false)
	in("t.arch", anys(f.NotArches), true)
	for _, c := range []struct {
		col  string
		vals *[]*int64
		not  bool
	}{
		{"t.owner", f.Owners, false}, {"t.host_id", f.Hosts, false}, {"t.channel_id", f.Channels, false}, {"t.parent", f.Parents, false},
		{"t.owner", f.NotOwners, true}, {"t.host_id", f.NotHosts, true}, {"t.channel_id", f.NotChannels, true}, {"t.parent", f.NotParents, true},
	} {
		if c.vals == nil {
			continue
		}
		ids, null := []any{}, false
		for _, v := range *c.vals {
			if v == nil {
				null = true
			} else {
				ids = append(ids, *v)
			}
		}
		if len(ids) > 0 || !null {
			in(c.col, ids, c.not)
		}
		switch last := len(w.conds) - 1; {
		case !null:
		case c.not:
			w.conds = append(w.conds, c.col+" IS NOT NULL")
		case len(ids) > 0:
			w.conds[last] = "(" + w.conds[last] + " OR " + c.col + " IS NULL)"
		default:
			w.conds = append(w.conds, c.col+" IS NULL")
		}
	}
	for _, c := range []struct {
		cond string
		t    *int64
	}{
		{"t.create_time < ?", f.CreatedBefore}, {"t.create_time > ?", f.CreatedAfter},
		{"t.start_time < ?", f.StartedBefore}, {"t.start_time > ?", f.StartedAfter},
		{"t.completion_time < ?", f.CompleteBefore}, {"t.completion_time > ?", f.CompleteAfter},
	} {
		if c.t != nil {
			w.add(c.cond, *c.t)
		}
	}
	return w
}

// Tasks lists tasks, by default in order of their ids.
func (tx *Tx) Tasks(f TaskFilter) ([]buildsys.Task, error) {
	var out []buildsys.Task
	err := tx.EachTask(f, func(t *OwnedTask) error {
		out = append(out, t.Task)
		return nil
	})
	return out, err
}

// OwnedTask is a task with who asked for it.
type OwnedTask struct {
	buildsys.Task
	OwnerName string
	OwnerType buildsys.UserType
}

// taskFrom are tasks with their owners. The owner is joined from the left, though each task has one, so that no engine begins with
// the users and has to sort all tasks.
var taskFrom = strings.TrimSuffix(taskColumns, " FROM task t") + ", u.name, u.usertype FROM task t LEFT JOIN users u ON u.id = t.owner"

// EachTask hands tasks over one by one.
func (tx *Tx) EachTask(f TaskFilter, fn func(*OwnedTask) error) error {
	w := f.where()
	tail, err := ordered(w, taskOrder, f.Order, "t.id", f.Limit, f.Offset)
	if err != nil {
		return err
	}
	return tx.each(taskFrom+tail, w.args, func(scan func(...any) error) error {
		var t OwnedTask
		if err := scanTask(func(dst ...any) error { return scan(append(dst, &t.OwnerName, &t.OwnerType)...) }, &t.Task); err != nil {
			return err
		}
		return fn(&t)
	})
}

// CountTasks counts the tasks that a filter lets through, whatever its limit.
func (tx *Tx) CountTasks(f TaskFilter) (n int64, err error) {
	w := f.where()
	err = tx.row(`SELECT count(*) FROM task t`+w.String(), w.args, &n)
	return n, err
}

// anys is a list as arguments of a statement; nil stays nil.
func anys[T any](in []T) []any {
	if in == nil {
		return nil
	}
	out := make([]any, len(in))
	for i, v := range in {
		out[i] = v
	}
	return out
}

// InsertTask adds a free task and sets its id. ErrExists tells that its parent has a subtask of that label.
func (tx *Tx) InsertTask(t *buildsys.Task) error {
	now := tx.Now()
	id, err := tx.insertNew(`INSERT INTO task (state, create_time, channel_id, parent, label, owner, method, request, arch, priority, weight)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING RETURNING id`,
		buildsys.TaskFree, micros(now), t.ChannelID, t.Parent, t.Label, t.Owner, t.Method, t.Request, t.Arch, t.Priority, t.Weight)
	if err != nil {
		return err
	}
	t.ID, t.State, t.Create = id, buildsys.TaskFree, &now
	return nil
}

// changed makes "no row" of an update false.
func changed(n int64, err error) (bool, error) { return n > 0, err }

// AssignTask gives a free task to a host; false tells that it is no longer free. byHand keeps the scheduler from taking
// it back.
func (tx *Tx) AssignTask(id, host int64, byHand bool) (bool, error) {
	var at *int64
	if !byHand {
		us := micros(tx.Now())
		at = &us
	}
	ok, err := changed(tx.exec(`UPDATE task SET state = $1, host_id = $2, assign_time = $3 WHERE id = $4 AND state = $5`,
		buildsys.TaskAssigned, host, at, id, buildsys.TaskFree))
	if ok, err = tx.endRuns(id, ok, err); err != nil || !ok || byHand {
		return ok, err
	}
	return ok, tx.startRun(id, host)
}

// OpenTask makes a task the host's to run, if it is assigned to it or free.
func (tx *Tx) OpenTask(id, host int64) (bool, error) {
	now := micros(tx.Now())
	return changed(tx.exec(`UPDATE task SET state = $1, host_id = $2, start_time = $3, assign_time = coalesce(assign_time, $3)
		WHERE id = $4 AND ((state = $5 AND host_id = $2) OR (state = $6 AND host_id IS NULL))`,
		buildsys.TaskOpen, host, now, id, buildsys.TaskAssigned, buildsys.TaskFree))
}

// FreeTask takes a task that is not over from its host, for another one to run.
func (tx *Tx) FreeTask(id int64) (bool, error) {
	ok, err := changed(tx.exec(`UPDATE task SET state = $1, host_id = NULL, assign_time = NULL,
		waiting = CASE WHEN waiting IS NULL THEN NULL ELSE FALSE END
		WHERE id = $2 AND state IN ($1, $3, $4)`, buildsys.TaskFree, id, buildsys.TaskOpen, buildsys.TaskAssigned))
	return tx.endRuns(id, ok, err)
}

// FinishTask ends an open task with its result, closed or failed.
func (tx *Tx) FinishTask(id int64, state buildsys.TaskState, result string) (bool, error) {
	ok, err := changed(tx.exec(`UPDATE task SET state = $1, result = $2, completion_time = $3 WHERE id = $4 AND state = $5`,
		state, result, micros(tx.Now()), id, buildsys.TaskOpen))
	return tx.endRuns(id, ok, err)
}

// CancelTask ends a task that is not over.
func (tx *Tx) CancelTask(id int64) (bool, error) {
	ok, err := changed(tx.exec(`UPDATE task SET state = $1, completion_time = $2 WHERE id = $3 AND state IN ($4, $5, $6)`,
		buildsys.TaskCanceled, micros(tx.Now()), id, buildsys.TaskFree, buildsys.TaskOpen, buildsys.TaskAssigned))
	return tx.endRuns(id, ok, err)
}

// SetTaskWeight says how much of a host a task takes.
func (tx *Tx) SetTaskWeight(id int64, weight float64) error {
	_, err := tx.exec(`UPDATE task SET weight = $1 WHERE id = $2`, weight, id)
	return err
}

// SetTaskPriority changes when a task gets its turn.
func (tx *Tx) SetTaskPriority(id int64, priority int) error {
	_, err := tx.exec(`UPDATE task SET priority = $1 WHERE id = $2`, priority, id)
	return err
}

// SetTaskWaiting says whether a task waits for its children; awaited says which of them it waits for (nil: none is
// changed, empty: all of them).
func (tx *Tx) SetTaskWaiting(id int64, waiting bool) error {
	_, err := tx.exec(`UPDATE task SET waiting = $1 WHERE id = $2`, waiting, id)
	return err
}

// SetAwaited says of every child of a task whether it is awaited: those named, or all if children is nil.
func (tx *Tx) SetAwaited(parent int64, children []int64, awaited bool) error {
	if children == nil {
		_, err := tx.exec(`UPDATE task SET awaited = $1 WHERE parent = $2`, awaited, parent)
		return err
	}
	return inChunks(children, func(w *where) error {
		cond := w.String()
		q := "UPDATE task SET awaited = " + w.arg(awaited) + cond + " AND parent = " + w.arg(parent)
		_, err := tx.exec(q, w.args...)
		return err
	}, "id")
}

// ClearAwaited says of the children of a task that are awaited that they are not.
func (tx *Tx) ClearAwaited(parent int64) error {
	_, err := tx.exec(`UPDATE task SET awaited = FALSE WHERE parent = $1 AND awaited IS TRUE`, parent)
	return err
}

// CancelBuildsOf cancels the builds that a task is building and returns their ids.
func (tx *Tx) CancelBuildsOf(task int64) ([]int64, error) {
	ids, err := list(tx, `SELECT id FROM build WHERE task_id = $1 AND state = $2 ORDER BY id`, []any{task, buildsys.BuildBuilding}, scanInt)
	for _, id := range ids {
		err = errors.Join(err, tx.noteBuild(id))
		_, e := tx.exec(`UPDATE build SET state = $1, completion_time = $2 WHERE id = $3`, buildsys.BuildCanceled, micros(tx.Now()), id)
		err = errors.Join(err, e)
	}
	return ids, err
}

// SetTaskEffect notes that what a task is for has been done, in this transaction.
func (tx *Tx) SetTaskEffect(id int64) error {
	ev, err := tx.Event()
	if err != nil {
		return err
	}
	_, err = tx.exec(`UPDATE task SET effect_event = $1 WHERE id = $2`, ev, id)
	return err
}

// TaskEffect tells whether what a task is for has been done.
func (tx *Tx) TaskEffect(id int64) (bool, error) {
	return tx.anyRow(`SELECT 1 FROM task WHERE id = $1 AND effect_event IS NOT NULL`, id)
}

package store

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/sched"
)

// Snapshot reads what a scheduling decision depends on: at most maxFree free tasks, the first in line.
func (tx *Tx) Snapshot(maxFree int) (sched.Snapshot, error) {
	var s sched.Snapshot
	var err error
	const cols = `SELECT id, state, arch, channel_id, priority, weight, coalesce(waiting, FALSE), coalesce(host_id, 0), create_time, assign_time FROM task`
	scan := func(scan func(...any) error, t *sched.Task) error {
		var created int64
		var assigned *int64
		if err := scan(&t.ID, &t.State, &t.Arch, &t.Channel, &t.Priority, &t.Weight, &t.Waiting, &t.Host, &created, &assigned); err != nil {
			return err
		}
		t.Created = fromMicros(created)
		if assigned != nil {
			t.Assigned = fromMicros(*assigned)
		}
		return nil
	}
	free, err := list(tx, cols+` WHERE state = $1 ORDER BY priority, create_time, id LIMIT $2`, []any{buildsys.TaskFree, maxFree}, scan)
	if err != nil {
		return s, err
	}
	active, err := list(tx, cols+` WHERE state IN ($1, $2)`, []any{buildsys.TaskOpen, buildsys.TaskAssigned}, scan)
	if err != nil {
		return s, err
	}
	s.Tasks = append(free, active...)
	if s.Hosts, err = tx.schedHosts(); err != nil {
		return s, err
	}
	s.Refusals, err = list(tx, `SELECT r.task_id, r.host_id, r.soft, r.time, t.state FROM task_refusals r JOIN task t ON t.id = r.task_id`, nil,
		func(scan func(...any) error, r *sched.Refusal) error {
			var at int64
			var state buildsys.TaskState
			err := scan(&r.Task, &r.Host, &r.Soft, &at, &state)
			r.At, r.Over = fromMicros(at), state.Finished()
			return err
		})
	return s, err
}

func (tx *Tx) schedHosts() ([]sched.Host, error) {
	hosts, err := list(tx, `SELECT h.id, h.name, c.enabled, h.ready, h.update_time, coalesce(c.arches, ''), c.capacity, h.data
		FROM host h JOIN host_config c ON c.host_id = h.id AND c.active IS TRUE ORDER BY h.id`, nil,
		func(scan func(...any) error, h *sched.Host) error {
			var arches string
			var update *int64
			var data *string
			if err := scan(&h.ID, &h.Name, &h.Enabled, &h.Ready, &update, &arches, &h.Capacity, &data); err != nil {
				return err
			}
			h.Arches = strings.Fields(arches)
			if update != nil {
				h.Seen = fromMicros(*update)
			}
			h.MaxJobs = maxJobs(data)
			return nil
		})
	if err != nil {
		return nil, err
	}
	byID := make(map[int64]*sched.Host, len(hosts))
	for i := range hosts {
		byID[hosts[i].ID] = &hosts[i]
	}
	return hosts, tx.each(`SELECT hc.host_id, hc.channel_id FROM host_channels hc JOIN channels c ON c.id = hc.channel_id
		WHERE hc.active IS TRUE AND c.enabled IS TRUE ORDER BY hc.channel_id`, nil, func(scan func(...any) error) error {
		var host, channel int64
		if err := scan(&host, &channel); err != nil {
			return err
		}
		if h := byID[host]; h != nil {
			h.Channels = append(h.Channels, channel)
		}
		return nil
	})
}

// maxJobs reads how many tasks a host runs at a time out of what it reported; 0 if it did not say.
func maxJobs(data *string) int {
	var d struct {
		MaxJobs float64 `json:"maxjobs"`
	}
	if data == nil || json.Unmarshal([]byte(*data), &d) != nil || d.MaxJobs < 0 || d.MaxJobs > 1e6 {
		return 0
	}
	return int(d.MaxJobs)
}

// Refuse notes that a host declined a task.
func (tx *Tx) Refuse(task, host int64, soft, byHost bool, msg string) error {
	_, err := tx.exec(`INSERT INTO task_refusals (task_id, host_id, by_host, soft, msg, time) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (task_id, host_id) DO UPDATE SET by_host = EXCLUDED.by_host, soft = EXCLUDED.soft, msg = EXCLUDED.msg, time = EXCLUDED.time`,
		task, host, byHost, soft, msg, micros(tx.Now()))
	return err
}

// ForgetRefusal deletes a refusal that is not newer than at.
func (tx *Tx) ForgetRefusal(task, host int64, at time.Time) error {
	_, err := tx.exec(`DELETE FROM task_refusals WHERE task_id = $1 AND host_id = $2 AND time <= $3`, task, host, micros(at))
	return err
}

// ReleaseTask is FreeTask for a task that is still in the state and with the host (0: none) that a decision saw.
func (tx *Tx) ReleaseTask(id, host int64, from buildsys.TaskState) (bool, error) {
	ok, err := changed(tx.exec(`UPDATE task SET state = $1, host_id = NULL, assign_time = NULL,
		waiting = CASE WHEN waiting IS NULL THEN NULL ELSE FALSE END
		WHERE id = $2 AND state = $3 AND coalesce(host_id, 0) = $4`, buildsys.TaskFree, id, from, host))
	return tx.endRuns(id, ok, err)
}

// AssignedTasks are the tasks that wait for a host to open them, in the order it should.
func (tx *Tx) AssignedTasks(host int64) ([]buildsys.Task, error) {
	return list(tx, taskColumns+` WHERE t.host_id = $1 AND t.state = $2 ORDER BY t.priority, t.create_time, t.id`,
		[]any{host, buildsys.TaskAssigned}, scanTask)
}

// OpenTasks are the tasks that a host runs.
func (tx *Tx) OpenTasks(host int64) ([]buildsys.Task, error) {
	return list(tx, taskColumns+` WHERE t.host_id = $1 AND t.state = $2 ORDER BY t.id`, []any{host, buildsys.TaskOpen}, scanTask)
}

// MarkNotReady makes a host not ready unless it reported since a moment.
func (tx *Tx) MarkNotReady(host int64, since time.Time) error {
	_, err := tx.exec(`UPDATE host SET ready = $1 WHERE id = $2 AND (update_time IS NULL OR update_time <= $3)`, false, host, micros(since))
	return err
}

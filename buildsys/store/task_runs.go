package store

import "time"

// Tasks and hosts that rows of the scheduler's tables are about.
func schedulerFields(own []viewField) []viewField {
	return append(own,
		viewField{"method", "task.method", "task", KindText},
		viewField{"state", "task.state", "task", KindInt},
		viewField{"owner", "task.owner", "task", KindInt},
		viewField{"arch", "task.arch", "task", KindText},
		viewField{"channel_id", "task.channel_id", "task", KindInt},
		viewField{"host_name", "host.name", "host", KindText},
		viewField{"host_ready", "host.ready", "host", KindBool},
	)
}

// TaskRunView has a row for each time the scheduler gave a task to a host; active is the present one.
var TaskRunView = &View{
	table: "scheduler_task_runs",
	joins: map[string]string{
		"task": "JOIN task ON scheduler_task_runs.task_id = task.id",
		"host": "JOIN host ON scheduler_task_runs.host_id = host.id",
	},
	fields: append(schedulerFields([]viewField{
		{"id", "scheduler_task_runs.id", "", KindInt},
		{"task_id", "scheduler_task_runs.task_id", "", KindInt},
		{"host_id", "scheduler_task_runs.host_id", "", KindInt},
		{"active", "scheduler_task_runs.active", "", KindBool},
		{"create_ts", "scheduler_task_runs.create_time", "", KindSeconds},
	}),
		viewField{"start_ts", "task.start_time", "task", KindSeconds},
		viewField{"completion_ts", "task.completion_time", "task", KindSeconds}),
	standard: []string{"id", "task_id", "host_id", "active", "create_ts"},
}

// RefusalView has a row for each host that declined a task.
var RefusalView = &View{
	table: "task_refusals",
	joins: map[string]string{
		"task": "JOIN task ON task_refusals.task_id = task.id",
		"host": "JOIN host ON task_refusals.host_id = host.id",
	},
	fields: schedulerFields([]viewField{
		{"id", "task_refusals.id", "", KindInt},
		{"task_id", "task_refusals.task_id", "", KindInt},
		{"host_id", "task_refusals.host_id", "", KindInt},
		{"by_host", "task_refusals.by_host", "", KindBool},
		{"soft", "task_refusals.soft", "", KindBool},
		{"msg", "task_refusals.msg", "", KindText},
		{"ts", "task_refusals.time", "", KindSeconds},
	}),
	standard: []string{"id", "task_id", "host_id", "by_host", "soft", "msg", "ts"},
}

// SchedulerLogView is what the scheduler said.
var SchedulerLogView = &View{
	table: "scheduler_log_messages",
	joins: map[string]string{
		"task": "LEFT JOIN task ON scheduler_log_messages.task_id = task.id",
		"host": "LEFT JOIN host ON scheduler_log_messages.host_id = host.id",
	},
	fields: schedulerFields([]viewField{
		{"id", "scheduler_log_messages.id", "", KindInt},
		{"task_id", "scheduler_log_messages.task_id", "", KindInt},
		{"host_id", "scheduler_log_messages.host_id", "", KindInt},
		{"msg_ts", "scheduler_log_messages.msg_time", "", KindSeconds},
		{"msg", "scheduler_log_messages.msg", "", KindText},
	}),
	standard: []string{"id", "task_id", "host_id", "msg", "msg_ts"},
}

// LogScheduler notes what the scheduler did; task and host are 0 where it is about none.
func (tx *Tx) LogScheduler(msg string, task, host int64) error {
	opt := func(id int64) *int64 {
		if id == 0 {
			return nil
		}
		return &id
	}
	_, err := tx.exec(`INSERT INTO scheduler_log_messages (task_id, host_id, msg_time, msg) VALUES ($1, $2, $3, $4)`,
		opt(task), opt(host), micros(tx.Now()), msg)
	return err
}

// PruneScheduler deletes what the scheduler said before a moment, and which hosts had tasks that they have no longer.
func (tx *Tx) PruneScheduler(before time.Time) error {
	if _, err := tx.exec(`DELETE FROM scheduler_log_messages WHERE msg_time < $1`, micros(before)); err != nil {
		return err
	}
	_, err := tx.exec(`DELETE FROM scheduler_task_runs WHERE create_time < $1 AND active IS NOT TRUE`, micros(before))
	return err
}

// startRun notes that a task was given to a host.
func (tx *Tx) startRun(task, host int64) error {
	_, err := tx.exec(`INSERT INTO scheduler_task_runs (task_id, host_id, create_time) VALUES ($1, $2, $3)`, task, host, micros(tx.Now()))
	return err
}

// endRuns notes that a task is with no host any more, if done says so. It passes on its arguments.
func (tx *Tx) endRuns(task int64, done bool, err error) (bool, error) {
	if err != nil || !done {
		return done, err
	}
	_, err = tx.exec(`UPDATE scheduler_task_runs SET active = FALSE WHERE task_id = $1 AND active IS TRUE`, task)
	return done, err
}

// HostData is what a host said for the scheduler.
type HostData struct {
	HostID int64
	Data   any // decoded JSON
}

// HostData lists what hosts said for the scheduler, of one host or (0) of all.
func (tx *Tx) HostData(host int64) ([]HostData, error) {
	var w where
	w.conds = append(w.conds, "data IS NOT NULL")
	if host != 0 {
		w.add("id = ?", host)
	}
	return list(tx, `SELECT id, data FROM host`+w.String()+` ORDER BY id`, w.args, func(scan func(...any) error, h *HostData) error {
		var text string
		err := scan(&h.HostID, &text)
		if err == nil {
			h.Data, err = decodeJSON(text)
		}
		return err
	})
}

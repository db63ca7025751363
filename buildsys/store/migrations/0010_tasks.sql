-- Repositories of tags. create_event is what a repository was made from, begin_event and end_event bound the time in
-- which its tag was like that (end_event is NULL while it still is). opts and custom_opts are JSON with sorted keys, so
-- that equal ones are equal texts; a dist repository has none.
-- state: 0 init, 1 ready, 2 expired, 3 deleted, 4 problem.
CREATE TABLE repo (
	id {{.ID}},
	creation_time BIGINT NOT NULL,
	state_time BIGINT NOT NULL,
	create_event BIGINT NOT NULL REFERENCES events(id),
	begin_event BIGINT REFERENCES events(id),
	end_event BIGINT REFERENCES events(id),
	tag_id BIGINT NOT NULL REFERENCES tag(id),
	state INTEGER NOT NULL,
	dist BOOLEAN NOT NULL DEFAULT FALSE,
	opts TEXT,
	custom_opts TEXT,
	task_id BIGINT REFERENCES task(id)
);
CREATE INDEX repo_tag ON repo (tag_id, state, create_event);
CREATE INDEX repo_state ON repo (state);

-- What people asked for. A request that is fulfilled or given up is not active, and is deleted some time later.
CREATE TABLE repo_queue (
	id {{.ID}},
	create_time BIGINT NOT NULL,
	owner BIGINT NOT NULL REFERENCES users(id),
	priority INTEGER NOT NULL,
	tag_id BIGINT NOT NULL REFERENCES tag(id),
	at_event BIGINT REFERENCES events(id),
	min_event BIGINT REFERENCES events(id),
	opts TEXT NOT NULL,
	update_time BIGINT NOT NULL,
	active BOOLEAN NOT NULL DEFAULT TRUE,
	task_id BIGINT REFERENCES task(id),
	tries INTEGER NOT NULL DEFAULT 0,
	repo_id BIGINT REFERENCES repo(id),
	CHECK (at_event IS NULL OR min_event IS NULL),
	CHECK (NOT active OR repo_id IS NULL)
);
CREATE INDEX repo_queue_tag ON repo_queue (tag_id, active);

-- What was seen of an external repository last, so that a change of it counts as one of the tags that use it.
CREATE TABLE external_repo_data (
	external_repo_id BIGINT NOT NULL REFERENCES external_repo(id),
	data TEXT,
	{{.Versioned}},
	PRIMARY KEY (create_event, external_repo_id),
	UNIQUE (external_repo_id, active)
);

-- Each time a task was given to a host, and what the scheduler said.
CREATE TABLE scheduler_task_runs (
	id {{.ID}},
	task_id BIGINT NOT NULL REFERENCES task(id),
	host_id BIGINT NOT NULL REFERENCES host(id),
	active BOOLEAN NOT NULL DEFAULT TRUE,
	create_time BIGINT NOT NULL
);
CREATE INDEX scheduler_task_runs_task ON scheduler_task_runs (task_id);
CREATE INDEX scheduler_task_runs_host ON scheduler_task_runs (host_id);
CREATE INDEX scheduler_task_runs_time ON scheduler_task_runs (create_time);

CREATE TABLE scheduler_log_messages (
	id {{.ID}},
	task_id BIGINT REFERENCES task(id),
	host_id BIGINT REFERENCES host(id),
	msg_time BIGINT NOT NULL,
	msg TEXT NOT NULL
);
CREATE INDEX scheduler_log_task ON scheduler_log_messages (task_id);
CREATE INDEX scheduler_log_host ON scheduler_log_messages (host_id);
CREATE INDEX scheduler_log_time ON scheduler_log_messages (msg_time);

-- Refusals get an id, as clients see them.
ALTER TABLE task_refusals RENAME TO task_refusals_old;
CREATE TABLE task_refusals (
	id {{.ID}},
	task_id BIGINT NOT NULL REFERENCES task(id),
	host_id BIGINT NOT NULL REFERENCES host(id),
	by_host BOOLEAN NOT NULL DEFAULT TRUE,
	soft BOOLEAN NOT NULL DEFAULT FALSE,
	msg TEXT,
	time BIGINT NOT NULL,
	UNIQUE (task_id, host_id)
);
INSERT INTO task_refusals (task_id, host_id, by_host, soft, msg, time)
	SELECT task_id, host_id, by_host, soft, msg, time FROM task_refusals_old ORDER BY time, task_id, host_id;
DROP TABLE task_refusals_old;

-- Lists of tasks, newest first or by what they are of.
CREATE INDEX task_channel ON task (channel_id, state);
CREATE INDEX task_method ON task (method, state);
CREATE INDEX task_create ON task (create_time);
CREATE INDEX task_completion ON task (completion_time);

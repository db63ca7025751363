-- When the scheduler gave a task to its host; NULL for a task that is free or that a person assigned.
ALTER TABLE task ADD COLUMN assign_time BIGINT;

-- The event at which what a task is for was done. A builder that is killed between that and closing the task is given
-- the task again, and must not do it twice.
ALTER TABLE task ADD COLUMN effect_event BIGINT REFERENCES events(id);

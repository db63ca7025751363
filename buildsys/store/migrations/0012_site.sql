-- The certificate that a session was opened with (see pki.SerialID): when it is revoked, so is the session.
ALTER TABLE sessions ADD COLUMN cert TEXT;

-- What is still to be told to others: a row for each message and receiver, written in the transaction of the change that it
-- tells of, and deleted when the receiver has it. Of the dead ones the hub has given up: nobody sends them until a person says so.
CREATE TABLE outbox (
	id {{.ID}},
	sink TEXT NOT NULL,
	message_id TEXT NOT NULL,
	topic TEXT NOT NULL,
	body TEXT NOT NULL,
	created BIGINT NOT NULL,
	due BIGINT NOT NULL,
	attempts BIGINT NOT NULL DEFAULT 0,
	last_error TEXT,
	dead BOOLEAN NOT NULL DEFAULT FALSE
);
CREATE INDEX outbox_sink ON outbox (sink, dead, id);

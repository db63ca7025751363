-- The last commit of each program that writes to the database, on PostgreSQL: whoever loses the connection while it commits
-- finds out here whether it did.
CREATE TABLE committed (
	store TEXT NOT NULL PRIMARY KEY,
	seq BIGINT NOT NULL,
	time BIGINT NOT NULL
);

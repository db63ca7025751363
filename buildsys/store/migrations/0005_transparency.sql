-- The logs of signers, by the public key that their checkpoints verify with (golang.org/x/mod/sumdb/note form). origin is
-- the key's name, which every checkpoint carries; a log whose key was changed has a row for each.
CREATE TABLE log_key (
	id {{.ID}},
	origin TEXT NOT NULL,
	vkey TEXT NOT NULL UNIQUE,
	added_by BIGINT NOT NULL REFERENCES users(id),
	added_time BIGINT NOT NULL,
	retired_by BIGINT REFERENCES users(id),
	retired_time BIGINT
);

-- The highest checkpoint that was seen of each log: the signed note. A log that does not continue it is refused.
CREATE TABLE log_checkpoint (
	origin TEXT NOT NULL PRIMARY KEY,
	size BIGINT NOT NULL,
	note TEXT NOT NULL,
	seen_by BIGINT NOT NULL REFERENCES users(id),
	seen_time BIGINT NOT NULL
);

-- The proof that a signature is in the signer's log. It was verified with log_key when it came.
CREATE TABLE rpmsig_proof (
	rpm_id BIGINT NOT NULL REFERENCES rpminfo(id),
	sigkey TEXT NOT NULL,
	log_key_id BIGINT NOT NULL REFERENCES log_key(id),
	log_index BIGINT NOT NULL,
	proof TEXT NOT NULL,
	UNIQUE (rpm_id, sigkey)
);
ALTER TABLE rpmsigs DROP COLUMN proof;

-- Packages whose header holds no digest of the payload that is SHA-256 or better: only a signature over header and
-- payload says anything about them.
ALTER TABLE rpminfo ADD COLUMN legacy BOOLEAN NOT NULL DEFAULT FALSE;

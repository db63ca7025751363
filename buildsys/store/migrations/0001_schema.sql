-- The state of the build system. Table and column names are Koji's where Koji has the thing, so that its
-- administrators find their way. Times are microseconds since 1970 UTC. ID stands for the engine's self-filling key.
-- Versioned stands for the columns of a table that remembers: a row lives from create_event until revoke_event, and
-- active is TRUE for a live row and NULL (never FALSE) for a revoked one, so that UNIQUE (..., active) allows one live row.

CREATE TABLE events (
	id {{.ID}},
	time BIGINT NOT NULL
);

-- Users and sessions. usertype: 0 person, 1 host, 2 group. status: 0 normal, 1 blocked.
CREATE TABLE users (
	id {{.ID}},
	name TEXT NOT NULL UNIQUE,
	status INTEGER NOT NULL DEFAULT 0,
	usertype INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE user_krb_principals (
	user_id BIGINT NOT NULL REFERENCES users(id),
	krb_principal TEXT NOT NULL UNIQUE,
	PRIMARY KEY (user_id, krb_principal)
);

CREATE TABLE permissions (
	id {{.ID}},
	name TEXT NOT NULL UNIQUE,
	description TEXT
);

INSERT INTO permissions (name, description) VALUES
	('admin', 'May do everything.'),
	('appliance', 'May start appliance tasks.'),
	('dist-repo', 'May make repositories of signed packages.'),
	('draft-promoter', 'May promote draft builds.'),
	('host', 'May add, edit, enable and disable hosts and channels.'),
	('image', 'May start image tasks.'),
	('image-import', 'May import image archives.'),
	('livecd', 'May start live CD tasks.'),
	('maven-import', 'May import Maven archives.'),
	('repo', 'May manage repositories: make, expire, delete.'),
	('sign', 'May add signatures, write signed packages and name signing keys.'),
	('tag', 'May manage tags: packages, inheritance, groups, builds.'),
	('target', 'May add, edit and remove build targets.'),
	('win-admin', 'May start Windows build tasks.'),
	('win-import', 'May import Windows archives.');

CREATE TABLE user_perms (
	user_id BIGINT NOT NULL REFERENCES users(id),
	perm_id BIGINT NOT NULL REFERENCES permissions(id),
	{{.Versioned}},
	PRIMARY KEY (create_event, user_id, perm_id),
	UNIQUE (user_id, perm_id, active)
);

CREATE TABLE user_groups (
	user_id BIGINT NOT NULL REFERENCES users(id),
	group_id BIGINT NOT NULL REFERENCES users(id),
	{{.Versioned}},
	PRIMARY KEY (create_event, user_id, group_id),
	UNIQUE (user_id, group_id, active)
);

-- key_hash is the SHA-256 of the session's key: a copy of the database opens no session.
-- exclusive is TRUE or NULL, like active, so that a user has at most one exclusive session.
CREATE TABLE sessions (
	id {{.ID}},
	user_id BIGINT NOT NULL REFERENCES users(id),
	key_hash TEXT NOT NULL,
	authtype INTEGER NOT NULL,
	hostip TEXT NOT NULL,
	callnum BIGINT,
	master BIGINT REFERENCES sessions(id),
	exclusive BOOLEAN CHECK (exclusive),
	expired BOOLEAN NOT NULL DEFAULT FALSE,
	closed BOOLEAN NOT NULL DEFAULT FALSE,
	start_time BIGINT NOT NULL,
	update_time BIGINT NOT NULL,
	renew_time BIGINT,
	CHECK (master IS NULL OR exclusive IS NULL),
	CHECK (NOT closed OR exclusive IS NULL),
	UNIQUE (user_id, exclusive)
);
CREATE INDEX sessions_master ON sessions (master);

-- Builders.
CREATE TABLE channels (
	id {{.ID}},
	name TEXT NOT NULL UNIQUE,
	description TEXT,
	enabled BOOLEAN NOT NULL DEFAULT TRUE,
	comment TEXT
);

INSERT INTO channels (name) VALUES
	('default'), ('createrepo'), ('maven'), ('livecd'), ('appliance'), ('vm'), ('image'), ('livemedia');

CREATE TABLE host (
	id {{.ID}},
	user_id BIGINT NOT NULL REFERENCES users(id),
	name TEXT NOT NULL UNIQUE,
	update_time BIGINT,
	task_load DOUBLE PRECISION NOT NULL DEFAULT 0 CHECK (task_load >= 0),
	ready BOOLEAN NOT NULL DEFAULT FALSE,
	data TEXT
);

CREATE TABLE host_config (
	host_id BIGINT NOT NULL REFERENCES host(id),
	arches TEXT,
	capacity DOUBLE PRECISION NOT NULL DEFAULT 2 CHECK (capacity > 0),
	description TEXT,
	comment TEXT,
	enabled BOOLEAN NOT NULL DEFAULT TRUE,
	{{.Versioned}},
	PRIMARY KEY (create_event, host_id),
	UNIQUE (host_id, active)
);

CREATE TABLE host_channels (
	host_id BIGINT NOT NULL REFERENCES host(id),
	channel_id BIGINT NOT NULL REFERENCES channels(id),
	{{.Versioned}},
	PRIMARY KEY (create_event, host_id, channel_id),
	UNIQUE (host_id, channel_id, active)
);

-- Tasks. request and result hold XML-RPC text: the parameters as a methodCall, the outcome as a methodResponse.
-- state: 0 free, 1 open, 2 closed, 3 canceled, 4 assigned, 5 failed.
CREATE TABLE task (
	id {{.ID}},
	state INTEGER NOT NULL,
	create_time BIGINT NOT NULL,
	start_time BIGINT,
	completion_time BIGINT,
	channel_id BIGINT NOT NULL REFERENCES channels(id),
	host_id BIGINT REFERENCES host(id),
	parent BIGINT REFERENCES task(id),
	label TEXT,
	waiting BOOLEAN,
	awaited BOOLEAN,
	owner BIGINT NOT NULL REFERENCES users(id),
	method TEXT NOT NULL,
	request TEXT,
	result TEXT,
	eta BIGINT,
	arch TEXT NOT NULL,
	priority INTEGER NOT NULL,
	weight DOUBLE PRECISION NOT NULL DEFAULT 1 CHECK (weight >= 0),
	CHECK (parent IS NOT NULL OR label IS NULL),
	UNIQUE (parent, label)
);
CREATE INDEX task_state ON task (state, priority, create_time);
CREATE INDEX task_host ON task (host_id, state);
CREATE INDEX task_owner ON task (owner);

-- A host that cannot take a task says so; a soft refusal is forgotten after a while.
CREATE TABLE task_refusals (
	task_id BIGINT NOT NULL REFERENCES task(id),
	host_id BIGINT NOT NULL REFERENCES host(id),
	by_host BOOLEAN NOT NULL DEFAULT TRUE,
	soft BOOLEAN NOT NULL DEFAULT FALSE,
	msg TEXT,
	time BIGINT NOT NULL,
	PRIMARY KEY (task_id, host_id)
);

-- Packages and builds. A build's state: 0 building, 1 complete, 2 deleted, 3 failed, 4 canceled.
CREATE TABLE package (
	id {{.ID}},
	name TEXT NOT NULL UNIQUE
);

CREATE TABLE volume (
	id {{.ID}},
	name TEXT NOT NULL UNIQUE
);
INSERT INTO volume (id, name) VALUES (0, 'DEFAULT');

CREATE TABLE content_generator (
	id {{.ID}},
	name TEXT NOT NULL UNIQUE
);

CREATE TABLE build (
	id {{.ID}},
	volume_id BIGINT NOT NULL DEFAULT 0 REFERENCES volume(id),
	pkg_id BIGINT NOT NULL REFERENCES package(id),
	version TEXT NOT NULL,
	release TEXT NOT NULL,
	epoch BIGINT,
	draft BOOLEAN NOT NULL DEFAULT FALSE,
	source TEXT,
	create_event BIGINT NOT NULL REFERENCES events(id),
	start_time BIGINT,
	completion_time BIGINT,
	promotion_time BIGINT,
	state INTEGER NOT NULL,
	task_id BIGINT REFERENCES task(id),
	owner BIGINT NOT NULL REFERENCES users(id),
	promoter BIGINT REFERENCES users(id),
	cg_id BIGINT REFERENCES content_generator(id),
	extra TEXT,
	UNIQUE (pkg_id, version, release),
	CHECK ((state = 0 AND completion_time IS NULL) OR (state <> 0 AND completion_time IS NOT NULL)),
	CHECK (NOT draft OR (promotion_time IS NULL AND promoter IS NULL))
);
CREATE INDEX build_completion ON build (completion_time);
CREATE INDEX build_task ON build (task_id);
CREATE INDEX build_owner ON build (owner);

CREATE TABLE btype (
	id {{.ID}},
	name TEXT NOT NULL UNIQUE
);
INSERT INTO btype (name) VALUES ('rpm'), ('maven'), ('win'), ('image');

CREATE TABLE build_types (
	build_id BIGINT NOT NULL REFERENCES build(id),
	btype_id BIGINT NOT NULL REFERENCES btype(id),
	PRIMARY KEY (build_id, btype_id)
);

-- Tags.
CREATE TABLE tag (
	id {{.ID}},
	name TEXT NOT NULL UNIQUE
);

CREATE TABLE tag_config (
	tag_id BIGINT NOT NULL REFERENCES tag(id),
	arches TEXT,
	perm_id BIGINT REFERENCES permissions(id),
	locked BOOLEAN NOT NULL DEFAULT FALSE,
	maven_support BOOLEAN NOT NULL DEFAULT FALSE,
	maven_include_all BOOLEAN NOT NULL DEFAULT FALSE,
	{{.Versioned}},
	PRIMARY KEY (create_event, tag_id),
	UNIQUE (tag_id, active)
);

-- value is JSON; NULL blocks a key that a parent sets.
CREATE TABLE tag_extra (
	tag_id BIGINT NOT NULL REFERENCES tag(id),
	key TEXT NOT NULL,
	value TEXT,
	{{.Versioned}},
	PRIMARY KEY (create_event, tag_id, key),
	UNIQUE (tag_id, key, active)
);

CREATE TABLE tag_inheritance (
	tag_id BIGINT NOT NULL REFERENCES tag(id),
	parent_id BIGINT NOT NULL REFERENCES tag(id),
	priority BIGINT NOT NULL,
	maxdepth BIGINT,
	intransitive BOOLEAN NOT NULL DEFAULT FALSE,
	noconfig BOOLEAN NOT NULL DEFAULT FALSE,
	pkg_filter TEXT,
	{{.Versioned}},
	PRIMARY KEY (create_event, tag_id, priority),
	UNIQUE (tag_id, priority, active),
	UNIQUE (tag_id, parent_id, active)
);
CREATE INDEX tag_inheritance_parent ON tag_inheritance (parent_id);

-- Changes that bear on a tag but leave no versioned row: a later import into a tagged build, a change of volume.
CREATE TABLE tag_updates (
	id {{.ID}},
	tag_id BIGINT NOT NULL REFERENCES tag(id),
	update_event BIGINT NOT NULL REFERENCES events(id),
	updater_id BIGINT NOT NULL REFERENCES users(id),
	update_type INTEGER NOT NULL
);
CREATE INDEX tag_updates_tag ON tag_updates (tag_id);

CREATE TABLE tag_packages (
	package_id BIGINT NOT NULL REFERENCES package(id),
	tag_id BIGINT NOT NULL REFERENCES tag(id),
	blocked BOOLEAN NOT NULL DEFAULT FALSE,
	extra_arches TEXT,
	{{.Versioned}},
	PRIMARY KEY (create_event, package_id, tag_id),
	UNIQUE (package_id, tag_id, active)
);
CREATE INDEX tag_packages_tag ON tag_packages (tag_id, active);

CREATE TABLE tag_package_owners (
	package_id BIGINT NOT NULL REFERENCES package(id),
	tag_id BIGINT NOT NULL REFERENCES tag(id),
	owner BIGINT NOT NULL REFERENCES users(id),
	{{.Versioned}},
	PRIMARY KEY (create_event, package_id, tag_id),
	UNIQUE (package_id, tag_id, active)
);
CREATE INDEX tag_package_owners_tag ON tag_package_owners (tag_id, active);

CREATE TABLE tag_listing (
	build_id BIGINT NOT NULL REFERENCES build(id),
	tag_id BIGINT NOT NULL REFERENCES tag(id),
	{{.Versioned}},
	PRIMARY KEY (create_event, build_id, tag_id),
	UNIQUE (build_id, tag_id, active)
);
CREATE INDEX tag_listing_tag ON tag_listing (tag_id, active);

CREATE TABLE build_target (
	id {{.ID}},
	name TEXT NOT NULL UNIQUE
);

CREATE TABLE build_target_config (
	build_target_id BIGINT NOT NULL REFERENCES build_target(id),
	build_tag BIGINT NOT NULL REFERENCES tag(id),
	dest_tag BIGINT NOT NULL REFERENCES tag(id),
	{{.Versioned}},
	PRIMARY KEY (create_event, build_target_id),
	UNIQUE (build_target_id, active)
);

CREATE TABLE external_repo (
	id {{.ID}},
	name TEXT NOT NULL UNIQUE
);
INSERT INTO external_repo (id, name) VALUES (0, 'INTERNAL');

CREATE TABLE external_repo_config (
	external_repo_id BIGINT NOT NULL REFERENCES external_repo(id),
	url TEXT NOT NULL,
	{{.Versioned}},
	PRIMARY KEY (create_event, external_repo_id),
	UNIQUE (external_repo_id, active)
);

CREATE TABLE tag_external_repos (
	tag_id BIGINT NOT NULL REFERENCES tag(id),
	external_repo_id BIGINT NOT NULL REFERENCES external_repo(id),
	priority BIGINT NOT NULL,
	merge_mode TEXT NOT NULL DEFAULT 'koji',
	arches TEXT,
	{{.Versioned}},
	PRIMARY KEY (create_event, tag_id, priority),
	UNIQUE (tag_id, priority, active),
	UNIQUE (tag_id, external_repo_id, active)
);

-- Comps groups of a tag.
CREATE TABLE groups (
	id {{.ID}},
	name TEXT NOT NULL UNIQUE
);

CREATE TABLE group_config (
	group_id BIGINT NOT NULL REFERENCES groups(id),
	tag_id BIGINT NOT NULL REFERENCES tag(id),
	blocked BOOLEAN NOT NULL DEFAULT FALSE,
	exported BOOLEAN DEFAULT TRUE,
	display_name TEXT NOT NULL,
	is_default BOOLEAN,
	uservisible BOOLEAN,
	description TEXT,
	langonly TEXT,
	biarchonly BOOLEAN,
	{{.Versioned}},
	PRIMARY KEY (create_event, group_id, tag_id),
	UNIQUE (group_id, tag_id, active)
);

CREATE TABLE group_req_listing (
	group_id BIGINT NOT NULL REFERENCES groups(id),
	tag_id BIGINT NOT NULL REFERENCES tag(id),
	req_id BIGINT NOT NULL REFERENCES groups(id),
	blocked BOOLEAN NOT NULL DEFAULT FALSE,
	type TEXT,
	is_metapkg BOOLEAN NOT NULL DEFAULT FALSE,
	{{.Versioned}},
	PRIMARY KEY (create_event, group_id, tag_id, req_id),
	UNIQUE (group_id, tag_id, req_id, active)
);

CREATE TABLE group_package_listing (
	group_id BIGINT NOT NULL REFERENCES groups(id),
	tag_id BIGINT NOT NULL REFERENCES tag(id),
	package TEXT NOT NULL,
	blocked BOOLEAN NOT NULL DEFAULT FALSE,
	type TEXT NOT NULL,
	basearchonly BOOLEAN,
	requires TEXT,
	{{.Versioned}},
	PRIMARY KEY (create_event, group_id, tag_id, package),
	UNIQUE (group_id, tag_id, package, active)
);

-- Binary and source packages. payloadhash is the SIGMD5 in hex (Koji's name for it). header_start and header_end
-- bound the main header inside the file, header_sha256 is what the digest of those bytes was at import: whoever signs
-- reads that range and nothing else.
CREATE TABLE rpminfo (
	id {{.ID}},
	build_id BIGINT REFERENCES build(id),
	buildroot_id BIGINT,
	name TEXT NOT NULL,
	version TEXT NOT NULL,
	release TEXT NOT NULL,
	epoch BIGINT,
	arch TEXT NOT NULL,
	draft BOOLEAN NOT NULL DEFAULT FALSE,
	external_repo_id BIGINT NOT NULL DEFAULT 0 REFERENCES external_repo(id),
	payloadhash TEXT NOT NULL,
	size BIGINT NOT NULL,
	buildtime BIGINT NOT NULL,
	metadata_only BOOLEAN NOT NULL DEFAULT FALSE,
	extra TEXT,
	header_start BIGINT,
	header_end BIGINT,
	header_sha256 TEXT
);
CREATE INDEX rpminfo_build ON rpminfo (build_id);

-- The certificates the hub knows. A retired key keeps its signatures verified, but new ones by it are refused.
CREATE TABLE signing_key (
	id {{.ID}},
	fingerprint TEXT NOT NULL UNIQUE,
	uid TEXT NOT NULL,
	algorithm TEXT NOT NULL,
	armored TEXT NOT NULL,
	added_by BIGINT NOT NULL REFERENCES users(id),
	added_time BIGINT NOT NULL,
	retired_by BIGINT REFERENCES users(id),
	retired_time BIGINT
);

-- Every (sub)key of a certificate that can sign, by the eight hex digits Koji names a signature with.
CREATE TABLE signing_subkey (
	fingerprint TEXT NOT NULL PRIMARY KEY,
	sigkey TEXT NOT NULL,
	signing_key_id BIGINT NOT NULL REFERENCES signing_key(id)
);
CREATE INDEX signing_subkey_sigkey ON signing_subkey (sigkey);

-- sigkey: the last eight hex digits, lower case, of the key that signed; '' for the unsigned header. fingerprint: of the
-- key that verified it. state: 0 unsigned, 1 verified, 2 unknown key. sighash: MD5 of the signature header, as in Koji.
CREATE TABLE rpmsigs (
	rpm_id BIGINT NOT NULL REFERENCES rpminfo(id),
	sigkey TEXT NOT NULL,
	sighash TEXT NOT NULL,
	fingerprint TEXT,
	state INTEGER NOT NULL,
	proof TEXT,
	UNIQUE (rpm_id, sigkey)
);
CREATE INDEX rpmsigs_sigkey ON rpmsigs (sigkey);

-- Checksums of the signed copies: checksum_type 0 md5, 2 sha256.
CREATE TABLE rpm_checksum (
	rpm_id BIGINT NOT NULL REFERENCES rpminfo(id),
	sigkey TEXT NOT NULL,
	checksum TEXT NOT NULL,
	checksum_type INTEGER NOT NULL,
	PRIMARY KEY (rpm_id, sigkey, checksum_type)
);

CREATE TABLE build_notifications (
	id {{.ID}},
	user_id BIGINT NOT NULL REFERENCES users(id),
	package_id BIGINT REFERENCES package(id),
	tag_id BIGINT REFERENCES tag(id),
	success_only BOOLEAN NOT NULL DEFAULT FALSE,
	email TEXT NOT NULL
);

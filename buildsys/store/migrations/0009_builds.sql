-- A build that was reset has begun anew: what was tagged before that event was another build of the same name.
ALTER TABLE build ADD COLUMN reset_event BIGINT REFERENCES events(id);

-- Names of packages are unique but for drafts, whose files carry the names that they will have as builds.
CREATE UNIQUE INDEX rpminfo_nvra ON rpminfo (name, version, release, arch, external_repo_id) WHERE draft IS NOT TRUE;
CREATE INDEX rpminfo_nvra_all ON rpminfo (name, version, release, arch);
CREATE INDEX rpminfo_buildroot ON rpminfo (buildroot_id);
CREATE INDEX build_state ON build (state, id);

-- What was done to a build that its row no longer shows: deleted, reset, promoted, given to another owner. detail is JSON:
-- what it held.
CREATE TABLE build_log (
	id {{.ID}},
	build_id BIGINT NOT NULL REFERENCES build(id),
	nvr TEXT NOT NULL,
	action TEXT NOT NULL,
	reason TEXT,
	detail TEXT,
	event BIGINT NOT NULL REFERENCES events(id),
	user_id BIGINT NOT NULL REFERENCES users(id)
);
CREATE INDEX build_log_build ON build_log (build_id);
CREATE INDEX build_log_nvr ON build_log (nvr);

-- A build that a content generator has reserved: who knows the token may fill it or give it back.
CREATE TABLE build_reservations (
	build_id BIGINT NOT NULL PRIMARY KEY REFERENCES build(id),
	token_hash TEXT NOT NULL,
	created BIGINT NOT NULL
);

-- Where packages were built. br_type: 0 standard (a builder's, with a row in standard_buildroot), 1 external.
CREATE TABLE buildroot (
	id {{.ID}},
	br_type INTEGER NOT NULL,
	cg_id BIGINT REFERENCES content_generator(id),
	cg_version TEXT,
	container_type TEXT,
	container_arch TEXT,
	host_os TEXT,
	host_arch TEXT,
	extra TEXT,
	CHECK ((cg_id IS NULL) = (cg_version IS NULL)),
	CHECK ((container_type IS NULL) = (container_arch IS NULL))
);

-- state: 0 init, 1 waiting, 2 building, 3 expired.
CREATE TABLE standard_buildroot (
	buildroot_id BIGINT NOT NULL PRIMARY KEY REFERENCES buildroot(id),
	host_id BIGINT NOT NULL REFERENCES host(id),
	repo_id BIGINT NOT NULL,
	task_id BIGINT NOT NULL REFERENCES task(id),
	create_event BIGINT NOT NULL REFERENCES events(id),
	retire_event BIGINT REFERENCES events(id),
	state INTEGER NOT NULL
);
CREATE INDEX standard_buildroot_host ON standard_buildroot (host_id, state);
CREATE INDEX standard_buildroot_task ON standard_buildroot (task_id);
CREATE INDEX standard_buildroot_repo ON standard_buildroot (repo_id);

-- The packages that were installed in a build root; is_update: by the build itself.
CREATE TABLE buildroot_listing (
	buildroot_id BIGINT NOT NULL REFERENCES buildroot(id),
	rpm_id BIGINT NOT NULL REFERENCES rpminfo(id),
	is_update BOOLEAN NOT NULL DEFAULT FALSE,
	PRIMARY KEY (buildroot_id, rpm_id)
);
CREATE INDEX buildroot_listing_rpm ON buildroot_listing (rpm_id);

CREATE TABLE buildroot_tools_info (
	buildroot_id BIGINT NOT NULL REFERENCES buildroot(id),
	tool TEXT NOT NULL,
	version TEXT NOT NULL,
	PRIMARY KEY (buildroot_id, tool)
);

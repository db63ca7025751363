-- Counts the commits that changed what no event tells of: a build's state, a package file, a user's name. What was read at an
-- event is still so as long as this stands still.
CREATE TABLE generation (
	id BIGINT NOT NULL PRIMARY KEY,
	value BIGINT NOT NULL
);
INSERT INTO generation (id, value) VALUES (0, 0);

-- What was revoked since an event.
CREATE INDEX tag_listing_revoked ON tag_listing (revoke_event);
CREATE INDEX tag_packages_revoked ON tag_packages (revoke_event);
CREATE INDEX tag_package_owners_revoked ON tag_package_owners (revoke_event);

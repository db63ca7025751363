-- When a tag changed first or last, whatever became of the rows since: what repositories ask for again and again.
CREATE INDEX tag_listing_made ON tag_listing (tag_id, create_event);
CREATE INDEX tag_listing_gone ON tag_listing (tag_id, revoke_event);
CREATE INDEX tag_packages_made ON tag_packages (tag_id, create_event);
CREATE INDEX tag_packages_gone ON tag_packages (tag_id, revoke_event);

-- What happened after an event, by which list-history --watch looks; for what was made the keys serve.
CREATE INDEX tag_listing_revoked ON tag_listing (revoke_event);
CREATE INDEX tag_packages_revoked ON tag_packages (revoke_event);
CREATE INDEX tag_package_owners_revoked ON tag_package_owners (revoke_event);
CREATE INDEX events_time ON events (time);

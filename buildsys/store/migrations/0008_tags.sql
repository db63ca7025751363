-- When a tag changed first or last, whatever became of the rows since: what repositories ask for again and again.
CREATE INDEX tag_listing_made ON tag_listing (tag_id, create_event);
CREATE INDEX tag_listing_gone ON tag_listing (tag_id, revoke_event);
CREATE INDEX tag_packages_made ON tag_packages (tag_id, create_event);
CREATE INDEX tag_packages_gone ON tag_packages (tag_id, revoke_event);

-- An event by its time.
CREATE INDEX events_time ON events (time);

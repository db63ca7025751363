-- Every call of a builder begins with finding the host that its user is.
CREATE INDEX host_user ON host (user_id);

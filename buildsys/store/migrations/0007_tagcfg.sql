-- The rows of one tag, and who refers to a tag: what taginfo, a walk over inheritance and the deletion of a tag ask for.
CREATE INDEX group_config_tag ON group_config (tag_id);
CREATE INDEX group_package_listing_tag ON group_package_listing (tag_id);
CREATE INDEX group_req_listing_tag ON group_req_listing (tag_id);
CREATE INDEX build_target_config_build ON build_target_config (build_tag);
CREATE INDEX build_target_config_dest ON build_target_config (dest_tag);
CREATE INDEX tag_external_repos_repo ON tag_external_repos (external_repo_id);

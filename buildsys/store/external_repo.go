package store

import "github.com/privyseal/privyseal/buildsys"

// ExternalRepoFilter chooses external repositories; zero fields choose nothing away.
type ExternalRepoFilter struct {
	ID        int64
	Name, URL string
	Event     int64
}

// ExternalRepos are the external repositories as of an event, in the order of ids.
func (tx *Tx) ExternalRepos(f ExternalRepoFilter) ([]buildsys.ExternalRepo, error) {
	var w where
	w.live("external_repo_config", f.Event)
	if f.ID != 0 {
		w.add("external_repo.id = ?", f.ID)
	}
	if f.Name != "" {
		w.add("external_repo.name = ?", f.Name)
	}
	if f.URL != "" {
		w.add("external_repo_config.url = ?", f.URL)
	}
	return list(tx, `SELECT external_repo.id, external_repo.name, external_repo_config.url
		FROM external_repo JOIN external_repo_config ON external_repo_config.external_repo_id = external_repo.id`+w.String()+
		` ORDER BY external_repo.id`, w.args,
		func(scan func(...any) error, r *buildsys.ExternalRepo) error { return scan(&r.ID, &r.Name, &r.URL) })
}

// SetExternalRepoURL gives an external repository an address, which makes it one if it was deleted or new.
func (tx *Tx) SetExternalRepoURL(id int64, url string) error {
	if err := tx.RemoveExternalRepo(id); err != nil {
		return err
	}
	return tx.create("external_repo_config", "external_repo_id, url", id, url)
}

// RemoveExternalRepo ends an external repository. Its name and its history stay.
func (tx *Tx) RemoveExternalRepo(id int64) error {
	_, err := tx.revoke("external_repo_config", "external_repo_id = $1", id)
	return err
}

// TagExternalRepos are the external repositories of tags as of an event, by priority; a tag or a repo of 0 is any.
func (tx *Tx) TagExternalRepos(tag, repo, event int64) ([]buildsys.TagExternalRepo, error) {
	var w where
	w.live("tag_external_repos", event)
	w.live("external_repo_config", event)
	if tag != 0 {
		w.add("tag_external_repos.tag_id = ?", tag)
	}
	if repo != 0 {
		w.add("tag_external_repos.external_repo_id = ?", repo)
	}
	return list(tx, `SELECT external_repo.id, external_repo.name, external_repo_config.url, tag.id, tag.name, tag_external_repos.priority,
			tag_external_repos.merge_mode, tag_external_repos.arches
		FROM tag_external_repos JOIN tag ON tag.id = tag_external_repos.tag_id
			JOIN external_repo ON external_repo.id = tag_external_repos.external_repo_id
			JOIN external_repo_config ON external_repo_config.external_repo_id = external_repo.id`+w.String()+
		` ORDER BY tag_external_repos.priority, tag_external_repos.create_event, tag.id`, w.args,
		func(scan func(...any) error, r *buildsys.TagExternalRepo) error {
			return scan(&r.ID, &r.Name, &r.URL, &r.TagID, &r.TagName, &r.Priority, &r.MergeMode, &r.Arches)
		})
}

// AddTagExternalRepo gives a tag an external repository; an old entry of the same one has been removed before.
func (tx *Tx) AddTagExternalRepo(r buildsys.TagExternalRepo) error {
	return tx.create("tag_external_repos", "tag_id, external_repo_id, priority, merge_mode, arches", r.TagID, r.ID, r.Priority, r.MergeMode, r.Arches)
}

// RemoveTagExternalRepo takes an external repository from a tag.
func (tx *Tx) RemoveTagExternalRepo(tag, repo int64) error {
	_, err := tx.revoke("tag_external_repos", "tag_id = $1 AND external_repo_id = $2", tag, repo)
	return err
}

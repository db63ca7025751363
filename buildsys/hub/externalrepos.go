package hub

import (
	"slices"
	"strings"
	"unicode"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
)

func externalRepoMethods() []Method {
	return []Method{
		{Name: "createExternalRepo", Mode: ModeWrite, Perm: "admin", Args: "name, url",
			Doc: "Name a repository made elsewhere. $arch in the address stands for the architecture.", Fn: createExternalRepo},
		{Name: "listExternalRepos", Args: "info=None, url=None, event=None, queryOpts=None",
			Doc: "External repositories: all, one by id or name, those of an address.", Fn: listExternalRepos},
		{Name: "getExternalRepo", Args: "info, strict=False, event=None", Doc: "An external repository by id or name.", Fn: getExternalRepo},
		{Name: "editExternalRepo", Mode: ModeWrite, Perm: "admin", Args: "info, name=None, url=None",
			Doc: "Change an external repository's name or address.", Fn: editExternalRepo},
		{Name: "deleteExternalRepo", Mode: ModeWrite, Perm: "admin", Args: "info",
			Doc: "Take an external repository from all tags and delete it. Its history stays.", Fn: deleteExternalRepo},
		{Name: "addExternalRepoToTag", Mode: ModeWrite, Perm: "tag", Args: "tag_info, repo_info, priority, merge_mode='koji', arches=None",
			Doc: "Give a tag an external repository: of two with the same package the one with the lower priority counts. merge_mode is koji, simple or bare.",
			Fn:  addExternalRepoToTag},
		{Name: "removeExternalRepoFromTag", Mode: ModeWrite, Perm: "tag", Args: "tag_info, repo_info",
			Doc: "Take an external repository from a tag.", Fn: removeExternalRepoFromTag},
		{Name: "editTagExternalRepo", Mode: ModeWrite, Perm: "tag", Args: "tag_info, repo_info, priority=None, merge_mode=None, arches=None",
			Doc: "Change how a tag uses an external repository; tells whether anything changed.", Fn: editTagExternalRepo},
		{Name: "getTagExternalRepos", Args: "tag_info=None, repo_info=None, event=None",
			Doc: "The external repositories of tags themselves, by priority: of one tag, of one repository, or all.", Fn: getTagExternalRepos},
		{Name: "getExternalRepoList", Args: "tag_info, event=None",
			Doc: "The external repositories of a tag and what it inherits from, in that order, each once.", Fn: getExternalRepoList},
	}
}

func externalRepoMap(r *buildsys.ExternalRepo) map[string]any {
	return map[string]any{"id": r.ID, "name": r.Name, "url": r.URL}
}

func tagExternalRepoMap(r *buildsys.TagExternalRepo) map[string]any {
	return map[string]any{
		"external_repo_id": r.ID, "external_repo_name": r.Name, "url": r.URL, "tag_id": r.TagID, "tag_name": r.TagName,
		"priority": r.Priority, "merge_mode": r.MergeMode, "arches": optional(r.Arches),
	}
}

func tagExternalRepoMaps(rs []buildsys.TagExternalRepo) []any {
	out := make([]any, len(rs))
	for i := range rs {
		out[i] = tagExternalRepoMap(&rs[i])
	}
	return out
}

// repoURL checks an address and ends it with a slash. $arch stays as it is.
func repoURL(url string) (string, error) {
	scheme, rest, ok := strings.Cut(url, "://")
	switch {
	case !ok || rest == "" || !slices.Contains([]string{"http", "https", "ftp", "file"}, strings.ToLower(scheme)):
		return "", buildsys.Errorf(buildsys.FaultGeneric, "%.200q is no address of a repository: give http://, https://, ftp:// or file://", url)
	case len(url) > 4096 || strings.ContainsFunc(url, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }):
		return "", buildsys.Errorf(buildsys.FaultGeneric, "%.200q is no address of a repository: it holds white space or is too long", url)
	}
	if !strings.HasSuffix(url, "/") {
		url += "/"
	}
	return url, nil
}

// findExternalRepo finds an external repository that there is, or was at event; without strict, one that there is not is nil.
func (c *Ctx) findExternalRepo(info any, event int64, strict bool) (*buildsys.ExternalRepo, error) {
	id, name, err := idOrName(info)
	if err != nil {
		return nil, err
	}
	rs, err := c.tx.ExternalRepos(store.ExternalRepoFilter{ID: id, Name: name, Event: event})
	if err != nil {
		return nil, err
	}
	if len(rs) == 1 {
		return &rs[0], nil
	}
	if strict {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "No such repo: %s", plain(info))
	}
	return nil, nil
}

func createExternalRepo(c *Ctx, a Args) (any, error) {
	name := a.Str("name")
	if err := checkName(name); err != nil {
		return nil, err
	}
	url, err := repoURL(a.Str("url"))
	if err != nil {
		return nil, err
	}
	if old, err := c.findExternalRepo(name, 0, false); err != nil || old != nil || name == "INTERNAL" {
		if err == nil {
			err = buildsys.Errorf(buildsys.FaultGeneric, `An external repo named "%s" already exists`, name)
		}
		return nil, err
	}
	r := buildsys.ExternalRepo{Name: name, URL: url}
	if r.ID, err = c.tx.EnsureName(store.ExternalRepoNames, name); err != nil {
		return nil, err
	}
	return externalRepoMap(&r), c.tx.SetExternalRepoURL(r.ID, url)
}

func listExternalRepos(c *Ctx, a Args) (any, error) {
	f := store.ExternalRepoFilter{Event: a.Event("event")}
	var err error
	if !a.Nil("info") {
		if f.ID, f.Name, err = idOrName(a.Any("info")); err != nil {
			return nil, err
		}
	}
	if a.Bool("url") {
		f.URL = a.Str("url")
	}
	rs, err := c.tx.ExternalRepos(f)
	if err != nil {
		return nil, err
	}
	rows := []map[string]any{}
	for i := range rs {
		rows = append(rows, externalRepoMap(&rs[i]))
	}
	return applyOpts(rows, a.Map("queryOpts"))
}

func getExternalRepo(c *Ctx, a Args) (any, error) {
	r, err := c.findExternalRepo(a.Any("info"), a.Event("event"), a.Bool("strict"))
	if err != nil || r == nil {
		return nil, err
	}
	return externalRepoMap(r), nil
}

func editExternalRepo(c *Ctx, a Args) (any, error) {
	r, err := c.findExternalRepo(a.Any("info"), 0, true)
	if err != nil {
		return nil, err
	}
	if name := a.OptStr("name"); name != nil && *name != "" && *name != r.Name {
		if err := checkName(*name); err != nil {
			return nil, err
		}
		other, _, err := c.findName(store.ExternalRepoNames, *name, false)
		if err != nil {
			return nil, err
		}
		if other != 0 || *name == "INTERNAL" {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, `name "%s" is already taken by external repo %d`, *name, other)
		}
		if err := c.tx.Rename(store.ExternalRepoNames, r.ID, *name); err != nil {
			return nil, err
		}
	}
	if url := a.OptStr("url"); url != nil && *url != "" {
		to, err := repoURL(*url)
		if err != nil {
			return nil, err
		}
		if to != r.URL {
			return nil, c.tx.SetExternalRepoURL(r.ID, to)
		}
	}
	return nil, nil
}

func deleteExternalRepo(c *Ctx, a Args) (any, error) {
	r, err := c.findExternalRepo(a.Any("info"), 0, true)
	if err != nil {
		return nil, err
	}
	uses, err := c.tx.TagExternalRepos(0, r.ID, 0)
	if err != nil {
		return nil, err
	}
	for _, u := range uses {
		if err := c.tx.RemoveTagExternalRepo(u.TagID, r.ID); err != nil {
			return nil, err
		}
	}
	return nil, c.tx.RemoveExternalRepo(r.ID)
}

// tagRepoArgs finds the tag and the external repository that a call is about.
func (c *Ctx) tagRepoArgs(a Args) (*buildsys.Tag, *buildsys.ExternalRepo, error) {
	tag, err := c.findTag(a.Any("tag_info"), 0, true)
	if err != nil {
		return nil, nil, err
	}
	r, err := c.findExternalRepo(a.Any("repo_info"), 0, true)
	return tag, r, err
}

// repoArches reads a list of architectures, separated by commas or white space.
func repoArches(v *string) (*string, error) {
	if v == nil {
		return nil, nil
	}
	s := strings.ReplaceAll(*v, ",", " ")
	return parseArches(&s)
}

func checkMergeMode(mode string) error {
	if slices.Contains(buildsys.MergeModes, mode) {
		return nil
	}
	return buildsys.Errorf(buildsys.FaultGeneric, "No such merge mode: %s", mode)
}

func addExternalRepoToTag(c *Ctx, a Args) (any, error) {
	mode := "koji"
	if !a.Nil("merge_mode") {
		mode = a.Str("merge_mode")
	}
	if err := checkMergeMode(mode); err != nil {
		return nil, err
	}
	tag, r, err := c.tagRepoArgs(a)
	if err != nil {
		return nil, err
	}
	arches, err := repoArches(a.OptStr("arches"))
	if err != nil {
		return nil, err
	}
	priority, err := repoPriority(a)
	if err != nil {
		return nil, err
	}
	if priority == nil {
		a.bad("priority", "an integer", nil)
	}
	return nil, c.addTagRepo(tag, buildsys.TagExternalRepo{ExternalRepo: *r, TagID: tag.ID, Priority: *priority, MergeMode: mode, Arches: arches})
}

// repoPriority is a priority: an integer or its text. None is nil.
func repoPriority(a Args) (*int64, error) {
	n, err := looseInt(a.Any("priority"), "priority")
	if err != nil {
		a.bad("priority", "an integer", a.Any("priority"))
	}
	return n, nil
}

func (c *Ctx) addTagRepo(tag *buildsys.Tag, r buildsys.TagExternalRepo) error {
	there, err := c.tx.TagExternalRepos(tag.ID, 0, 0)
	if err != nil {
		return err
	}
	for _, t := range there {
		if t.ID == r.ID {
			return buildsys.Errorf(buildsys.FaultGeneric, "tag %s already associated with external repo %s", tag.Name, r.Name)
		}
	}
	for _, t := range there {
		if t.Priority == r.Priority {
			return buildsys.Errorf(buildsys.FaultGeneric, "tag %s already associated with an external repo at priority %d", tag.Name, r.Priority)
		}
	}
	return c.tx.AddTagExternalRepo(r)
}

// tagRepo is how a tag itself uses an external repository.
func (c *Ctx) tagRepo(tag *buildsys.Tag, r *buildsys.ExternalRepo) (*buildsys.TagExternalRepo, error) {
	there, err := c.tx.TagExternalRepos(tag.ID, r.ID, 0)
	if err != nil {
		return nil, err
	}
	if len(there) == 0 {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "external repo %s not associated with tag %s", r.Name, tag.Name)
	}
	return &there[0], nil
}

func removeExternalRepoFromTag(c *Ctx, a Args) (any, error) {
	tag, r, err := c.tagRepoArgs(a)
	if err != nil {
		return nil, err
	}
	if _, err := c.tagRepo(tag, r); err != nil {
		return nil, err
	}
	return nil, c.tx.RemoveTagExternalRepo(tag.ID, r.ID)
}

func editTagExternalRepo(c *Ctx, a Args) (any, error) {
	tag, r, err := c.tagRepoArgs(a)
	if err != nil {
		return nil, err
	}
	was, err := c.tagRepo(tag, r)
	if err != nil {
		return nil, err
	}
	now := *was
	if arches, err := repoArches(a.OptStr("arches")); err != nil {
		return nil, err
	} else if arches != nil {
		now.Arches = arches
	}
	if n, err := repoPriority(a); err != nil {
		return nil, err
	} else if n != nil {
		now.Priority = *n
	}
	if mode := a.OptStr("merge_mode"); mode != nil {
		if err := checkMergeMode(*mode); err != nil {
			return nil, err
		}
		now.MergeMode = *mode
	}
	if now.Priority == was.Priority && now.MergeMode == was.MergeMode && equalPtr(now.Arches, was.Arches) {
		return false, nil
	}
	if err := c.tx.RemoveTagExternalRepo(tag.ID, r.ID); err != nil {
		return nil, err
	}
	return true, c.addTagRepo(tag, now)
}

func getTagExternalRepos(c *Ctx, a Args) (any, error) {
	event := a.Event("event")
	var tag, repo int64
	var err error
	if a.Bool("tag_info") {
		if tag, err = c.tagID(a.Any("tag_info")); err != nil {
			return nil, err
		}
	}
	if a.Bool("repo_info") {
		r, err := c.findExternalRepo(a.Any("repo_info"), event, true)
		if err != nil {
			return nil, err
		}
		repo = r.ID
	}
	rs, err := c.tx.TagExternalRepos(tag, repo, event)
	if err != nil {
		return nil, err
	}
	return tagExternalRepoMaps(rs), nil
}

// externalRepos are the external repositories of a tag and of what it inherits from, in that order, each once: the nearest
// tag that has one decides how it is used.
func (c *Ctx) externalRepos(tag, event int64) ([]buildsys.TagExternalRepo, error) {
	tags, err := c.tagOrder(tag, event, true)
	if err != nil {
		return nil, err
	}
	var out []buildsys.TagExternalRepo
	seen := map[int64]bool{}
	for _, at := range tags {
		rs, err := c.tx.TagExternalRepos(at, 0, event)
		if err != nil {
			return nil, err
		}
		for _, r := range rs {
			if !seen[r.ID] {
				seen[r.ID] = true
				out = append(out, r)
			}
		}
	}
	return out, nil
}

func getExternalRepoList(c *Ctx, a Args) (any, error) {
	event := a.Event("event")
	tag, err := c.findTag(a.Any("tag_info"), event, true)
	if err != nil {
		return nil, err
	}
	rs, err := c.externalRepos(tag.ID, event)
	if err != nil {
		return nil, err
	}
	return tagExternalRepoMaps(rs), nil
}

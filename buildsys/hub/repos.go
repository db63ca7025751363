package hub

import (
	"errors"
	"slices"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
	"github.com/privyseal/privyseal/internal/durable"
)

func repoMethods() []Method {
	return slices.Concat(repoQueueMethods(), []Method{
		{Name: "repoInfo", Args: "repo_id, strict=False", Fn: repoInfo,
			Doc: "A repository by id; None if there is none, unless strict."},
		{Name: "getRepo", Args: "tag, state=None, event=None, dist=False, min_event=None", Fn: getRepo,
			Doc: "A tag's newest repository: ready, or in a state, or made from an event or an earlier one, not before min_event; with dist its dist repository. None if it has none."},
		{Name: "repo.get", Args: "tag, min_event=None, at_event=None, opts=None", Fn: repoGet,
			Doc: "The newest ready repository of a tag that has the options asked for and no others of its own; None if there is none."},
		{Name: "repo.query", Args: "clauses, fields=None, opts=None", Fn: func(c *Ctx, a Args) (any, error) {
			return c.queryView(store.RepoView, a.Any("clauses"), a.Any("fields"), a.Map("opts"))
		}, Doc: "Repositories: clauses [[field, value], [field, operator, value]], fields (* those at hand, ** all), opts as queryOpts."},
		{Name: "repo.references", Args: "repo_id", Fn: repoReferences,
			Doc: "The build roots that still use a repository."},
		{Name: "repo.setState", Perm: "repo", Args: "repo_id, state", Mode: ModeWrite, Fn: func(c *Ctx, a Args) (any, error) {
			n := a.Int("state")
			if n < 0 || n >= int64(len(buildsys.RepoStates)) {
				return nil, buildsys.Errorf(buildsys.FaultParameter, "Unknown repo state: %d", n)
			}
			return nil, c.setRepoState(a.Int("repo_id"), buildsys.RepoState(n))
		}, Doc: "Move a repository to another state, by number: 0 init, 1 ready, 2 expired, 3 deleted, 4 problem."},
		{Name: "repo.getExternalRepoData", Args: "erepo", Fn: getExternalRepoData,
			Doc: "What was last seen of an external repository; None if nothing was."},
		{Name: "repo.setExternalRepoData", Perm: "repo", Args: "external_repo_id, data", Mode: ModeWrite, Fn: setExternalRepoData,
			Doc: "Note what was seen of an external repository. That counts as a change of the tags that use it."},
		{Name: "repo.updateEndEvents", Perm: "repo", Mode: ModeDeferred, Fn: updateEndEvents,
			Doc: "Note which of the ready repositories are no longer what their tags are."},
		{Name: "repoExpire", Perm: "repo", Args: "repo_id", Mode: ModeWrite, Fn: moveRepo(buildsys.RepoExpired), Doc: "Mark a repository as expired."},
		{Name: "repoProblem", Perm: "repo", Args: "repo_id", Mode: ModeWrite, Fn: moveRepo(buildsys.RepoProblem), Doc: "Mark a repository as broken."},
		{Name: "repoDelete", Perm: "repo", Args: "repo_id", Mode: ModeWrite, Fn: repoDelete,
			Doc: "Mark a repository as deleted if no build root uses it; returns how many do. Its files are another matter."},
		{Name: "getActiveRepos", Fn: func(c *Ctx, _ Args) (any, error) {
			return c.queryView(store.RepoView, []any{[]any{"state", "!=", int64(buildsys.RepoDeleted)}}, anyList([]string{"id", "tag_id", "create_event",
				"create_ts", "state", "dist", "task_id", "tag_name", "creation_ts", "state_ts", "end_event", "opts"}), map[string]any{"order": "id"})
		}, Doc: "All repositories that are not deleted."},
		{Name: "newRepo", Perm: PermPerson, Args: "tag, event=None, src=False, debuginfo=False, separate_src=False", Mode: ModeWrite, Fn: newRepo,
			Doc: "Make a newRepo task, past the queue of repo.request; returns its id."},
		{Name: "distRepo", Perm: PermPerson, Args: "tag, keys, **task_opts", Mode: ModeWrite, Fn: distRepo,
			Doc: "Make a task that makes a dist repository: signed packages of a tag, for people rather than for build roots. Returns its id."},
	})
}

// findRepo returns a repository that must exist.
func (c *Ctx) findRepo(id int64) (*store.Repo, error) {
	r, err := c.tx.RepoByID(id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "No such repo: %d", id)
	}
	return r, err
}

func repoInfo(c *Ctx, a Args) (any, error) {
	if !a.Nil("repo_id") {
		if m, err := c.viewOne(store.RepoView, looseArg(a, "repo_id")); err != nil || m != nil {
			return m, err
		}
	}
	if a.Bool("strict") {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "query returned no rows")
	}
	return nil, nil
}

// oneRepo is the first repository that a query finds, with all its fields.
func (c *Ctx) oneRepo(clauses []store.Clause, order ...string) (any, error) {
	m, err := c.viewFirst(store.RepoView, clauses, order...)
	if m == nil {
		return nil, err
	}
	return m, nil
}

func getRepo(c *Ctx, a Args) (any, error) {
	tag, err := c.tagID(a.Any("tag"))
	if err != nil {
		return nil, err
	}
	clauses := []store.Clause{{Field: "tag_id", Op: "=", Value: tag}, {Field: "dist", Op: "IS", Value: a.Bool("dist")}}
	if truth(a.Any("event")) {
		clauses = append(clauses, store.Clause{Field: "create_event", Op: "<=", Value: a.Int("event")})
	} else {
		state := int64(buildsys.RepoReady)
		if s := a.OptInt("state"); s != nil {
			state = *s
		}
		clauses = append(clauses, store.Clause{Field: "state", Op: "=", Value: state})
	}
	if n := a.OptInt("min_event"); n != nil {
		clauses = append(clauses, store.Clause{Field: "create_event", Op: ">=", Value: *n})
	}
	return c.oneRepo(clauses, "-creation_time", "-id")
}

func repoGet(c *Ctx, a Args) (any, error) {
	tag, err := c.tagID(a.Any("tag"))
	if err != nil {
		return nil, err
	}
	opts, err := readRepoOpts(a.Any("opts"), true)
	if err != nil {
		return nil, err
	}
	return c.readyRepo(tag, a.OptInt("min_event"), a.OptInt("at_event"), opts)
}

// readyRepo is the newest ready repository of a tag that fits a request, nil if there is none.
func (c *Ctx) readyRepo(tag int64, minEvent, atEvent *int64, opts map[string]any) (any, error) {
	text, err := store.EncodeJSON(opts)
	if err != nil {
		return nil, err
	}
	clauses := []store.Clause{
		{Field: "tag_id", Op: "=", Value: tag}, {Field: "dist", Op: "IS", Value: false},
		{Field: "state", Op: "=", Value: int64(buildsys.RepoReady)},
		{Field: "opts", Op: "@>", Value: text}, {Field: "custom_opts", Op: "<@", Value: text},
	}
	if atEvent != nil {
		clauses = append(clauses, store.Clause{Field: "create_event", Op: "=", Value: *atEvent})
	} else if minEvent != nil {
		clauses = append(clauses, store.Clause{Field: "create_event", Op: ">=", Value: *minEvent})
	}
	return c.oneRepo(clauses, "-create_event", "-id")
}

// setRepoState moves a repository to a state. Its way is upwards, or to deleted, from where it does not come back.
func (c *Ctx) setRepoState(id int64, to buildsys.RepoState) error {
	r, err := c.findRepo(id)
	if err != nil {
		return err
	}
	switch {
	case r.State == to:
		return nil
	case r.State > to && to != buildsys.RepoDeleted:
		return buildsys.Errorf(buildsys.FaultGeneric, "Invalid repo state transition for repo %d: %s -> %s", id, r.State, to)
	case r.State == buildsys.RepoDeleted:
		return buildsys.Errorf(buildsys.FaultGeneric, "Repo %d is deleted", id)
	}
	if ok, err := c.tx.SetRepoState(id, r.State, to); err != nil || !ok {
		return err
	}
	if to == buildsys.RepoReady {
		return c.repoDoneHook(r)
	}
	return nil
}

func moveRepo(to buildsys.RepoState) func(*Ctx, Args) (any, error) {
	return func(c *Ctx, a Args) (any, error) { return nil, c.setRepoState(a.Int("repo_id"), to) }
}

func repoReferences(c *Ctx, a Args) (any, error) {
	refs, err := c.tx.RepoReferences(a.Int("repo_id"))
	if err != nil {
		return nil, err
	}
	out := make([]any, len(refs))
	for i, r := range refs {
		out[i] = map[string]any{"id": r.Buildroot, "host_id": r.Host, "task_id": r.Task, "create_event": r.CreateEvent, "state": r.State}
	}
	return out, nil
}

func repoDelete(c *Ctx, a Args) (any, error) {
	id := a.Int("repo_id")
	if _, err := c.findRepo(id); err != nil {
		return nil, err
	}
	refs, err := c.tx.RepoReferences(id)
	if err != nil || len(refs) > 0 {
		return int64(len(refs)), err
	}
	return int64(0), c.setRepoState(id, buildsys.RepoDeleted)
}

// externalRepo finds an external repository's id.
func (c *Ctx) externalRepo(info any) (int64, error) {
	id, _, ok, err := c.named(store.ExternalRepoNames, info)
	if err == nil && !ok {
		err = buildsys.Errorf(buildsys.FaultGeneric, "No such entry in table external_repo: %s", plain(info))
	}
	return id, err
}

func getExternalRepoData(c *Ctx, a Args) (any, error) {
	id, err := c.externalRepo(a.Any("erepo"))
	if err != nil {
		return nil, err
	}
	v, err := c.tx.ExternalRepoData(id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return v, err
}

func setExternalRepoData(c *Ctx, a Args) (any, error) {
	id, err := c.externalRepo(a.Any("external_repo_id"))
	if err != nil {
		return nil, err
	}
	data := a.Map("data")
	if data == nil {
		a.bad("data", "a struct", a.Any("data"))
	}
	return nil, c.tx.SetExternalRepoData(id, data)
}

// firstChange is the first event after another at which a tag, or what it inherits from, changed; 0 if none did.
func (c *Ctx) firstChange(tag, after int64) (int64, error) {
	tags, err := c.tagOrder(tag, after, true)
	if err != nil {
		return 0, err
	}
	first, err := c.tx.FirstChange(tags, after)
	if err != nil || first == 0 {
		return 0, err
	}
	created, err := c.tx.TagCreated(tag)
	return max(first, created), err
}

// lastChange is the last event before another (0: of all) at which a tag, or what it inherits from, changed; 0 if none did.
func (c *Ctx) lastChange(tag, before int64) (int64, error) {
	deleted, err := c.tx.DeletedAt(tag)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return 0, err
	}
	if before == 0 && deleted != 0 {
		return deleted, nil
	}
	tags, err := c.tagOrder(tag, before, true)
	if err != nil {
		return 0, err
	}
	last, err := c.tx.LastChange(tags, before)
	if deleted != 0 && last > deleted {
		last = deleted
	}
	return last, err
}

// updateEndEvents reads first, since that takes long where there are many repositories, and then writes what it found.
func updateEndEvents(c *Ctx, _ Args) (any, error) {
	repos, err := c.tx.CurrentRepos()
	if err != nil {
		return nil, err
	}
	unchanged := map[int64]int64{} // by tag: no change after this event
	ended := map[int64]int64{}
	for _, r := range repos {
		if since, known := unchanged[r.TagID]; known && since <= r.CreateEvent {
			continue
		}
		end, err := c.firstChange(r.TagID, r.CreateEvent)
		if err != nil {
			return nil, err
		}
		if end == 0 {
			unchanged[r.TagID] = r.CreateEvent
		} else {
			ended[r.ID] = end
		}
	}
	if len(ended) == 0 {
		return nil, nil
	}
	if err := c.BeginWrite(); err != nil {
		return nil, err
	}
	for _, r := range repos {
		if end := ended[r.ID]; end != 0 {
			if err := c.tx.EndRepo(r.ID, end); err != nil {
				return nil, err
			}
		}
	}
	return nil, nil
}

func newRepo(c *Ctx, a Args) (any, error) {
	if c.Hub.repoConfig().NoNewRepo {
		return nil, buildsys.Errorf(buildsys.FaultActionNotAllowed, "newRepo api call is disabled")
	}
	if ok, err := c.Has("repo"); err != nil {
		return nil, err
	} else if !ok {
		if err := c.Assert("regen-repo"); err != nil {
			return nil, err
		}
	}
	if _, err := c.findTag(a.Any("tag"), a.Event("event"), true); err != nil {
		return nil, err
	}
	if err := c.ensureReposDir(); err != nil {
		return nil, err
	}
	kw := map[string]any{}
	if e := a.OptInt("event"); e != nil {
		kw["event"] = *e
	}
	for _, k := range []string{"src", "separate_src", "debuginfo"} {
		if a.Bool(k) {
			kw[k] = true
		}
	}
	priority := int64(buildsys.PriorityRepo)
	t, err := c.makeTask("newRepo", withKwargs([]any{a.Any("tag")}, kw), taskOptions{priority: &priority, channel: "createrepo"})
	if err != nil {
		return nil, err
	}
	return t.ID, nil
}

// withKwargs adds keyword arguments to a list of arguments, as requests of tasks carry them.
func withKwargs(args []any, kw map[string]any) []any {
	if len(kw) == 0 {
		return args
	}
	m := map[string]any{"__starstar": true}
	for k, v := range kw {
		m[k] = v
	}
	return append(slices.Clip(args), m)
}

// ensureReposDir makes the directory of the repositories: builders that do not find it refuse the task.
func (c *Ctx) ensureReposDir() error {
	top, err := c.Hub.top()
	if err != nil {
		return err
	}
	return durable.MkdirAll(top.Repos(), 0o755)
}

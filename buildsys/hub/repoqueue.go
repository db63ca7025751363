package hub

import (
	"encoding/json"
	"errors"
	"maps"
	"time"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
)

func repoQueueMethods() []Method {
	return []Method{
		{Name: "repo.request", Perm: PermLogin, Args: "tag, min_event=None, at_event=None, opts=None, priority=None, force=False",
			Mode: ModeWrite, Fn: requestRepo,
			Doc: "Ask for a repository of a tag: {repo, request, duplicate}, of which repo is one that fits already, else request says what was noted, or noted before. " +
				"min_event: not made from an earlier event (\"last\": the tag's last change; None: that, or some time ago if it is more recent). " +
				"at_event: made from this one. priority is relative to the default."},
		{Name: "repo.checkRequest", Args: "req_id", Fn: checkRepoRequest,
			Doc: "How a request stands: {repo, request}, and task while one is at it."},
		{Name: "repo.queryQueue", Args: "clauses=None, fields=None, opts=None", Fn: func(c *Ctx, a Args) (any, error) {
			return c.queryView(store.RepoQueueView, a.Any("clauses"), a.Any("fields"), a.Map("opts"))
		}, Doc: "Requests: clauses, fields and opts as in repo.query."},
		{Name: "repo.setRequestPriority", Perm: "admin", Args: "req_id, priority", Mode: ModeWrite, Fn: func(c *Ctx, a Args) (any, error) {
			_, err := c.tx.SetRepoRequestPriority(a.Int("req_id"), int(a.Int("priority")))
			return nil, err
		}, Doc: "Change when a request gets its turn: lower is sooner."},
		{Name: "repo.checkQueue", Perm: "repo", Mode: ModeWrite, Fn: func(c *Ctx, _ Args) (any, error) { return nil, c.checkRepoQueue() },
			Doc: "Look after the requests: make tasks for those that wait, as many as there may be, and again for those whose task failed."},
		{Name: "repo.autoRequests", Perm: "repo", Mode: ModeWrite, Fn: autoRequests,
			Doc: "Ask for repositories of the tags whose extra setting repo.auto is true."},
	}
}

// repoWish is a request before it is one.
type repoWish struct {
	tag      int64
	min, at  *int64
	opts     map[string]any
	priority int
	force    bool
}

func requestRepo(c *Ctx, a Args) (any, error) {
	tag, err := c.findTag(a.Any("tag"), 0, true)
	if err != nil {
		return nil, err
	}
	w := repoWish{tag: tag.ID, priority: buildsys.PriorityDefault, force: a.Bool("force")}
	if w.opts, err = readRepoOpts(a.Any("opts"), true); err != nil {
		return nil, err
	}
	if w.opts["maven"] == true {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "Maven support not enabled")
	}
	if err := c.wishEvent(&w, a); err != nil {
		return nil, err
	}
	if !a.Nil("priority") {
		p := looseArg(a, "priority")
		if p < 0 {
			if ok, err := c.Has("admin"); err != nil || !ok {
				if err == nil {
					err = buildsys.Errorf(buildsys.FaultActionNotAllowed, "only admins may create high-priority requests")
				}
				return nil, err
			}
		}
		w.priority += int(p)
	}
	return c.requestRepo(w)
}

// wishEvent reads from which event a repository is wanted.
func (c *Ctx) wishEvent(w *repoWish, a Args) error {
	check := func(name string) (*int64, error) {
		n := looseArg(a, name)
		if _, err := c.tx.EventByID(n); errors.Is(err, store.ErrNotFound) {
			return nil, buildsys.Errorf(buildsys.FaultParameter, "Invalid event: %d", n)
		} else if err != nil {
			return nil, err
		}
		return &n, nil
	}
	var err error
	switch {
	case !a.Nil("at_event"):
		if !a.Nil("min_event") {
			return buildsys.Errorf(buildsys.FaultParameter, "The min_event and at_event options conflict")
		}
		w.at, err = check("at_event")
	case a.Any("min_event") == "last":
		var last int64
		last, err = c.lastChange(w.tag, 0)
		w.min = &last
	case a.Nil("min_event"):
		w.min, err = c.defaultMinEvent(w.tag)
	default:
		w.min, err = check("min_event")
	}
	return err
}

// defaultMinEvent is from when on a repository of a tag counts as recent where nobody said.
func (c *Ctx) defaultMinEvent(tag int64) (*int64, error) {
	lag := c.Hub.repoConfig().Lag
	extra, err := c.tx.TagExtra(tag, 0)
	if err != nil {
		return nil, err
	}
	if n, ok := decodeExtra(extra["repo.lag"]).(int64); ok {
		lag = time.Duration(n) * time.Second
	}
	return c.laggingEvent(tag, lag)
}

// laggingEvent is the last change of a tag, or the last event before some time ago if that is earlier.
func (c *Ctx) laggingEvent(tag int64, lag time.Duration) (*int64, error) {
	last, err := c.lastChange(tag, 0)
	if err != nil {
		return nil, err
	}
	base := c.tx.Now().Add(-lag)
	if window := c.Hub.repoConfig().Window; window > 0 {
		s := int64(window / time.Second)
		base = time.Unix(base.Unix()/max(s, 1)*max(s, 1), 0)
	}
	var at int64
	ev, err := c.tx.LastEvent(base.UnixMicro())
	switch {
	case errors.Is(err, store.ErrNotFound): // a new hub
		at, err = c.tx.TagCreated(tag)
	case err == nil:
		at = ev.ID
	}
	if at > last {
		at = last
	}
	return &at, err
}

func (c *Ctx) requestRepo(w repoWish) (any, error) {
	if !w.force {
		repo, err := c.readyRepo(w.tag, w.min, w.at, w.opts)
		if err != nil {
			return nil, err
		}
		if repo != nil {
			return map[string]any{"repo": repo, "request": nil, "duplicate": false}, nil
		}
	}
	same, err := c.sameRequest(w)
	if err != nil {
		return nil, err
	}
	duplicate := same != nil
	if duplicate && same.Priority > w.priority {
		if _, err := c.tx.SetRepoRequestPriority(same.ID, w.priority); err != nil {
			return nil, err
		}
	}
	if !duplicate {
		same = &store.RepoRequest{Owner: c.UserID(), Priority: w.priority, TagID: w.tag, AtEvent: w.at, Min: w.min, Opts: w.opts}
		if err := c.tx.InsertRepoRequest(same); err != nil {
			return nil, err
		}
	}
	req, err := c.viewOne(store.RepoQueueView, same.ID)
	if err != nil {
		return nil, err
	}
	return map[string]any{"repo": nil, "request": req, "duplicate": duplicate}, nil
}

// sameRequest is the first request in line that a wish is part of, nil if there is none.
func (c *Ctx) sameRequest(w repoWish) (*store.RepoRequest, error) {
	reqs, err := c.tx.RepoRequestsOfTag(w.tag)
	if err != nil {
		return nil, err
	}
	for i := range reqs {
		r := &reqs[i]
		if !maps.Equal(r.Opts, w.opts) {
			continue
		}
		if w.at != nil && r.AtEvent != nil && *r.AtEvent == *w.at || w.at == nil && r.Min != nil && *r.Min >= *w.min {
			return r, nil
		}
	}
	return nil, nil
}

func checkRepoRequest(c *Ctx, a Args) (any, error) {
	req, err := c.viewOne(store.RepoQueueView, looseArg(a, "req_id"))
	if err != nil {
		return nil, err
	}
	if req == nil {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "No such request")
	}
	out := map[string]any{"repo": nil, "request": req}
	if id, ok := req["repo_id"].(int64); ok {
		out["repo"], err = c.viewOne(store.RepoView, id)
		return out, err
	}
	if id, ok := req["task_id"].(int64); ok {
		t, err := c.findTask(id)
		if err != nil {
			return nil, err
		}
		out["task"] = taskMap(t)
	}
	return out, nil
}

// checkRepoQueue brings each request one step further.
func (c *Ctx) checkRepoQueue() error {
	cfg := c.Hub.repoConfig()
	waiting, err := c.tx.WaitingRepoRequests()
	if err != nil {
		return err
	}
	running := 0
	changed := map[int64]bool{}
	for i := range waiting {
		r := &waiting[i]
		if r.TaskID == nil {
			continue
		}
		if r.TaskState == nil || !r.TaskState.Finished() {
			running++
			continue
		}
		changed[r.ID] = true
		if *r.TaskState == buildsys.TaskClosed {
			// Its repository should have fulfilled the request when it became ready.
			repo, err := c.repoOfTask(*r.TaskID)
			if err != nil {
				return err
			}
			if repo != nil && c.fulfils(r, repo) {
				r.RepoID, r.Active = &repo.ID, false
				continue
			}
		}
		c.Log.Warn("task for a requested repository made none", "request", r.ID, "task", *r.TaskID, "tries", r.Tries)
		if r.Tries > cfg.Retries {
			r.Active = false
		} else {
			r.TaskID = nil
		}
	}
	for i := range waiting {
		r := &waiting[i]
		if r.TaskID != nil || !r.Active {
			continue
		}
		if running >= cfg.MaxTasks {
			break
		}
		id, err := c.repoTask(r)
		if err != nil {
			return err
		}
		running++
		r.TaskID = &id
		r.Tries++
		changed[r.ID] = true
	}
	for i := range waiting {
		if changed[waiting[i].ID] {
			if err := c.tx.SaveRepoRequest(&waiting[i]); err != nil {
				return err
			}
		}
	}
	if len(changed) == 0 {
		return nil
	}
	_, err = c.tx.CleanRepoQueue(c.tx.Now().Add(-cfg.CleanAfter))
	return err
}

// repoTask makes the task for a request.
func (c *Ctx) repoTask(r *store.RepoRequest) (int64, error) {
	if err := c.ensureReposDir(); err != nil {
		return 0, err
	}
	kw := map[string]any{"opts": r.Opts}
	if r.AtEvent != nil {
		kw["event"] = *r.AtEvent
	}
	priority := int64(buildsys.PriorityRepo)
	o := taskOptions{priority: &priority, channel: "createrepo"}
	u, err := c.tx.UserByName(c.Hub.repoConfig().QueueUser)
	if err == nil {
		o.owner = u.ID
	} else if !errors.Is(err, store.ErrNotFound) {
		return 0, err
	}
	t, err := c.makeTask("newRepo", withKwargs([]any{map[string]any{"id": r.TagID, "name": r.TagName}}, kw), o)
	if err != nil {
		return 0, err
	}
	return t.ID, nil
}

// repoOfTask is the repository that a finished newRepo task says it made; nil if it says none.
func (c *Ctx) repoOfTask(task int64) (*store.Repo, error) {
	t, err := c.findTask(task)
	if err != nil {
		return nil, err
	}
	v, f, err := taskResult(t)
	list, _ := v.([]any)
	if err != nil || f != nil || len(list) == 0 {
		return nil, nil //nolint:nilerr // a task that cannot be read made nothing
	}
	id, ok := asInt(list[0])
	if !ok {
		return nil, nil
	}
	r, err := c.tx.RepoByID(id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return r, err
}

// fulfils tells whether a repository is what was asked for.
func (c *Ctx) fulfils(r *store.RepoRequest, repo *store.Repo) bool {
	switch {
	case repo.TagID != r.TagID, repo.State != buildsys.RepoReady, repo.Opts == nil, repo.Dist,
		r.AtEvent != nil && repo.CreateEvent != *r.AtEvent,
		r.AtEvent == nil && r.Min != nil && repo.CreateEvent < *r.Min:
		return false
	}
	return optsFit(r.Opts, repo)
}

// optsFit tells whether a repository has all options that were asked for, and none of its own that were not.
func optsFit(asked map[string]any, repo *store.Repo) bool {
	for k, v := range asked {
		if have, ok := repo.Opts[k]; !ok || have != v {
			return false
		}
	}
	for k, v := range repo.Custom {
		if want, ok := asked[k]; !ok || want != v {
			return false
		}
	}
	return true
}

// repoDoneHook gives a repository that just became ready to all who asked for one like it.
func (c *Ctx) repoDoneHook(r *store.Repo) error {
	if r.Dist || r.Opts == nil {
		return nil
	}
	now := *r
	now.State = buildsys.RepoReady
	reqs, err := c.tx.RepoRequestsOfTag(r.TagID)
	if err != nil {
		return err
	}
	for i := range reqs {
		if c.fulfils(&reqs[i], &now) {
			reqs[i].RepoID, reqs[i].Active = &r.ID, false
			if err := c.tx.SaveRepoRequest(&reqs[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// autoRequests asks for repositories in the caller's name, behind what people ask for.
func autoRequests(c *Ctx, _ Args) (any, error) {
	settings, err := c.tx.TagSettings("repo.auto", "repo.lag")
	if err != nil {
		return nil, err
	}
	lags := map[int64]time.Duration{}
	var tags []int64
	for _, s := range settings {
		var v any
		if json.Unmarshal([]byte(s.Value), &v) != nil {
			continue
		}
		v = wholeNumbers(v)
		if s.Key == "repo.auto" && truth(v) {
			tags = append(tags, s.TagID)
		} else if n, ok := v.(int64); ok && s.Key == "repo.lag" {
			lags[s.TagID] = time.Duration(n) * time.Second
		}
	}
	for _, tag := range tags {
		lag, own := lags[tag]
		if !own {
			lag = c.Hub.repoConfig().AutoLag
		}
		event, err := c.laggingEvent(tag, lag)
		if err != nil {
			return nil, err
		}
		if _, err := c.requestRepo(repoWish{tag: tag, min: event, opts: map[string]any{}, priority: buildsys.PriorityDefault + 5}); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

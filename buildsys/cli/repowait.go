package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// repoWatcher waits for a repository of a tag.
type repoWatcher struct {
	a       *App
	s       *session
	tag     record
	min, at any // events; nil: whatever the hub takes for recent
	opts    any // a struct of options, nil: the tag's own
	nvrs    []string
	verbose bool
	start   time.Time
	limit   time.Duration
}

// newRepoWatcher finds the tag. min may be "last": the last change of the tag.
func (a *App) newRepoWatcher(ctx context.Context, s *session, tag any, o *repoWaitOptions) (*repoWatcher, error) {
	t, err := s.record(ctx, "getTag", tag, kwargs{"strict": true})
	if err != nil {
		return nil, err
	}
	return &repoWatcher{a: a, s: s, tag: t, verbose: o.verbose, limit: time.Duration(o.timeout) * time.Minute, start: time.Now()}, nil
}

// repoWaitOptions are the options of those who wait for a repository.
type repoWaitOptions struct {
	timeout int64
	verbose bool
}

// info tells what is going on, with --verbose.
func (w *repoWatcher) info(format string, args ...any) {
	if (w.verbose || w.a.opts.debug) && !w.a.opts.quiet {
		w.a.printf(format+"\n", args...)
		w.a.flush()
	}
}

// errorf tells what went wrong, but does not end the wait.
func (w *repoWatcher) errorf(format string, args ...any) {
	w.a.printf(format+"\n", args...)
	w.a.flush()
}

func (w *repoWatcher) lastChange(ctx context.Context) error {
	v, err := w.s.call(ctx, "tagLastChangeEvent", w.tag["id"])
	w.min = v
	return err
}

// errWait is why there is no repository.
type errWait struct{ msg string }

func (e *errWait) Error() string { return e.msg }

func (w *repoWatcher) request(ctx context.Context) (record, error) {
	w.info("Requesting a repo")
	return w.s.record(ctx, "repo.request", w.tag["id"], kwargs{"min_event": w.min, "at_event": w.at, "opts": w.opts})
}

// wait waits until there is a repository that fits: by requests, or, anonymous, by looking.
func (w *repoWatcher) wait(ctx context.Context, anon bool) (record, error) {
	w.info("Waiting on repo for %s", w.tag.str("name"))
	var req record
	for {
		switch {
		case req != nil:
			repo, err := w.waitRequest(ctx, req)
			if err != nil {
				return nil, err
			}
			if ok, err := w.fits(ctx, repo); err != nil || ok {
				return repo, err
			}
			if w.at != nil {
				return nil, &errWait{"Failed at_event request"}
			}
			if err := w.lastChange(ctx); err != nil {
				return nil, err
			}
			w.errorf("Repo request did not satisfy conditions")
		case anon:
			repo, err := w.s.record(ctx, "repo.get", w.tag["id"], kwargs{"min_event": w.min, "at_event": w.at, "opts": w.opts})
			if err != nil {
				return nil, err
			}
			if repo != nil {
				if ok, err := w.fits(ctx, repo); err != nil || ok {
					return repo, err
				}
			}
		}
		if len(w.nvrs) > 0 {
			if err := w.waitBuilds(ctx); err != nil {
				return nil, err
			}
			if err := w.lastChange(ctx); err != nil {
				return nil, err
			}
		}
		if !anon {
			check, err := w.request(ctx)
			if err != nil {
				return nil, err
			}
			if repo := asRecord(check["repo"]); repo != nil {
				if ok, err := w.fits(ctx, repo); err != nil || ok {
					return repo, err
				}
			} else {
				req = asRecord(check["request"])
				w.info("Got request: %s", req.str("id"))
				if w.min == nil {
					w.min = req["min_event"]
					w.info("Updated min_event from hub: %s", pyStr(w.min))
				}
			}
		} else if w.over() {
			return nil, &errWait{fmt.Sprintf("Unsuccessfully waited %s for a new %s repo", duration(w.start), w.tag.str("name"))}
		}
		if err := w.pause(ctx); err != nil {
			return nil, err
		}
	}
}

// watchedOfRequest are the members of a request whose changes are told.
var watchedOfRequest = []string{"task_id", "task_state", "repo_id", "active", "tries"}

// waitRequest waits until a request is fulfilled.
func (w *repoWatcher) waitRequest(ctx context.Context, req record) (record, error) {
	last := maps.Clone(req)
	for {
		check, err := w.s.record(ctx, "repo.checkRequest", req["id"])
		if err != nil {
			return nil, err
		}
		if repo := asRecord(check["repo"]); repo != nil {
			return repo, nil
		}
		now := asRecord(check["request"])
		for _, f := range watchedOfRequest {
			if was, is := last[f], now[f]; was != is {
				w.info("Request updated: %s: %s -> %s", f, requestMember(f, was), requestMember(f, is))
			}
		}
		last = now
		if w.over() {
			return nil, &errWait{fmt.Sprintf("Unsuccessfully waited %s for a new %s repo", duration(w.start), w.tag.str("name"))}
		}
		if !now.yes("active") {
			if now.yes("task_id") {
				w.errorf("Task %s state is %s", now.str("task_id"), requestMember("task_state", now["task_state"]))
			}
			return nil, &errWait{"Repo request no longer active"}
		}
		if err := w.pause(ctx); err != nil {
			return nil, err
		}
	}
}

func requestMember(name string, v any) string {
	if n, ok := v.(int64); ok && name == "task_state" {
		return buildsys.TaskState(n).String()
	}
	return pyStr(v)
}

// fits tells whether a repository is what was asked for.
func (w *repoWatcher) fits(ctx context.Context, repo record) (bool, error) {
	event := repo.id("create_event")
	switch {
	case repo.id("tag_id") != w.tag.id("id"):
		w.errorf("Got repo for wrong tag, expected %s, got %s", w.tag.str("id"), repo.str("tag_id"))
		return false, nil
	case w.at != nil:
		if w.at != event {
			w.info("Got repo with wrong event. %d != %s", event, pyStr(w.at))
			return false, nil
		}
	case w.min != nil:
		if m, _ := w.min.(int64); event < m {
			w.info("Got repo before min event. %d < %d", event, m)
			return false, nil
		}
	}
	if len(w.nvrs) == 0 {
		return true, nil
	}
	ok, err := w.haveBuilds(ctx, event)
	if err == nil && !ok {
		w.info("Got repo without needed builds")
	}
	return ok, err
}

// haveBuilds tells whether all builds are in the tag, at an event (0: now).
func (w *repoWatcher) haveBuilds(ctx context.Context, event int64) (bool, error) {
	for _, nvr := range w.nvrs {
		head, release, _ := cutLast(nvr, "-")
		name, version, _ := cutLast(head, "-")
		kw := kwargs{"event": nil, "package": name, "inherit": true}
		if event != 0 {
			kw["event"] = event
		}
		tagged, err := w.s.records(ctx, "listTagged", w.tag["id"], kw)
		if err != nil {
			return false, err
		}
		found := false
		for _, b := range tagged {
			found = found || b["version"] == version && b["release"] == release
		}
		if !found {
			return false, nil
		}
	}
	return true, nil
}

// waitBuilds waits until the builds are in the tag.
func (w *repoWatcher) waitBuilds(ctx context.Context) error {
	w.info("Waiting for nvrs %s in tag %s", pyRepr(anys(w.nvrs)), w.tag.str("name"))
	for {
		ok, err := w.haveBuilds(ctx, 0)
		if err != nil || ok {
			return err
		}
		if w.over() {
			return &errWait{fmt.Sprintf("Unsuccessfully waited %s for %s to appear in the %s repo", duration(w.start), commaList(w.nvrs), w.tag.str("name"))}
		}
		if err := w.pause(ctx); err != nil {
			return err
		}
	}
}

func (w *repoWatcher) over() bool { return time.Since(w.start) > w.limit }

func (w *repoWatcher) pause(ctx context.Context) error {
	w.a.flush()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(w.a.cfg.PollInterval):
		return nil
	}
}

// duration is how long something took, as minutes and seconds.
func duration(since time.Time) string {
	s := int64(time.Since(since) / time.Second)
	return strconv.FormatInt(s/60, 10) + fmt.Sprintf(":%02d", s%60)
}

// anys is a list as a list of values.
func anys[T any](in []T) []any {
	out := make([]any, len(in))
	for i, v := range in {
		out[i] = v
	}
	return out
}

// noRepo is how a command ends that waited for a repository in vain; with --quiet only the exit code tells.
func (a *App) noRepo(err error) error {
	var wait *errWait
	var f *xmlrpc.Fault
	if !errors.As(err, &wait) && !errors.As(err, &f) {
		return err
	}
	if a.opts.quiet {
		return &exitError{code: exitFailed}
	}
	return failf("", "Failed to get repo -- %w", err)
}

// gotRepo tells of a repository.
func (a *App) gotRepo(repo record) {
	a.printf("Got repo %d\nRepo info: %s/repoinfo?repoID=%d\n", repo.id("id"), a.cfg.WebURL, repo.id("id"))
}

package hub_test

import (
	"testing"

	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// A request is noted once, gets a task, and is fulfilled by the repository that the task's host makes; nobody else makes it.
func TestRepoRequests(t *testing.T) {
	s := newSite(t)
	c, plain := s.as(t, "kojiadmin"), s.as(t, "plain")
	c.must(t, "createTag", "b1", xmlrpc.Kwargs{"arches": "x86_64"})
	last := xmlrpc.Kwargs{"min_event": "last"}
	first := plain.must(t, "repo.request", "b1", last).(map[string]any)
	again := plain.must(t, "repo.request", "b1", last).(map[string]any)
	req := first["request"].(map[string]any)["id"]
	if first["duplicate"] != false || again["duplicate"] != true || again["request"].(map[string]any)["id"] != req {
		t.Fatalf("requests: %v, %v", first, again)
	}
	plain.refused(t, 1004, "only admins", "repo.request", "b1", xmlrpc.Kwargs{"priority": -1})
	plain.refused(t, 1019, "Invalid repo option", "repo.request", "b1", xmlrpc.Kwargs{"opts": map[string]any{"x": true}})
	plain.refused(t, 1004, "repo permission required", "repo.checkQueue")
	c.must(t, "repo.checkQueue")
	task := c.must(t, "repo.checkRequest", req).(map[string]any)["task"].(map[string]any)["id"]
	b := s.builder(t)
	c.must(t, "assignTask", task, "builder1", true, true)
	b.refused(t, 1004, "name the newRepo task", "host.repoInit", "b1")
	b.must(t, "host.openTask", task)
	repo := b.must(t, "host.repoInit", "b1", task).([]any)[0]
	b.refused(t, 1004, "is not the output of task", "host.repoDone", repo, map[string]any{"x86_64": []any{"tasks/77/77", []any{"a"}}})
	b.must(t, "host.repoDone", repo, map[string]any{})
	got := c.must(t, "repo.checkRequest", req).(map[string]any)
	if r, ok := got["repo"].(map[string]any); !ok || r["id"] != repo || got["request"].(map[string]any)["active"] != false {
		t.Fatalf("after the repository was ready: %v", got)
	}
	c.must(t, "repoExpire", repo)
	c.refused(t, 1000, "Invalid repo state transition", "repo.setState", repo, 1)
	if n := c.must(t, "repoDelete", repo); n != int64(0) {
		t.Errorf("references: %v", n)
	}
}

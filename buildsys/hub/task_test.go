package hub_test

import (
	"sync"
	"testing"
	"time"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// builder is a host that the test plays, call by call as kojid does.
func (s *site) builder(t *testing.T) caller {
	t.Helper()
	b := s.as(t, "builder1")
	b.must(t, "exclusiveSession", xmlrpc.Kwargs{"force": true})
	b.must(t, "host.updateHost", 0.0, true, xmlrpc.Kwargs{"data": map[string]any{"maxjobs": 10, "methods": []any{"tagBuild"}}})
	return b
}

// taggable makes a tag and builds that may go into it.
func (c caller) taggable(t *testing.T, tag string, nvrs ...string) {
	t.Helper()
	c.must(t, "createTag", tag)
	c.must(t, "packageListAdd", tag, "pkg", "kojiadmin")
	for _, r := range nvrs {
		c.must(t, "createEmptyBuild", "pkg", "1", r, nil)
	}
}

func (c caller) taskState(t *testing.T, id any) buildsys.TaskState {
	t.Helper()
	return buildsys.TaskState(c.must(t, "getTaskInfo", id).(map[string]any)["state"].(int64))
}

func TestTaggingChecks(t *testing.T) {
	s := newSite(t)
	c, plain, rel := s.as(t, "kojiadmin"), s.as(t, "plain"), s.as(t, "releng")
	c.taggable(t, "open", "1", "2")
	c.must(t, "createTag", "bare")
	c.must(t, "createTag", "locked", xmlrpc.Kwargs{"locked": true})
	c.must(t, "createTag", "guarded", xmlrpc.Kwargs{"perm": "tag"})
	for _, tag := range []string{"locked", "guarded"} {
		c.must(t, "packageListAdd", tag, "pkg", "kojiadmin")
	}
	plain.refused(t, 1000, "No such build", "tagBuild", "open", "pkg-1-9")
	plain.refused(t, 1000, "No such tagInfo", "tagBuild", "nosuch", "pkg-1-1")
	plain.refused(t, 1003, "Package pkg not in list for bare", "tagBuild", "bare", "pkg-1-1")
	plain.refused(t, 1004, "tag is locked", "tagBuild", "locked", "pkg-1-1")
	plain.refused(t, 1004, "tag requires tag permission", "tagBuild", "guarded", "pkg-1-1")
	plain.refused(t, 1004, "tag is locked", "tagBuild", "locked", "pkg-1-1", true)
	rel.refused(t, 1004, "tag is locked", "tagBuild", "locked", "pkg-1-1", true)
	c.refused(t, 1004, "tag is locked", "tagBuild", "locked", "pkg-1-1")
	c.must(t, "tagBuild", "locked", "pkg-1-1", true)
	c.must(t, "tagBuild", "bare", "pkg-1-1", true)
	if p := c.must(t, "listPackages", xmlrpc.Kwargs{"tagID": "bare"}).([]any); len(p) != 1 {
		t.Errorf("force did not add the package: %v", p)
	}
	rel.must(t, "tagBuild", "guarded", "pkg-1-1")
	plain.must(t, "tagBuild", "open", "pkg-1-1")
	c.must(t, "packageListBlock", "open", "pkg")
	plain.refused(t, 1003, "Package pkg blocked in open", "tagBuild", "open", "pkg-1-1")
	plain.refused(t, 1004, "tag permission required", "tagBuildBypass", "open", "pkg-1-1")
	rel.must(t, "tagBuildBypass", "open", "pkg-1-1")
	rel.refused(t, 1003, "already tagged", "tagBuildBypass", "open", "pkg-1-1")
	rel.must(t, "tagBuildBypass", "open", "pkg-1-1", true)
	plain.must(t, "untagBuild", "open", "pkg-1-1")
	plain.refused(t, 1003, "build pkg-1-1 not in tag open", "untagBuild", "open", "pkg-1-1")
	plain.must(t, "untagBuild", "open", "pkg-1-1", false)
}

// A builder waits for work, is woken by it, and runs it; the checks are made again then, for the task's owner.
func TestBuilderCalls(t *testing.T) {
	s := newSite(t)
	c, plain := s.as(t, "kojiadmin"), s.as(t, "plain")
	c.taggable(t, "t1", "1", "2", "3")
	b := s.builder(t)
	if got := b.must(t, "host.getTasks").([]any); len(got) != 0 {
		t.Errorf("tasks: %v", got)
	}
	var woken time.Duration
	var got []any
	var wg sync.WaitGroup
	wg.Go(func() {
		start := time.Now()
		v, err := b.Call(t.Context(), "host.getTasks", xmlrpc.Kwargs{"wait": 20})
		if err != nil {
			t.Error(err)
			return
		}
		got, _ = v.([]any)
		woken = time.Since(start)
	})
	time.Sleep(100 * time.Millisecond)
	id := plain.must(t, "tagBuild", "t1", "pkg-1-1")
	wg.Wait()
	if len(got) != 1 || got[0].(map[string]any)["id"] != id || woken > 10*time.Second {
		t.Fatalf("after %v: %v", woken, got)
	}
	b.refused(t, 1004, "does not own task", "host.tagBuild", id, "t1", "pkg-1-1")
	if row := b.must(t, "host.openTask", id).(map[string]any); row["state"] != int64(buildsys.TaskOpen) || row["request"] == nil {
		t.Errorf("openTask: %v", row)
	}
	if again := b.must(t, "host.openTask", id); again != nil {
		t.Errorf("opened twice: %v", again)
	}
	if open := b.must(t, "host.getHostTasks").([]any); len(open) != 1 {
		t.Errorf("getHostTasks: %v", open)
	}
	// It does what the task asks for, and nothing else.
	c.must(t, "createTag", "t2")
	c.must(t, "packageListAdd", "t2", "pkg", "kojiadmin")
	b.refused(t, 1004, "does not ask for", "host.tagBuild", id, "t2", "pkg-1-1")
	b.refused(t, 1004, "does not ask for", "host.tagBuild", id, "t1", "pkg-1-2")
	b.refused(t, 1004, "does not ask for", "host.tagBuild", id, "t1", "pkg-1-1", true)
	b.refused(t, 1004, "does not ask for", "host.tagBuild", id, "t1", "pkg-1-1", false, "t2")
	b.refused(t, 1004, "was made to tag one build", "host.subtask", "tagBuild", []any{"t2", "pkg-1-1"}, id)
	b.must(t, "host.tagBuild", id, "t1", "pkg-1-1")
	b.must(t, "host.tagBuild", id, "t1", "pkg-1-1") // a builder that came back does it once more, to no effect
	b.refused(t, 1019, "no XML-RPC response", "host.closeTask", id, "hello")
	done, err := xmlrpc.EncodeResponse(nil)
	must(t, err)
	b.must(t, "host.closeTask", id, string(done))
	if st := c.taskState(t, id); st != buildsys.TaskClosed || c.must(t, "taskFinished", id) != true {
		t.Errorf("state %s", st)
	}
	hist := c.must(t, "listTagged", "t1").([]any)
	if len(hist) != 1 {
		t.Errorf("tagged: %v", hist)
	}

	// Refused, freed, canceled.
	id = plain.must(t, "tagBuild", "t1", "pkg-1-2")
	waitAssigned(t, b, id)
	b.must(t, "host.refuseTask", id, false, "no")
	if st := c.taskState(t, id); st != buildsys.TaskFree {
		t.Errorf("refused task is %s", st)
	}
	if got := b.must(t, "host.getTasks").([]any); len(got) != 0 {
		t.Errorf("a refused task came back: %v", got)
	}
	c.must(t, "assignTask", id, "builder1")
	b.must(t, "host.openTask", id)
	b.must(t, "host.freeTasks", []any{id})
	s.as(t, "releng").refused(t, 1004, "not owner", "cancelTask", id)
	plain.must(t, "cancelTask", id)
	plain.must(t, "cancelTask", id)
	c.refused(t, 1000, "is canceled", "getTaskResult", id)
	c.refused(t, 1000, "Cannot free task", "freeTask", id)
	if st := c.taskState(t, plain.must(t, "resubmitTask", id)); st != buildsys.TaskFree && st != buildsys.TaskAssigned {
		t.Errorf("resubmitted task is %s", st)
	}

	// Waiting for a subtask.
	id = plain.must(t, "tagBuild", "t1", "pkg-1-3")
	waitAssigned(t, b, id)
	b.must(t, "host.openTask", id)
	sub := b.must(t, "host.subtask", "noop", []any{int64(1)}, id, xmlrpc.Kwargs{"label": "x", "arch": "noarch"})
	if again := b.must(t, "host.subtask", "noop", []any{int64(1)}, id, xmlrpc.Kwargs{"label": "x"}); again != sub {
		t.Errorf("a second subtask of one label: %v", again)
	}
	b.must(t, "host.taskSetWait", id, []any{sub})
	if w := b.must(t, "host.taskWait", id).([]any); len(w[0].([]any)) != 0 || len(w[1].([]any)) != 1 {
		t.Errorf("taskWait: %v", w)
	}
	// Another builder cannot meddle with what this one waits for.
	c.must(t, "addHost", "builder9", []any{"x86_64"})
	c.must(t, "disableHost", "builder9")
	other := s.as(t, "builder9")
	other.must(t, "exclusiveSession")
	for _, method := range []string{"host.taskWait", "host.taskUnwait"} {
		other.refused(t, 1004, "does not own task", method, id)
	}
	other.refused(t, 1004, "does not own task", "host.taskWaitResults", id, nil)
	if c.must(t, "getTaskInfo", id).(map[string]any)["waiting"] != true {
		t.Error("the task waits no longer")
	}
	waitAssigned(t, b, sub)
	b.must(t, "host.openTask", sub)
	b.must(t, "host.failTask", sub, string(xmlrpc.EncodeFault(&xmlrpc.Fault{Code: 1005, String: "broken"})))
	b.refused(t, 1005, "broken", "host.taskWaitResults", id, []any{sub})
	if r := b.must(t, "host.taskWaitResults", id, []any{sub}, []any{sub}).([]any); len(r) != 1 {
		t.Errorf("taskWaitResults: %v", r)
	}
	if kids := c.must(t, "getTaskChildren", id).([]any); len(kids) != 1 {
		t.Errorf("children: %v", kids)
	}
	c.refused(t, 1002, "is not a host", "host.getID")
	shared := s.as(t, "builder1")
	shared.refused(t, 1006, "locked", "host.getID")
}

func waitAssigned(t *testing.T, b caller, id any) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		for _, v := range b.must(t, "host.getTasks", xmlrpc.Kwargs{"wait": 2}).([]any) {
			if v.(map[string]any)["id"] == id {
				return
			}
		}
	}
	t.Fatalf("task %v was not assigned", id)
}

func TestHosts(t *testing.T) {
	s := newSite(t)
	c := s.as(t, "kojiadmin")
	s.as(t, "releng").refused(t, 1004, "host permission required", "addHost", "b2", []any{"x86_64"})
	c.must(t, "addHost", "b2", []any{"ppc64", "x86_64"})
	c.refused(t, 1000, "host already exists: b2", "addHost", "b2", []any{"x86_64"})
	c.refused(t, 1000, "it is not a host", "addHost", "plain", []any{"x86_64"})
	c.must(t, "addHost", "plain", []any{"x86_64"}, xmlrpc.Kwargs{"force": true})
	if u := c.must(t, "getUser", "plain").(map[string]any); u["usertype"] != int64(buildsys.UserHost) {
		t.Errorf("the user of a host that was added by force: %v", u)
	}
	s.as(t, "plain").refused(t, 1004, "plain is a builder", "tagBuild", "t1", "pkg-1-1")
	c.refused(t, 1000, "Architecture can be only [a-zA-Z0-9_-]", "addHost", "b3", []any{"x86-64;"})
	if got := c.must(t, "editHost", "b2", xmlrpc.Kwargs{"capacity": 4.5, "arches": "ppc64 noarch"}); got != true {
		t.Errorf("editHost: %v", got)
	}
	if got := c.must(t, "editHost", "b2", xmlrpc.Kwargs{"capacity": 4.5}); got != false {
		t.Errorf("editHost without a change: %v", got)
	}
	c.must(t, "disableHost", "b2")
	h := c.must(t, "getHost", "b2").(map[string]any)
	if h["capacity"] != 4.5 || h["arches"] != "ppc64 noarch" || h["enabled"] != false {
		t.Errorf("getHost: %v", h)
	}
	for arch, want := range map[string]int{"ppc": 0, "ppc64": 1, "x86_64": 2} {
		if got := c.must(t, "listHosts", xmlrpc.Kwargs{"arches": []any{arch}}).([]any); len(got) != want {
			t.Errorf("hosts of %s: %v", arch, got)
		}
	}
	c.must(t, "addHostToChannel", "b2", "special", true)
	c.refused(t, 1000, "already subscribed", "addHostToChannel", "b2", "special")
	c.refused(t, 1000, "channel does not exist", "addHostToChannel", "b2", "nosuch")
	if got := c.must(t, "listChannels", xmlrpc.Kwargs{"hostID": "b2"}).([]any); len(got) != 2 {
		t.Errorf("channels: %v", got)
	}
	c.must(t, "removeHostFromChannel", "b2", "special")
	c.refused(t, 1000, "not subscribed", "removeHostFromChannel", "b2", "special")
}

package hub_test

import (
	"slices"
	"testing"

	"github.com/privyseal/privyseal/buildsys/hub"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// TestNotificationTasks: who asked for it, the owners of build and package are told by a task, unless they want to be spared;
// where nobody is to be told there is no task.
func TestNotificationTasks(t *testing.T) {
	s := newSiteOn(t, hub.NewDatabase(t, hub.DefaultEngine()), func(c *hub.Settings) {
		c.Notifications, c.NotifyOnSuccess, c.EmailDomain = true, true, "example.org"
	})
	c, plain := s.as(t, "kojiadmin"), s.as(t, "plain")
	b := s.builder(t)
	c.taggable(t, "t1", "1", "2")
	seen := 0
	told := func(what, method string, want ...string) []any {
		t.Helper()
		tasks := c.must(t, "listTasks", map[string]any{"method": method}, map[string]any{"order": "id"}).([]any)
		if len(want) == 0 {
			if len(tasks) != seen {
				t.Fatalf("%s: %d tasks, want %d", what, len(tasks), seen)
			}
			return nil
		}
		if seen++; len(tasks) != seen {
			t.Fatalf("%s: %d tasks, want %d", what, len(tasks), seen)
		}
		args := c.must(t, "getTaskRequest", field(tasks[seen-1], "id")).([]any)
		var got []string
		for _, v := range args[0].([]any) {
			got = append(got, v.(string))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: told %v, want %v", what, got, want)
		}
		return args
	}
	c.must(t, "tagBuildBypass", "t1", "pkg-1-1")
	told("not asked for", "tagNotification")
	plain.must(t, "createNotification", "plain", "pkg", nil, true)
	c.must(t, "tagBuildBypass", "t1", "pkg-1-2", xmlrpc.Kwargs{"notify": true})
	task := told("tagged", "tagNotification", "kojiadmin@example.org", "plain@example.org")
	if tag := c.must(t, "getTag", "t1"); task[1] != true || task[2] != field(tag, "id") || task[3] != nil {
		t.Errorf("request: %v", task)
	}
	c.must(t, "createNotificationBlock", "kojiadmin", nil, "t1")
	c.must(t, "untagBuild", "t1", "pkg-1-1")
	told("untagged", "tagNotification", "plain@example.org")
	b.must(t, "host.tagNotification", false, "t1", nil, "pkg-1-2", "kojiadmin", false, "it failed")
	told("a failure that nobody wants to hear of", "tagNotification")
	plain.must(t, "createNotification", "plain", nil, "t1", false)
	b.must(t, "host.tagNotification", true, "t1", nil, "pkg-1-2", "kojiadmin", true)
	told("ignored success", "tagNotification")
	b.must(t, "host.tagNotification", false, "t1", nil, "pkg-1-2", "kojiadmin", false, "it failed")
	if task = told("failed", "tagNotification", "plain@example.org"); task[1] != false || task[7] != "it failed" {
		t.Errorf("request: %v", task)
	}
	c.must(t, "disableUser", "plain")
	b.must(t, "host.tagNotification", false, "t1", nil, "pkg-1-2", "kojiadmin", false, "it failed")
	told("a user who is disabled", "tagNotification")

	seen = 0
	id := c.must(t, "makeTask", "build", []any{"git://example/plain#1", nil, map[string]any{}}, xmlrpc.Kwargs{"assign": "builder1"})
	b.must(t, "host.openTask", id)
	build := b.must(t, "host.initBuild", map[string]any{"name": "plain", "version": "1.0", "release": "1", "epoch": nil, "task_id": id, "source": nil, "extra": nil})
	b.must(t, "host.failBuild", id, build)
	if task = told("failed build", "buildNotification", "kojiadmin@example.org"); field(task[1], "build_id") != build || task[2] != nil {
		t.Errorf("request: %v", task)
	}
}

// TestNotificationsOff: unless the configuration wants them there are no tasks, whoever asked to be told.
func TestNotificationsOff(t *testing.T) {
	s := newSite(t)
	c := s.as(t, "kojiadmin")
	b := s.builder(t)
	c.taggable(t, "t1", "1")
	c.must(t, "createNotification", "kojiadmin", nil, nil, false)
	c.must(t, "tagBuildBypass", "t1", "pkg-1-1", xmlrpc.Kwargs{"notify": true})
	c.must(t, "untagBuild", "t1", "pkg-1-1")
	b.must(t, "host.tagNotification", false, "t1", nil, "pkg-1-1", "kojiadmin", false, "it failed")
	if tasks := c.must(t, "listTasks", map[string]any{}).([]any); len(tasks) != 0 {
		t.Errorf("%v", tasks)
	}
}

package hub_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// Fifty clients make tasks and cancel them at once: each task is made once, and ends as its owner was told.
func TestTasksAtOnce(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *site) {
		const clients, each = 50, 4
		var mu sync.Mutex
		canceled := map[any]bool{}
		var wg sync.WaitGroup
		for i := range clients {
			c := s.as(t, "kojiadmin")
			wg.Go(func() {
				for n := range each {
					id, err := c.Call(t.Context(), "makeTask", "sleep", []any{5}, xmlrpc.Kwargs{"arch": "noarch"})
					if err != nil {
						t.Errorf("client %d: %v", i, err)
						return
					}
					cancel := n%2 == 0
					if cancel {
						_, err = c.Call(t.Context(), "cancelTask", id)
					} else {
						_, err = c.Call(t.Context(), "setTaskPriority", id, i)
					}
					if err != nil {
						t.Errorf("client %d, task %v: %v", i, id, err)
					}
					mu.Lock()
					if _, twice := canceled[id]; twice {
						t.Errorf("task %v was given out twice", id)
					}
					canceled[id] = cancel
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		c := s.as(t, "plain")
		tasks := c.must(t, "listTasks", map[string]any{"method": "sleep"}).([]any)
		if len(tasks) != clients*each || len(canceled) != clients*each {
			t.Fatalf("%d tasks, %d were told", len(tasks), len(canceled))
		}
		for _, v := range tasks {
			m := v.(map[string]any)
			if is := m["state"] == int64(buildsys.TaskCanceled); is != canceled[m["id"]] {
				t.Errorf("task %v is in state %v, canceled: %t", m["id"], m["state"], canceled[m["id"]])
			}
		}
	})
}

// What the scheduler did can be read, and a builder's subtask2 makes the subtask that subtask makes.
func TestSubtask2AndSchedulerViews(t *testing.T) {
	s := newSite(t)
	c := s.as(t, "kojiadmin")
	b := s.builder(t)
	id := c.must(t, "makeTask", "sleep", []any{5}, xmlrpc.Kwargs{"arch": "noarch"})
	waitAssigned(t, b, id)
	b.refused(t, 1004, "does not own task", "host.subtask2", id, map[string]any{}, "noop")
	b.must(t, "host.openTask", id)
	b.refused(t, 1019, "missing", "host.subtask2", id)
	sub := b.must(t, "host.subtask2", id, map[string]any{"label": "x", "arch": "noarch"}, "noop", int64(7), xmlrpc.Kwargs{"why": "so"})
	info := c.must(t, "getTaskInfo", sub, true).(map[string]any)
	req, _ := info["request"].([]any)
	if info["parent"] != id || info["label"] != "x" || len(req) != 2 || req[0] != int64(7) || req[1].(map[string]any)["why"] != "so" {
		t.Errorf("the subtask: %v", info)
	}
	runs := c.must(t, "scheduler.getTaskRuns", []any{[]any{"task_id", id}}).([]any)
	if len(runs) != 1 || runs[0].(map[string]any)["active"] != true {
		t.Errorf("runs: %v", runs)
	}
	log := c.must(t, "scheduler.getLogMessages", []any{[]any{"task_id", id}}, []any{"msg", "host_name"}).([]any)
	if len(log) == 0 || log[0].(map[string]any)["msg"] != "Assigning task" || log[0].(map[string]any)["host_name"] != "builder1" {
		t.Errorf("messages: %v", log)
	}
	waitAssigned(t, b, sub)
	b.must(t, "host.refuseTask", sub, false, "not me")
	ref := c.must(t, "scheduler.getTaskRefusals", []any{[]any{"task_id", sub}}).([]any)
	if len(ref) != 1 || ref[0].(map[string]any)["msg"] != "not me" {
		t.Errorf("refusals: %v", ref)
	}
	if d := c.must(t, "scheduler.getHostData").([]any); len(d) != 1 {
		t.Errorf("data of hosts: %v", d)
	}
	c.refused(t, 1019, "nosuch", "scheduler.getTaskRuns", []any{[]any{"nosuch", 1}})
	s.as(t, "plain").refused(t, 1004, "admin", "scheduler.doRun")
}

// A repository is what its tag was at its event, also while others change the tag.
func TestRepoInitWhileTagChanges(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *site) {
		c := s.as(t, "kojiadmin")
		c.must(t, "createTag", "busy", xmlrpc.Kwargs{"arches": "x86_64"})
		b := s.builder(t)
		done, stopped := make(chan struct{}), make(chan struct{})
		other := s.as(t, "kojiadmin")
		go func() {
			defer close(stopped)
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				if _, err := other.Call(t.Context(), "groupListAdd", "busy", "g"+strconv.Itoa(i)); err != nil {
					t.Error(err)
					return
				}
			}
		}()
		for range 5 {
			task := c.must(t, "newRepo", "busy")
			c.must(t, "assignTask", task, "builder1", true, true)
			b.must(t, "host.openTask", task)
			got := b.must(t, "host.repoInit", "busy", task).([]any)
			dir := filepath.Join(s.topdir, "repos", "busy", strconv.FormatInt(got[0].(int64), 10))
			text, err := os.ReadFile(filepath.Join(dir, "groups", "comps.xml"))
			must(t, err)
			want := c.must(t, "getTagGroups", "busy", got[1]).([]any)
			if have := strings.Count(string(text), "<group>"); have != len(want) {
				t.Errorf("repository %v has %d groups, its tag had %d at event %v", got[0], have, len(want), got[1])
			}
			if _, err := os.Stat(filepath.Join(dir, "x86_64", "toplink", "repos")); err != nil {
				t.Error(err)
			}
		}
		close(done)
		<-stopped
		left, err := filepath.Glob(filepath.Join(s.topdir, "repos", "busy", ".*"))
		must(t, err)
		if len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	})
}

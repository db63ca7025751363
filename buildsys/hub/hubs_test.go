package hub_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/privyseal/privyseal/buildsys/hub"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
	"github.com/privyseal/privyseal/internal/lab"
)

// another is a second hub over the same database and topdir, with the same certificates.
func (s *site) another(t *testing.T) *site {
	t.Helper()
	o := *s
	o.serve(t, filepath.Join(s.dir, "localhost.pem"))
	return &o
}

// TestTwoHubs has a builder and a user each at one of two hubs, sessions that move between them, and changes that show at once.
func TestTwoHubs(t *testing.T) {
	one := newSiteOn(t, hub.NewDatabase(t, "postgres"))
	two := one.another(t)
	admin1, admin2 := one.as(t, "kojiadmin"), two.as(t, "kojiadmin")
	admin1.taggable(t, "t", "1")
	b := two.builder(t)
	type answer struct {
		tasks []any
		took  time.Duration
	}
	got := make(chan answer, 1)
	go func() {
		begun := time.Now()
		for {
			tasks := b.must(t, "host.getTasks", xmlrpc.Kwargs{"wait": 60.0}).([]any)
			if len(tasks) > 0 || time.Since(begun) > time.Minute {
				got <- answer{tasks, time.Since(begun)}
				return
			}
		}
	}()
	time.Sleep(500 * time.Millisecond) // the builder waits by now
	id := admin1.must(t, "tagBuild", "t", "pkg-1-1")
	begun := time.Now()
	a := <-got
	if len(a.tasks) != 1 || a.tasks[0].(map[string]any)["id"] != id {
		t.Errorf("the builder at the other hub got %v, not task %v", a.tasks, id)
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("it took %v: no hint arrived", took)
	}
	// What one hub committed the other one shows, with the same event.
	admin2.must(t, "editTag2", "t", xmlrpc.Kwargs{"arches": "x86_64"})
	ev := admin2.must(t, "getLastEvent").(map[string]any)["id"]
	if tag := admin1.must(t, "getTag", "t", xmlrpc.Kwargs{"event": ev}).(map[string]any); tag["arches"] != "x86_64" {
		t.Errorf("at event %v: %v", ev, tag)
	}
	// The exclusive lock holds at both.
	if v, err := one.as(t, "builder1").Call(context.Background(), "host.getTasks"); err == nil {
		t.Errorf("a second session of a locked user: %v", v)
	}
}

// TestDatabaseGoesAway kills the database under calls of every kind, at two hubs, again and again: no call fails, none is
// done twice, none is lost.
func TestDatabaseGoesAway(t *testing.T) {
	server := lab.OwnPostgres(t)
	one := newSiteOn(t, server.Database(t, "template0"))
	two := one.another(t)
	admin := one.as(t, "kojiadmin")
	admin.must(t, "createTag", "shared")
	admin.must(t, "packageListAdd", "shared", "pkg", "kojiadmin")

	stop := make(chan struct{})
	var wg sync.WaitGroup
	done := make([]int, 12)
	kinds := map[string]func(c caller, n, i int) error{
		"read": func(c caller, _, _ int) error { _, err := c.Call(context.Background(), "getTag", "shared"); return err },
		"list": func(c caller, _, _ int) error {
			_, err := c.Call(context.Background(), "listPackages", xmlrpc.Kwargs{"tagID": "shared"})
			return err
		},
		"write": func(c caller, n, i int) error {
			_, err := c.Call(context.Background(), "createTag", fmt.Sprintf("w-%d-%d", n, i))
			return err
		},
		"event": func(c caller, n, i int) error {
			_, err := c.Call(context.Background(), "packageListAdd", "shared", fmt.Sprintf("p-%d-%d", n, i), "kojiadmin")
			return err
		},
		"many": func(c caller, n, i int) error {
			var calls []any
			for k := range 3 {
				calls = append(calls, map[string]any{"methodName": "createTag", "params": []any{fmt.Sprintf("m-%d-%d-%d", n, i, k)}})
			}
			v, err := c.Call(context.Background(), "multiCall", calls)
			if err != nil {
				return err
			}
			for _, one := range v.([]any) {
				if f, failed := one.(map[string]any); failed {
					return fmt.Errorf("in the multicall: %v", f["faultString"])
				}
			}
			return nil
		},
		"login": nil,
	}
	for k, kind := range []string{"read", "list", "write", "event", "many", "login"} {
		for j, s := range []*site{one, two} {
			n := 2*k + j
			c := s.as(t, "kojiadmin")
			wg.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					default:
					}
					var err error
					if kind == "login" {
						l := s.login(t, "plain")
						err = l.Logout(context.Background())
						l.Close()
					} else {
						err = kinds[kind](c, n, i)
					}
					if err != nil {
						t.Errorf("%s, call %d: %v", kind, i, err)
						return
					}
					done[n]++
				}
			})
		}
	}
	server.Crash(t, 250*time.Millisecond)
	time.Sleep(250 * time.Millisecond)
	close(stop)
	wg.Wait()
	t.Logf("calls: read %v, list %v, write %v, event %v, many %v, login %v", done[0:2], done[2:4], done[4:6], done[6:8], done[8:10], done[10:12])

	// What was answered is there, once.
	there := map[string]int{}
	for _, tag := range admin.must(t, "listTags").([]any) {
		there[tag.(map[string]any)["name"].(string)]++
	}
	for _, p := range admin.must(t, "listPackages", xmlrpc.Kwargs{"tagID": "shared"}).([]any) {
		there[p.(map[string]any)["package_name"].(string)]++
	}
	want := 2 // shared and pkg
	for n := range done {
		for i := range done[n] {
			var names []string
			switch n / 2 {
			case 2:
				names = []string{fmt.Sprintf("w-%d-%d", n, i)}
			case 3:
				names = []string{fmt.Sprintf("p-%d-%d", n, i)}
			case 4:
				for k := range 3 {
					names = append(names, fmt.Sprintf("m-%d-%d-%d", n, i, k))
				}
			}
			want += len(names)
			for _, name := range names {
				if there[name] != 1 {
					t.Errorf("%s is there %d times", name, there[name])
				}
			}
		}
	}
	if len(there) != want {
		t.Errorf("%d things were made and answered, %d are there", want, len(there))
	}
	for _, table := range []string{"tag_config", "tag_packages"} {
		rows := admin.must(t, "queryHistory", xmlrpc.Kwargs{"tables": []any{table}}).(map[string]any)[table].([]any)
		seen := map[string]bool{}
		for _, row := range rows {
			r := row.(map[string]any)
			key := fmt.Sprint(r["tag_id"], r["package_id"])
			if seen[key] {
				t.Errorf("%s: made twice: %v", table, r)
			}
			seen[key] = true
		}
	}
}

// TestFiftyClientsOneTag has fifty users edit one tag at once: every change is there, each at an event of its own.
func TestFiftyClientsOneTag(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *site) {
		admin := s.as(t, "kojiadmin")
		admin.must(t, "createTag", "crowd")
		var wg sync.WaitGroup
		for n := range 50 {
			c := s.as(t, "kojiadmin")
			wg.Go(func() {
				pkg := fmt.Sprintf("p%d", n)
				for _, call := range [][]any{
					{"packageListAdd", "crowd", pkg, "kojiadmin"},
					{"packageListSetArches", "crowd", pkg, "x86_64"},
					{"editTag2", "crowd", xmlrpc.Kwargs{"extra": map[string]any{pkg: n}}},
					{"listPackages", xmlrpc.Kwargs{"tagID": "crowd"}},
					{"packageListBlock", "crowd", pkg},
				} {
					if _, err := c.Call(context.Background(), call[0].(string), call[1:]...); err != nil {
						t.Errorf("%v: %v", call, err)
					}
				}
			})
		}
		wg.Wait()
		tag := admin.must(t, "getTag", "crowd").(map[string]any)
		if extra := tag["extra"].(map[string]any); len(extra) != 50 {
			t.Errorf("%d extra settings", len(extra))
		}
		blocked := 0
		for _, p := range admin.must(t, "listPackages", xmlrpc.Kwargs{"tagID": "crowd"}).([]any) {
			if p := p.(map[string]any); p["blocked"] == true && p["extra_arches"] == "x86_64" {
				blocked++
			}
		}
		if blocked != 50 {
			t.Errorf("%d packages are as they were made", blocked)
		}
		events := map[any]int{}
		for _, row := range admin.must(t, "queryHistory", xmlrpc.Kwargs{"tag": "crowd"}).(map[string]any)["tag_packages"].([]any) {
			events[row.(map[string]any)["create_event"]]++
		}
		if len(events) != 150 {
			t.Errorf("150 changes took %d events", len(events))
		}
	})
}

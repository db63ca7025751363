package hub_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// TestRemovals: each add has its remove; what is in use stays and says why; what is removed stays on record.
func TestRemovals(t *testing.T) {
	s := newSite(t)
	c := s.as(t, "kojiadmin")
	b := s.builder(t)
	c.taggable(t, "t1", "1")
	task := c.must(t, "tagBuild", "t1", "pkg-1-1")
	waitAssigned(t, b, task)
	host := c.must(t, "getHost", "builder1").(map[string]any)

	c.refused(t, 1000, "host builder1 has 1 task", "removeHost", "builder1")
	c.refused(t, 1000, "host does not exist: nosuch", "removeHost", "nosuch")
	s.as(t, "releng").refused(t, 1004, "host permission required", "removeHost", "builder1")
	c.refused(t, 1000, "remove the host", "removeUser", "builder1")
	c.refused(t, 1000, "channel default cannot be removed", "removeChannel", "default")
	c.must(t, "cancelTask", task)
	then := c.must(t, "getLastEvent").(map[string]any)["id"]
	c.must(t, "removeHost", "builder1")
	if h := c.must(t, "getHost", "builder1"); h != nil {
		t.Errorf("a removed host: %v", h)
	}
	if h := c.must(t, "getHost", "builder1", xmlrpc.Kwargs{"event": then}); h == nil {
		t.Error("a removed host is not on record")
	}
	b.refused(t, int(buildsys.FaultAuth), "logins by builder1 are not allowed", "host.getHost")
	if err := b.Login(t.Context()); err == nil {
		t.Error("a removed builder logged in")
	}
	if id := c.must(t, "addHost", "builder1", []any{"x86_64"}); id != host["id"] {
		t.Errorf("the host again: %v, want %v", id, host["id"])
	}
	s.builder(t).must(t, "host.getHost")

	c.must(t, "addHostToChannel", "builder1", "big", true)
	c.refused(t, 1000, "channel big has 1 host", "removeChannel", "big")
	big := c.must(t, "getChannel", "big").(map[string]any)["id"]
	c.must(t, "removeChannel", "big", true)
	c.refused(t, 1000, "channel does not exist: big", "addHostToChannel", "builder1", "big")
	if ch, ok := c.must(t, "getChannel", big).(map[string]any); !ok || ch["name"] != "big" || ch["enabled"] != false {
		t.Errorf("a removed channel, by its number: %v", ch)
	}
	if id := c.must(t, "addChannel", "big"); id != big {
		t.Errorf("the channel again: %v, want %v", id, big)
	}
	if chs := c.must(t, "listChannels", "builder1").([]any); len(chs) != 1 {
		t.Errorf("the builder's channels: %v", chs)
	}

	// Who did nothing is removed; who owns or changed something is disabled instead.
	id := c.must(t, "getUser", "plain").(map[string]any)["id"]
	c.must(t, "grantPermission", "plain", "sign")
	plain := s.as(t, "plain")
	if r := c.must(t, "removeUser", "plain").(map[string]any); r["removed"] != true || r["reason"] != nil {
		t.Errorf("removeUser plain: %v", r)
	}
	plain.refused(t, int(buildsys.FaultAuth), "logins by plain are not allowed", "getLoggedInUser")
	if u := c.must(t, "getUser", "plain"); u != nil {
		t.Errorf("a removed user: %v", u)
	}
	c.refused(t, 1000, "No such user", "grantPermission", id, "admin")
	if found := c.must(t, "search", "plain", "user", "glob").([]any); len(found) > 0 {
		t.Errorf("a removed user is found: %v", found)
	}
	rows := c.must(t, "queryHistory", xmlrpc.Kwargs{"tables": []any{"user_perms"}, "user": "plain"}).(map[string]any)["user_perms"].([]any)
	if len(rows) != 1 || rows[0].(map[string]any)["active"] == true || rows[0].(map[string]any)["user.name"] != "plain" {
		t.Errorf("a removed user's permissions on record: %v", rows)
	}
	if again := c.must(t, "createUser", "plain"); again != id {
		t.Errorf("the user again: %v, want %v", again, id)
	}
	if perms := c.must(t, "getUserPerms", "plain").([]any); len(perms) > 0 {
		t.Errorf("what a removed user could do came back: %v", perms)
	}
	c.must(t, "setBuildOwner", "pkg-1-1", "releng")
	if r := c.must(t, "removeUser", "releng").(map[string]any); r["removed"] != false || !strings.Contains(fmt.Sprint(r["reason"]), "owns 1 build") {
		t.Errorf("removeUser releng: %v", r)
	}
	if u := c.must(t, "getUser", "releng").(map[string]any); u["status"] != int64(buildsys.StatusBlocked) {
		t.Errorf("a user who owns a build: %v", u)
	}
	c.refused(t, 1000, "let another administrator remove you", "removeUser", "kojiadmin")

	// A group's permissions leave its members with it.
	c.must(t, "newGroup", "team")
	c.must(t, "addGroupMember", "team", "plain")
	c.must(t, "grantPermission", "team", "repo")
	if perms := c.must(t, "getUserPerms", "plain").([]any); len(perms) != 1 {
		t.Errorf("a member's permissions: %v", perms)
	}
	c.must(t, "removeUser", "team")
	if perms := c.must(t, "getUserPerms", "plain").([]any); len(perms) > 0 {
		t.Errorf("permissions of a removed group: %v", perms)
	}
	c.refused(t, 1000, "No such group: team", "getGroupMembers", "team")
}

// TestVolumes moves a build to another volume and back; its files are found all the time under the path of the default one.
func TestVolumes(t *testing.T) {
	s := newSite(t)
	c := s.as(t, "kojiadmin")
	rpm := c.importTestdata(t, "plain-1.0-1.noarch.rpm")
	nvr := c.must(t, "getBuild", rpm["build_id"]).(map[string]any)["nvr"]
	file := s.topPath("plain", "1.0", "1", "noarch", "plain-1.0-1.noarch.rpm")
	there := func(when string) {
		t.Helper()
		if fi, err := os.Stat(file); err != nil || fi.Size() == 0 {
			t.Errorf("%s: %v", when, err)
		}
	}
	c.refused(t, 1000, "please create the volume directory first", "addVolume", "slow")
	must(t, os.MkdirAll(filepath.Join(s.topdir, "vol", "slow"), 0o755))
	c.must(t, "addVolume", "slow")
	c.refused(t, 1000, "volume slow already exists", "addVolume", "slow")
	if to, err := os.Readlink(filepath.Join(s.topdir, "vol", "slow", "toplink")); err != nil || to != s.topdir {
		t.Errorf("toplink: %s, %v", to, err)
	}
	c.must(t, "createTag", "t1")
	c.must(t, "packageListAdd", "t1", "plain", "kojiadmin")
	c.must(t, "tagBuildBypass", "t1", nvr)
	before := c.must(t, "tagLastChangeEvent", "t1")
	c.must(t, "changeBuildVolume", nvr, "slow")
	there("on volume slow")
	if _, err := os.Lstat(filepath.Join(s.topdir, "vol", "slow", "packages", "plain", "1.0", "1")); err != nil {
		t.Error(err)
	}
	if fi, err := os.Lstat(s.topPath("plain", "1.0", "1")); err != nil || fi.Mode()&os.ModeSymlink == 0 {
		t.Errorf("no link where the build was: %v, %v", fi, err)
	}
	if b := c.must(t, "getBuild", nvr).(map[string]any); b["volume_name"] != "slow" {
		t.Errorf("the build: %v", b)
	}
	if now := c.must(t, "tagLastChangeEvent", "t1"); now == before {
		t.Error("its tag does not count as changed")
	}
	c.refused(t, 1000, "already on volume slow", "changeBuildVolume", nvr, "slow")
	c.refused(t, 1000, "volume slow has build references", "removeVolume", "slow")
	c.refused(t, 1000, "cannot be removed", "removeVolume", "DEFAULT")
	c.must(t, "applyVolumePolicy", nvr) // Koji's own policy: everything on the default volume
	there("back by the policy")
	if fi, err := os.Lstat(s.topPath("plain", "1.0", "1")); err != nil || !fi.IsDir() {
		t.Errorf("not back: %v, %v", fi, err)
	}
	// Of several who move it at once one does, and the others take nothing away from him.
	movers := []caller{c, s.as(t, "kojiadmin"), s.as(t, "kojiadmin"), s.as(t, "kojiadmin")}
	for i := range 12 {
		var calls sync.WaitGroup
		for j, m := range movers {
			calls.Go(func() {
				var f *xmlrpc.Fault
				volume := []string{"slow", "DEFAULT"}[(i+j/3)%2]
				if _, err := m.Call(t.Context(), "changeBuildVolume", nvr, volume); err != nil && !errors.As(err, &f) {
					t.Error(err)
				}
			})
		}
		calls.Wait()
		there("moved by several")
	}
	if b := c.must(t, "getBuild", nvr).(map[string]any); b["volume_name"] == "slow" {
		c.must(t, "changeBuildVolume", nvr, "DEFAULT")
	}
	there("back after several")
	// What is in the way is not overwritten.
	must(t, os.MkdirAll(filepath.Join(s.topdir, "vol", "slow", "packages", "plain", "1.0", "1", "other"), 0o755))
	c.refused(t, 1000, "Destination directory exists", "changeBuildVolume", nvr, "slow")
	there("with something in the way")
	c.must(t, "removeVolume", "slow")
	if v := c.must(t, "getVolume", "slow"); v != nil {
		t.Errorf("a removed volume: %v", v)
	}
	s.noHidden(t)
}

// TestBadNames: nothing gets a name that Koji refuses, or that could not be a directory.
func TestBadNames(t *testing.T) {
	s := newSite(t)
	c := s.as(t, "kojiadmin")
	for _, name := range []string{"", "white space", "new\nline", "a;b", strings.Repeat("x", 300), "../up", "ünïcode", "-dash"} {
		for _, call := range [][]any{
			{"createUser", name}, {"newGroup", name}, {"addHost", name, []any{"x86_64"}}, {"addChannel", name}, {"addVolume", name}, {"addBType", name},
			{"grantPermission", "releng", name, true}, {"grantCGAccess", "releng", name, true}, {"addHostToChannel", "builder1", name, true},
			{"editUser", "releng", name + "/"}, {"editChannel", "default", xmlrpc.Kwargs{"name": name}}, {"addArchiveType", name, "d", "ext"},
			{"createUser", "good", nil, name + "!"},
		} {
			_, err := c.Call(t.Context(), call[0].(string), call[1:]...)
			var f *xmlrpc.Fault
			if !errors.As(err, &f) || f.Code != int(buildsys.FaultNameValidation) {
				t.Errorf("%.100q: %v", call, err)
			}
		}
	}
	c.refused(t, int(buildsys.FaultParameter), "", "createUser", int64(5))
	c.refused(t, int(buildsys.FaultParameter), "", "createUser", "a", "b", "c", "d")
	c.refused(t, int(buildsys.FaultParameter), "Invalid name or id value", "getHost", nil)
	c.refused(t, int(buildsys.FaultParameter), "Invalid name or id value", "getChannel", []any{"x"})
}

// TestPeopleAtOnce: fifty administrators do the same at once, and each thing is done once.
func TestPeopleAtOnce(t *testing.T) {
	s := newSite(t)
	c := s.as(t, "kojiadmin")
	calls := [][]any{{"createUser", "new"}, {"addHost", "b9", []any{"x86_64"}}, {"addChannel", "ch9"}, {"newGroup", "g9"},
		{"grantPermission", "releng", "look", true}, {"grantCGAccess", "releng", "osbuild", true}, {"createNotification", "releng", nil, nil, true},
		{"addHostToChannel", "builder1", "vm"}, {"addBType", "box"}}
	const clients = 50
	var wg sync.WaitGroup
	var mu sync.Mutex
	done := map[string]int{}
	for range clients {
		admin := s.login(t, "kojiadmin")
		wg.Go(func() {
			defer admin.Close()
			for _, call := range calls {
				_, err := admin.Call(t.Context(), call[0].(string), call[1:]...)
				var f *xmlrpc.Fault
				switch {
				case err == nil:
					mu.Lock()
					done[call[0].(string)]++
					mu.Unlock()
				case !errors.As(err, &f) || f.Code != 1000 || !strings.Contains(f.String, "already"):
					t.Errorf("%s: %v", call[0], err)
				}
			}
		})
	}
	wg.Wait()
	for _, call := range calls {
		if n := done[call[0].(string)]; n != 1 {
			t.Errorf("%s was done %d times", call[0], n)
		}
	}
	rows := c.must(t, "queryHistory", xmlrpc.Kwargs{"tables": []any{"host_config"}, "host": "b9"}).(map[string]any)["host_config"].([]any)
	if len(rows) != 1 {
		t.Errorf("the host's settings: %v", rows)
	}
}

package hub

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

type kwargs = xmlrpc.Kwargs

func TestHistory(t *testing.T) {
	s := startServer(t, Config{})
	c := s.client(t, "admin")
	makeTags(t, c, "base", "child")
	s.parent(t, c, "child", "base", 0, nil)
	must(t, c, "createUser", "joe")
	must(t, c, "packageListAdd", "base", "app", "joe")
	before := must(t, c, "getLastEvent").(map[string]any)["id"].(int64)
	must(t, c, "packageListBlock", "base", "app")
	s.tagBuilds(t, "base", "app-1")
	must(t, c, "editTag2", "child", kwargs{"extra": map[string]any{"k": 1}})
	must(t, c, "editTag2", "child", kwargs{"extra": map[string]any{"k": 2}})
	history := func(kw kwargs) map[string]any {
		t.Helper()
		return must(t, c, "queryHistory", kw).(map[string]any)
	}
	rows := func(kw kwargs, table string) []map[string]any {
		t.Helper()
		list, there := history(kw)[table].([]any)
		if !there {
			t.Errorf("%v: no %s", kw, table)
		}
		var out []map[string]any
		for _, r := range list {
			out = append(out, r.(map[string]any))
		}
		return out
	}
	if n := len(history(nil)); n != 18 {
		t.Errorf("%d tables", n)
	}
	got := rows(kwargs{"tag": "base", "afterEvent": before, "editor": "admin"}, "tag_packages")
	if len(got) != 2 {
		t.Fatalf("of the block: %v", got)
	}
	for i, want := range []map[string]any{
		{"blocked": false, "active": nil, "_created_after_event": false, "_revoked_after_event": true, "_created_by": true, "_revoked_by": true},
		{"blocked": true, "active": true, "_created_after_event": true, "_revoked_after_event": nil, "_created_by": true, "_revoked_by": nil,
			"package.name": "app", "tag.name": "base", "creator_name": "admin"},
	} {
		for k, v := range want {
			if have, ok := got[i][k]; !ok || have != v {
				t.Errorf("row %d: %s is %v, want %v", i, k, have, v)
			}
		}
		if ts, ok := got[i]["create_ts"].(float64); !ok || ts < 1.6e9 {
			t.Errorf("row %d: made at %v", i, got[i]["create_ts"])
		}
	}
	if r := rows(kwargs{"build": "app-1-1"}, "tag_listing"); len(r) != 1 || r[0]["name"] != "app" || r[0]["build.state"] != int64(1) {
		t.Errorf("of the build: %v", r)
	}
	if r := rows(kwargs{"xkey": "k"}, "tag_extra"); len(r) != 2 || r[0]["value"] != "1" || r[1]["active"] != true {
		t.Errorf("of the extra setting: %v", r)
	}
	if h := history(kwargs{"xkey": "k"}); len(h) != 1 {
		t.Errorf("tables with extra settings: %d", len(h))
	}
	if r := rows(kwargs{"tables": []any{"tag_extra"}, "tag": "child", "queryOpts": map[string]any{"order": "-value", "limit": 1}}, "tag_extra"); len(r) != 1 || r[0]["value"] != "2" {
		t.Errorf("the newest: %v", r)
	}
	if n := history(kwargs{"tag": "child", "queryOpts": map[string]any{"countOnly": true}}); n["tag_extra"] != int64(2) || n["tag_inheritance"] != int64(1) {
		t.Errorf("counts: %v", n)
	}
	// A package that only groups know by name has a history, too; one that nothing knows is a fault.
	must(t, c, "groupListAdd", "base", "build")
	must(t, c, "groupPackageListAdd", "base", "build", "bash")
	if r := rows(kwargs{"package": "bash", "tables": []any{"group_package_listing"}}, "group_package_listing"); len(r) != 1 {
		t.Errorf("of a group's package: %v", r)
	}
	for _, kw := range []kwargs{{"package": "bash"}, {"tag": "nosuch"}, {"build": "a-1-1"}, {"user": "nosuch"}, {"host": "nosuch"}, {"tables": []any{"users"}},
		{"queryOpts": map[string]any{"order": "colour"}}} {
		fails(t, buildsys.FaultGeneric, c, "queryHistory", kw)
	}
	fails(t, buildsys.FaultParameter, c, "queryHistory", kwargs{"after": "soon"})
}

func TestSearch(t *testing.T) {
	s := startServer(t, Config{})
	c := s.client(t, "admin")
	makeTags(t, c, "f39", "f40", "f_40", "gone-f")
	must(t, c, "deleteTag", "gone-f")
	must(t, c, "packageListAdd", "f40", "app", "admin")
	s.tagBuilds(t, "f40", "app-1", "app-2", "lib-1")
	names := func(args ...any) []string {
		t.Helper()
		return column(t, must(t, c, "search", args...), "name")
	}
	same(t, "glob", names("F*", "tag", "glob"), "f39", "f40", "f_40")
	same(t, "an underscore is no wildcard", names("f_40", "tag", "glob"), "f_40")
	same(t, "question mark", names("f?9", "tag", "glob"), "f39")
	same(t, "regexp", names("^F.?4", "tag", "regexp"), "f40", "f_40")
	same(t, "exact", names("F40", "tag", "exact"))
	same(t, "builds", names("app-*", "build", "glob"), "app-1-1", "app-2-1")
	same(t, "a build", names("lib-1-1", "build", "exact"), "lib-1-1")
	same(t, "no build's name", names("lib", "build", "exact"))
	same(t, "rpms", names("app-2-1.noarch.rpm", "rpm", "exact"), "app-2-1.noarch.rpm")
	same(t, "rpms by pattern", names("*.NOARCH.rpm", "rpm", "glob"), "app-1-1.noarch.rpm", "app-2-1.noarch.rpm", "lib-1-1.noarch.rpm")
	same(t, "archives", names("*", "maven", "glob"))
	same(t, "ordered", names("f*", "tag", "glob", map[string]any{"order": "-name", "limit": 2, "offset": 1}), "f40", "f39")
	same(t, "a part of what matches", names("1-1$", "build", "regexp", map[string]any{"order": "-id", "offset": 1, "limit": 1}), "app-1-1")
	for match, want := range map[string]int64{"glob": 2, "regexp": 2} {
		if n := must(t, c, "search", map[string]string{"glob": "app*", "regexp": "^app"}[match], "build", match, map[string]any{"countOnly": true}); n != want {
			t.Errorf("%s: %v builds", match, n)
		}
	}
	fails(t, buildsys.FaultGeneric, c, "search", "", "tag", "glob")
	fails(t, buildsys.FaultGeneric, c, "search", "x", "colour", "glob")
	fails(t, buildsys.FaultParameter, c, "search", "(", "tag", "regexp")
	fails(t, buildsys.FaultGeneric, c, "search", "x", "tag", "glob", map[string]any{"order": "colour"})
}

func TestFilterResults(t *testing.T) {
	s := startServer(t, Config{})
	c := s.client(t, "admin")
	makeTags(t, c, "a", "b", "d")
	must(t, c, "createTag", "c", kwargs{"perm": "sign"})
	for want, args := range map[string][]any{
		"4": {"listTags"}, "0": {"getTag", "nosuch"}, "1": {"getAPIVersion"}, "9": {"getTag", "a"}, "2": {"listTags", kwargs{"queryOpts": map[string]any{"limit": 2}}},
	} {
		if got := fmt.Sprint(must(t, c, "count", args...)); got != want {
			t.Errorf("count %v: %s, want %s", args, got, want)
		}
	}
	filtered := func(opts map[string]any) []string {
		t.Helper()
		return column(t, must(t, c, "filterResults", "listTags", kwargs{"filterOpts": opts}), "name")
	}
	same(t, "ordered", filtered(map[string]any{"order": "-name", "offset": 1, "limit": 2}), "c", "b")
	same(t, "none is the greatest", filtered(map[string]any{"order": "perm", "limit": 1}), "c")
	same(t, "none is the least", filtered(map[string]any{"order": "perm", "noneGreatest": false, "offset": 3}), "c")
	both := must(t, c, "countAndFilterResults", "search", "*", "tag", "glob", kwargs{"filterOpts": map[string]any{"limit": 1}}).([]any)
	if both[0] != int64(4) || len(both[1].([]any)) != 1 {
		t.Errorf("both: %v", both)
	}
	if v := must(t, c, "countAndFilterResults", "getTag", "nosuch"); cmp.Diff([]any{int64(0), nil}, v) != "" {
		t.Errorf("of nothing: %v", v)
	}
	for _, args := range [][]any{{"nosuch"}, {"createTag", "x"}, {"count", "listTags"}, {"sslLogin"}} {
		fails(t, buildsys.FaultGeneric, c, "count", args...)
	}
	fails(t, buildsys.FaultGeneric, c, "filterResults", "getTag", "a")
	fails(t, buildsys.FaultGeneric, c, "filterResults", "listTags", "x", "y")
	fails(t, buildsys.FaultParameter, c, "filterResults", "listTags", kwargs{"filterOpts": map[string]any{"order": "colour"}})
}

func TestTagAccessAndChange(t *testing.T) {
	s := startServer(t, Config{})
	c := s.client(t, "admin")
	makeTags(t, c, "base", "child", "other")
	s.parent(t, c, "child", "base", 0, nil)
	must(t, c, "createUser", "joe")
	joe := s.client(t, "joe")
	access := func(c *xmlrpc.Client, want ...any) {
		t.Helper()
		if d := cmp.Diff(want, must(t, c, "checkTagAccess", "base").([]any)); d != "" {
			t.Error(d)
		}
	}
	access(joe, true, false, "")
	must(t, c, "editTag2", "base", kwargs{"perm": "sign"})
	access(joe, false, false, "tag requires sign permission")
	access(c, false, true, "tag requires sign permission")
	must(t, c, "editTag2", "base", kwargs{"locked": true})
	access(c, false, true, "tag is locked")

	made := must(t, c, "tagFirstChangeEvent", "child").(int64)
	then := must(t, c, "getLastEvent").(map[string]any)["id"].(int64)
	changed := func(tags ...string) bool {
		t.Helper()
		ids := []any{}
		for _, n := range tags {
			ids = append(ids, s.tag(t, c, n))
		}
		return must(t, c, "tagChangedSinceEvent", then, ids).(bool)
	}
	if changed("base", "child", "other") {
		t.Error("changed, though nothing was")
	}
	// Neither a lock nor a permission keeps massTag out, and the order of the builds is that of the list.
	s.tagBuilds(t, "other", "app-1", "app-2")
	must(t, c, "packageListAdd", "base", "app", "joe")
	must(t, c, "massTag", "base", []any{"app-2-1", "app-1-1"})
	same(t, "the last is the latest", column(t, must(t, c, "listTagged", "base", kwargs{"latest": true}), "nvr"), "app-1-1")
	must(t, c, "massTag", "base", []any{"app-2-1"})
	same(t, "tagged again", column(t, must(t, c, "listTagged", "base", kwargs{"latest": true}), "nvr"), "app-2-1")
	fails(t, buildsys.FaultGeneric, c, "massTag", "base", []any{"app-2-1", "nosuch-1-1"})
	fails(t, buildsys.FaultActionNotAllowed, joe, "massTag", "base", []any{"app-2-1"})
	if !changed("base") || changed("child") {
		t.Error("base changed, and child did not, for itself")
	}
	if ev := must(t, c, "tagFirstChangeEvent", "child", then).(int64); ev <= then || ev <= made {
		t.Errorf("what it inherits changed first at %d", ev)
	}
	if ev := must(t, c, "tagFirstChangeEvent", "child", then, false); ev != nil {
		t.Errorf("itself changed first at %v", ev)
	}
	fails(t, buildsys.FaultGeneric, c, "tagFirstChangeEvent", "nosuch")
}

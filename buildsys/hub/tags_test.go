package hub

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// names maps ids to the names the tests think in.
func column(t *testing.T, v any, key string) []string {
	t.Helper()
	list, ok := v.([]any)
	if !ok {
		t.Fatalf("want a list, got %T %v", v, v)
	}
	var out []string
	for _, row := range list {
		out = append(out, fmt.Sprint(row.(map[string]any)[key]))
	}
	return out
}

func same(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// parent is a link as koji add-tag-inheritance sends it: numbers as text.
func (s *server) parent(t *testing.T, c *xmlrpc.Client, child, parent string, priority int, more map[string]any) {
	t.Helper()
	link := map[string]any{"parent_id": s.tag(t, c, parent), "priority": fmt.Sprint(priority), "maxdepth": nil, "intransitive": false,
		"noconfig": false, "pkg_filter": ""}
	for k, v := range more {
		link[k] = v
	}
	must(t, c, "setInheritanceData", child, []any{link})
}

func (s *server) tag(t *testing.T, c *xmlrpc.Client, name string) int64 {
	t.Helper()
	return must(t, c, "getTag", name, true).(map[string]any)["id"].(int64)
}

func makeTags(t *testing.T, c *xmlrpc.Client, names ...string) {
	t.Helper()
	for _, n := range names {
		must(t, c, "createTag", n)
	}
}

func TestInheritance(t *testing.T) {
	s := startServer(t, Config{})
	c := s.client(t, "admin")
	makeTags(t, c, "top", "a", "b", "deep", "deeper", "side")
	full := func(tag string, kw xmlrpc.Kwargs) []string {
		t.Helper()
		return column(t, must(t, c, "getFullInheritance", tag, kw), "name")
	}
	s.parent(t, c, "top", "a", 0, nil)
	s.parent(t, c, "top", "b", 10, map[string]any{"maxdepth": "1"})
	s.parent(t, c, "a", "deep", 0, nil)
	s.parent(t, c, "b", "side", 0, nil)
	s.parent(t, c, "side", "deeper", 0, nil)
	s.parent(t, c, "deep", "deeper", 0, map[string]any{"intransitive": true})
	// b's parents are one step too deep; deeper's link does not pass on.
	same(t, "walk", full("top", nil), "a", "deep", "b", "side")
	same(t, "from deep itself", full("deep", nil), "deeper")
	same(t, "reverse", full("side", xmlrpc.Kwargs{"reverse": true}), "b", "top")

	// A loop is cut, not followed.
	s.parent(t, c, "deep", "top", 5, nil)
	same(t, "loop", full("top", nil), "a", "deep", "b", "side")
	fails(t, buildsys.FaultGeneric, c, "setInheritanceData", "top", []any{map[string]any{"parent_id": s.tag(t, c, "top"), "priority": 9,
		"maxdepth": nil, "intransitive": false, "noconfig": false, "pkg_filter": ""}})

	// One priority, one parent.
	fails(t, buildsys.FaultGeneric, c, "setInheritanceData", "top", []any{map[string]any{"parent_id": s.tag(t, c, "side"), "priority": "10",
		"maxdepth": nil, "intransitive": false, "noconfig": false, "pkg_filter": ""}})
	for name, bad := range map[string]map[string]any{
		"filter":   {"pkg_filter": "("},
		"priority": {"priority": "high"},
		"depth":    {"maxdepth": []any{}},
		"parent":   {"parent_id": int64(4711)},
	} {
		link := map[string]any{"parent_id": s.tag(t, c, "side"), "priority": 3, "maxdepth": nil, "intransitive": false, "noconfig": false, "pkg_filter": ""}
		for k, v := range bad {
			link[k] = v
		}
		if _, err := c.Call(t.Context(), "setInheritanceData", "top", []any{link}); err == nil {
			t.Errorf("a link with a bad %s was taken", name)
		}
	}

	// The past stays readable.
	before := must(t, c, "getLastEvent").(map[string]any)["id"]
	must(t, c, "setInheritanceData", "top", []any{map[string]any{"parent_id": s.tag(t, c, "a"), "delete link": true}})
	same(t, "without a", full("top", nil), "b", "side")
	same(t, "as it was", full("top", xmlrpc.Kwargs{"event": before}), "a", "deep", "b", "side")
	must(t, c, "setInheritanceData", "top", []any{map[string]any{"parent_id": s.tag(t, c, "deep"), "priority": 1, "maxdepth": nil,
		"intransitive": false, "noconfig": false, "pkg_filter": ""}}, xmlrpc.Kwargs{"clear": true})
	same(t, "cleared", column(t, must(t, c, "getInheritanceData", "top"), "name"), "deep")
}

func TestWalkVisitsAgainOnlyWhatLetsMoreThrough(t *testing.T) {
	type step = buildsys.Inheritance
	one := int64(1)
	graph := map[int64][]step{
		1: {{TagID: 1, ParentID: 2, Priority: 0, PkgFilter: "^x"}, {TagID: 1, ParentID: 3, Priority: 1}},
		2: {{TagID: 2, ParentID: 4}},
		3: {{TagID: 3, ParentID: 4, MaxDepth: &one}},
		4: {{TagID: 4, ParentID: 5}},
	}
	walkFrom := func(tag int64) string {
		w := walk{seen: map[int64][]link{}, onPath: map[int64]bool{}, read: func(tag, _ int64) ([]step, error) { return graph[tag], nil }}
		if err := w.visit(tag, link{}); err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, l := range w.order {
			out = append(out, fmt.Sprintf("%d%s", l.target, strings.Join(l.filter, "")))
		}
		return strings.Join(out, " ")
	}
	// 4 and 5 come again without the filter.
	if got := walkFrom(1); got != "2^x 4^x 5^x 3 4 5" {
		t.Errorf("walk: %s", got)
	}
	graph[1][0].PkgFilter = ""
	if got := walkFrom(1); got != "2 4 5 3" {
		t.Errorf("without the filter: %s", got)
	}
}

func TestBuildConfig(t *testing.T) {
	s := startServer(t, Config{})
	c := s.client(t, "admin")
	makeTags(t, c, "top", "near", "far", "hidden")
	s.parent(t, c, "top", "near", 0, nil)
	s.parent(t, c, "near", "far", 0, nil)
	s.parent(t, c, "top", "hidden", 5, map[string]any{"noconfig": true})
	edit := func(tag string, kw xmlrpc.Kwargs) { t.Helper(); must(t, c, "editTag2", tag, kw) }
	edit("top", xmlrpc.Kwargs{"arches": nil, "block_extra": []any{"gone"}})
	edit("near", xmlrpc.Kwargs{"arches": nil, "extra": map[string]any{"a": int64(1), "gone": true}})
	edit("far", xmlrpc.Kwargs{"arches": "x86_64  aarch64", "extra": map[string]any{"a": int64(2), "b": []any{"x", 1.5}}})
	edit("hidden", xmlrpc.Kwargs{"extra": map[string]any{"h": int64(1)}})
	got := must(t, c, "getBuildConfig", "top").(map[string]any)
	near, far := map[string]any{"id": s.tag(t, c, "near"), "name": "near"}, map[string]any{"id": s.tag(t, c, "far"), "name": "far"}
	want := map[string]any{
		"id": s.tag(t, c, "top"), "name": "top", "arches": "x86_64 aarch64", "locked": false, "perm": nil, "perm_id": nil,
		"maven_support": false, "maven_include_all": false, "extra": map[string]any{"a": int64(1), "b": []any{"x", 1.5}},
		"config_inheritance": map[string]any{"arches": far, "extra": map[string]any{"a": near, "b": far}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	fails(t, buildsys.FaultGeneric, c, "editTag2", "top", xmlrpc.Kwargs{"remove_extra": []any{"nosuch"}})
	fails(t, buildsys.FaultGeneric, c, "editTag2", "top", xmlrpc.Kwargs{"extra": map[string]any{"k": 1}, "remove_extra": []any{"k"}})
	fails(t, buildsys.FaultParameter, c, "editTag2", "top", xmlrpc.Kwargs{"colour": "blue"})
	fails(t, buildsys.FaultGeneric, c, "editTag2", "top", xmlrpc.Kwargs{"name": "far"})
	fails(t, buildsys.FaultGeneric, c, "editTag2", "top", xmlrpc.Kwargs{"arches": "x86_64,i686"})
	edit("top", xmlrpc.Kwargs{"name": "summit", "locked": true, "perm": "sign"})
	tag := must(t, c, "getTag", "summit").(map[string]any)
	if tag["locked"] != true || tag["perm"] != "sign" {
		t.Errorf("after editing: %v", tag)
	}
}

func TestDeletedTagsKeepTheirPast(t *testing.T) {
	s := startServer(t, Config{})
	c := s.client(t, "admin")
	must(t, c, "createTag", "gone", xmlrpc.Kwargs{"arches": "x86_64"})
	id := s.tag(t, c, "gone")
	then := must(t, c, "getLastEvent").(map[string]any)["id"].(int64)
	must(t, c, "deleteTag", "gone")
	if v := must(t, c, "getTag", "gone"); v != nil {
		t.Errorf("a deleted tag: %v", v)
	}
	fails(t, buildsys.FaultGeneric, c, "getTag", "gone", true)
	for _, event := range []any{then, "auto"} {
		v, _ := must(t, c, "getTag", "gone", xmlrpc.Kwargs{"event": event}).(map[string]any)
		if v["id"] != id || v["arches"] != "x86_64" || v["query_event"] == nil {
			t.Errorf("at %v: %v", event, v)
		}
	}
	if got := must(t, c, "createTag", "gone"); got != id {
		t.Errorf("made again its id is %v, not %d", got, id)
	}
}

func TestPackageLists(t *testing.T) {
	s := startServer(t, Config{LoginCreatesUser: true})
	c := s.client(t, "admin")
	s.client(t, "joe")
	makeTags(t, c, "base", "child")
	s.parent(t, c, "child", "base", 0, map[string]any{"pkg_filter": "lib|app"})
	for _, p := range []string{"libone", "app", "tool"} {
		must(t, c, "packageListAdd", "base", p, "admin")
	}
	list := func(kw xmlrpc.Kwargs) []string {
		t.Helper()
		kw["inherited"] = true
		return column(t, must(t, c, "listPackages", kw), "package_name")
	}
	same(t, "filtered by the link", list(xmlrpc.Kwargs{"tagID": "child"}), "libone", "app")
	same(t, "unfiltered", list(xmlrpc.Kwargs{"tagID": "base"}), "libone", "app", "tool")
	same(t, "by prefix", list(xmlrpc.Kwargs{"tagID": "base", "prefix": "LIB"}), "libone")

	must(t, c, "packageListBlock", "child", "app")
	config := func(pkg string) map[string]any {
		t.Helper()
		m, _ := must(t, c, "getPackageConfig", "child", pkg).(map[string]any)
		return m
	}
	if p := config("app"); p["blocked"] != true || p["tag_name"] != "child" {
		t.Errorf("blocked: %v", p)
	}
	fails(t, buildsys.FaultGeneric, c, "packageListAdd", "child", "app", "admin", false)
	must(t, c, "packageListUnblock", "child", "app")
	if p := config("app"); p["blocked"] != false || p["tag_name"] != "base" {
		t.Errorf("unblocked: %v", p)
	}
	// A block in the parent is undone by an entry of the child's own.
	must(t, c, "packageListBlock", "base", "app")
	must(t, c, "packageListUnblock", "child", "app")
	if p := config("app"); p["blocked"] != false || p["tag_name"] != "child" {
		t.Errorf("unblocked over the parent's block: %v", p)
	}
	must(t, c, "packageListRemove", "child", "app")
	if p := config("app"); p["blocked"] != true || p["tag_name"] != "base" {
		t.Errorf("removed: %v", p)
	}
	must(t, c, "packageListSetOwner", "base", "libone", "joe")
	must(t, c, "packageListSetArches", "base", "libone", "i686")
	if p := config("libone"); p["owner_name"] != "joe" || p["extra_arches"] != "i686" {
		t.Errorf("owner and arches: %v", p)
	}
	if p := config("tool"); p != nil {
		t.Errorf("what the filter keeps out: %v", p)
	}
	fails(t, buildsys.FaultGeneric, c, "packageListSetOwner", "child", "nosuch", "joe")
	fails(t, buildsys.FaultGeneric, c, "packageListAdd", "child", "new")
	fails(t, buildsys.FaultNameValidation, c, "packageListAdd", "child", "bad name", "joe")
	fails(t, buildsys.FaultGeneric, c, "packageListAdd", "nosuch", "libone", "joe")
	fails(t, buildsys.FaultActionNotAllowed, s.client(t, "joe"), "packageListAdd", "child", "new", "joe")
}

// tagBuilds makes complete builds N-V-1 and tags them, each at an event of its own.
func (s *server) tagBuilds(t *testing.T, tag string, builds ...string) {
	t.Helper()
	for _, nv := range builds {
		name, version, _ := strings.Cut(nv, "-")
		err := s.store.Write(t.Context(), 1, func(tx *store.Tx) error {
			pkg, err := tx.EnsurePackage(name)
			if err != nil {
				return err
			}
			b, err := tx.BuildByNVR(name, version, "1")
			if err != nil {
				now := tx.Now()
				b = &buildsys.Build{PackageID: pkg, Version: version, Release: "1", OwnerID: 1, State: buildsys.BuildComplete, Start: &now, Completion: &now}
				if err := tx.AddBuild(b); err != nil {
					return err
				}
				r := &buildsys.RPM{BuildID: &b.ID, Name: name, Version: version, Release: "1", Arch: "noarch", PayloadHash: strings.Repeat("0", 32)}
				if err := tx.InsertRPM(r); err != nil {
					return err
				}
				if err := tx.InsertSig(store.RPMSig{RPMID: r.ID, Sighash: "x"}); err != nil {
					return err
				}
				if err := tx.InsertSig(store.RPMSig{RPMID: r.ID, Sigkey: "0badcafe", Sighash: "y", State: buildsys.SignatureVerified}); err != nil {
					return err
				}
			}
			id, err := tx.TagID(tag)
			if err != nil {
				return err
			}
			if _, err := tx.UntagBuild(id, b.ID); err != nil {
				return err
			}
			return tx.TagBuild(id, b.ID)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestTagged(t *testing.T) {
	s := startServer(t, Config{})
	c := s.client(t, "admin")
	makeTags(t, c, "base", "child")
	s.parent(t, c, "child", "base", 0, nil)
	for _, p := range []string{"app", "lib", "unlisted"} {
		must(t, c, "packageListAdd", "base", p, "admin")
	}
	s.tagBuilds(t, "base", "app-1", "app-3", "lib-1", "unlisted-1")
	s.tagBuilds(t, "child", "app-2")
	must(t, c, "packageListRemove", "base", "unlisted")
	tagged := func(tag string, kw xmlrpc.Kwargs) []string {
		t.Helper()
		return column(t, must(t, c, "listTagged", tag, kw), "nvr")
	}
	// The latest is what was tagged last in the nearest tag, not the highest version; what is in no list does not show.
	same(t, "all", tagged("base", nil), "lib-1-1", "app-3-1", "app-1-1")
	same(t, "latest", tagged("base", xmlrpc.Kwargs{"latest": true}), "lib-1-1", "app-3-1")
	same(t, "child alone", tagged("child", nil), "app-2-1")
	same(t, "inherited", tagged("child", xmlrpc.Kwargs{"inherit": true}), "app-2-1", "lib-1-1", "app-3-1", "app-1-1")
	same(t, "latest, inherited", tagged("child", xmlrpc.Kwargs{"inherit": true, "latest": true}), "app-2-1", "lib-1-1")
	same(t, "two latest", tagged("child", xmlrpc.Kwargs{"inherit": true, "latest": 2}), "app-2-1", "lib-1-1", "app-3-1")
	same(t, "one package", tagged("child", xmlrpc.Kwargs{"inherit": true, "package": "app"}), "app-2-1", "app-3-1", "app-1-1")
	same(t, "no such package", tagged("child", xmlrpc.Kwargs{"package": "nosuch"}))
	same(t, "getLatestBuilds", column(t, must(t, c, "getLatestBuilds", "child"), "nvr"), "app-2-1", "lib-1-1")

	// Tagging again makes a build the latest.
	then := must(t, c, "getLastEvent").(map[string]any)["id"]
	s.tagBuilds(t, "base", "app-1")
	same(t, "tagged again", tagged("base", xmlrpc.Kwargs{"latest": true}), "app-1-1", "lib-1-1")
	same(t, "before that", tagged("base", xmlrpc.Kwargs{"latest": true, "event": then}), "lib-1-1", "app-3-1")
	if got := must(t, c, "tagLastChangeEvent", "child"); got.(int64) <= then.(int64) {
		t.Errorf("the tag changed last at %v, its parent after %v", got, then)
	}

	// Package files, with a row for each signature.
	files := func(kw xmlrpc.Kwargs) (rows, builds []any) {
		t.Helper()
		v := must(t, c, "listTaggedRPMS", "child", kw).([]any)
		return v[0].([]any), v[1].([]any)
	}
	rows, builds := files(xmlrpc.Kwargs{"inherit": true, "latest": true})
	if len(rows) != 2 || len(builds) != 2 {
		t.Errorf("%d files of %d builds", len(rows), len(builds))
	}
	rows, _ = files(xmlrpc.Kwargs{"inherit": true, "latest": true, "rpmsigs": true, "extra": false})
	var keys []string
	for _, r := range rows {
		m := r.(map[string]any)
		if _, has := m["extra"]; has {
			t.Error("extra was not asked for")
		}
		keys = append(keys, m["name"].(string)+":"+m["sigkey"].(string))
	}
	slices.Sort(keys)
	same(t, "signatures", keys, "app:", "app:0badcafe", "lib:", "lib:0badcafe")
	if rows, _ := files(xmlrpc.Kwargs{"inherit": true, "arch": []any{"x86_64", "i686"}}); len(rows) != 0 {
		t.Errorf("files of other arches: %v", rows)
	}
	must(t, c, "packageListBlock", "child", "app")
	same(t, "blocked", tagged("child", xmlrpc.Kwargs{"inherit": true, "latest": true}), "lib-1-1")
	fails(t, buildsys.FaultGeneric, c, "listTagged", "nosuch")
	if v := must(t, c, "listTagged", "nosuch", xmlrpc.Kwargs{"strict": false}).([]any); len(v) != 0 {
		t.Errorf("a tag that is not there: %v", v)
	}
}

func TestArguments(t *testing.T) {
	s := startServer(t, Config{})
	c := s.client(t, "admin")
	fails(t, buildsys.FaultParameter, c, "getTag")
	fails(t, buildsys.FaultParameter, c, "getTag", 1, 2, 3, 4, 5)
	fails(t, buildsys.FaultParameter, c, "getTag", "x", xmlrpc.Kwargs{"tagInfo": "y"})
	fails(t, buildsys.FaultParameter, c, "getTag", "x", xmlrpc.Kwargs{"colour": 1})
	fails(t, buildsys.FaultParameter, c, "createUser", 5)
	fails(t, buildsys.FaultParameter, c, "createTag", "t", xmlrpc.Kwargs{"extra": "x"})
	fails(t, buildsys.FaultGeneric, c, "nosuch")
	fails(t, buildsys.FaultGeneric, c, "error")
	for _, name := range []string{"", "a b", "a/b", "-x", ".x", "tab\t", strings.Repeat("x", 300)} {
		fails(t, buildsys.FaultNameValidation, c, "createTag", name)
	}
	if d := cmp.Diff([]any{int64(1), "two", nil}, must(t, c, "echo", 1, "two", nil)); d != "" {
		t.Error(d)
	}
	var api map[string]any
	for _, m := range must(t, c, "_listapi").([]any) {
		if m := m.(map[string]any); m["name"] == "getTag" {
			api = m
		}
	}
	if api["argdesc"] != "(tagInfo, strict=False, event=None, blocked=False)" {
		t.Errorf("getTag in _listapi: %v", api)
	}
}

// TestEveryMethodHasDocumentation keeps `koji list-api` useful.
func TestEveryMethodHasDocumentation(t *testing.T) {
	for name, m := range testHub(t, Config{}).table {
		if m.Doc == "" {
			t.Errorf("%s has none", name)
		}
	}
}

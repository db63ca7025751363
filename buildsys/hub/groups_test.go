package hub

import (
	"fmt"
	"sort"
	"strings"
	"sync"
	"testing"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// groupsOf writes a tag's groups as "name=package,...+requirement,...", sorted; what is blocked has a "!".
func groupsOf(t *testing.T, c *xmlrpc.Client, tag string, kw xmlrpc.Kwargs) []string {
	t.Helper()
	mark := func(m map[string]any, key string) string {
		if m["blocked"] == true {
			return "!" + m[key].(string)
		}
		return m[key].(string)
	}
	members := func(v any, key string) string {
		var names []string
		for _, m := range v.([]any) {
			names = append(names, mark(m.(map[string]any), key))
		}
		sort.Strings(names)
		return strings.Join(names, ",")
	}
	var out []string
	for _, v := range must(t, c, "getTagGroups", tag, kw).([]any) {
		g := v.(map[string]any)
		out = append(out, fmt.Sprintf("%s=%s+%s", mark(g, "name"), members(g["packagelist"], "package"), members(g["grouplist"], "name")))
	}
	sort.Strings(out)
	return out
}

func TestGroups(t *testing.T) {
	s := startServer(t, Config{})
	c := s.client(t, "admin")
	makeTags(t, c, "base", "child")
	s.parent(t, c, "child", "base", 0, nil)
	groups := func(tag string) []string { t.Helper(); return groupsOf(t, c, tag, nil) }
	all := xmlrpc.Kwargs{"incl_blocked": true}

	must(t, c, "groupListAdd", "base", "build", xmlrpc.Kwargs{"description": "what builds need", "is_default": true})
	must(t, c, "groupListAdd", "base", "srpm-build")
	must(t, c, "groupPackageListAdd", "base", "build", "gcc")
	must(t, c, "groupPackageListAdd", "base", "build", "make", xmlrpc.Kwargs{"type": "conditional", "requires": "gcc"})
	must(t, c, "groupReqListAdd", "base", "build", "srpm-build")
	then := must(t, c, "getLastEvent").(map[string]any)["id"]
	// A child adds to what it inherits, and hides of it.
	must(t, c, "groupPackageListAdd", "child", "build", "vim")
	must(t, c, "groupPackageListBlock", "child", "build", "gcc")
	must(t, c, "groupReqListBlock", "child", "build", "srpm-build")
	same(t, "base", groups("base"), "build=gcc,make+srpm-build", "srpm-build=+")
	same(t, "child", groups("child"), "build=make,vim+", "srpm-build=+")
	same(t, "child with blocks", groupsOf(t, c, "child", all), "build=!gcc,make,vim+!srpm-build", "srpm-build=+")
	same(t, "child, its own", groupsOf(t, c, "child", xmlrpc.Kwargs{"inherit": false}))
	same(t, "child, as it was", groupsOf(t, c, "child", xmlrpc.Kwargs{"event": then}), "build=gcc,make+srpm-build", "srpm-build=+")

	// Blocked things are added by force only, and a tag removes only its own block.
	fails(t, buildsys.FaultGeneric, c, "groupPackageListAdd", "child", "build", "gcc")
	fails(t, buildsys.FaultGeneric, c, "groupReqListAdd", "child", "build", "srpm-build")
	fails(t, buildsys.FaultGeneric, c, "groupPackageListUnblock", "child", "build", "make")
	fails(t, buildsys.FaultGeneric, c, "groupReqListUnblock", "base", "build", "srpm-build")
	must(t, c, "groupPackageListUnblock", "child", "build", "gcc")
	must(t, c, "groupReqListUnblock", "child", "build", "srpm-build")
	same(t, "unblocked", groups("child"), "build=gcc,make,vim+srpm-build", "srpm-build=+")

	must(t, c, "groupListBlock", "child", "srpm-build")
	same(t, "a required group is blocked", groups("child"), "build=gcc,make,vim+")
	fails(t, buildsys.FaultGeneric, c, "groupListAdd", "child", "srpm-build")
	fails(t, buildsys.FaultGeneric, c, "groupPackageListAdd", "child", "srpm-build", "gcc")
	must(t, c, "groupListUnblock", "child", "srpm-build")
	fails(t, buildsys.FaultGeneric, c, "groupListUnblock", "child", "srpm-build")

	// Each add has its remove.
	must(t, c, "groupPackageListRemove", "child", "build", "vim")
	must(t, c, "groupReqListRemove", "base", "build", "srpm-build")
	must(t, c, "groupListRemove", "base", "srpm-build")
	same(t, "removed", groups("child"), "build=gcc,make+")
	fails(t, buildsys.FaultGeneric, c, "groupListRemove", "base", "srpm-build")
	must(t, c, "groupListRemove", "base", "srpm-build", true)

	// What is there already is no change, and takes no event.
	last := must(t, c, "getLastEvent").(map[string]any)["id"]
	must(t, c, "groupListAdd", "base", "build", xmlrpc.Kwargs{"is_default": true})
	must(t, c, "groupPackageListAdd", "child", "build", "make")
	if now := must(t, c, "getLastEvent").(map[string]any)["id"]; now != last {
		t.Errorf("adding what is there was event %v after %v", now, last)
	}
	same(t, "history", column(t, must(t, c, "queryHistory", xmlrpc.Kwargs{"tables": []any{"group_package_listing"}, "tag": "child"}).(map[string]any)["group_package_listing"], "package"), "vim", "gcc")
}

func TestGroupsRefuse(t *testing.T) {
	s := startServer(t, Config{LoginCreatesUser: true})
	c := s.client(t, "admin")
	makeTags(t, c, "base")
	must(t, c, "groupListAdd", "base", "build")
	for _, bad := range []struct {
		code   buildsys.FaultCode
		method string
		args   []any
	}{
		{buildsys.FaultGeneric, "groupListAdd", []any{"nosuch", "build"}},
		{buildsys.FaultGeneric, "groupListAdd", []any{"base", ""}},
		{buildsys.FaultGeneric, "groupListAdd", []any{"base", "a\nb"}},
		{buildsys.FaultGeneric, "groupListAdd", []any{"base", strings.Repeat("x", 300)}},
		{buildsys.FaultGeneric, "groupListAdd", []any{"base", int64(4711)}},
		{buildsys.FaultParameter, "groupListAdd", []any{"base", []any{}}},
		{buildsys.FaultParameter, "groupListAdd", []any{"base", "build", xmlrpc.Kwargs{"colour": "red"}}},
		{buildsys.FaultParameter, "groupListAdd", []any{"base", "build", xmlrpc.Kwargs{"display_name": nil}}},
		{buildsys.FaultGeneric, "groupListAdd", []any{"base", "build", xmlrpc.Kwargs{"description": strings.Repeat("x", 70000)}}},
		{buildsys.FaultGeneric, "groupPackageListAdd", []any{"base", "nosuch", "gcc"}},
		{buildsys.FaultParameter, "groupPackageListAdd", []any{"base", "build", nil}},
		{buildsys.FaultGeneric, "groupPackageListAdd", []any{"base", "build", "gcc", xmlrpc.Kwargs{"type": "odd"}}},
		{buildsys.FaultGeneric, "groupReqListAdd", []any{"base", "build", "nosuch"}},
		{buildsys.FaultParameter, "groupReqListAdd", []any{"base", "build"}},
		{buildsys.FaultGeneric, "getTagGroups", []any{"nosuch"}},
	} {
		fails(t, bad.code, c, bad.method, bad.args...)
	}
	fails(t, buildsys.FaultActionNotAllowed, s.client(t, "joe"), "groupListAdd", "base", "new")
	same(t, "after all that", groupsOf(t, c, "base", nil), "build=+")
}

// Fifty people edit one tag at once; each change stands, and none is made twice.
func TestFiftyClientsEditOneTag(t *testing.T) {
	s := startServer(t, Config{})
	c := s.client(t, "admin")
	makeTags(t, c, "tag")
	must(t, c, "groupListAdd", "tag", "build")
	var wg sync.WaitGroup
	for i := range 50 {
		client := s.client(t, "admin")
		wg.Go(func() {
			for _, call := range [][]any{
				{"groupPackageListAdd", "tag", "build", fmt.Sprintf("p%d", i)},
				{"groupPackageListAdd", "tag", "build", "shared"},
				{"createExternalRepo", fmt.Sprintf("r%d", i), "http://example.com/$arch/"},
				{"addExternalRepoToTag", "tag", fmt.Sprintf("r%d", i), int64(i)},
			} {
				if _, err := client.Call(t.Context(), call[0].(string), call[1:]...); err != nil {
					t.Errorf("client %d: %s: %v", i, call[0], err)
				}
			}
		})
	}
	wg.Wait()
	if g := groupsOf(t, c, "tag", nil); len(g) != 1 || strings.Count(g[0], ",") != 50 {
		t.Errorf("groups: %v", g)
	}
	var repos []string
	for i := range 50 {
		repos = append(repos, fmt.Sprintf("r%d", i))
	}
	same(t, "external repos", column(t, must(t, c, "getTagExternalRepos", "tag"), "external_repo_name"), repos...)
	h := must(t, c, "queryHistory", xmlrpc.Kwargs{"tables": []any{"group_package_listing"}, "tag": "tag"}).(map[string]any)["group_package_listing"].([]any)
	if len(h) != 51 {
		t.Errorf("%d changes of the group's list, want 51", len(h))
	}
}

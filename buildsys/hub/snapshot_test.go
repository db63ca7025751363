package hub

import (
	"fmt"
	"testing"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// snapshotSite has a tag "src" with all that can be copied: a parent with builds and groups, packages, a block, settings.
func snapshotSite(t *testing.T) (*server, *xmlrpc.Client) {
	s := startServer(t, Config{LoginCreatesUser: true})
	c := s.client(t, "admin")
	makeTags(t, c, "base")
	must(t, c, "createTag", "src", xmlrpc.Kwargs{"arches": "i386 x86_64", "extra": map[string]any{"a": int64(1), "b": "two"}})
	s.parent(t, c, "src", "base", 0, nil)
	for _, p := range []string{"app", "lib", "gone"} {
		must(t, c, "packageListAdd", "base", p, "admin")
	}
	must(t, c, "packageListAdd", "src", "app", "admin", xmlrpc.Kwargs{"extra_arches": "noarch"})
	must(t, c, "packageListBlock", "src", "gone")
	s.tagBuilds(t, "base", "lib-1", "lib-2", "gone-1")
	s.tagBuilds(t, "src", "app-2", "app-1")
	must(t, c, "groupListAdd", "base", "build", xmlrpc.Kwargs{"description": "d"})
	must(t, c, "groupPackageListAdd", "base", "build", "gcc", xmlrpc.Kwargs{"type": "optional"})
	must(t, c, "groupPackageListAdd", "src", "build", "vim")
	must(t, c, "groupListAdd", "src", "extra")
	must(t, c, "groupReqListAdd", "src", "build", "extra")
	must(t, c, "createExternalRepo", "ext", "http://example.com/$arch/")
	must(t, c, "addExternalRepoToTag", "src", "ext", 5, "bare", "x86_64")
	return s, c
}

func nvrs(t *testing.T, c *xmlrpc.Client, tag string) []string {
	t.Helper()
	return column(t, must(t, c, "listTagged", tag), "nvr")
}

func TestSnapshotTag(t *testing.T) {
	s, c := snapshotSite(t)
	must(t, c, "snapshotTag", "src", "copy", xmlrpc.Kwargs{"latest_only": false})
	same(t, "builds", nvrs(t, c, "copy"), "app-1-1", "app-2-1", "lib-2-1", "lib-1-1")
	same(t, "groups", groupsOf(t, c, "copy", nil), "build=gcc,vim+extra", "extra=+")
	same(t, "packages", column(t, must(t, c, "listPackages", xmlrpc.Kwargs{"tagID": "copy"}), "blocked"), "false", "false", "true")
	copied := must(t, c, "getBuildConfig", "copy").(map[string]any)
	if copied["arches"] != "i386 x86_64" || copied["extra"].(map[string]any)["b"] != "two" {
		t.Errorf("settings: %v", copied)
	}
	for _, v := range must(t, c, "getTagGroups", "copy").([]any) {
		if g := v.(map[string]any); g["name"] == "build" && (g["description"] != "d" || g["packagelist"].([]any)[0].(map[string]any)["type"] != "optional") {
			t.Errorf("a group loses its settings: %v", g)
		}
	}
	same(t, "no parents", column(t, must(t, c, "getInheritanceData", "copy"), "name"))
	same(t, "no external repos", column(t, must(t, c, "getTagExternalRepos", "copy"), "url"))

	must(t, c, "snapshotTag", "src", "own", xmlrpc.Kwargs{"external_repos": true, "inheritance": true, "inherit_builds": false})
	same(t, "parents", column(t, must(t, c, "getInheritanceData", "own"), "name"), "base")
	same(t, "external repos", column(t, must(t, c, "getTagExternalRepos", "own"), "merge_mode"), "bare")
	same(t, "its own latest build", nvrs(t, c, "own"), "app-1-1")
	same(t, "its own packages", column(t, must(t, c, "listPackages", xmlrpc.Kwargs{"tagID": "own"}), "package_name"), "app", "gone")
	same(t, "groups through the parent", groupsOf(t, c, "own", nil), "build=gcc,vim+extra", "extra=+")

	must(t, c, "snapshotTag", "src", "empty", false, false, false, false)
	same(t, "nothing", groupsOf(t, c, "empty", nil))

	fails(t, buildsys.FaultGeneric, c, "snapshotTag", "src", "copy")
	fails(t, buildsys.FaultGeneric, c, "snapshotTag", "nosuch", "x")
	fails(t, buildsys.FaultNameValidation, c, "snapshotTag", "src", "a b")
	fails(t, buildsys.FaultParameter, c, "snapshotTag", "src", "x", xmlrpc.Kwargs{"pkgs": false})
	fails(t, buildsys.FaultParameter, c, "snapshotTag", "src")
	fails(t, buildsys.FaultActionNotAllowed, s.client(t, "joe"), "snapshotTag", "src", "x")
	must(t, c, "editTag2", "src", xmlrpc.Kwargs{"locked": true})
	fails(t, buildsys.FaultGeneric, c, "snapshotTag", "src", "x")
	fails(t, buildsys.FaultGeneric, c, "snapshotTagModify", "src", "copy")
	must(t, c, "snapshotTag", "src", "x", xmlrpc.Kwargs{"force": true})
	if s.tag(t, c, "x") == 0 || must(t, c, "getTag", "x").(map[string]any)["locked"] != true {
		t.Error("a copy of a locked tag is locked")
	}
}

func TestSnapshotTagModify(t *testing.T) {
	s, c := snapshotSite(t)
	then := must(t, c, "getLastEvent").(map[string]any)["id"]
	modify := func(kw xmlrpc.Kwargs) { t.Helper(); must(t, c, "snapshotTagModify", "src", "dst", kw) }
	// The destination has things of its own, and inherits some.
	makeTags(t, c, "dst", "elder")
	s.parent(t, c, "dst", "elder", 0, nil)
	for _, p := range []string{"app", "gone", "odd"} {
		must(t, c, "packageListAdd", "dst", p, "admin")
	}
	must(t, c, "packageListBlock", "dst", "app")
	s.tagBuilds(t, "dst", "app-1", "app-3", "app-2", "odd-1", "gone-1")
	must(t, c, "groupListAdd", "elder", "old")
	must(t, c, "groupListAdd", "elder", "build")
	must(t, c, "groupPackageListAdd", "elder", "build", "cobol")
	must(t, c, "groupListAdd", "dst", "mine")
	must(t, c, "groupPackageListAdd", "dst", "build", "emacs")

	// Without remove what is there counts as older than what comes.
	keep := xmlrpc.Kwargs{"inherit_builds": false, "latest_only": false}
	modify(keep)
	same(t, "builds, kept", nvrs(t, c, "dst"), "app-1-1", "odd-1-1", "app-2-1", "app-3-1")
	same(t, "groups, kept", groupsOf(t, c, "dst", nil), "build=cobol,emacs,gcc,vim+extra", "extra=+", "mine=+", "old=+")

	full := xmlrpc.Kwargs{"inherit_builds": true, "latest_only": false, "remove": true, "external_repos": true}
	modify(full)
	same(t, "builds", nvrs(t, c, "dst"), "lib-2-1", "lib-1-1", "app-1-1", "app-2-1")
	same(t, "groups", groupsOf(t, c, "dst", nil), "build=gcc,vim+extra", "extra=+")
	same(t, "groups with blocks", groupsOf(t, c, "dst", xmlrpc.Kwargs{"incl_blocked": true}), "!old=+", "build=!cobol,gcc,vim+extra", "extra=+")
	same(t, "blocked packages", column(t, must(t, c, "listPackages", xmlrpc.Kwargs{"tagID": "dst"}), "blocked"), "false", "false", "true", "true")
	same(t, "external repos", column(t, must(t, c, "getTagExternalRepos", "dst"), "external_repo_name"), "ext")
	if got := must(t, c, "getTag", "dst").(map[string]any); got["arches"] != "i386 x86_64" || len(got["extra"].(map[string]any)) != 2 {
		t.Errorf("settings: %v", got)
	}

	// Once more changes nothing; a new order in the source is the destination's.
	last := must(t, c, "getLastEvent").(map[string]any)["id"]
	modify(full)
	if now := must(t, c, "getLastEvent").(map[string]any)["id"]; now != last {
		t.Errorf("a copy onto itself was event %v after %v", now, last)
	}
	s.tagBuilds(t, "src", "app-2", "app-4")
	must(t, c, "groupListRemove", "src", "extra")
	must(t, c, "editTag2", "src", xmlrpc.Kwargs{"remove_extra": []any{"a"}, "arches": "x86_64"})
	modify(full)
	same(t, "new order", nvrs(t, c, "dst"), "app-4-1", "app-2-1", "lib-2-1", "lib-1-1", "app-1-1")
	same(t, "groups follow", groupsOf(t, c, "dst", nil), "build=gcc,vim+")
	if got := must(t, c, "getTag", "dst").(map[string]any); got["arches"] != "x86_64" || len(got["extra"].(map[string]any)) != 1 {
		t.Errorf("settings follow: %v", got)
	}

	// A tag can be made again what it was.
	must(t, c, "snapshotTagModify", "src", "src", xmlrpc.Kwargs{"event": then, "remove": true, "inherit_builds": false, "latest_only": false})
	same(t, "as it was", nvrs(t, c, "src"), "app-1-1", "app-2-1")
	same(t, "groups as they were", groupsOf(t, c, "src", nil), "build=gcc,vim+extra", "extra=+")

}

func TestSnapshotKeepsTheOrderOfMany(t *testing.T) {
	s := startServer(t, Config{})
	c := s.client(t, "admin")
	makeTags(t, c, "src")
	must(t, c, "packageListAdd", "src", "app", "admin")
	for i := range 70 {
		must(t, c, "packageListAdd", "src", fmt.Sprint("p", i), "admin")
		s.tagBuilds(t, "src", fmt.Sprint("app-", i*37%70))
	}
	must(t, c, "snapshotTag", "src", "copy", xmlrpc.Kwargs{"latest_only": false})
	same(t, "builds", nvrs(t, c, "copy"), nvrs(t, c, "src")...)
	same(t, "packages", column(t, must(t, c, "listPackages", xmlrpc.Kwargs{"tagID": "copy"}), "package_name"),
		column(t, must(t, c, "listPackages", xmlrpc.Kwargs{"tagID": "src"}), "package_name")...)
	h := must(t, c, "queryHistory", xmlrpc.Kwargs{"tables": []any{"tag_listing", "tag_packages"}, "tag": "copy"}).(map[string]any)
	events := func(table string) int {
		seen := map[string]bool{}
		for _, e := range column(t, h[table], "create_event") {
			seen[e] = true
		}
		return len(seen)
	}
	if events("tag_listing") != 70 || events("tag_packages") != 1 {
		t.Errorf("%d events for 70 builds, %d for the list of packages; want 70 and 1", events("tag_listing"), events("tag_packages"))
	}
}

package hub

import (
	"fmt"
	"testing"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

func TestTargets(t *testing.T) {
	s := startServer(t, Config{LoginCreatesUser: true})
	c := s.client(t, "admin")
	makeTags(t, c, "f1-build", "f1", "f2")
	must(t, c, "createBuildTarget", "f1", "f1-build", "f1")
	then := must(t, c, "getLastEvent").(map[string]any)["id"]
	names := func(kw xmlrpc.Kwargs) []string {
		t.Helper()
		return column(t, must(t, c, "getBuildTargets", kw), "name")
	}
	f1 := must(t, c, "getBuildTarget", "f1").(map[string]any)
	if f1["build_tag_name"] != "f1-build" || f1["dest_tag_name"] != "f1" || f1["dest_tag"] != s.tag(t, c, "f1") || len(f1) != 6 {
		t.Errorf("target: %v", f1)
	}
	must(t, c, "editBuildTarget", "f1", "new", "f1-build", "f2")
	same(t, "into f2", names(xmlrpc.Kwargs{"destTagID": "f2"}), "new")
	same(t, "into f1", names(xmlrpc.Kwargs{"destTagID": s.tag(t, c, "f1")}))
	same(t, "into f1, then", names(xmlrpc.Kwargs{"destTagID": "f1", "event": then}), "new") // names are not versioned
	same(t, "from", names(xmlrpc.Kwargs{"buildTagID": "f1-build"}), "new")
	same(t, "from no tag", names(xmlrpc.Kwargs{"buildTagID": "nosuch"}))
	if n := must(t, c, "getBuildTargets", xmlrpc.Kwargs{"queryOpts": map[string]any{"countOnly": true}}); n != int64(1) {
		t.Errorf("%v targets", n)
	}

	fails(t, buildsys.FaultGeneric, c, "createBuildTarget", "new", "f1-build", "f1")
	fails(t, buildsys.FaultGeneric, c, "createBuildTarget", "x", "nosuch", "f1")
	fails(t, buildsys.FaultGeneric, c, "createBuildTarget", "x", "f1-build", "nosuch")
	fails(t, buildsys.FaultNameValidation, c, "createBuildTarget", "a b", "f1-build", "f1")
	fails(t, buildsys.FaultParameter, c, "createBuildTarget", "x", "f1-build")
	fails(t, buildsys.FaultActionNotAllowed, s.client(t, "joe"), "createBuildTarget", "x", "f1-build", "f1")
	must(t, c, "createBuildTarget", "other", "f1-build", "f1")
	fails(t, buildsys.FaultGeneric, c, "editBuildTarget", "other", "new", "f1-build", "f1")
	must(t, c, "deleteBuildTarget", "other")
	fails(t, buildsys.FaultGeneric, c, "deleteBuildTarget", "other")
	fails(t, buildsys.FaultGeneric, c, "editBuildTarget", "other", "other", "f1-build", "f1")
	fails(t, buildsys.FaultGeneric, c, "getBuildTarget", "other", xmlrpc.Kwargs{"strict": true})
	must(t, c, "createBuildTarget", "other", "f1-build", "f1") // the name can be had again
	same(t, "all", names(nil), "new", "other")

	// A tag that is deleted takes its targets along.
	must(t, c, "deleteTag", "f2")
	same(t, "without f2", names(nil), "other")
}

func TestExternalRepos(t *testing.T) {
	s := startServer(t, Config{LoginCreatesUser: true})
	c := s.client(t, "admin")
	makeTags(t, c, "base", "deep", "child", "build")
	s.parent(t, c, "child", "base", 0, nil)
	s.parent(t, c, "base", "deep", 0, nil)
	s.parent(t, c, "build", "child", 0, map[string]any{"maxdepth": "1"})
	made := must(t, c, "createExternalRepo", "one", "http://example.com/$arch/os").(map[string]any)
	if made["url"] != "http://example.com/$arch/os/" {
		t.Errorf("made %v", made)
	}
	must(t, c, "createExternalRepo", "two", "https://example.com/two/")
	must(t, c, "createExternalRepo", "far", "https://example.com/far/")
	must(t, c, "addExternalRepoToTag", "base", "one", 10)
	must(t, c, "addExternalRepoToTag", "base", "two", "5", xmlrpc.Kwargs{"merge_mode": "bare", "arches": "x86_64,i386"})
	must(t, c, "addExternalRepoToTag", "deep", "far", 1)
	then := must(t, c, "getLastEvent").(map[string]any)["id"]
	must(t, c, "addExternalRepoToTag", "child", "two", 7)

	of := func(method, tag string, kw xmlrpc.Kwargs) (out []string) {
		t.Helper()
		for _, v := range must(t, c, method, tag, kw).([]any) {
			r := v.(map[string]any)
			out = append(out, fmt.Sprint(r["tag_name"], " ", r["priority"], " ", r["external_repo_name"], " ", r["merge_mode"], " ", r["arches"]))
		}
		return out
	}
	same(t, "base", of("getTagExternalRepos", "base", nil), "base 5 two bare x86_64 i386", "base 10 one koji <nil>")
	same(t, "child", of("getExternalRepoList", "child", nil), "child 7 two koji <nil>", "base 10 one koji <nil>", "deep 1 far koji <nil>")
	same(t, "child, then", of("getExternalRepoList", "child", xmlrpc.Kwargs{"event": then}),
		"base 5 two bare x86_64 i386", "base 10 one koji <nil>", "deep 1 far koji <nil>")
	same(t, "where the chain ends", of("getExternalRepoList", "build", nil), "child 7 two koji <nil>", "base 10 one koji <nil>")
	same(t, "uses of two", column(t, must(t, c, "getTagExternalRepos", xmlrpc.Kwargs{"repo_info": "two"}), "tag_name"), "base", "child")

	edit := func(kw xmlrpc.Kwargs) any { t.Helper(); return must(t, c, "editTagExternalRepo", "base", "two", kw) }
	if edit(xmlrpc.Kwargs{"priority": 5}) != false || edit(xmlrpc.Kwargs{"priority": 6, "merge_mode": "simple", "arches": ""}) != true {
		t.Error("editTagExternalRepo tells whether anything changed")
	}
	same(t, "edited", of("getTagExternalRepos", "base", nil), "base 6 two simple ", "base 10 one koji <nil>")
	fails(t, buildsys.FaultGeneric, c, "editTagExternalRepo", "base", "two", xmlrpc.Kwargs{"priority": 10})
	same(t, "after the refusal", of("getTagExternalRepos", "base", nil), "base 6 two simple ", "base 10 one koji <nil>")
	must(t, c, "editExternalRepo", "one", xmlrpc.Kwargs{"name": "uno", "url": "http://example.org"})
	same(t, "address", column(t, must(t, c, "listExternalRepos", xmlrpc.Kwargs{"url": "http://example.org/"}), "name"), "uno")
	if r := must(t, c, "getExternalRepo", "uno", false, then).(map[string]any); r["url"] != made["url"] {
		t.Errorf("as it was: %v", r)
	}
	if n := must(t, c, "tagLastChangeEvent", "child").(int64); n != must(t, c, "getLastEvent").(map[string]any)["id"] {
		t.Error("a new address of an external repository changes the tags that use it")
	}

	for _, bad := range [][]any{
		{"createExternalRepo", "two", "http://example.com/"}, {"createExternalRepo", "x", "no address"}, {"createExternalRepo", "INTERNAL", "http://example.com/"},
		{"editExternalRepo", "two", "uno"}, {"addExternalRepoToTag", "base", "two", 1}, {"addExternalRepoToTag", "deep", "two", 1},
		{"addExternalRepoToTag", "deep", "nosuch", 2}, {"addExternalRepoToTag", "nosuch", "two", 2}, {"addExternalRepoToTag", "deep", "two", 2, "odd"},
		{"addExternalRepoToTag", "deep", "two", 2, "koji", "x86_64;rm"}, {"removeExternalRepoFromTag", "deep", "two"}, {"getExternalRepo", "nosuch", true},
	} {
		fails(t, buildsys.FaultGeneric, c, bad[0].(string), bad[1:]...)
	}
	fails(t, buildsys.FaultParameter, c, "addExternalRepoToTag", "deep", "two", "high")
	fails(t, buildsys.FaultActionNotAllowed, s.client(t, "joe"), "addExternalRepoToTag", "deep", "two", 2)

	must(t, c, "removeExternalRepoFromTag", "child", "two")
	must(t, c, "deleteExternalRepo", "two")
	same(t, "deleted", of("getExternalRepoList", "child", nil), "base 10 uno koji <nil>", "deep 1 far koji <nil>")
	same(t, "deleted, then", of("getExternalRepoList", "child", xmlrpc.Kwargs{"event": then}),
		"base 5 two bare x86_64 i386", "base 10 uno koji <nil>", "deep 1 far koji <nil>")
	must(t, c, "createExternalRepo", "two", "http://example.net")
	same(t, "the name again", column(t, must(t, c, "listExternalRepos"), "name"), "uno", "two", "far")
}

func TestGetAllArches(t *testing.T) {
	s := startServer(t, Config{})
	c := s.client(t, "admin")
	must(t, c, "addHost", "b1", []any{"i686", "x86_64", "armv7hl"})
	must(t, c, "addHost", "b2", []any{"x86_64", "ppc64le"})
	got := must(t, c, "getAllArches").([]any)
	want := []any{"i386", "x86_64", "armhfp", "ppc64le"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("arches %v, want %v", got, want)
	}
}

package hub_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
	"github.com/privyseal/privyseal/internal/lab"
)

// field is a member of a struct that a call answered with.
func field(v any, key string) any { return v.(map[string]any)[key] }

// A build that a tag or a published tree holds is neither deleted nor reset. Reset frees its name and keeps its past.
func TestResetBuild(t *testing.T) {
	onEachEngine(t, func(t *testing.T, s *site) {
		c, plain := s.as(t, "kojiadmin"), s.as(t, "plain")
		path := lab.Testdata(t, "rpms", "plain-1.0-1.src.rpm")
		c.importFile(t, path)
		c.must(t, "createTag", "t1")
		c.must(t, "packageListAdd", "t1", "plain", "kojiadmin")
		c.must(t, "tagBuildBypass", "t1", "plain-1.0-1")
		event := field(c.must(t, "getLastEvent"), "id")
		plain.refused(t, 1004, "admin permission required", "resetBuild", "plain-1.0-1")
		plain.refused(t, 1019, "expected a number that is not negative", "buildReferences", "plain-1.0-1", -1)
		for _, m := range []string{"resetBuild", "deleteBuild"} {
			c.refused(t, 1000, "tagged: t1", m, "plain-1.0-1")
		}
		if got := c.must(t, "deleteBuild", "plain-1.0-1", false); got != false {
			t.Errorf("deleteBuild without strict: %v", got)
		}
		c.must(t, "untagBuild", "t1", "plain-1.0-1")
		imported := s.topPath("plain", "1.0", "1", "src", "plain-1.0-1.src.rpm")
		published := filepath.Join(s.topdir, "compose.rpm")
		must(t, os.Link(imported, published))
		c.refused(t, 1000, "in a live compose", "resetBuild", "plain-1.0-1")
		c.refused(t, 1000, "in a live compose", "deleteBuild", "plain-1.0-1")
		must(t, os.Remove(published))
		c.must(t, "resetBuild", "plain-1.0-1", "wrong branch")
		if b := c.must(t, "getBuild", "plain-1.0-1"); field(b, "state") != int64(buildsys.BuildCanceled) {
			t.Errorf("after reset: %v", b)
		}
		if _, err := os.Stat(imported); !os.IsNotExist(err) {
			t.Errorf("its file: %v", err)
		}
		log := c.must(t, "getBuildHistory", "plain-1.0-1").([]any)
		if len(log) != 1 || field(log[0], "reason") != "wrong branch" || field(log[0], "user_name") != "kojiadmin" ||
			len(field(field(log[0], "detail"), "rpms").([]any)) != 1 {
			t.Errorf("history: %v", log)
		}
		c.must(t, "createEmptyBuild", "plain", "1.0", "1", nil)
		c.must(t, "importRPM", c.upload(t, path), filepath.Base(path))
		// What the tag held then was another build; its history says so still.
		if got := c.must(t, "listTagged", "t1", xmlrpc.Kwargs{"event": event}).([]any); len(got) != 0 {
			t.Errorf("in the tag's past: %v", got)
		}
		past := c.must(t, "queryHistory", xmlrpc.Kwargs{"build": "plain-1.0-1"})
		if rows := field(past, "tag_listing").([]any); len(rows) != 1 {
			t.Errorf("tag_listing: %v", rows)
		}
		if got := c.must(t, "deleteBuild", "plain-1.0-1", xmlrpc.Kwargs{"reason": "not needed"}); got != true {
			t.Errorf("deleteBuild: %v", got)
		}
		c.refused(t, 1000, "reset-build frees its name", "createEmptyBuild", "plain", "1.0", "1", nil)
		s.noHidden(t)
	})
}

// metadata is what a content generator tells of the package plain-1.0-1.
func metadata(t *testing.T, path string) map[string]any {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	sum := sha256.Sum256(data)
	return map[string]any{
		"metadata_version": 0,
		"build": map[string]any{"name": "plain", "version": "1.0", "release": "1", "start_time": 1.7e9, "end_time": 1.7e9 + 60, "draft": true,
			"source": "git://example/plain", "extra": map[string]any{"typeinfo": map[string]any{"rpm": map[string]any{}}}},
		"buildroots": []any{map[string]any{"id": 7, "content_generator": map[string]any{"name": "gen", "version": "1"}, "extra": nil,
			"container": map[string]any{"type": "none", "arch": "x86_64"}, "host": map[string]any{"os": "any", "arch": "x86_64"},
			"components": []any{}, "tools": []any{map[string]any{"name": "tool", "version": "2"}}}},
		"output": []any{map[string]any{"buildroot_id": 7, "filename": filepath.Base(path), "filesize": len(data), "checksum": hex.EncodeToString(sum[:]),
			"checksum_type": "sha256", "type": "rpm", "arch": "src"}},
	}
}

// A reserved draft is filled by who has the token, lives beside builds of its name, and becomes one when it is promoted.
func TestDrafts(t *testing.T) {
	s := newSite(t)
	c, plain := s.as(t, "kojiadmin"), s.as(t, "plain")
	path := lab.Testdata(t, "rpms", "plain-1.0-1.src.rpm")
	c.must(t, "grantCGAccess", "kojiadmin", "gen", true)
	spec := map[string]any{"name": "plain", "version": "1.0", "release": "1", "draft": true}
	plain.refused(t, 1002, "Content generator access required (gen)", "CGInitBuild", "gen", spec)
	first, second := c.must(t, "CGInitBuild", "gen", spec), c.must(t, "CGInitBuild", "gen", spec)
	c.refused(t, 1000, "Token doesn't match", "CGRefundBuild", "gen", field(second, "build_id"), field(first, "token"))
	c.must(t, "CGRefundBuild", "gen", field(second, "build_id"), field(second, "token"))
	m := metadata(t, path)
	build := m["build"].(map[string]any)
	build["build_id"] = field(first, "build_id")
	dir := c.upload(t, path)
	c.refused(t, 1000, "Token doesn't match", "CGImport", m, dir, field(second, "token"))
	out := m["output"].([]any)[0].(map[string]any)
	good := out["checksum"]
	out["checksum"] = strings.Repeat("0", 64)
	c.refused(t, 1000, "File checksum mismatch", "CGImport", m, dir, field(first, "token"))
	out["checksum"] = good
	draft := c.must(t, "CGImport", m, dir, field(first, "token"))
	nvr := fmt.Sprintf("plain-1.0-1,draft_%d", field(first, "build_id"))
	if field(draft, "nvr") != nvr || field(draft, "draft") != true || field(draft, "state") != int64(buildsys.BuildComplete) || field(draft, "cg_name") != "gen" {
		t.Errorf("draft: %v", draft)
	}
	// A second draft may hold a package of the same name.
	delete(build, "build_id")
	other := c.must(t, "CGImport", m, c.upload(t, path), nil)
	if rows := c.must(t, "getRPM", "plain-1.0-1.src", xmlrpc.Kwargs{"multi": true}).([]any); len(rows) != 2 {
		t.Errorf("packages of the name: %v", rows)
	}
	plain.refused(t, 1004, "policy violation (draft_promotion)", "promoteBuild", nvr)
	now := c.must(t, "promoteBuild", nvr)
	if field(now, "nvr") != "plain-1.0-1" || field(now, "draft") != false || field(now, "id") != field(first, "build_id") {
		t.Errorf("promoted: %v", now)
	}
	for _, release := range []string{"1", strings.TrimPrefix(nvr, "plain-1.0-")} { // the old place leads to the new one
		if _, err := os.Stat(s.topPath("plain", "1.0", release, "src", "plain-1.0-1.src.rpm")); err != nil {
			t.Error(err)
		}
	}
	c.refused(t, 1000, "Not a draft build", "promoteBuild", "plain-1.0-1")
	c.refused(t, 1000, "Target build exists", "promoteBuild", field(other, "id"))
	if got := c.must(t, "listBuilds", xmlrpc.Kwargs{"draft": true, "state": 1, "queryOpts": map[string]any{"countOnly": true}}); got != int64(1) {
		t.Errorf("drafts: %v", got)
	}
	c.must(t, "deleteBuild", "plain-1.0-1")
	if left, err := os.ReadDir(s.topPath("plain", "1.0")); err != nil || len(left) != 1 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// A build that a content generator imports stands whole, or leaves nothing behind.
func TestImportByGenerator(t *testing.T) {
	s := newSite(t)
	c := s.as(t, "kojiadmin")
	path := lab.Testdata(t, "rpms", "plain-1.0-1.src.rpm")
	c.must(t, "grantCGAccess", "kojiadmin", "gen", true)
	m := metadata(t, path)
	m["build"].(map[string]any)["draft"] = false
	dir := c.upload(t, path)
	good := m["output"]
	m["output"] = append([]any{map[string]any{"buildroot_id": 7, "filename": "plain-1.0-1.src.rpm", "relpath": "", "subdir": "..", "type": "log",
		"filesize": good.([]any)[0].(map[string]any)["filesize"], "checksum": good.([]any)[0].(map[string]any)["checksum"], "checksum_type": "sha256"}}, good.([]any)...)
	c.refused(t, 1000, "Invalid json data", "CGImport", "{", dir)
	c.refused(t, 1000, "leads out of the directory of logs", "CGImport", m, dir)
	m["output"].([]any)[0].(map[string]any)["subdir"] = ".hidden" // found out when the package is under way
	c.refused(t, 1000, "hidden", "CGImport", m, dir)
	if _, err := os.Stat(s.topPath("plain", "1.0", "1")); !os.IsNotExist(err) {
		t.Errorf("a refused import left its directory: %v", err)
	}
	m["output"] = good
	b := c.must(t, "CGImport", m, dir)
	if field(b, "nvr") != "plain-1.0-1" || field(b, "state") != int64(buildsys.BuildComplete) || field(b, "cg_name") != "gen" {
		t.Errorf("imported: %v", b)
	}
	rpm := c.must(t, "getRPM", "plain-1.0-1.src")
	if root := c.must(t, "getBuildroot", field(rpm, "buildroot_id")); field(root, "cg_name") != "gen" {
		t.Errorf("build root: %v", root)
	}
	for _, file := range []string{"metadata.json", "src/plain-1.0-1.src.rpm"} {
		if _, err := os.Stat(s.topPath("plain", "1.0", "1", file)); err != nil {
			t.Error(err)
		}
	}
	c.refused(t, 1000, "Build already exists", "CGImport", m, dir)
	s.noHidden(t)
}

// What a builder makes of a task is imported from the task's own output, once, and by no one else.
func TestCompleteBuild(t *testing.T) {
	s := newSite(t)
	c := s.as(t, "kojiadmin")
	b := s.builder(t)
	id := c.must(t, "makeTask", "build", []any{"git://example/plain#1", nil, map[string]any{}}, xmlrpc.Kwargs{"arch": "noarch"})
	if got := b.must(t, "host.getTasks", xmlrpc.Kwargs{"wait": 20}).([]any); len(got) != 1 {
		t.Fatalf("tasks: %v", got)
	}
	b.must(t, "host.openTask", id)
	data := map[string]any{"name": "plain", "version": "1.0", "release": "1", "epoch": nil, "task_id": id, "source": "git://example/plain#1", "extra": nil}
	build := b.must(t, "host.initBuild", data)
	if again := b.must(t, "host.initBuild", data); again != build {
		t.Errorf("begun again: %v, %v", build, again)
	}
	c.refused(t, 1000, "Build already in progress", "createEmptyBuild", "plain", "1.0", "1", nil)
	dir := fmt.Sprintf("tasks/%d/%d", id.(int64)%10000, id)
	send := func(name string, f *os.File, size int64) string {
		t.Helper()
		must(t, b.Upload(context.Background(), dir, name, f, size))
		return dir + "/" + name
	}
	file := func(name string) string {
		t.Helper()
		f, err := os.Open(lab.Testdata(t, "rpms", name))
		must(t, err)
		defer f.Close()
		fi, err := f.Stat()
		must(t, err)
		return send(name, f, fi.Size())
	}
	srpm, rpm := file("plain-1.0-1.src.rpm"), file("plain-1.0-1.noarch.rpm")
	elsewhere := c.upload(t, lab.Testdata(t, "rpms", "plain-1.0-1.noarch.rpm")) + "/plain-1.0-1.noarch.rpm"
	b.refused(t, 1000, "is no output of task", "host.completeBuild", id, build, srpm, []any{elsewhere})
	b.refused(t, 1000, "srpm mismatch", "host.completeBuild", id, build, srpm, []any{file("plain-1.0-2.noarch.rpm")})
	b.refused(t, 1000, "not a source package", "host.completeBuild", id, build, rpm, []any{})
	b.refused(t, 1000, "No such repository", "host.newBuildRoot", 99, "noarch", id)
	info := b.must(t, "host.completeBuild", id, build, srpm, []any{rpm}, map[string]any{}, map[string]any{"noarch": []any{}})
	if field(info, "state") != int64(buildsys.BuildComplete) || field(info, "owner_name") != "kojiadmin" || field(info, "task_id") != id {
		t.Errorf("completed: %v", info)
	}
	if rpms := c.must(t, "listBuildRPMs", build).([]any); len(rpms) != 2 {
		t.Errorf("packages: %v", rpms)
	}
	b.refused(t, 1000, "state is COMPLETE", "host.completeBuild", id, build, srpm, []any{rpm})
	b.refused(t, 1000, "state: COMPLETE", "host.failBuild", id, build)
	deps := c.must(t, "getRPMDeps", "plain-1.0-1.noarch", 1).([]any)
	if len(deps) == 0 || field(deps[0], "name") != "plain" {
		t.Errorf("provides: %v", deps)
	}
	if log := c.must(t, "getChangelogEntries", "plain-1.0-1", xmlrpc.Kwargs{"queryOpts": map[string]any{"limit": 1}}).([]any); len(log) != 1 {
		t.Errorf("changelog: %v", log)
	}
	if c.must(t, "cancelBuild", build) != false {
		t.Error("a complete build was canceled")
	}
	s.noHidden(t)
}

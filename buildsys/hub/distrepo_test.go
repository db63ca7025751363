package hub_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/privyseal/privyseal/buildsys/xmlrpc"
	"github.com/privyseal/privyseal/internal/lab"
)

// A dist repository takes the output of its own task, with hard links to the packages that the hub knows.
func TestDistRepoMove(t *testing.T) {
	s := newSite(t)
	c := s.as(t, "kojiadmin")
	rpm := c.importFile(t, lab.Testdata(t, "koji", "rpms", "hello-1.0-1.x86_64.rpm"))
	c.must(t, "createTag", "d1", xmlrpc.Kwargs{"arches": "x86_64"})
	s.as(t, "plain").refused(t, 1004, "dist-repo", "distRepo", "d1", []any{}, xmlrpc.Kwargs{"arch": []any{"x86_64"}})
	task := c.must(t, "distRepo", "d1", []any{}, xmlrpc.Kwargs{"arch": []any{"x86_64"}}).(int64)
	req := c.must(t, "getTaskRequest", task).([]any)
	repo := req[1].(int64)
	b := s.builder(t)
	b.refused(t, 1004, "no task that makes repo", "host.distRepoMove", repo, fmt.Sprintf("tasks/%d/%d", task%10000, task), "x86_64")
	c.must(t, "assignTask", task, "builder1", true, true)
	b.must(t, "host.openTask", task)

	out := fmt.Sprintf("tasks/%d/%d", task%10000, task)
	work := filepath.Join(s.topdir, "work", out)
	must(t, os.MkdirAll(filepath.Join(work, "repodata"), 0o755))
	pkg := map[string]any{"sigkey": ""}
	for _, k := range []string{"id", "name", "version", "release", "arch", "epoch", "size", "payloadhash", "build_id"} {
		pkg[k] = rpm[k]
	}
	const file = "hello-1.0-1.x86_64.rpm"
	write := func(name string, v any) {
		t.Helper()
		text, err := json.Marshal(v)
		must(t, err)
		must(t, os.WriteFile(filepath.Join(work, name), text, 0o644))
	}
	write("repodata/repomd.xml", "")
	b.refused(t, 1000, "Missing repo manifest", "host.distRepoMove", repo, out, "x86_64")
	write("repo_manifest", []string{"../../../../evil"})
	write("kojipkgs", map[string]any{file: pkg})
	b.refused(t, 1000, "invalid file name", "host.distRepoMove", repo, out, "x86_64")
	write("repo_manifest", []string{"repodata/repomd.xml", "kojipkgs"})
	pkg["size"] = int64(1)
	write("kojipkgs", map[string]any{file: pkg})
	b.refused(t, 1000, "does not match db", "host.distRepoMove", repo, out, "x86_64")
	pkg["size"] = rpm["size"]
	write("kojipkgs", map[string]any{file: pkg})
	b.refused(t, 1004, "is not the output of task", "host.distRepoMove", repo, "tasks/77/77", "x86_64")
	b.refused(t, 1000, "Repo arch directory missing", "host.distRepoMove", repo, out, "ppc64")
	b.must(t, "host.distRepoMove", repo, out, "x86_64")
	b.must(t, "host.repoDone", repo, map[string]any{})

	dir := filepath.Join(s.topdir, "repos-dist", "d1", fmt.Sprint(repo), "x86_64")
	linked, err := os.Stat(filepath.Join(dir, "Packages", "h", file))
	must(t, err)
	own, err := os.Stat(filepath.Join(s.topdir, "packages", "hello", "1.0", "1", "x86_64", file))
	must(t, err)
	if !os.SameFile(linked, own) {
		t.Error("the package in the repository is no link to the hub's")
	}
	if _, err := os.Stat(filepath.Join(dir, "repodata", "repomd.xml")); err != nil {
		t.Error(err)
	}
	if r := c.must(t, "repoInfo", repo).(map[string]any); r["state"] != int64(1) || r["dist"] != true {
		t.Errorf("the repository: %v", r)
	}
	b.refused(t, 1000, "Repo is in state", "host.distRepoMove", repo, out, "x86_64")
}

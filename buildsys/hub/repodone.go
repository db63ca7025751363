package hub

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/blob"
	"github.com/privyseal/privyseal/buildsys/store"
	"github.com/privyseal/privyseal/internal/durable"
)

// maxRepoFiles bounds the files that one architecture of a repository may bring.
const maxRepoFiles = 10_000

// repoOfHost is a repository in its first state, and the host's open task that makes it: a stolen builder has the
// repositories of its tasks, and no others.
func (c *Ctx) repoOfHost(h *buildsys.Host, id int64) (*store.Repo, *buildsys.Task, error) {
	r, err := c.tx.RepoByID(id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil, buildsys.Errorf(buildsys.FaultGeneric, "query returned no rows")
	}
	if err != nil {
		return nil, nil, err
	}
	if !r.Dist {
		if r.TaskID == nil {
			return nil, nil, buildsys.Errorf(buildsys.FaultActionNotAllowed, "host %d has no task that makes repo %d", h.ID, id)
		}
		t, err := c.hostTask(h, *r.TaskID)
		return r, t, err
	}
	tasks, err := c.tx.OpenTasks(h.ID)
	if err != nil {
		return nil, nil, err
	}
	for i := range tasks {
		t := &tasks[i]
		if t.Method != "distRepo" {
			continue
		}
		args, err := taskArgs(t)
		if err != nil {
			return nil, nil, err
		}
		if len(args) > 1 && args[1] == id {
			return r, t, nil
		}
	}
	return nil, nil, buildsys.Errorf(buildsys.FaultActionNotAllowed, "host %d has no task that makes repo %d", h.ID, id)
}

// repoUpload checks that files for a repository come from the output of its task, or of a subtask of that.
func (c *Ctx) repoUpload(t *buildsys.Task, dir string) error {
	bad := buildsys.Errorf(buildsys.FaultActionNotAllowed, "%.200s is not the output of task %d", dir, t.ID)
	id, err := strconv.ParseInt(filepath.Base(dir), 10, 64)
	if err != nil || dir != blob.TaskDir(id) {
		return bad
	}
	if id == t.ID {
		return nil
	}
	sub, err := c.tx.TaskByID(id)
	if errors.Is(err, store.ErrNotFound) || err == nil && (sub.Parent == nil || *sub.Parent != t.ID) {
		return bad
	}
	return err
}

// hostRepoDone ends a repository: what was uploaded of it is moved into place, and it is ready.
func hostRepoDone(c *Ctx, h *buildsys.Host, a Args) (any, error) {
	r, task, err := c.repoOfHost(h, a.Int("repo_id"))
	if err != nil {
		return nil, err
	}
	data := a.Map("data")
	if data == nil {
		a.bad("data", "a struct", a.Any("data"))
	}
	if r.State != buildsys.RepoInit {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "Repo %d not in INIT state (got %d)", r.ID, int(r.State))
	}
	top, err := c.Hub.top()
	if err != nil {
		return nil, err
	}
	dir, err := top.Repo(r.TagName, r.ID)
	if err != nil {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "%v", err)
	}
	if !r.Dist {
		if err := updateRepoJSON(dir, a.Map("repo_json_updates")); err != nil {
			return nil, err
		}
		for arch, v := range data {
			if err := c.moveRepodata(top, task, dir, arch, v); err != nil {
				return nil, err
			}
		}
	}
	if a.Bool("expire") {
		return nil, c.setRepoState(r.ID, buildsys.RepoExpired)
	}
	if err := c.setRepoState(r.ID, buildsys.RepoReady); err != nil {
		return nil, err
	}
	return nil, c.linkLatest(top, r)
}

// moveRepodata moves the metadata of one architecture: v is [directory below work/, [files]].
func (c *Ctx) moveRepodata(top *blob.Topdir, t *buildsys.Task, dir, arch string, v any) error {
	pair, _ := v.([]any)
	if len(pair) != 2 {
		return buildsys.Errorf(buildsys.FaultParameter, "host.repoDone: data of %.40s: expected [path, [files]], got %s", arch, describe(v))
	}
	from, ok := pair[0].(string)
	files, ok2 := pair[1].([]any)
	if !ok || !ok2 || len(files) > maxRepoFiles {
		return buildsys.Errorf(buildsys.FaultParameter, "host.repoDone: data of %.40s: expected [path, [files]]", arch)
	}
	if err := c.repoUpload(t, from); err != nil {
		return err
	}
	if err := blob.CheckName("arch", arch); err != nil {
		return buildsys.Errorf(buildsys.FaultGeneric, "%v", err)
	}
	archDir := filepath.Join(dir, buildsys.CanonArch(arch))
	if fi, err := os.Lstat(archDir); err != nil || !fi.IsDir() {
		return buildsys.Errorf(buildsys.FaultGeneric, "Repo arch directory missing: %s", archDir)
	}
	repodata := filepath.Join(archDir, "repodata")
	if err := durable.MkdirAll(repodata, 0o755); err != nil {
		return err
	}
	for _, f := range files {
		name, ok := f.(string)
		if !ok {
			return buildsys.Errorf(buildsys.FaultParameter, "host.repoDone: data of %s: a file is a name, not %s", arch, describe(f))
		}
		dst := filepath.Join(repodata, name)
		if strings.HasSuffix(name, "pkglist") {
			dst = filepath.Join(archDir, name)
		}
		if err := moveUploaded(top, from, name, dst); err != nil {
			return err
		}
	}
	return nil
}

// moveUploaded moves a file of a repository. One that a killed call moved before is in place already.
func moveUploaded(top *blob.Topdir, from, name, dst string) error {
	err := top.MoveUpload(from, name, dst)
	var ne *blob.NameError
	switch {
	case errors.As(err, &ne):
		return buildsys.Errorf(buildsys.FaultGeneric, "%v", err)
	case errors.Is(err, fs.ErrNotExist):
		if fi, e := os.Lstat(dst); e == nil && fi.Mode().IsRegular() {
			return nil
		}
		return buildsys.Errorf(buildsys.FaultGeneric, "uploaded file missing: %s", filepath.Join(top.Work(), from, name))
	}
	return err
}

// updateRepoJSON adds members to a repository's repo.json.
func updateRepoJSON(dir string, more map[string]any) error {
	if len(more) == 0 {
		return nil
	}
	path := filepath.Join(dir, "repo.json")
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var m map[string]any
	if err := json.Unmarshal(text, &m); err != nil {
		return err
	}
	for k, v := range more {
		m[k] = v
	}
	if text, err = json.MarshalIndent(m, "", "  "); err != nil {
		return err
	}
	return durable.WriteFile(path, text, 0o644)
}

// linkLatest points the tag's link latest at a repository, once that is ready for good, unless a newer one is. A repository
// with options of its own is nobody's latest.
func (c *Ctx) linkLatest(top *blob.Topdir, r *store.Repo) error {
	if len(r.Custom) > 0 && !r.Dist {
		return nil
	}
	newer, err := c.tx.NewerRepo(r.TagID, r.CreateEvent, r.Dist)
	if err != nil || newer {
		return err
	}
	dir, err := top.Repo(r.TagName, r.ID)
	if r.Dist {
		dir, err = top.DistRepo(r.TagName, r.ID, "")
	}
	if err != nil {
		return err
	}
	link := filepath.Join(filepath.Dir(dir), "latest")
	target, log := filepath.Base(dir), c.Log
	c.tx.AfterCommit(func() {
		if err := durable.ReplaceSymlink(target, link); err != nil {
			log.Error("link to the latest repository", "link", link, "err", err)
		}
	})
	return nil
}

// repoHostMethods are what builders call for newRepo and distRepo tasks.
func repoHostMethods() []Method {
	m := hostMethod
	return []Method{
		m(ModeDeferred, "repoInit", "tag, task_id=None, event=None, opts=None", "Begin a repository for a newRepo task: [its id, its event]. Its directory says what it is to hold.", hostRepoInit),
		m(ModeWrite, "repoDone", "repo_id, data, expire=False, repo_json_updates=None", "End a repository: data is {arch: [directory of the uploads, [files]]}.", hostRepoDone),
		m(ModeWrite, "distRepoMove", "repo_id, uploadpath, arch", "Move one architecture of a dist repository into place, with links to its packages.", hostDistRepoMove),
	}
}

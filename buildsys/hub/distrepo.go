package hub

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/blob"
	"github.com/privyseal/privyseal/buildsys/store"
	"github.com/privyseal/privyseal/internal/durable"
)

// distRepo begins a dist repository and makes the task that fills it.
func distRepo(c *Ctx, a Args) (any, error) {
	if ok, err := c.Has("dist-repo"); err != nil {
		return nil, err
	} else if !ok {
		if c.Hub.policies["dist_repo"] == nil {
			if err := c.Assert("dist-repo"); err != nil {
				return nil, err
			}
		} else if err := c.policyAssert("dist_repo", policyData{"tag": a.Any("tag")}, false); err != nil {
			return nil, err
		}
	}
	opts := a.Map("task_opts")
	r, err := c.distRepoInit(a, opts)
	if err != nil {
		return nil, err
	}
	opts["event"] = r.CreateEvent
	if err := c.cancelOtherDistRepos(a.Any("tag"), r.TagID); err != nil {
		return nil, err
	}
	priority := int64(buildsys.PriorityRepo)
	t, err := c.makeTask("distRepo", []any{a.Any("tag"), r.ID, a.List("keys"), opts}, taskOptions{priority: &priority, channel: "createrepo"})
	if err != nil {
		return nil, err
	}
	return t.ID, nil
}

// cancelOtherDistRepos cancels the tasks that make dist repositories of a tag already, if the tag says so.
func (c *Ctx) cancelOtherDistRepos(info any, tag int64) error {
	v, err := getBuildConfig(c, Args{method: "getBuildConfig", vals: map[string]any{"tag": tag}})
	if err != nil {
		return err
	}
	config, _ := v.(map[string]any)
	extra, _ := config["extra"].(map[string]any)
	if !truth(extra["distrepo.cancel_others"]) {
		return nil
	}
	method := "distRepo"
	tasks, err := c.tx.Tasks(store.TaskFilter{Method: &method, States: []int64{int64(buildsys.TaskFree), int64(buildsys.TaskOpen), int64(buildsys.TaskAssigned)}})
	if err != nil {
		return err
	}
	for i := range tasks {
		args, err := taskArgs(&tasks[i])
		if err != nil {
			return err
		}
		if len(args) > 0 && args[0] == info {
			if _, err := c.cancel(&tasks[i], true); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *Ctx) distRepoInit(a Args, opts map[string]any) (*store.Repo, error) {
	keys := a.Strs("keys")
	if a.Nil("keys") {
		a.bad("keys", "a list of strings", nil)
	}
	tag, err := c.findTag(a.Any("tag"), 0, true)
	if err != nil {
		return nil, err
	}
	o := Args{method: "distRepo", vals: opts}
	if o.Nil("arch") {
		return nil, buildsys.Errorf(buildsys.FaultParameter, "distRepo: argument arch: expected a list of strings, got None")
	}
	var arches []string
	for _, arch := range o.Strs("arch") {
		if err := blob.CheckName("arch", arch); err != nil {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "%v", err)
		}
		if arch = buildsys.CanonArch(arch); !slices.Contains(arches, arch) {
			arches = append(arches, arch)
		}
	}
	volume := ""
	if v := o.Any("volume"); v != nil {
		if _, volume, err = c.findVolume(v); err != nil {
			return nil, err
		}
	}
	r := &store.Repo{TagID: tag.ID, TagName: tag.Name, Dist: true, CreateEvent: o.Event("event")}
	if r.CreateEvent == 0 {
		if r.CreateEvent, err = c.tx.Event(); err != nil {
			return nil, err
		}
	} else if _, err := c.tx.EventByID(r.CreateEvent); errors.Is(err, store.ErrNotFound) {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "No such event: %d", r.CreateEvent)
	} else if err != nil {
		return nil, err
	}
	if err := c.tx.InsertRepo(r); err != nil {
		return nil, err
	}
	return r, c.writeDistRepo(r, keys, arches, volume, o)
}

func (c *Ctx) writeDistRepo(r *store.Repo, keys, arches []string, volume string, o Args) error {
	top, err := c.Hub.top()
	if err != nil {
		return err
	}
	dir, err := top.DistRepo(r.TagName, r.ID, volume)
	if err != nil {
		return buildsys.Errorf(buildsys.FaultGeneric, "%v", err)
	}
	staged, err := blob.StageUnder(filepath.Dir(dir))
	if err != nil {
		return err
	}
	defer os.RemoveAll(staged)
	for _, arch := range arches {
		if err := durable.MkdirAll(filepath.Join(staged, arch), 0o755); err != nil {
			return err
		}
	}
	if comps := o.OptStr("comps"); comps != nil && *comps != "" {
		if err := copyComps(top, *comps, filepath.Join(staged, "groups")); err != nil {
			return err
		}
	}
	var vol any
	if volume != "" {
		vol = volume
	}
	info, err := json.MarshalIndent(struct {
		ID     int64          `json:"id"`
		Tag    string         `json:"tag"`
		TagID  int64          `json:"tag_id"`
		Keys   []string       `json:"keys"`
		Volume any            `json:"volume"`
		Opts   map[string]any `json:"task_opts"`
	}{r.ID, r.TagName, r.TagID, append([]string{}, keys...), vol, o.vals}, "", "  ")
	if err != nil {
		return err
	}
	if err := durable.WriteFile(filepath.Join(staged, "repo.json"), info, 0o644); err != nil {
		return err
	}
	if err := blob.PublishDir(staged, dir); err != nil {
		return err
	}
	main, err := top.DistRepo(r.TagName, r.ID, "")
	if err != nil || main == dir {
		return err
	}
	// The main volume has a link to it.
	if err := durable.MkdirAll(filepath.Dir(main), 0o755); err != nil {
		return err
	}
	target, err := filepath.Rel(filepath.Dir(main), dir)
	if err != nil {
		return err
	}
	return durable.ReplaceSymlink(target, main)
}

// maxComps bounds an uploaded comps file.
const maxComps = 64 << 20

func copyComps(top *blob.Topdir, upload, dir string) error {
	src, name := path.Split(upload)
	f, err := top.OpenWork(src, name)
	if err != nil {
		return buildsys.Errorf(buildsys.FaultGeneric, "comps file %.200s: %v", upload, err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxComps+1))
	if err != nil {
		return err
	}
	if len(text) > maxComps {
		return buildsys.Errorf(buildsys.FaultGeneric, "comps file %.200s is larger than %d bytes", upload, maxComps)
	}
	if err := durable.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(dir, "comps.xml"), text, 0o644)
}

// kojipkg is what a builder says of a package that it put into a dist repository.
type kojipkg struct {
	ID          int64  `json:"id"`
	Sigkey      string `json:"sigkey"`
	Name        string `json:"name"`
	Version     string `json:"version"`
	Release     string `json:"release"`
	Arch        string `json:"arch"`
	Epoch       *int64 `json:"epoch"`
	Size        int64  `json:"size"`
	PayloadHash string `json:"payloadhash"`
	BuildID     *int64 `json:"build_id"`
}

// hostDistRepoMove moves one architecture of a dist repository into place. The packages that it links to have to be those
// that the database knows.
func hostDistRepoMove(c *Ctx, h *buildsys.Host, a Args) (any, error) {
	r, task, err := c.repoOfHost(h, a.Int("repo_id"))
	if err != nil {
		return nil, err
	}
	from, arch := a.Str("uploadpath"), a.Str("arch")
	if err := c.repoUpload(task, from); err != nil {
		return nil, err
	}
	if err := blob.CheckName("arch", arch); err != nil {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "%v", err)
	}
	top, err := c.Hub.top()
	if err != nil {
		return nil, err
	}
	dir, err := top.DistRepo(r.TagName, r.ID, "")
	if err != nil {
		return nil, err
	}
	archDir := filepath.Join(dir, buildsys.CanonArch(arch))
	if fi, err := os.Stat(archDir); err != nil || !fi.IsDir() {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "Repo arch directory missing: %s", archDir)
	}
	if r.State != buildsys.RepoInit {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "Repo is in state: %s", r.State)
	}
	var files []string
	if err := readUploadedJSON(top, from, "repo_manifest", "Missing repo manifest", &files); err != nil {
		return nil, err
	}
	pkgs := map[string]kojipkg{}
	if err := readUploadedJSON(top, from, "kojipkgs", "Missing kojipkgs file", &pkgs); err != nil {
		return nil, err
	}
	if len(files) > maxRepoFiles {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "repo manifest lists more than %d files", maxRepoFiles)
	}
	links := make(map[string]string, len(pkgs))
	for file, p := range pkgs {
		if links[file], err = c.kojipkgFile(file, p); err != nil {
			return nil, err
		}
	}
	for _, rel := range files {
		if !filepath.IsLocal(rel) {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "repo manifest: invalid file name %.200q", rel)
		}
		dst := filepath.Join(archDir, rel)
		if err := durable.MkdirAll(filepath.Dir(dst), 0o755); err != nil {
			return nil, err
		}
		sub, name := path.Split(rel)
		if err := moveUploaded(top, path.Join(from, sub), name, dst); err != nil {
			return nil, err
		}
	}
	return nil, linkPackages(archDir, links)
}

// linkPackages links packages into Packages/, by the first letter of their names.
func linkPackages(archDir string, links map[string]string) error {
	dirs := map[string]bool{}
	for file, src := range links {
		dir := filepath.Join(archDir, "Packages", strings.ToLower(file[:1]))
		if !dirs[dir] {
			if err := durable.MkdirAll(dir, 0o755); err != nil {
				return err
			}
			dirs[dir] = true
		}
		if err := linkOrCopy(src, filepath.Join(dir, file)); err != nil {
			return err
		}
	}
	for dir := range dirs {
		if err := durable.SyncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

// linkOrCopy links a file, or copies it from another file system. One that is there by a call that was killed stays.
func linkOrCopy(src, dst string) error {
	err := os.Link(src, dst)
	if err == nil {
		return nil
	}
	if errors.Is(err, fs.ErrExist) {
		a, e1 := os.Stat(src)
		b, e2 := os.Stat(dst)
		if e1 == nil && e2 == nil && (os.SameFile(a, b) || a.Size() == b.Size()) {
			return nil
		}
		return buildsys.Errorf(buildsys.FaultGeneric, "File already in repo: %s", dst)
	}
	if !errors.Is(err, syscall.EXDEV) {
		return err
	}
	in, err := durable.OpenRegular(src)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := durable.Create(dst, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := out.ReadFrom(in); err != nil {
		return err
	}
	return out.Commit()
}

// kojipkgFile is the file of a package in a dist repository, which must be what the builder says it is.
func (c *Ctx) kojipkgFile(file string, p kojipkg) (string, error) {
	r, err := c.tx.RPMByID(p.ID)
	if errors.Is(err, store.ErrNotFound) {
		return "", buildsys.Errorf(buildsys.FaultGeneric, "No such rpm: %d", p.ID)
	}
	if err != nil {
		return "", err
	}
	for _, k := range []struct {
		name string
		same bool
	}{
		{"name", p.Name == r.Name}, {"version", p.Version == r.Version}, {"release", p.Release == r.Release}, {"arch", p.Arch == r.Arch},
		{"epoch", equalPtr(p.Epoch, r.Epoch)}, {"size", p.Size == r.Size}, {"payloadhash", p.PayloadHash == r.PayloadHash},
		{"build_id", equalPtr(p.BuildID, r.BuildID)}, {"file", file == r.FileName()},
	} {
		if !k.same {
			return "", buildsys.Errorf(buildsys.FaultGeneric, "kojipkgs entry does not match db: file %.200s, key %s", file, k.name)
		}
	}
	if r.BuildID == nil {
		return "", buildsys.Errorf(buildsys.FaultGeneric, "%.200s belongs to no build of this hub", file)
	}
	b, err := c.findBuild(*r.BuildID, true)
	if err != nil {
		return "", err
	}
	rpm, err := c.Hub.place(b, r)
	if err != nil || p.Sigkey == "" {
		return rpm.Path(), err
	}
	key, err := blob.ParseKey(p.Sigkey)
	if err != nil {
		return "", buildsys.Errorf(buildsys.FaultGeneric, "%v", err)
	}
	return rpm.Signed(key), nil
}

// maxUploadedJSON bounds the lists that builders upload.
const maxUploadedJSON = 512 << 20

func readUploadedJSON(top *blob.Topdir, dir, name, missing string, v any) error {
	f, err := top.OpenWork(dir, name)
	if err != nil {
		return buildsys.Errorf(buildsys.FaultGeneric, "%s", missing)
	}
	defer f.Close()
	if err := json.NewDecoder(io.LimitReader(f, maxUploadedJSON)).Decode(v); err != nil {
		return buildsys.Errorf(buildsys.FaultGeneric, "%s of task output %s: %v", name, dir, err)
	}
	return nil
}

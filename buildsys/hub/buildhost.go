package hub

import (
	"errors"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/blob"
	"github.com/privyseal/privyseal/buildsys/store"
	"github.com/privyseal/privyseal/internal/durable"
)

// buildHostMethods are what a builder tells of the builds it makes.
func buildHostMethods() []Method {
	m := hostMethod
	return []Method{
		m(ModeWrite, "initBuild", "data", "Begin a build for a task of this host: {name, version, release, epoch, task_id, source, extra, draft}. "+
			"A failed or canceled build that left nothing behind is taken over, and the same task may ask again. Returns its id.", initBuild),
		m(ModeDeferred, "completeBuild", "task_id, build_id, srpm, rpms, brmap=None, logs=None", "Import what a build made, from the output of the task and its subtasks, "+
			"and complete it.", completeBuild),
		m(ModeWrite, "failBuild", "task_id, build_id", "Say that a build failed.", failBuild),
		m(ModeDeferred, "moveBuildToScratch", "task_id, srpm, rpms, logs=None", "Keep what a scratch build made, without importing it.", moveBuildToScratch),
	}
}

func initBuild(c *Ctx, h *buildsys.Host, a Args) (any, error) {
	d := Args{"host.initBuild", a.Map("data")}
	t, err := c.hostTask(h, d.Int("task_id"))
	if err != nil {
		return nil, err
	}
	for _, key := range []string{"name", "version", "release"} {
		if d.Nil(key) {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "No %s value for build", key)
		}
	}
	extra, err := encodeJSON(d.Any("extra"))
	if err != nil {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "No such build extra data: %v", err)
	}
	now := c.tx.Now()
	b, err := c.addBuild(newBuild{nvra: nvra{name: d.Str("name"), version: d.Str("version"), release: d.Str("release")}, epoch: d.OptInt("epoch"),
		owner: t.Owner, state: buildsys.BuildBuilding, draft: d.Bool("draft"), task: &t.ID, source: d.OptStr("source"), extra: extra, start: &now})
	if err != nil {
		return nil, err
	}
	return b.ID, c.tx.AddBuildType(b.ID, "rpm")
}

// taskBuild finds the build that a task of the host is making.
func (c *Ctx) taskBuild(h *buildsys.Host, a Args) (*buildsys.Task, *buildsys.Build, error) {
	t, err := c.hostTask(h, a.Int("task_id"))
	if err != nil {
		return nil, nil, err
	}
	b, err := c.findBuild(a.Int("build_id"), true)
	if err != nil {
		return nil, nil, err
	}
	if b.TaskID == nil || *b.TaskID != t.ID {
		return nil, nil, buildsys.Errorf(buildsys.FaultActionNotAllowed, "Task %d does not make build %s", t.ID, b.NVR())
	}
	return t, b, nil
}

func failBuild(c *Ctx, h *buildsys.Host, a Args) (any, error) {
	t, b, err := c.taskBuild(h, a)
	if err != nil {
		return nil, err
	}
	if b.State != buildsys.BuildBuilding {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "cannot update build %d, state: %s", b.ID, b.State)
	}
	if err := c.tx.FinishBuild(b.ID, buildsys.BuildFailed, c.tx.Now()); err != nil {
		return nil, err
	}
	return nil, c.notifyBuilt(t, b.ID)
}

// output is a file that a task wrote: tasks/N/ID/..., relative to work/.
type output struct{ dir, base string }

// taskOutput checks that a path is that of a file which the task or a subtask of it wrote: a stolen builder must not import
// what others uploaded.
func (c *Ctx) taskOutput(t *buildsys.Task, rel string, known map[int64]bool) (output, error) {
	refused := buildsys.Errorf(buildsys.FaultGeneric, "%.200s is no output of task %d or of a subtask of it", rel, t.ID)
	parts := strings.SplitN(rel, "/", 4)
	if len(parts) < 4 {
		return output{}, refused
	}
	id, err := strconv.ParseInt(parts[2], 10, 64)
	if err != nil || strings.Join(parts[:3], "/") != blob.TaskDir(id) {
		return output{}, refused
	}
	for at := id; !known[at]; {
		if at == t.ID {
			break
		}
		p, err := c.tx.TaskByID(at)
		if errors.Is(err, store.ErrNotFound) || err == nil && p.Parent == nil {
			return output{}, refused
		} else if err != nil {
			return output{}, err
		}
		at = *p.Parent // a parent is older than its child, so this ends
	}
	known[id] = true
	dir, base := path.Split(rel)
	return output{strings.TrimSuffix(dir, "/"), base}, nil
}

// buildOutput is what a builder says that a build made, a noarch package that several architectures made once.
type buildOutput struct {
	srpm  output
	rpms  []output
	logs  []keptLog
	paths map[output]string
}

type keptLog struct {
	output
	arch string
}

func (c *Ctx) readOutput(top *blob.Topdir, t *buildsys.Task, a Args) (*buildOutput, error) {
	known := map[int64]bool{}
	o := &buildOutput{paths: map[output]string{}}
	var err error
	if o.srpm, err = c.taskOutput(t, a.Str("srpm"), known); err != nil {
		return nil, err
	}
	o.paths[o.srpm] = a.Str("srpm")
	for _, rel := range a.Strs("rpms") {
		f, err := c.taskOutput(t, rel, known)
		if err != nil {
			return nil, err
		}
		o.paths[f] = rel
		o.rpms = append(o.rpms, f)
	}
	if o.rpms, err = noarchOnce(top, o.rpms); err != nil {
		return nil, err
	}
	logs := Args{a.method, a.Map("logs")}
	for arch := range logs.vals {
		if arch != "" {
			if err := checkArch(arch); err != nil {
				return nil, err
			}
		}
		for _, rel := range logs.Strs(arch) {
			f, err := c.taskOutput(t, rel, known)
			if err != nil {
				return nil, err
			}
			o.logs = append(o.logs, keptLog{f, arch})
		}
	}
	slices.SortFunc(o.logs, func(x, y keptLog) int { return strings.Compare(x.dir+"/"+x.base, y.dir+"/"+y.base) })
	return o, nil
}

// noarchOnce keeps of noarch packages that several architectures made the first, if they are alike.
func noarchOnce(top *blob.Topdir, rpms []output) ([]output, error) {
	first := map[string]output{}
	var kept []output
	for _, f := range rpms {
		if !strings.HasSuffix(f.base, ".noarch.rpm") {
			kept = append(kept, f)
			continue
		}
		one, twice := first[f.base]
		if !twice {
			first[f.base] = f
			kept = append(kept, f)
			continue
		}
		if err := assertAlike(top, one, f); err != nil {
			return nil, err
		}
	}
	return kept, nil
}

func completeBuild(c *Ctx, h *buildsys.Host, a Args) (any, error) {
	t, b, err := c.taskBuild(h, a)
	if err != nil {
		return nil, err
	}
	if b.State != buildsys.BuildBuilding {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "Unable to complete build: state is %s", b.State)
	}
	top, err := c.Hub.top()
	if err != nil {
		return nil, err
	}
	o, err := c.readOutput(top, t, a)
	if err != nil {
		return nil, err
	}
	roots := Args{a.method, a.Map("brmap")}
	for rel := range roots.vals {
		r, err := c.findBuildroot(roots.Int(rel))
		if err != nil {
			return nil, err
		}
		if r.HostID == nil {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "Not a standard buildroot: %d", r.ID)
		}
	}
	args, _ := taskArgs(t) // none where they cannot be read
	data, err := c.policyTaskData(t.Method, args)
	if err != nil {
		return nil, err
	}
	var ids []any
	for rel := range roots.vals {
		ids = append(ids, roots.Int(rel))
	}
	for k, v := range map[string]any{"package": b.PackageName, "version": b.Version, "release": b.Release, "buildroots": ids, "import": true, "import_type": "rpm",
		"user_id": t.Owner} {
		data[k] = v
	}
	vol, volName, err := c.volumeFor(data)
	if err != nil {
		return nil, err
	}
	b.VolumeID, b.VolumeName = vol, volName
	f := &filling{top: top, build: b}
	defer f.close()
	for _, in := range append([]output{o.srpm}, o.rpms...) {
		im, err := c.addRPM(f, in.dir, in.base, roots.OptInt(o.paths[in]), nil)
		if err != nil {
			return nil, err
		}
		if in == o.srpm {
			if !im.source {
				return nil, buildsys.Errorf(buildsys.FaultGeneric, "not a source package: %s", path.Join(top.Work(), in.dir, in.base))
			}
			if !equalPtr(im.epoch, b.Epoch) {
				return nil, buildsys.Errorf(buildsys.FaultGeneric, "Unable to complete build: epoch mismatch (build: %v, rpm: %v)", optional(b.Epoch), optional(im.epoch))
			}
		}
	}
	if f.ring, err = c.keyring(); err != nil {
		return nil, err
	}
	c.release()
	for _, l := range o.logs {
		if err := c.addFile(f, l.dir, l.base, path.Join("data/logs", l.arch, l.base)); err != nil {
			return nil, err
		}
	}
	if err := c.stage(f); err != nil {
		return nil, err
	}
	if err := c.BeginWrite(); err != nil {
		return nil, err
	}
	// What was checked before may have changed meanwhile.
	if h, err = c.callingHost(); err != nil {
		return nil, err
	}
	_, now, err := c.taskBuild(h, a)
	if err != nil {
		return nil, err
	}
	if now.State != buildsys.BuildBuilding {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "Unable to complete build: state is %s", now.State)
	}
	if err := c.tx.FinishBuild(b.ID, buildsys.BuildComplete, c.tx.Now()); err != nil {
		return nil, err
	}
	if err := c.tx.SetBuildVolume(b.ID, vol); err != nil {
		return nil, err
	}
	if err := c.record(f, b); err != nil {
		return nil, err
	}
	if b, err = c.tx.BuildByID(b.ID); err != nil {
		return nil, err
	}
	if err := c.linkVolume(b); err != nil {
		return nil, err
	}
	return buildMap(b), c.notifyBuilt(t, b.ID)
}

// volumeFor asks the policy on which volume a build's files belong.
func (c *Ctx) volumeFor(data policyData) (int64, string, error) {
	name, err := c.policyEval("volume", data)
	if err != nil {
		c.Log.Error("volume policy", "err", err)
		name = blob.DefaultVolume
	}
	id, name, err := c.tx.LookupName(store.Volumes, name)
	if errors.Is(err, store.ErrNotFound) {
		c.Log.Error("volume policy names a volume that is not there: the default one is taken", "volume", name)
		return 0, blob.DefaultVolume, nil
	}
	return id, name, err
}

func moveBuildToScratch(c *Ctx, h *buildsys.Host, a Args) (any, error) {
	t, err := c.hostTask(h, a.Int("task_id"))
	if err != nil {
		return nil, err
	}
	top, err := c.Hub.top()
	if err != nil {
		return nil, err
	}
	o, err := c.readOutput(top, t, a)
	if err != nil {
		return nil, err
	}
	u, err := c.tx.UserByID(t.Owner)
	if err != nil {
		return nil, err
	}
	c.release()
	type kept struct {
		output
		staged *durable.File
	}
	var files []kept
	defer func() {
		for _, f := range files {
			f.staged.Close()
		}
	}()
	add := func(in output, rel string) error {
		up, err := openUpload(top, in.dir, in.base)
		if err != nil {
			return err
		}
		defer up.Close()
		staged, err := top.StageScratch(up, strings.ReplaceAll(u.Name, "/", "_"), t.ID, rel)
		if err != nil {
			return diskFault(err)
		}
		files = append(files, kept{in, staged})
		return nil
	}
	for _, in := range append([]output{o.srpm}, o.rpms...) {
		if err := add(in, in.base); err != nil {
			return nil, err
		}
	}
	for _, l := range o.logs {
		if err := add(l.output, path.Join("logs", l.arch, l.base)); err != nil {
			return nil, err
		}
	}
	for _, f := range files {
		if err := f.staged.Commit(); err != nil {
			return nil, diskFault(err)
		}
		if err := top.LinkUpload(f.dir, f.base, f.staged.Path()); err != nil {
			return nil, diskFault(err)
		}
	}
	return nil, nil
}

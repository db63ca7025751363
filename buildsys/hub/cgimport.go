package hub

import (
	"errors"
	"os"
	"path"
	"strings"
	"time"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/blob"
	"github.com/privyseal/privyseal/buildsys/store"
)

func cgImport(c *Ctx, a Args) (any, error) {
	m, err := c.readMetadata(a)
	if err != nil {
		return nil, err
	}
	cg, err := c.cgOf(m)
	if err != nil {
		return nil, err
	}
	n, err := c.cgBuildOf(m, cg, a.Any("token"))
	if err != nil {
		return nil, err
	}
	used := map[string]bool{}
	metadataOnly := false
	for i := range m.Output {
		o := &m.Output[i]
		used[string(o.Buildroot)] = true
		metadataOnly = metadataOnly || o.MetadataOnly
		switch {
		case o.MetadataOnly && o.Type == "rpm":
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "Metadata-only imports are not supported for rpms")
		case o.Type == "rpm" && o.Subdir != nil && *o.Subdir != "":
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "subdir field not allowed for rpm outputs")
		case o.Type != "rpm" && o.Type != "log":
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "output %s is of type %s: this hub keeps rpms and logs", o.Filename, o.Type)
		case o.Subdir != nil && *o.Subdir != "" && !strings.HasPrefix(path.Join("logs", *o.Subdir), "logs/"):
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "output %s: subdir %.80q leads out of the directory of logs", o.Filename, *o.Subdir)
		}
	}
	seen := map[string]bool{}
	for i := range m.Buildroots {
		id := string(m.Buildroots[i].ID)
		if !used[id] {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "Buildroot id not used in output: %s", id)
		}
		if seen[id] {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "Duplicate buildroot id in metadata: %s", id)
		}
		seen[id] = true
	}
	for id := range used {
		if !seen[id] {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "Missing buildroot metadata for id %s", id)
		}
	}
	types := []any{}
	for t := range m.Build.typeInfos {
		if ok, err := c.tx.BuildTypeExists(t); err != nil || !ok {
			if err == nil {
				err = buildsys.Errorf(buildsys.FaultGeneric, "No such entry in table btype: %s", t)
			}
			return nil, err
		}
		types = append(types, t)
	}
	if err := c.policyAssertElse("cg_import", policyData{"package": n.name, "version": n.version, "release": n.release, "btypes": types,
		"source": optional(n.source), "draft": n.draft, "metadata_only": metadataOnly, "cg_list": []any{cg}}, "deny", false); err != nil {
		return nil, err
	}
	vol, volName, err := c.volumeFor(policyData{"package": n.name, "version": n.version, "release": n.release, "source": optional(n.source),
		"cg_list": []any{cg}, "import": true, "import_type": "cg", "user_id": c.UserID()})
	if err != nil {
		return nil, err
	}
	n.volume = vol
	top, err := c.Hub.top()
	if err != nil {
		return nil, err
	}
	ring, err := c.keyring()
	if err != nil {
		return nil, err
	}
	f := &cgFilling{filling: filling{top: top, ring: ring}, m: m, dir: a.Str("directory"), roots: map[*importing]string{}}
	defer f.close()
	// What is copied and checked before others have to wait needs a place that is known and that nothing is cleared from.
	if f.build, err = c.cgExpected(m, n); err != nil {
		return nil, err
	}
	early := f.build != nil
	if early {
		f.build.VolumeID, f.build.VolumeName = vol, volName
		if f.place, err = c.cgPlace(f.build); err != nil {
			return nil, err
		}
		if err := c.cgAddRPMs(f); err != nil {
			return nil, err
		}
	}
	c.release()
	for i := range m.Output {
		if o := &m.Output[i]; !o.MetadataOnly {
			if err := c.checkOutput(o.dir(f.dir), o); err != nil {
				return nil, err
			}
		}
	}
	if early {
		if err := c.cgStage(f); err != nil {
			return nil, c.cgUndone(f, err)
		}
	}
	b, err := c.cgCommit(f, n, a.Any("token"), cg, vol, volName, early)
	if err != nil {
		return nil, c.cgUndone(f, err)
	}
	return buildMap(b), c.linkVolume(b)
}

// cgFilling is a build that a content generator made, on its way in.
type cgFilling struct {
	filling
	m     *cgMetadata
	dir   string                // of the uploads
	place blob.Build            // where its files belong
	roots map[*importing]string // which build root of the metadata a package was made in
}

// cgExpected is the build as it will be, as far as its files need it: the one that was reserved, or a new one. It is nil where
// the place of the files is known in the writing transaction only: a draft's has its id in it, and what a failed build left
// there is cleared away first.
func (c *Ctx) cgExpected(m *cgMetadata, n *newBuild) (*buildsys.Build, error) {
	if m.Build.ID != nil && *m.Build.ID != 0 {
		return c.tx.BuildByID(*m.Build.ID)
	}
	if n.draft {
		return nil, nil
	}
	if err := c.checkNVR(n.nvra); err != nil {
		return nil, err
	}
	_, err := c.tx.BuildByNVR(n.name, n.version, n.release)
	if errors.Is(err, store.ErrNotFound) {
		return &buildsys.Build{PackageName: n.name, Version: n.version, Release: n.release}, nil
	}
	return nil, err
}

// cgPlace is where the files of an import belong, where there must be nothing yet.
func (c *Ctx) cgPlace(b *buildsys.Build) (blob.Build, error) {
	place, err := c.Hub.buildPlace(b)
	if err == nil && place.Exists() {
		err = buildsys.Errorf(buildsys.FaultGeneric, "Destination directory already exists: %s", place.Dir())
	}
	return place, err
}

// cgUndone takes back the directories that a failed import made, unless there is something in them by now.
func (c *Ctx) cgUndone(f *cgFilling, why error) error {
	f.close()
	if err := f.place.Prune(); err != nil {
		c.Log.Warn("directories of a failed import not removed", "dir", f.place.Dir(), "err", err)
	}
	return why
}

// cgCommit puts an import on record.
func (c *Ctx) cgCommit(f *cgFilling, n *newBuild, token any, cg, vol int64, volName string, staged bool) (*buildsys.Build, error) {
	if err := c.BeginWrite(); err != nil {
		return nil, err
	}
	if _, _, err := c.assertCG(cg); err != nil {
		return nil, err
	}
	b, err := c.cgRecord(f.m, n, token, cg)
	if err != nil {
		return nil, err
	}
	b.VolumeID, b.VolumeName = vol, volName
	if !staged {
		f.build = b
		if f.place, err = c.cgPlace(b); err != nil {
			return nil, err
		}
		if err := c.cgAddRPMs(f); err != nil {
			return nil, err
		}
		if err := c.cgStage(f); err != nil {
			return nil, err
		}
	}
	if err := c.cgFill(f, b); err != nil {
		// The name is this import's, since its record is: nobody else's files are there.
		if rerr := f.place.Remove(); rerr != nil {
			c.Log.Warn("files of a failed import not removed", "dir", f.place.Dir(), "err", rerr)
		}
		return nil, err
	}
	return c.tx.BuildByID(b.ID)
}

// cgBuildOf is the build that the metadata tells of; one that it names by id must be reserved with the token.
func (c *Ctx) cgBuildOf(m *cgMetadata, cg int64, token any) (*newBuild, error) {
	mb := &m.Build
	n := &newBuild{nvra: nvra{name: mb.Name, version: mb.Version, release: mb.Release}, epoch: mb.Epoch, owner: c.UserID(), draft: mb.Draft,
		state: buildsys.BuildComplete, source: mb.Source, cg: &cg}
	refused := func(format string, args ...any) error { return buildsys.Errorf(buildsys.FaultGeneric, format, args...) }
	task, err := mb.task()
	if err != nil {
		return nil, err
	}
	n.task = task
	switch {
	case mb.ID != nil && *mb.ID != 0:
		b, err := c.findBuild(*mb.ID, true)
		if err != nil {
			return nil, err
		}
		if err := c.assertReserved(b, cg, token); err != nil {
			return nil, err
		}
		release, err := finalRelease(b)
		if err != nil {
			return nil, err
		}
		switch {
		case b.TaskID != nil && !equalPtr(b.TaskID, task):
			return nil, refused("Build is owned by task %d", *b.TaskID)
		case b.Draft != mb.Draft:
			return nil, refused("Draft field does not match reservation (build id = %d)", b.ID)
		case b.PackageName != mb.Name || b.Version != mb.Version || release != mb.Release:
			return nil, refused("Build (%d) NVR is different", b.ID)
		case mb.hasEpoch && !equalPtr(b.Epoch, mb.Epoch):
			return nil, refused("Build (%d) epoch is different", b.ID)
		}
		n.epoch = b.Epoch
	case token != nil:
		return nil, refused("Reservation token given, but no build_id in metadata")
	default:
		b, err := c.findBuild(map[string]any{"name": mb.Name, "version": mb.Version, "release": mb.Release}, false)
		if err != nil {
			return nil, err
		}
		if b != nil && b.State != buildsys.BuildCanceled && b.State != buildsys.BuildFailed {
			return nil, refused("Build already exists: %s (id=%d)", b.NVR(), b.ID)
		}
	}
	start, end := time.UnixMicro(int64(*mb.Start*1e6)), time.UnixMicro(int64(*mb.End*1e6))
	n.start, n.done = &start, &end
	if mb.Owner != nil && *mb.Owner != "" {
		u, err := c.findUser(*mb.Owner, true)
		if err != nil {
			return nil, err
		}
		n.owner = u.ID
	}
	if mb.Extra == nil {
		mb.Extra = map[string]any{}
	}
	mb.typeInfos, _ = mb.Extra["typeinfo"].(map[string]any)
	if mb.typeInfos == nil {
		mb.typeInfos = map[string]any{}
	}
	for _, t := range []string{"maven", "win", "image"} { // which may stand outside
		if v, ok := mb.Extra[t]; ok {
			if _, twice := mb.typeInfos[t]; twice {
				return nil, refused("Duplicate typeinfo for '%s'", t)
			}
			mb.typeInfos[t] = v
		}
	}
	mb.Extra["typeinfo"] = mb.typeInfos
	if n.extra, err = encodeJSON(mb.Extra); err != nil {
		return nil, refused("Invalid metadata, cannot encode: %v", err)
	}
	return n, nil
}

// task is the task that a build comes from, which may stand in two places.
func (b *cgBuild) task() (*int64, error) {
	v, ok := b.Extra["container_koji_task_id"]
	if !ok {
		return b.Task, nil
	}
	id, ok := asInt(v)
	if !ok {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "metadata: container_koji_task_id is no number")
	}
	if b.Task != nil && *b.Task != id {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "CG provided non-matching task_id %d and container_koji_task_id %d", *b.Task, id)
	}
	return &id, nil
}

// cgRecord makes the build, or completes the one that was reserved.
func (c *Ctx) cgRecord(m *cgMetadata, n *newBuild, token any, cg int64) (*buildsys.Build, error) {
	if m.Build.ID == nil || *m.Build.ID == 0 {
		return c.addBuild(*n)
	}
	b, err := c.findBuild(*m.Build.ID, true)
	if err != nil {
		return nil, err
	}
	if err := c.assertReserved(b, cg, token); err != nil { // again, since it may have been given back meanwhile
		return nil, err
	}
	now := c.tx.Now()
	b.State, b.Completion, b.Epoch, b.Source, b.Extra, b.OwnerID, b.TaskID, b.VolumeID = n.state, &now, n.epoch, n.source, n.extra, n.owner, n.task, n.volume
	if err := c.tx.UpdateReserved(b); err != nil {
		return nil, err
	}
	return b, c.tx.EndReservation(b.ID)
}

// cgAddRPMs reads the headers of the packages.
func (c *Ctx) cgAddRPMs(f *cgFilling) error {
	for i := range f.m.Output {
		o := &f.m.Output[i]
		if o.MetadataOnly || o.Type != "rpm" {
			continue
		}
		extra, err := encodeJSON(o.Extra)
		if err != nil {
			return err
		}
		im, err := c.addRPM(&f.filling, o.dir(f.dir), o.Filename, nil, extra)
		if err != nil {
			return err
		}
		f.roots[im] = string(o.Buildroot)
	}
	return nil
}

// cgStage copies logs and packages into the topdir, hidden, and checks the packages.
func (c *Ctx) cgStage(f *cgFilling) error {
	for i := range f.m.Output {
		o := &f.m.Output[i]
		if o.MetadataOnly || o.Type == "rpm" {
			continue
		}
		if err := c.addFile(&f.filling, o.dir(f.dir), o.Filename, o.logPath()); err != nil {
			return err
		}
	}
	return c.stage(&f.filling)
}

// cgFill records the build roots and the files, and gives the files their names.
func (c *Ctx) cgFill(f *cgFilling, b *buildsys.Build) error {
	roots := map[string]int64{}
	for i := range f.m.Buildroots {
		br := &f.m.Buildroots[i]
		id, err := c.cgBuildroot(br, *b.CGID)
		if err != nil {
			return err
		}
		roots[string(br.ID)] = id
	}
	for im, root := range f.roots {
		id := roots[root]
		im.rpm.BuildrootID = &id
	}
	for t := range f.m.Build.typeInfos {
		if err := c.tx.AddBuildType(b.ID, t); err != nil {
			return err
		}
	}
	if err := c.record(&f.filling, b); err != nil {
		return err
	}
	return diskFault(writeMetadata(f.place, f.m.raw))
}

func writeMetadata(place blob.Build, raw []byte) error {
	tmp, err := os.CreateTemp("", "metadata")
	if err != nil {
		return err
	}
	defer tmp.Close()
	_ = os.Remove(tmp.Name()) // it lives as long as it is open
	if _, err := tmp.Write(raw); err != nil {
		return err
	}
	f, err := place.StageFile(tmp, "metadata.json")
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Commit()
}

// cgBuildroot puts a build root on record. Packages in it that the hub does not know, or knows otherwise, are left out, as
// in Koji: they came from elsewhere.
func (c *Ctx) cgBuildroot(br *cgBuildroot, cg int64) (int64, error) {
	extra, err := encodeJSON(br.Extra)
	if err != nil {
		return 0, err
	}
	row := &store.Buildroot{Type: buildsys.BuildrootExternal, CGID: &cg, CGVersion: &br.CG.Version, ContainerType: &br.Container.Type,
		ContainerArch: &br.Container.Arch, HostOS: &br.Host.OS, HostArch: &br.Host.Arch, Extra: extra}
	if err := c.tx.InsertBuildroot(row); err != nil {
		return 0, err
	}
	if len(br.Components) > maxInstalled {
		return 0, buildsys.Errorf(buildsys.FaultParameter, "more than %d packages in a build root", maxInstalled)
	}
	var ids []int64
	for i := range br.Components {
		p := &br.Components[i]
		switch {
		case p.Type == "file" || p.Type == "kojifile":
			continue // this hub keeps no such files
		case p.Type != "rpm":
			return 0, buildsys.Errorf(buildsys.FaultGeneric, "No such component type: %.40s", p.Type)
		case p.Location != nil:
			return 0, buildsys.Errorf(buildsys.FaultGeneric, "External rpms not allowed")
		}
		r, err := c.findRPM(map[string]any{"name": p.Name, "version": p.Version, "release": p.Release, "arch": p.Arch}, false)
		if err != nil {
			return 0, err
		}
		if r == nil || r.PayloadHash != p.SigMD5 {
			c.Log.Warn("component of a build root is not known", "rpm", strings.Join([]string{p.Name, p.Version, p.Release, p.Arch}, "-"))
			continue
		}
		if r.Draft {
			return 0, buildsys.Errorf(buildsys.FaultGeneric, "Draft rpm not supported")
		}
		ids = append(ids, r.ID)
	}
	if err := c.tx.AddToBuildroot(row.ID, ids, false); err != nil {
		return 0, err
	}
	tools := make([][2]string, len(br.Tools))
	for i, t := range br.Tools {
		tools[i] = [2]string{t.Name, t.Version}
	}
	return row.ID, c.tx.SetBuildrootTools(row.ID, tools)
}

package hub

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/blob"
	"github.com/privyseal/privyseal/buildsys/store"
	"github.com/privyseal/privyseal/internal/durable"
)

// maxBuildFiles bounds how many files a build is completed with.
const maxBuildFiles = 50_000

// filling is a build that gets all its files at once: staged and checked first, while others may write to the database, then
// put on record and given their names in one transaction. Cut off before its end, it leaves files that nobody knows, which
// the next try replaces.
type filling struct {
	top   *blob.Topdir
	build *buildsys.Build
	ring  *keyring
	rpms  []fillRPM
	files []fillFile
	batch *blob.Batch
}

type fillRPM struct {
	*importing
	dir, base string // of the upload
	staged    *durable.File
}

// fillFile is a log, or another file that is kept as it is.
type fillFile struct {
	dir, base string
	staged    *durable.File
}

func (f *filling) close() {
	for _, r := range f.rpms {
		if r.staged != nil {
			r.staged.Close()
		}
	}
	for _, l := range f.files {
		l.staged.Close()
	}
	if f.batch != nil {
		f.batch.Abort()
	}
}

// openUpload opens an upload, with words for those who did not upload it.
func openUpload(top *blob.Topdir, dir, base string) (*os.File, error) {
	up, err := top.OpenWork(dir, base)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "No such file: %s", path.Join(top.Work(), dir, base))
	} else if err != nil {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "upload %s: %v", path.Join(dir, base), err)
	}
	return up, nil
}

// addRPM reads an uploaded package, which must be one that the build's source package makes.
func (c *Ctx) addRPM(f *filling, dir, base string, buildroot *int64, extra *string) (*importing, error) {
	if len(f.rpms)+len(f.files) >= maxBuildFiles {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "more than %d files in a build", maxBuildFiles)
	}
	up, err := openUpload(f.top, dir, base)
	if err != nil {
		return nil, err
	}
	defer up.Close()
	im, err := c.newImport(up, base)
	if err != nil {
		return nil, err
	}
	b := f.build
	release, err := finalRelease(b)
	if err != nil {
		return nil, err
	}
	want := nvra{name: b.PackageName, version: b.Version, release: release, arch: im.build.arch} // of which source package
	if im.build != want {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "srpm mismatch for %s: %s-%s-%s (expected %s-%s-%s)", base, im.build.name, im.build.version, im.build.release,
			want.name, want.version, want.release)
	}
	if err := im.into(c.Hub, b); err != nil {
		return nil, err
	}
	if err := c.assertNew(im); err != nil {
		return nil, err
	}
	im.rpm.BuildrootID, im.rpm.Extra = buildroot, extra
	f.rpms = append(f.rpms, fillRPM{importing: im, dir: dir, base: base})
	return im, nil
}

// addFile stages a file of the build that is no package.
func (c *Ctx) addFile(f *filling, dir, base, rel string) error {
	if len(f.rpms)+len(f.files) >= maxBuildFiles {
		return buildsys.Errorf(buildsys.FaultGeneric, "more than %d files in a build", maxBuildFiles)
	}
	for _, p := range strings.Split(rel, "/") {
		if err := blob.CheckName("file", p); err != nil {
			return buildsys.Errorf(buildsys.FaultGeneric, "%v", err)
		}
	}
	up, err := openUpload(f.top, dir, base)
	if err != nil {
		return err
	}
	defer up.Close()
	place, err := c.Hub.buildPlace(f.build)
	if err != nil {
		return err
	}
	staged, err := place.StageFile(up, rel)
	if err != nil {
		return diskFault(err)
	}
	f.files = append(f.files, fillFile{dir, base, staged})
	return nil
}

// stage copies the packages into the topdir, hidden, and checks the copies: digests, and signatures by the keys that are known.
func (c *Ctx) stage(f *filling) error {
	f.batch = f.top.NewBatch()
	for i := range f.rpms {
		r := &f.rpms[i]
		up, err := openUpload(f.top, r.dir, r.base)
		if err != nil {
			return err
		}
		r.staged, err = r.place().Stage(up)
		up.Close()
		if err != nil {
			return diskFault(err)
		}
		if err := r.check(f.ring, r.staged); err != nil {
			return err
		}
		key, err := blob.ParseKey(r.v.sigkey)
		if err != nil {
			return err
		}
		if err := f.batch.AddSigHeader(r.place(), key, r.pkg.SigHeaderBytes()); err != nil {
			return diskFault(err)
		}
	}
	return diskFault(f.batch.Sync())
}

// record puts the packages on record and gives the files their names.
func (c *Ctx) record(f *filling, b *buildsys.Build) error {
	now, err := c.keyring()
	if err != nil {
		return err
	}
	for i := range f.rpms {
		r := &f.rpms[i]
		if now != f.ring && r.v.state == buildsys.SignatureUnknownKey { // the key may have been added meanwhile
			if err := r.check(now, r.staged); err != nil {
				return err
			}
		}
		if err := c.assertNew(r.importing); err != nil {
			return err
		}
		if err := c.recordImport(r.importing, b); err != nil {
			return err
		}
	}
	if err := f.batch.Publish(); err != nil {
		return diskFault(err)
	}
	for i := range f.rpms {
		if err := f.rpms[i].staged.Commit(); err != nil {
			return diskFault(err)
		}
	}
	for _, l := range f.files {
		if err := l.staged.Commit(); err != nil {
			return diskFault(err)
		}
	}
	top, log := f.top, c.Log
	rpms, files := slices.Clone(f.rpms), slices.Clone(f.files)
	c.tx.AfterCommit(func() {
		// What was imported is kept once: the uploads become links.
		for _, r := range rpms {
			if err := top.ReplaceUpload(r.dir, r.base, r.place()); err != nil {
				log.Warn("upload not replaced by a link to the imported file", "file", path.Join(r.dir, r.base), "err", err)
			}
		}
		for _, l := range files {
			if err := top.LinkUpload(l.dir, l.base, l.staged.Path()); err != nil {
				log.Warn("upload not replaced by a link to the kept file", "file", path.Join(l.dir, l.base), "err", err)
			}
		}
	})
	return nil
}

// linkVolume makes a build on another volume be found on the default one.
func (c *Ctx) linkVolume(b *buildsys.Build) error {
	links, err := c.buildLinks(b)
	if err != nil || len(links) == 0 {
		return err
	}
	to, err := c.Hub.buildPlace(b)
	if err != nil || b.VolumeName == blob.DefaultVolume {
		return err
	}
	if fi, err := os.Lstat(links[0].Dir()); err == nil && fi.Mode()&fs.ModeSymlink == 0 {
		return fmt.Errorf("%s is in the way of the link to volume %s", links[0].Dir(), b.VolumeName)
	}
	return diskFault(links[0].LinkTo(to))
}

// buildLinks are where links to a build may be: on the default volume if it is on another one, which is the first, and
// where it was while it was a draft.
func (c *Ctx) buildLinks(b *buildsys.Build) ([]blob.Build, error) {
	top, err := c.Hub.top()
	if err != nil {
		return nil, err
	}
	var out []blob.Build
	add := func(release, volume string) error {
		p, err := top.Build(b.PackageName, b.Version, release, volume)
		out = append(out, p)
		return err
	}
	if b.VolumeName != blob.DefaultVolume {
		if err := add(b.Release, blob.DefaultVolume); err != nil {
			return nil, err
		}
	}
	if b.Draft || b.Promotion == nil {
		return out, nil
	}
	vols, err := c.tx.NamesIn(store.Volumes)
	if err != nil {
		return nil, err
	}
	for _, v := range vols {
		if err := add(b.Release+draftMark+strconv.FormatInt(b.ID, 10), v.Name); err != nil {
			return nil, err
		}
	}
	return out, nil
}

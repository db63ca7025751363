package hub

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"strconv"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/blob"
	"github.com/privyseal/privyseal/buildsys/store"
	"github.com/privyseal/privyseal/internal/durable"
	"github.com/privyseal/privyseal/internal/rpmhead"
)

func importMethods() []Method {
	return []Method{
		{Name: "addExternalRPM", Perm: "admin", Args: "rpminfo, external_repo, strict=True", Mode: ModeWrite, Fn: func(c *Ctx, a Args) (any, error) {
			_, err := c.externalRPM(a.Map("rpminfo"), a.Str("external_repo"), a.Bool("strict"))
			return nil, err
		}, Doc: "Put an rpm of an external repository on record. With strict it must not be on record yet."},
		{Name: "importRPM", Perm: "admin", Args: "path, basename", Mode: ModeDeferred, Fn: importRPM,
			Doc: "Import an uploaded rpm into its build. A source rpm makes its build if there is none. All digests of header and payload " +
				"are checked, and signatures verified: bad ones are refused, those by keys unknown to the hub are kept but do not count."},
	}
}

func importRPM(c *Ctx, a Args) (any, error) {
	dir, base := a.Str("path"), a.Str("basename")
	top, err := c.Hub.top()
	if err != nil {
		return nil, err
	}
	up, err := openUpload(top, dir, base)
	if err != nil {
		return nil, err
	}
	defer up.Close()
	im, err := c.newImport(up, base)
	if err != nil {
		return nil, err
	}
	if _, err := c.importBuild(im, false); err != nil {
		return nil, err
	}
	ring, err := c.keyring()
	if err != nil {
		return nil, err
	}
	c.release()
	staged, err := im.place().Stage(up)
	if err != nil {
		return nil, diskFault(err)
	}
	defer staged.Close()
	if err := im.check(ring, staged); err != nil {
		return nil, err
	}
	if err := c.BeginWrite(); err != nil {
		return nil, err
	}
	was := im.dir
	b, err := c.importBuild(im, true)
	if err != nil {
		return nil, err
	}
	if im.dir != was {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "%s was moved to another volume while %s was being imported: import it again", b.NVR(), base)
	}
	if im.v.state == buildsys.SignatureUnknownKey {
		// The key may have been added meanwhile, by one who did not see this signature.
		now, err := c.keyring()
		if err != nil {
			return nil, err
		}
		if now != ring {
			if err := im.check(now, staged); err != nil {
				return nil, err
			}
		}
	}
	if err := c.recordImport(im, b); err != nil {
		return nil, err
	}
	// The file before the row: a crash between leaves a whole file that nobody knows, and the next try replaces it.
	place := im.place()
	key, err := blob.ParseKey(im.v.sigkey)
	if err != nil {
		return nil, err
	}
	if err := place.WriteSigHeader(key, im.pkg.SigHeaderBytes()); err != nil {
		return nil, diskFault(err)
	}
	if err := staged.Commit(); err != nil {
		return nil, diskFault(err)
	}
	log := c.Log
	c.tx.AfterCommit(func() {
		if err := top.ReplaceUpload(dir, base, place); err != nil {
			log.Warn("upload not replaced by a link to the imported file", "file", dir+"/"+base, "err", err)
		}
	})
	return im.answer(b), nil
}

// importing is an rpm on its way in.
type importing struct {
	pkg    *rpmhead.Package
	rpm    buildsys.RPM
	build  nvra // the build it belongs to
	epoch  *int64
	source bool
	v      verdict
	dir    blob.Build // where the build's files are
}

// newImport reads the headers of an upload.
func (c *Ctx) newImport(r io.Reader, base string) (*importing, error) {
	pkg, err := rpmhead.Read(r)
	if err != nil {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "%s is not an rpm that can be imported: %v", base, err)
	}
	n := pkg.Header.NEVRA()
	im := &importing{pkg: pkg, source: n.Source}
	if n.Epoch != "" {
		e, err := strconv.ParseInt(n.Epoch, 10, 64)
		if err != nil {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "%s: epoch %q is no number", base, n.Epoch)
		}
		im.epoch = &e
	}
	arch := n.RPMArch()
	if want := n.NVRA() + ".rpm"; base != want {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "bad filename: %s (expected %s)", base, want)
	}
	if !im.source && (arch == "src" || arch == "nosrc") {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "%s: header says architecture %s and names a source rpm it was built from: it cannot be both", base, arch)
	}
	im.build = nvra{name: n.Name, version: n.Version, release: n.Release}
	if !im.source {
		srpm, _ := pkg.Header.String(rpmhead.TagSourceRPM)
		if im.build, err = parseNVRA(srpm); err != nil {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "%s: header names no source rpm it was built from (%q)", base, srpm)
		}
	}
	built, _ := pkg.Header.Uint64(rpmhead.TagBuildTime)
	sum := pkg.Header.SHA256()
	im.rpm = buildsys.RPM{
		Name: n.Name, Version: n.Version, Release: n.Release, Epoch: im.epoch, Arch: arch,
		BuildTime: int64(built), HeaderStart: pkg.HeaderStart, HeaderEnd: pkg.HeaderEnd, HeaderSHA256: hex.EncodeToString(sum[:]),
		Legacy: rpmhead.NeedsPayload(pkg.Header.CheckStrict()),
	}
	im.rpm.PayloadHash = payloadHash(pkg.Signature, im.rpm.HeaderSHA256)
	top, err := c.Hub.top()
	if err != nil {
		return nil, err
	}
	b, err := top.Build(im.build.name, im.build.version, im.build.release, blob.DefaultVolume)
	if err == nil {
		_, err = b.RPM(n.Name, n.Version, n.Release, arch)
	}
	if err != nil {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "%s: %v", base, err)
	}
	im.dir = b
	return im, nil
}

// place is where the package's files will be; newImport made sure that there is such a place.
func (im *importing) place() blob.RPM {
	r, _ := im.dir.RPM(im.rpm.Name, im.rpm.Version, im.rpm.Release, im.rpm.Arch)
	return r
}

// into makes the package one of a build: a draft's files are in a directory of its own.
func (im *importing) into(h *Hub, b *buildsys.Build) error {
	dir, err := h.buildPlace(b)
	im.dir, im.rpm.Draft = dir, b.Draft
	return err
}

// assertNew refuses a package whose name is taken. Those of drafts may have any name, until they are promoted.
func (c *Ctx) assertNew(im *importing) error {
	if im.rpm.Draft {
		return nil
	}
	prev, err := c.tx.RPMByNVRA(im.rpm.Name, im.rpm.Version, im.rpm.Release, im.rpm.Arch)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil
	case err != nil:
		return err
	case prev.ExternalRepoID != 0 || prev.Draft:
		return nil
	case prev.PayloadHash != im.rpm.PayloadHash:
		return buildsys.Errorf(buildsys.FaultGeneric, "a different rpm named %s has already been imported (SIGMD5 %s, yours %s)", prev.NVRA(), prev.PayloadHash, im.rpm.PayloadHash)
	}
	return buildsys.Errorf(buildsys.FaultGeneric, "rpm already imported: %s", prev.NVRA())
}

// importBuild finds the build to import into. With create, a source rpm makes it if need be. Without, it is checked
// only that nothing stands in the way, before the slow part begins.
func (c *Ctx) importBuild(im *importing, create bool) (*buildsys.Build, error) {
	if err := c.assertNew(im); err != nil {
		return nil, err
	}
	n := im.build
	b, err := c.tx.BuildByNVR(n.name, n.version, n.release)
	if errors.Is(err, store.ErrNotFound) {
		switch {
		case !im.source:
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "No such build: %s-%s-%s; import its source rpm first, or create the build (--create-build)", n.name, n.version, n.release)
		case !create:
			return nil, nil
		}
		if b, err = c.importedBuild(n, im.epoch); err != nil {
			return nil, err
		}
		return b, im.into(c.Hub, b)
	} else if err != nil {
		return nil, err
	}
	if b.State != buildsys.BuildComplete && b.State != buildsys.BuildBuilding {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "Build is %s: %s", b.State, b.NVR())
	}
	return b, im.into(c.Hub, b)
}

// check looks at the hub's own copy, which nobody else can change any more.
func (im *importing) check(ring *keyring, f *durable.File) error {
	fi, err := f.OS().Stat()
	if err != nil {
		return err
	}
	im.rpm.Size = fi.Size()
	name := im.rpm.FileName()
	pkg, err := rpmhead.Read(io.NewSectionReader(f, 0, fi.Size()))
	if err != nil || !bytes.Equal(pkg.Header.Bytes(), im.pkg.Header.Bytes()) || !bytes.Equal(pkg.SigHeaderBytes(), im.pkg.SigHeaderBytes()) {
		return buildsys.Errorf(buildsys.FaultGeneric, "%s was changed while it was being imported: upload it again", name)
	}
	whole := func() io.Reader { return io.NewSectionReader(f, pkg.HeaderStart, fi.Size()-pkg.HeaderStart) }
	if err := pkg.CheckDigests(io.NewSectionReader(f, pkg.HeaderEnd, fi.Size()-pkg.HeaderEnd)); err != nil {
		return buildsys.Errorf(buildsys.FaultGeneric, "%s is damaged: %v", name, err)
	}
	im.v, err = ring.judge(pkg.Signature, pkg.Header.Bytes(), whole)
	return about(name, err)
}

// recordImport writes the rows of the package and of the signature it came with, which is none if it came without.
func (c *Ctx) recordImport(im *importing, b *buildsys.Build) error {
	im.rpm.BuildID = &b.ID
	if err := c.tx.InsertRPM(&im.rpm); errors.Is(err, store.ErrExists) {
		return buildsys.Errorf(buildsys.FaultGeneric, "rpm already imported: %s", im.rpm.NVRA())
	} else if err != nil {
		return err
	}
	if err := c.tx.AddBuildType(b.ID, "rpm"); err != nil {
		return err
	}
	sig := sigItem{rpmID: im.rpm.ID, sighdr: im.pkg.SigHeaderBytes(), v: im.v}
	if err := c.tx.InsertSig(sig.sig()); err != nil {
		return err
	}
	tags, err := c.tx.TagIDsOfBuild(b.ID)
	if err != nil {
		return err
	}
	for _, t := range tags {
		if err := c.tx.AddTagUpdate(t, buildsys.TagUpdateImport); err != nil {
			return err
		}
	}
	return nil
}

// answer is what Koji's importRPM returns: a row of its own, not quite getRPM's.
func (im *importing) answer(b *buildsys.Build) map[string]any {
	m := rpmMap(&im.rpm)
	for _, key := range []string{"external_repo_name", "metadata_only", "extra"} {
		delete(m, key)
	}
	m["build"] = buildMap(b)
	m["brootid"] = nil
	if im.source {
		m["sourcepackage"], m["sourcerpm"] = int64(1), nil
		return m
	}
	srpm, _ := im.pkg.Header.String(rpmhead.TagSourceRPM)
	m["sourcepackage"], m["sourcerpm"] = nil, srpm
	return m
}

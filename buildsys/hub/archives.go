package hub

import (
	"encoding/hex"
	"hash"
	"io"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/blob"
	"github.com/privyseal/privyseal/internal/rpmhead"
)

// archiveMethods answer clients that ask for Maven, Windows and image files: there are none, and none can be added.
func archiveMethods() []Method {
	one := func(name, args string) Method {
		return Method{Name: name, Args: args, Doc: "None: this hub keeps no files of builds but RPMs and logs.", Fn: func(_ *Ctx, a Args) (any, error) {
			key := "archive_id"
			if !a.has(key) {
				key = "id"
			}
			if a.has("strict") && a.Bool("strict") {
				return nil, buildsys.Errorf(buildsys.FaultGeneric, "No such archive: %s", plain(a.Any(key)))
			}
			return nil, nil
		}}
	}
	refuse := func(name, perm, args string) Method {
		return Method{Name: name, Perm: perm, Args: args, Doc: "Refused: this hub keeps no such builds.", Fn: func(*Ctx, Args) (any, error) {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "%s is not supported: this hub keeps RPMs", name)
		}}
	}
	files := func(_ *Ctx, a Args) (any, error) {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "No such archive: %s", plain(a.Any("archive_id")))
	}
	return []Method{
		one("getArchive", "archive_id, strict=False"), one("getMavenArchive", "archive_id, strict=False"),
		one("getWinArchive", "archive_id, strict=False"), one("getImageArchive", "archive_id, strict=False"),
		{Name: "listArchiveFiles", Args: "archive_id, queryOpts=None, strict=False", Doc: "A fault: there are no archives.", Fn: files},
		{Name: "getArchiveFile", Args: "archive_id, filename, strict=False", Doc: "A fault: there are no archives.", Fn: files},
		{Name: "listTaggedArchives", Args: "tag, event=None, inherit=False, latest=False, package=None, type=None, strict=True, extra=True",
			Doc: "[none, builds] in a tag.", Fn: listTaggedArchives},
		{Name: "getLatestMavenArchives", Args: "tag, event=None, inherit=True", Doc: "Empty: this hub keeps no Maven builds.", Fn: func(c *Ctx, a Args) (any, error) {
			_, err := c.tagID(a.Any("tag"))
			return []any{}, err
		}},
		refuse("importArchive", "admin|maven-import|win-import|image-import", "filepath, buildinfo, type, typeInfo"),
		refuse("createMavenBuild", "admin|maven-import", "build_info, maven_info"),
		refuse("createWinBuild", "admin|win-import", "build_info, win_info"),
		refuse("createImageBuild", "admin|image-import", "build_info"),
		refuse("mergeScratch", "admin", "task_id"),
		{Name: "getRPMChecksums", Args: "rpm_id, checksum_types=None, cacheonly=False", Mode: ModeDeferred, Fn: getRPMChecksums,
			Doc: "Checksums (md5, sha256) of an rpm's signed copies, and of the file as it was imported, by key: {sigkey: {type: hex}}. With cacheonly, None for each."},
	}
}

func listTaggedArchives(c *Ctx, a Args) (any, error) {
	q, err := c.readTagQuery(a)
	if err != nil || q.tag == 0 {
		return []any{[]any{}, []any{}}, err
	}
	builds, err := c.taggedBuilds(q)
	if err != nil {
		return nil, err
	}
	return []any{[]any{}, taggedBuildRows(builds, false)}, nil
}

// checksums are those that are made of packages.
var checksums = map[string]func() hash.Hash{"md5": verifiers["md5"], "sha1": verifiers["sha1"], "sha256": verifiers["sha256"]}

func getRPMChecksums(c *Ctx, a Args) (any, error) {
	r, b, err := c.internalRPM(a.Int("rpm_id"))
	if err != nil {
		return nil, err
	}
	types := a.Strs("checksum_types")
	if len(types) == 0 {
		types = []string{"md5", "sha256"}
	}
	for _, t := range types {
		if checksums[t] == nil {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "Checksum_type %s isn't supported", t)
		}
	}
	sigs, err := c.tx.SigsOf(r.ID, nil)
	if err != nil {
		return nil, err
	}
	out := map[string]any{}
	if a.Bool("cacheonly") {
		for _, s := range sigs {
			none := map[string]any{}
			for _, t := range types {
				none[t] = nil
			}
			out[s.Sigkey] = none
		}
		return out, nil
	}
	f, err := c.Hub.openRPM(b, r)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	c.release()
	for _, s := range sigs {
		key, err := blob.ParseKey(s.Sigkey)
		if err != nil {
			return nil, err
		}
		sighdr, err := readSigHeader(f.place, key, s)
		if err != nil {
			return nil, err
		}
		if out[s.Sigkey], err = f.checksums(sighdr, types); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// checksums digests the package as it is with another signature header.
func (f *rpmFile) checksums(sighdr []byte, types []string) (map[string]any, error) {
	lead := make([]byte, rpmhead.LeadSize)
	if _, err := f.ReadAt(lead, 0); err != nil {
		return nil, err
	}
	sums := map[string]hash.Hash{}
	var all []io.Writer
	for _, t := range types {
		if sums[t] == nil {
			sums[t] = checksums[t]()
			all = append(all, sums[t])
		}
	}
	w := io.MultiWriter(all...)
	_, _ = w.Write(append(lead, sighdr...)) // digests do not fail
	if _, err := io.Copy(w, f.whole()); err != nil {
		return nil, err
	}
	out := map[string]any{}
	for t, h := range sums {
		out[t] = hex.EncodeToString(h.Sum(nil))
	}
	return out, nil
}

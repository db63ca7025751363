package hub

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/blob"
	"github.com/privyseal/privyseal/buildsys/store"
	"github.com/privyseal/privyseal/internal/durable"
	"github.com/privyseal/privyseal/internal/rpmhead"
)

// rpmContentMethods tell what is in packages, from the headers of the files in the topdir; package rpmhead bounds what is read.
func rpmContentMethods() []Method {
	return []Method{
		{Name: "getRPMDeps", Args: "rpmID, depType=None, queryOpts=None, strict=False", Fn: getRPMDeps,
			Doc: "What an rpm requires (0), provides (1), obsoletes (2), conflicts with (3), suggests (4), enhances (5), supplements (6), recommends (7)."},
		{Name: "listRPMFiles", Args: "rpmID, queryOpts=None", Fn: listRPMFiles, Doc: "The files in an rpm."},
		{Name: "getRPMFile", Args: "rpmID, filename, strict=False", Fn: getRPMFile, Doc: "A file in an rpm by its whole name; an empty struct if there is none, unless strict."},
		{Name: "listBuildRPMs", Args: "build", Doc: "The rpms of a build.", Fn: func(c *Ctx, a Args) (any, error) {
			id, ok := a.Any("build").(int64)
			if !ok {
				b, err := c.findBuild(a.Any("build"), true)
				if err != nil {
					return nil, err
				}
				id = b.ID
			}
			rpms, err := c.tx.RPMs(store.RPMFilter{BuildID: &id})
			if err != nil {
				return nil, err
			}
			out := make([]any, len(rpms))
			for i := range rpms {
				out[i] = rpmListMap(&rpms[i])
			}
			return out, nil
		}},
		{Name: "getChangelogEntries", Args: "buildID=None, taskID=None, filepath=None, author=None, before=None, after=None, queryOpts=None, strict=False",
			Fn: getChangelogEntries, Doc: "The changelog of a build's source rpm, or of an rpm in a task's output: {date, date_ts, author, text}, the newest first."},
	}
}

// noHeader tells why there is no header to read; callers that are not strict answer that there is nothing.
type noHeader struct{ msg string }

func (e *noHeader) Error() string { return e.msg }

// soft is the answer where there is no header: a fault with strict, none else.
func soft(err error, strict bool) error {
	var nh *noHeader
	if !errors.As(err, &nh) {
		return err
	}
	if strict {
		return buildsys.Errorf(buildsys.FaultGeneric, "%s", nh.msg)
	}
	return nil
}

// storedHeader reads the headers of a package of our own.
func (c *Ctx) storedHeader(r *buildsys.RPM, info any) (*rpmhead.Package, error) {
	if r == nil {
		return nil, &noHeader{"No such rpm: " + pyRepr(info)}
	}
	if r.BuildID == nil {
		return nil, &noHeader{"Can not get header, because RPM: " + plain(info) + " is not internal"}
	}
	b, err := c.tx.BuildByID(*r.BuildID)
	if err != nil {
		return nil, err
	}
	place, err := c.Hub.place(b, r)
	if err != nil {
		return nil, err
	}
	return readHeader(place.Path(), plain(info))
}

func readHeader(file, what string) (*rpmhead.Package, error) {
	f, err := durable.OpenRegular(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &noHeader{"RPM file of " + what + " doesn't exist"}
	} else if err != nil {
		return nil, diskFault(err)
	}
	defer f.Close()
	return packageIn(f)
}

// packageIn reads the headers of a package's file.
func packageIn(f *os.File) (*rpmhead.Package, error) {
	pkg, err := rpmhead.Read(f)
	if err != nil {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "%s: %v", path.Base(f.Name()), err)
	}
	return pkg, nil
}

// depKinds are the kinds of dependencies: their tags and Koji's numbers, in the order in which Koji lists them.
var depKinds = []struct {
	id                   int64
	name, version, flags int32
}{
	{0, 1049, 1050, 1048}, {1, 1047, 1113, 1112}, {3, 1054, 1055, 1053}, {2, 1090, 1115, 1114},
	{4, 5049, 5050, 5051}, {5, 5055, 5056, 5057}, {6, 5052, 5053, 5054}, {7, 5046, 5047, 5048},
}

// limitRows applies queryOpts to rows; with asList they are lists of the named members.
func limitRows(rows []map[string]any, opts map[string]any, columns ...string) (any, error) {
	asList := truth(opts["asList"])
	if asList {
		rest := map[string]any{}
		for k, v := range opts {
			if k != "asList" {
				rest[k] = v
			}
		}
		opts = rest
	}
	v, err := applyOpts(rows, opts)
	list, ok := v.([]any)
	if err != nil || !asList || !ok {
		return v, err
	}
	for i, r := range list {
		row := make([]any, len(columns))
		for j, col := range columns {
			row[j] = r.(map[string]any)[col]
		}
		list[i] = row
	}
	return list, nil
}

func getRPMDeps(c *Ctx, a Args) (any, error) {
	cols := []string{"name", "version", "flags", "type"}
	r, err := c.findRPM(a.Any("rpmID"), a.Bool("strict"))
	if err != nil {
		return nil, err
	}
	pkg, err := c.storedHeader(r, a.Any("rpmID"))
	if pkg == nil {
		if err := soft(err, a.Bool("strict")); err != nil {
			return nil, err
		}
		return limitRows(nil, a.Map("queryOpts"), cols...)
	}
	want := a.OptInt("depType")
	var rows []map[string]any
	for _, k := range depKinds {
		if want != nil && *want != k.id {
			continue
		}
		versions, flags := pkg.Header.Strings(k.version), pkg.Header.Uint64s(k.flags)
		for i, name := range pkg.Header.Strings(k.name) {
			if i >= len(versions) || i >= len(flags) {
				break
			}
			rows = append(rows, map[string]any{"name": printable(name), "version": printable(versions[i]), "flags": int64(flags[i]), "type": k.id})
		}
	}
	return limitRows(rows, a.Map("queryOpts"), cols...)
}

// fileDigests are the names of the algorithms that digests of files are made with.
var fileDigests = map[uint64]string{1: "md5", 2: "sha1", 3: "ripemd160", 8: "sha256", 9: "sha384", 10: "sha512", 11: "sha224"}

// packaged is a file in a package.
type packaged struct {
	name, digest, user, group, link string
	size, flags, mtime, mode        int64
}

// filesOf lists the files of a package and names the algorithm of their digests.
func filesOf(h *rpmhead.Header) ([]packaged, string) {
	algo := "md5"
	if n, ok := h.Uint64(5011); ok {
		if algo = fileDigests[n]; algo == "" {
			algo = "unknown"
		}
	}
	names := h.Strings(1027) // of packages that are very old
	if base := h.Strings(1117); base != nil {
		dirs, index := h.Strings(1118), h.Uint64s(1116)
		names = make([]string, 0, len(base))
		for i, b := range base {
			if i >= len(index) || index[i] >= uint64(len(dirs)) {
				break
			}
			names = append(names, dirs[index[i]]+b)
		}
	}
	text := func(tag int32) func(int) string {
		v := h.Strings(tag)
		return func(i int) string {
			if i < len(v) {
				return printable(v[i])
			}
			return ""
		}
	}
	number := func(tags ...int32) func(int) int64 {
		var v []uint64
		for _, t := range tags {
			if v = h.Uint64s(t); v != nil {
				break
			}
		}
		return func(i int) int64 {
			if i < len(v) {
				return int64(v[i])
			}
			return 0
		}
	}
	digest, user, group, link := text(1035), text(1039), text(1040), text(1036)
	size, flags, mtime, mode := number(1028, 5008), number(1037), number(1034), number(1030)
	out := make([]packaged, len(names))
	for i, n := range names {
		out[i] = packaged{printable(n), digest(i), user(i), group(i), link(i), size(i), flags(i), mtime(i), mode(i)}
	}
	return out, algo
}

func (f *packaged) row(algo string) map[string]any {
	return map[string]any{"name": f.name, "digest": f.digest, "md5": f.digest, "digest_algo": algo, "size": f.size, "flags": f.flags,
		"user": f.user, "group": f.group, "mtime": f.mtime, "mode": f.mode}
}

func listRPMFiles(c *Ctx, a Args) (any, error) {
	cols := []string{"name", "digest", "size", "flags", "digest_algo", "user", "group", "mtime", "mode"}
	r, err := c.findRPM(a.Any("rpmID"), false)
	if err != nil {
		return nil, err
	}
	pkg, err := c.storedHeader(r, a.Any("rpmID"))
	if pkg == nil {
		if err := soft(err, false); err != nil {
			return nil, err
		}
		return limitRows(nil, a.Map("queryOpts"), cols...)
	}
	files, algo := filesOf(pkg.Header)
	rows := make([]map[string]any, len(files))
	for i := range files {
		rows[i] = files[i].row(algo)
	}
	return limitRows(rows, a.Map("queryOpts"), cols...)
}

func getRPMFile(c *Ctx, a Args) (any, error) {
	strict, none := a.Bool("strict"), map[string]any{}
	r, err := c.findRPM(a.Any("rpmID"), strict)
	if err != nil {
		return nil, err
	}
	pkg, err := c.storedHeader(r, a.Any("rpmID"))
	if pkg == nil {
		return none, soft(err, strict)
	}
	files, algo := filesOf(pkg.Header)
	for i := range files {
		if files[i].name == a.Str("filename") {
			row := files[i].row(algo)
			row["rpm_id"] = r.ID
			return row, nil
		}
	}
	if strict {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "No file: %s found in RPM: %s", a.Str("filename"), plain(a.Any("rpmID")))
	}
	return none, nil
}

// sourceHeader finds the package that a changelog is asked of.
func (c *Ctx) sourceHeader(a Args) (*rpmhead.Package, error) {
	switch {
	case truth(a.Any("buildID")):
		b, err := c.findBuild(a.Any("buildID"), false)
		if err != nil {
			return nil, err
		}
		if b == nil {
			return nil, &noHeader{"No such build: " + plain(a.Any("buildID"))}
		}
		rpms, err := c.tx.RPMs(store.RPMFilter{BuildID: &b.ID, Arches: []string{"src"}})
		if err != nil {
			return nil, err
		}
		if len(rpms) == 0 {
			return nil, &noHeader{"Build " + plain(a.Any("buildID")) + " doesn't have srpms"}
		}
		return c.storedHeader(&rpms[0], rpms[0].NVRA())
	case truth(a.Any("taskID")):
		file := a.OptStr("filepath")
		if file == nil || *file == "" {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "filepath must be specified with taskID")
		}
		top, err := c.Hub.top()
		if err != nil {
			return nil, err
		}
		f, err := openTaskOutput(top, blob.DefaultVolume, a.Int("taskID"), *file)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, &noHeader{"SRPM " + *file + " doesn't exist"}
		case err != nil:
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "Invalid filepath: %s", *file)
		}
		defer f.Close()
		return packageIn(f)
	}
	return nil, buildsys.Errorf(buildsys.FaultGeneric, "either buildID or taskID and filepath must be specified")
}

func getChangelogEntries(c *Ctx, a Args) (any, error) {
	cols := []string{"date", "author", "text"}
	opts := a.Map("queryOpts")
	if order, _ := opts["order"].(string); order == "date" || order == "-date" {
		opts["order"] = order + "_ts" // by time, not by how it is written
	}
	pkg, err := c.sourceHeader(a)
	if pkg == nil {
		if err := soft(err, a.Bool("strict")); err != nil {
			return nil, err
		}
		return limitRows(nil, opts, cols...)
	}
	before, after, author := filterTime(a, "before"), filterTime(a, "after"), a.OptStr("author")
	times, names := pkg.Header.Uint64s(1080), pkg.Header.Strings(1081)
	rows := []map[string]any{}
	for i, text := range pkg.Header.Strings(1082) {
		if i >= len(times) || i >= len(names) {
			break
		}
		at, name := time.Unix(int64(times[i]), 0).UTC(), printable(names[i])
		if author != nil && *author != "" && *author != name || before != nil && !at.Before(*before) || after != nil && !at.After(*after) {
			continue
		}
		rows = append(rows, map[string]any{"date": at.Format("2006-01-02 15:04:05"), "date_ts": at.Unix(), "author": name, "text": printable(text)})
	}
	return limitRows(rows, opts, cols...)
}

// assertAlike refuses noarch packages of one name that differ in more than where and when they were built: what they depend
// on, which files they have, of which kind and whose. Contents may differ, as in Koji, where dates in them do.
func assertAlike(top *blob.Topdir, x, y output) error {
	px, err := uploadedHeader(top, x)
	if err != nil {
		return err
	}
	py, err := uploadedHeader(top, y)
	if err != nil {
		return err
	}
	fx, fy := facts(px.Header), facts(py.Header)
	if slices.Equal(fx, fy) {
		return nil
	}
	var diff []string
	missing := func(in output, facts, others []string) { // both are sorted
		for _, s := range facts {
			if _, has := slices.BinarySearch(others, s); !has {
				diff = append(diff, "only in "+in.dir+": "+s)
			}
		}
	}
	missing(x, fx, fy)
	missing(y, fy, fx)
	if len(diff) > 10 {
		diff = append(diff[:10], "...")
	}
	return buildsys.Errorf(buildsys.FaultBuild, "The following noarch package built differently on different architectures: %s\n%s", x.base, strings.Join(diff, "\n"))
}

func uploadedHeader(top *blob.Topdir, o output) (*rpmhead.Package, error) {
	f, err := openUpload(top, o.dir, o.base)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return packageIn(f)
}

// facts are the lines that two builds of a package must have in common, sorted.
func facts(h *rpmhead.Header) []string {
	n := h.NEVRA()
	out := []string{"package " + n.String()}
	for _, k := range depKinds {
		versions, flags := h.Strings(k.version), h.Uint64s(k.flags)
		for i, name := range h.Strings(k.name) {
			if i < len(versions) && i < len(flags) {
				out = append(out, fmt.Sprintf("dependency %d %s %x %s", k.id, name, flags[i], versions[i]))
			}
		}
	}
	files, _ := filesOf(h)
	for _, f := range files {
		out = append(out, fmt.Sprintf("file %s %o %x %s:%s %s", f.name, f.mode, f.flags, f.user, f.group, f.link))
	}
	slices.Sort(out)
	return out
}

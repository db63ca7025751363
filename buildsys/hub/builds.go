package hub

import (
	"errors"
	"time"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/blob"
	"github.com/privyseal/privyseal/buildsys/store"
)

func buildMethods() []Method {
	none := func(c *Ctx, a Args) (any, error) {
		b, err := c.findBuild(a.Any("buildInfo"), a.Bool("strict"))
		if err != nil || b == nil || !a.Bool("strict") {
			return nil, err
		}
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "no such build of this type: %s", b.NVR())
	}
	return []Method{
		{Name: "getBuild", Args: "buildInfo, strict=False", Fn: getBuild,
			Doc: "A build by id, N-V-R or {name, version, release}; None if there is none, unless strict."},
		{Name: "listBuilds", Fn: listBuilds,
			Args: "packageID=None, userID=None, taskID=None, prefix=None, state=None, volumeID=None, source=None, createdBefore=None, " +
				"createdAfter=None, completeBefore=None, completeAfter=None, type=None, typeInfo=None, queryOpts=None, pattern=None, " +
				"cgID=None, draft=None, promotedBefore=None, promotedAfter=None, promoter=None",
			Doc: "List builds. Times are seconds since 1970 or 'YYYY-MM-DD HH:MM:SS'; source and pattern (of the N-V-R) are globs."},
		{Name: "createEmptyBuild", Perm: "admin", Args: "name, version, release, epoch, owner=None, draft=False", Mode: ModeWrite, Fn: createEmptyBuild,
			Doc: "Make a complete build without packages, for importing into. A failed or canceled build of that name is taken over."},
		{Name: "getBuildType", Args: "buildInfo, strict=False", Fn: getBuildType,
			Doc: "The types of a build, as a struct {type: type information}."},
		{Name: "getMavenBuild", Args: "buildInfo, strict=False", Fn: none, Doc: "None: this hub keeps no Maven builds."},
		{Name: "getWinBuild", Args: "buildInfo, strict=False", Fn: none, Doc: "None: this hub keeps no Windows builds."},
		{Name: "getImageBuild", Args: "buildInfo, strict=False", Fn: none, Doc: "None: this hub keeps no image builds."},
		{Name: "listArchives", Fn: func(*Ctx, Args) (any, error) { return []any{}, nil },
			Args: "buildID=None, buildrootID=None, componentBuildrootID=None, hostID=None, type=None, filename=None, size=None, " +
				"checksum=None, checksum_type=None, typeInfo=None, queryOpts=None, imageID=None, archiveID=None, strict=False",
			Doc: "Empty: this hub keeps no files of builds but RPMs."},
		{Name: "listBuildroots", Fn: func(_ *Ctx, a Args) (any, error) { return applyOpts(nil, a.Map("queryOpts")) },
			Args: "hostID=None, tagID=None, state=None, rpmID=None, archiveID=None, taskID=None, buildrootID=None, repoID=None, queryOpts=None",
			Doc:  "Empty: no builds are made in build roots yet."},
		{Name: "getPackage", Args: "info, strict=False, create=False", Fn: getPackage,
			Doc: "A package {id, name} by name or id; None if there is none, unless strict."},
		{Name: "getPackageID", Args: "name, strict=False", Fn: func(c *Ctx, a Args) (any, error) {
			id, _, err := c.findPackage(a.Any("name"), a.Bool("strict"))
			if err != nil || id == 0 {
				return nil, err
			}
			return id, nil
		}, Doc: "The id of a package by name; None if there is none, unless strict."},
	}
}

func getBuild(c *Ctx, a Args) (any, error) {
	b, err := c.findBuild(a.Any("buildInfo"), a.Bool("strict"))
	if err != nil || b == nil {
		return nil, err
	}
	return buildMap(b), nil
}

func getBuildType(c *Ctx, a Args) (any, error) {
	b, err := c.findBuild(a.Any("buildInfo"), a.Bool("strict"))
	if err != nil || b == nil {
		return nil, err
	}
	types, err := c.tx.BuildTypes(b.ID)
	if err != nil {
		return nil, err
	}
	info := map[string]any{}
	if extra, ok := decodeExtra(b.Extra).(map[string]any); ok {
		info, _ = extra["typeinfo"].(map[string]any)
	}
	out := make(map[string]any, len(types))
	for _, t := range types {
		out[t] = info[t]
	}
	return out, nil
}

// findPackage looks a package up by name or id; id 0 stands for none.
func (c *Ctx) findPackage(info any, strict bool) (id int64, name string, err error) {
	switch v := info.(type) {
	case string:
		name = v
		id, err = c.tx.PackageID(v)
	case int64:
		id = v
		name, err = c.tx.PackageName(v)
	default:
		return 0, "", buildsys.Errorf(buildsys.FaultGeneric, "Invalid type for package: a package is a name or an id, not %s", describe(info))
	}
	if errors.Is(err, store.ErrNotFound) {
		if strict {
			return 0, "", buildsys.Errorf(buildsys.FaultGeneric, "No such package: %s", pyRepr(info))
		}
		return 0, "", nil
	}
	return id, name, err
}

func getPackage(c *Ctx, a Args) (any, error) {
	id, name, err := c.findPackage(a.Any("info"), a.Bool("strict"))
	if err != nil || id == 0 {
		return nil, err
	}
	return map[string]any{"id": id, "name": name}, nil
}

// argTime reads a time: seconds since 1970 or ISO text.
func argTime(a Args, name string) *time.Time {
	switch v := a.Any(name).(type) {
	case nil:
		return nil
	case int64:
		t := time.Unix(v, 0)
		return &t
	case float64:
		t := time.UnixMicro(int64(v * 1e6))
		return &t
	case string:
		for _, layout := range []string{
			"2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999Z07:00",
			"2006-01-02T15:04:05.999999999", "2006-01-02 15:04", "2006-01-02",
		} {
			if t, err := time.Parse(layout, v); err == nil {
				return &t
			}
		}
	}
	a.bad(name, "a time: seconds since 1970 or YYYY-MM-DD HH:MM:SS", a.Any(name))
	return nil
}

func listBuilds(c *Ctx, a Args) (any, error) {
	for _, name := range []string{"typeInfo", "promotedBefore", "promotedAfter"} {
		if !a.Nil(name) {
			return nil, buildsys.Errorf(buildsys.FaultParameter, "listBuilds: %s is not supported by this hub", name)
		}
	}
	f := store.BuildFilter{
		VolumeID: a.OptInt("volumeID"), CGID: a.OptInt("cgID"), TaskID: a.OptInt("taskID"), State: a.OptInt("state"),
		Type: a.OptStr("type"), Prefix: a.OptStr("prefix"), Pattern: a.OptStr("pattern"), Source: a.OptStr("source"),
		CreatedBefore: argTime(a, "createdBefore"), CreatedAfter: argTime(a, "createdAfter"),
		CompleteBefore: argTime(a, "completeBefore"), CompleteAfter: argTime(a, "completeAfter"),
	}
	if !a.Nil("draft") {
		d := a.Bool("draft")
		f.Draft = &d
	}
	nothing := func() (any, error) { return applyOpts(nil, a.Map("queryOpts")) }
	if !a.Nil("packageID") {
		id, _, err := c.findPackage(a.Any("packageID"), false)
		if err != nil {
			return nil, err
		}
		if id == 0 {
			return nothing()
		}
		f.PackageID = &id
	}
	for name, dst := range map[string]**int64{"userID": &f.OwnerID, "promoter": &f.PromoterID} {
		if a.Nil(name) {
			continue
		}
		u, err := c.findUser(a.Any(name), false)
		if err != nil {
			return nil, err
		}
		if u == nil {
			return nothing()
		}
		*dst = &u.ID
	}
	builds, err := c.tx.Builds(f)
	if err != nil {
		return nil, err
	}
	rows := make([]map[string]any, len(builds))
	for i := range builds {
		rows[i] = buildListMap(&builds[i])
	}
	return applyOpts(rows, a.Map("queryOpts"))
}

func createEmptyBuild(c *Ctx, a Args) (any, error) {
	if a.Bool("draft") {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "draft builds are not supported by this hub")
	}
	owner := c.UserID()
	if !a.Nil("owner") {
		u, err := c.findUser(a.Any("owner"), true)
		if err != nil {
			return nil, err
		}
		owner = u.ID
	}
	// The command line sends '' for a build without an epoch.
	var epoch *int64
	if s, ok := a.Any("epoch").(string); !ok || s != "" {
		epoch = a.OptInt("epoch")
	}
	b, err := c.newBuild(nvra{name: a.Str("name"), version: a.Str("version"), release: a.Str("release")}, epoch, owner)
	if err != nil {
		return nil, err
	}
	return b.ID, nil
}

// newBuild makes a complete build, or takes over a failed or canceled one that left nothing behind.
func (c *Ctx) newBuild(n nvra, epoch *int64, owner int64) (*buildsys.Build, error) {
	top, err := c.Hub.top()
	if err != nil {
		return nil, err
	}
	if _, err := top.Build(n.name, n.version, n.release, blob.DefaultVolume); err != nil {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "build: %v", err)
	}
	pkg, err := c.tx.EnsurePackage(n.name)
	if err != nil {
		return nil, err
	}
	now := c.tx.Now()
	b := &buildsys.Build{PackageID: pkg, Version: n.version, Release: n.release, Epoch: epoch, OwnerID: owner,
		State: buildsys.BuildComplete, Start: &now, Completion: &now}
	old, err := c.tx.BuildByNVR(n.name, n.version, n.release)
	switch {
	case errors.Is(err, store.ErrNotFound):
		err = c.tx.InsertBuild(b)
	case err != nil:
	case old.State == buildsys.BuildBuilding && old.TaskID != nil:
		err = buildsys.Errorf(buildsys.FaultGeneric, "Build already in progress (task %d)", *old.TaskID)
	case old.State != buildsys.BuildFailed && old.State != buildsys.BuildCanceled:
		err = buildsys.Errorf(buildsys.FaultGeneric, "Build already exists (id=%d, state=%s): %s", old.ID, old.State, old.NVR())
	default:
		var used bool
		if used, err = c.tx.BuildHasHistory(old.ID); err != nil {
			break
		}
		if used {
			err = buildsys.Errorf(buildsys.FaultGeneric, "Build already exists. Unable to recycle, has tag history or rpm data: %s", old.NVR())
			break
		}
		b.ID = old.ID
		err = c.tx.RecycleBuild(b)
	}
	if err != nil {
		return nil, err
	}
	return c.tx.BuildByID(b.ID)
}

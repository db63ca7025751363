package hub

import (
	"errors"
	"slices"
	"time"

	"github.com/privyseal/privyseal/buildsys"
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
	return slices.Concat(buildEditMethods(), archiveMethods(), buildrootMethods(), buildHostMethods(), cgMethods(), rpmContentMethods(), []Method{
		{Name: "getBuild", Args: "buildInfo, strict=False", Fn: getBuild,
			Doc: "A build by id, N-V-R or {name, version, release}; None if there is none, unless strict."},
		{Name: "listBuilds", Fn: listBuilds,
			Args: "packageID=None, userID=None, taskID=None, prefix=None, state=None, volumeID=None, source=None, createdBefore=None, " +
				"createdAfter=None, completeBefore=None, completeAfter=None, type=None, typeInfo=None, queryOpts=None, pattern=None, " +
				"cgID=None, draft=None, promotedBefore=None, promotedAfter=None, promoter=None",
			Doc: "List builds. Times are seconds since 1970 or 'YYYY-MM-DD HH:MM:SS'; source and pattern (of the N-V-R) are globs."},
		{Name: "getBuildType", Args: "buildInfo, strict=False", Fn: getBuildType,
			Doc: "The types of a build, as a struct {type: type information}."},
		{Name: "getMavenBuild", Args: "buildInfo, strict=False", Fn: none, Doc: "None: this hub keeps no Maven builds."},
		{Name: "getWinBuild", Args: "buildInfo, strict=False", Fn: none, Doc: "None: this hub keeps no Windows builds."},
		{Name: "getImageBuild", Args: "buildInfo, strict=False", Fn: none, Doc: "None: this hub keeps no image builds."},
		{Name: "listArchives", Fn: func(*Ctx, Args) (any, error) { return []any{}, nil },
			Args: "buildID=None, buildrootID=None, componentBuildrootID=None, hostID=None, type=None, filename=None, size=None, " +
				"checksum=None, checksum_type=None, typeInfo=None, queryOpts=None, imageID=None, archiveID=None, strict=False",
			Doc: "Empty: this hub keeps no files of builds but RPMs."},
		{Name: "getPackage", Args: "info, strict=False, create=False", Fn: getPackage,
			Doc: "A package {id, name} by name or id; None if there is none, unless strict."},
		{Name: "getPackageID", Args: "name, strict=False", Fn: func(c *Ctx, a Args) (any, error) {
			id, _, err := c.findPackage(a.Any("name"), false)
			switch {
			case err == nil && id == 0 && a.Bool("strict"):
				return nil, buildsys.Errorf(buildsys.FaultGeneric, "No such package name: %s", plain(a.Any("name")))
			case err != nil || id == 0:
				return nil, err
			}
			return id, nil
		}, Doc: "The id of a package by name; None if there is none, unless strict."},
		{Name: "findBuildID", Args: "X, strict=False", Doc: "The id of a build by id, N-V-R or {name, version, release}.", Fn: findBuildID},
		{Name: "untaggedBuilds", Args: "name=None, queryOpts=None, draft=None", Fn: untaggedBuilds,
			Doc: "The complete builds that no tag holds: {id, name, version, release}."},
		{Name: "getNextRelease", Args: "build_info, incr=1", Fn: getNextRelease,
			Doc: "The release that follows the newest build of a package at a version, given as {name, version}."},
		{Name: "getAverageBuildDuration", Args: "package, age=None", Fn: averageBuildDuration,
			Doc: "How many seconds builds of a package took on average, in the last so many months if age is given; None if there were none."},
		{Name: "getBuildLogs", Args: "build", Doc: "The logs of a build: {name, dir, path} each.", Fn: getBuildLogs},
		{Name: "buildReferences", Args: "build, limit=None, lazy=False", Fn: buildReferences,
			Doc: "What keeps a build from being deleted: tags, packages that were built with it, when it was last installed in a build root."},
		{Name: "getBuildHistory", Args: "build", Doc: "What was done to a build that its row no longer shows: deleted, reset, promoted, and why.", Fn: getBuildHistory},
	})
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
			return 0, "", buildsys.Errorf(buildsys.FaultGeneric, "No such entry in table package: %s", plain(info))
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
		if t, ok := parseTime(v); ok {
			return &t
		}
	}
	a.bad(name, "a time: seconds since 1970 or YYYY-MM-DD HH:MM:SS", a.Any(name))
	return nil
}

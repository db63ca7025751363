package hub

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// filterTime is argTime for filters, which Koji's hub leaves out where they are 0 or "".
func filterTime(a Args, name string) *time.Time {
	if !truth(a.Any(name)) {
		return nil
	}
	return argTime(a, name)
}

func findBuildID(c *Ctx, a Args) (any, error) {
	b, err := c.findBuild(a.Any("X"), a.Bool("strict"))
	if err != nil || b == nil {
		return nil, err
	}
	return b.ID, nil
}

// streamed makes a list of what each hands over, row by row. What can go wrong with a query goes wrong before its first row,
// so that the answer is a fault then.
func streamed(each func(yield func(any) error) error) xmlrpc.Seq {
	return func(yield func(any, error) bool) {
		err := each(func(v any) error {
			if !yield(v, nil) {
				return errStop
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStop) {
			yield(nil, err)
		}
	}
}

// errStop ends a query whose rows nobody wants any more.
var errStop = errors.New("stop")

func listBuilds(c *Ctx, a Args) (any, error) {
	opts, err := readOpts(a.Map("queryOpts"))
	if err != nil {
		return nil, err
	}
	q := store.BuildQuery{Order: opts.order, Limit: opts.limit, Offset: opts.offset, BuildFilter: store.BuildFilter{
		VolumeID: a.OptInt("volumeID"), TaskID: a.OptInt("taskID"), State: a.OptInt("state"), Type: a.OptStr("type"), Source: a.OptStr("source"),
		Draft: a.optBool("draft"),
	}}
	for name, dst := range map[string]**string{"prefix": &q.Prefix, "pattern": &q.Pattern} {
		if s := a.OptStr(name); s != nil && *s != "" {
			*dst = s
		}
	}
	for name, dst := range timeFilters(&q) {
		*dst = filterTime(a, name)
	}
	ok, err := c.buildFilterNames(a, &q.BuildFilter)
	if err != nil {
		return nil, err
	}
	if err := q.CheckOrder(); err != nil {
		return nil, orderFault(err)
	}
	switch {
	case !ok && opts.count:
		return int64(0), nil
	case !ok:
		return []any{}, nil
	case opts.count:
		n, err := c.tx.CountBuilds(q)
		return opts.counted(n), err
	}
	return streamed(func(yield func(any) error) error {
		return c.tx.EachBuild(q, func(b *buildsys.Build) error { return yield(buildListMap(b)) })
	}), nil
}

// buildFilterNames looks up what filters name; false if there is no such thing, and so no build of it.
func (c *Ctx) buildFilterNames(a Args, f *store.BuildFilter) (bool, error) {
	if f.Type != nil {
		if ok, err := c.tx.BuildTypeExists(*f.Type); err != nil || !ok {
			if err == nil {
				err = buildsys.Errorf(buildsys.FaultGeneric, "unsupported build type: %s", *f.Type)
			}
			return false, err
		}
	}
	if !a.Nil("packageID") {
		id, _, err := c.findPackage(a.Any("packageID"), false)
		if err != nil || id == 0 {
			return false, err
		}
		f.PackageID = &id
	}
	for name, dst := range map[string]**int64{"userID": &f.OwnerID, "promoter": &f.PromoterID} {
		if a.Nil(name) {
			continue
		}
		u, err := c.findUser(a.Any(name), false)
		if err != nil || u == nil {
			return false, err
		}
		*dst = &u.ID
	}
	if truth(a.Any("cgID")) {
		id, _, err := c.findCG(a.Any("cgID"), false)
		if err != nil || id == 0 {
			return false, err
		}
		f.CGID = &id
	}
	return true, nil
}

func untaggedBuilds(c *Ctx, a Args) (any, error) {
	opts, err := readOpts(a.Map("queryOpts"))
	if err != nil {
		return nil, err
	}
	q := store.UntaggedQuery{Draft: a.optBool("draft"), Order: opts.order, Limit: opts.limit, Offset: opts.offset}
	if name := a.OptStr("name"); name != nil {
		q.Name = *name
	}
	if err := q.CheckOrder(); err != nil {
		return nil, orderFault(err)
	}
	if opts.count {
		n, err := c.tx.CountUntagged(q)
		return opts.counted(n), err
	}
	return streamed(func(yield func(any) error) error {
		return c.tx.EachUntagged(q, func(b *buildsys.Build) error {
			return yield(map[string]any{"id": b.ID, "name": b.PackageName, "version": b.Version, "release": b.Release})
		})
	}), nil
}

func getNextRelease(c *Ctx, a Args) (any, error) {
	info := Args{a.method, a.Map("build_info")}
	return c.nextRelease(info.Str("name"), info.Str("version"), a.Int("incr"))
}

// nextRelease counts a release on: 7 becomes 8, 7.el9 8.el9, and 20260101.nightly.7 20260101.nightly.8.
func (c *Ctx) nextRelease(name, version string, incr int64) (string, error) {
	last, err := c.tx.LastRelease(name, version)
	if err != nil {
		return "", err
	}
	if last == "" {
		return strconv.FormatInt(incr, 10), nil
	}
	parts := strings.Split(last, ".")
	at := map[int]int{1: 0, 2: 0, 3: 2}
	if i, ok := at[len(parts)]; ok {
		if n, err := strconv.ParseInt(parts[i], 10, 64); err == nil && n >= 0 {
			parts[i] = strconv.FormatInt(n+incr, 10)
			return strings.Join(parts, "."), nil
		}
	}
	return "", buildsys.Errorf(buildsys.FaultBuild, "Unable to increment release value: %s", last)
}

func averageBuildDuration(c *Ctx, a Args) (any, error) {
	id, _, err := c.findPackage(a.Any("package"), false)
	if err != nil || id == 0 {
		return nil, err
	}
	since := c.tx.Now()
	if !a.Nil("age") {
		since = since.AddDate(0, -int(min(max(a.Int("age"), 0), 12000)), 0)
	} else {
		since = since.AddDate(-1000, 0, 0)
	}
	d, ok, err := c.tx.AverageBuildTime(id, &since)
	if err != nil || !ok {
		return nil, err
	}
	return d.Seconds(), nil
}

// maxLogs bounds the list of a build's logs.
const maxLogs = 10_000

func getBuildLogs(c *Ctx, a Args) (any, error) {
	b, err := c.findBuild(a.Any("build"), true)
	if err != nil {
		return nil, err
	}
	top, err := c.Hub.top()
	if err != nil {
		return nil, err
	}
	place, err := c.Hub.buildPlace(b)
	if err != nil {
		return nil, err
	}
	out := []any{}
	err = filepath.WalkDir(place.Logs(), func(p string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !d.Type().IsRegular() || strings.HasPrefix(d.Name(), ".") {
			return err
		}
		if len(out) == maxLogs {
			return fs.SkipAll
		}
		dir, err := filepath.Rel(place.Logs(), filepath.Dir(p))
		if err != nil {
			return err
		}
		out = append(out, map[string]any{"name": d.Name(), "dir": filepath.ToSlash(dir), "path": top.Rel(place.Logs()) + "/" + filepath.ToSlash(dir) + "/" + d.Name()})
		return nil
	})
	return out, err
}

func buildReferences(c *Ctx, a Args) (any, error) {
	b, err := c.findBuild(a.Any("build"), true)
	if err != nil {
		return nil, err
	}
	limit := a.OptInt("limit")
	if limit != nil && *limit < 0 {
		return nil, buildsys.Errorf(buildsys.FaultParameter, "buildReferences: argument limit: expected a number that is not negative, got %d", *limit)
	}
	return c.references(b.ID, limit, a.Bool("lazy"))
}

// references are what a build is needed for. With lazy the first kind of reference that there is ends the search.
func (c *Ctx) references(id int64, limit *int64, lazy bool) (map[string]any, error) {
	out := map[string]any{}
	tags, err := c.tx.TagsOfBuild(id)
	if err != nil {
		return nil, err
	}
	rows := []any{}
	for _, t := range tags {
		rows = append(rows, map[string]any{"tag_id": t.ID, "name": t.Name})
	}
	if out["tags"] = rows; lazy && len(rows) > 0 {
		return out, nil
	}
	rpms, err := c.tx.BuiltWith(id, limit)
	if err != nil {
		return nil, err
	}
	rows = []any{}
	for i := range rpms {
		r := &rpms[i]
		rows = append(rows, map[string]any{"id": r.ID, "name": r.Name, "version": r.Version, "release": r.Release, "arch": r.Arch, "build_id": optional(r.BuildID)})
	}
	if out["rpms"] = rows; lazy && len(rows) > 0 {
		return out, nil
	}
	for _, none := range []string{"component_of", "archives", "images"} {
		out[none] = []any{}
	}
	last, err := c.tx.LastInstalled(id)
	out["last_used"] = optUnixTime(last)
	return out, err
}

func getBuildHistory(c *Ctx, a Args) (any, error) {
	b, err := c.findBuild(a.Any("build"), true)
	if err != nil {
		return nil, err
	}
	entries, err := c.tx.BuildLog(b.ID)
	if err != nil {
		return nil, err
	}
	out := make([]any, len(entries))
	for i, e := range entries {
		out[i] = map[string]any{"id": e.ID, "build_id": e.BuildID, "nvr": e.NVR, "action": e.Action, "reason": optional(e.Reason), "detail": decodeExtra(e.Detail),
			"event_id": e.Event, "ts": unixTime(e.Time), "time": pyTime(e.Time), "user_id": e.UserID, "user_name": e.UserName}
	}
	return out, nil
}

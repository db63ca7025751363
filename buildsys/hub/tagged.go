package hub

import (
	"errors"
	"math"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

func taggedMethods() []Method {
	return []Method{
		{Name: "listTagged", Args: "tag, event=None, inherit=False, prefix=None, latest=False, package=None, owner=None, type=None, " +
			"strict=True, extra=False, draft=None",
			Doc: "Builds in a tag, the most recently tagged first; latest: one (or N) per package; inherit: its parents' too.", Fn: cached(listTagged)},
		{Name: "listTaggedRPMS", Args: "tag, event=None, inherit=False, latest=False, package=None, arch=None, rpmsigs=False, owner=None, " +
			"type=None, strict=True, extra=True, draft=None",
			Doc: "[package files, builds] in a tag; rpmsigs: a row for each signature.", Fn: cached(listTaggedRPMS)},
		{Name: "getLatestBuilds", Args: "tag, event=None, package=None, type=None, draft=None",
			Doc: "The latest build of each package in a tag and its parents.", Fn: cached(getLatestBuilds)},
		{Name: "getLatestRPMS", Args: "tag, package=None, arch=None, event=None, rpmsigs=False, type=None, draft=None",
			Doc: "[package files, builds] of the latest build of each package in a tag and its parents.", Fn: cached(getLatestRPMS)},
	}
}

// tagQuery says which builds of a tag are wanted.
type tagQuery struct {
	store.TaggedFilter
	tag     int64
	inherit bool
	latest  int // per package; 0: all
}

// taggedBuilds are the builds in a tag, in the order of inheritance and, in each tag, the most recently tagged first. A
// build counts only if its package is in the tag's resolved list and not blocked. latest keeps the first ones of each
// package across the whole order: the latest build is the one most recently tagged in the nearest tag, whatever its version.
func (c *Ctx) taggedBuilds(q tagQuery) ([]store.TaggedBuild, error) {
	if q.Type != "" {
		if ok, err := c.tx.BuildTypeExists(q.Type); err != nil || !ok {
			if err == nil {
				err = buildsys.Errorf(buildsys.FaultGeneric, "unsupported build type: %s", q.Type)
			}
			return nil, err
		}
	}
	f := store.PackageFilter{Tag: q.tag, Event: q.Event, WithoutOwners: true}
	if q.Package != "" {
		id, err := c.tx.PackageID(q.Package)
		if errors.Is(err, store.ErrNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		f.Package = id
	}
	packages, err := c.readPackages(f, true, false)
	if err != nil {
		return nil, err
	}
	order, err := c.tagOrder(q.tag, q.Event, q.inherit)
	if err != nil {
		return nil, err
	}
	var out []store.TaggedBuild
	taken := map[int64]int{}
	for _, tag := range order {
		builds, err := c.tx.TaggedBuilds(tag, q.TaggedFilter)
		if err != nil {
			return nil, err
		}
		for _, b := range builds {
			p, listed := packages.entry(b.PackageID)
			if !listed || p.Blocked {
				continue
			}
			if q.latest > 0 {
				if taken[b.PackageID] >= q.latest {
					continue
				}
				taken[b.PackageID]++
			}
			out = append(out, b)
		}
	}
	return out, nil
}

// tagOrder is a tag and, if wanted, what it inherits from, or did at an event (0: now). A tag that several paths lead to stands
// where the first one led.
func (c *Ctx) tagOrder(tag, event int64, inherit bool) ([]int64, error) {
	order := []int64{tag}
	if !inherit {
		return order, nil
	}
	links, err := c.inheritance(tag, event, false)
	if err != nil {
		return nil, err
	}
	for _, l := range links {
		order = append(order, l.ParentID)
	}
	return unique(order), nil
}

// buildRow are the members of a build in listTagged.
var buildRow = []string{"tag_id", "tag_name", "create_event", "id", "build_id", "version", "release", "epoch", "state", "completion_time",
	"promotion_time", "start_time", "task_id", "draft", "owner_id", "owner_name", "promoter_id", "promoter_name", "creation_event_id",
	"creation_time", "volume_id", "volume_name", "package_id", "package_name", "name", "nvr"}

func buildValues(b *store.TaggedBuild) []any {
	return []any{b.TagID, b.TagName, b.CreateEvent, b.ID, b.ID, b.Version, b.Release, b.Epoch, int64(b.State), optPyTime(b.Completion),
		optPyTime(b.Promotion), optPyTime(b.Start), b.TaskID, b.Draft, b.OwnerID, b.OwnerName, b.PromoterID, b.PromoterName, b.CreationEvent,
		pyTime(b.Creation), b.VolumeID, b.VolumeName, b.PackageID, b.PackageName, b.PackageName, b.NVR()}
}

// taggedBuildRows are the builds as listTagged shows them.
func taggedBuildRows(builds []store.TaggedBuild, extra bool) xmlrpc.Seq {
	names := buildRow
	if extra {
		names = append(append([]string{}, buildRow...), "extra")
	}
	return func(yield func(any, error) bool) {
		for i := range builds {
			v := buildValues(&builds[i])
			if extra {
				v = append(v, decodeExtra(builds[i].Extra))
			}
			if !yield(xmlrpc.Row{Names: names, Values: v}, nil) {
				return
			}
		}
	}
}

// readLatest reads latest: True for one, N for N, False or None for all.
func readLatest(a Args) int {
	switch v := a.Any("latest").(type) {
	case int64:
		return int(min(max(v, 0), math.MaxInt32))
	case float64:
		return int(min(max(v, 0), math.MaxInt32))
	default:
		if truth(v) {
			return 1
		}
	}
	return 0
}

// readTagQuery reads the arguments that the methods share; tag 0: there is none of the name, and that is no fault.
func (c *Ctx) readTagQuery(a Args) (tagQuery, error) {
	q := tagQuery{TaggedFilter: store.TaggedFilter{Event: a.Event("event")}, inherit: a.Bool("inherit"), latest: readLatest(a)}
	t, err := c.findTag(a.Any("tag"), q.Event, a.Bool("strict"))
	if err != nil || t == nil {
		return q, err
	}
	q.tag = t.ID
	q.readFilters(a)
	return q, nil
}

func (q *tagQuery) readFilters(a Args) {
	for name, dst := range map[string]*string{"package": &q.Package, "owner": &q.Owner, "type": &q.Type} {
		if a.has(name) {
			if s := a.OptStr(name); s != nil {
				*dst = *s
			}
		}
	}
	q.Draft = a.optBool("draft")
}

func listTagged(c *Ctx, a Args) (any, error) {
	q, err := c.readTagQuery(a)
	if err != nil || q.tag == 0 {
		return []any{}, err
	}
	builds, err := c.taggedBuilds(q)
	if err != nil {
		return nil, err
	}
	if prefix := a.OptStr("prefix"); prefix != nil {
		kept := builds[:0]
		for _, b := range builds {
			if hasPrefixFold(b.PackageName, prefix) {
				kept = append(kept, b)
			}
		}
		builds = kept
	}
	return taggedBuildRows(builds, a.Bool("extra")), nil
}

func getLatestBuilds(c *Ctx, a Args) (any, error) {
	tag, err := c.tagID(a.Any("tag"))
	if err != nil {
		return nil, err
	}
	q := tagQuery{TaggedFilter: store.TaggedFilter{Event: a.Event("event")}, tag: tag, inherit: true, latest: 1}
	q.readFilters(a)
	builds, err := c.taggedBuilds(q)
	if err != nil {
		return nil, err
	}
	return taggedBuildRows(builds, false), nil
}

func getLatestRPMS(c *Ctx, a Args) (any, error) {
	tag, err := c.tagID(a.Any("tag"))
	if err != nil {
		return nil, err
	}
	q := tagQuery{TaggedFilter: store.TaggedFilter{Event: a.Event("event")}, tag: tag, inherit: true, latest: 1}
	q.readFilters(a)
	return c.taggedRPMs(q, a, true)
}

func listTaggedRPMS(c *Ctx, a Args) (any, error) {
	q, err := c.readTagQuery(a)
	if err != nil || q.tag == 0 {
		return []any{}, err
	}
	return c.taggedRPMs(q, a, a.Bool("extra"))
}

// rpmRow are the members of a package file in listTaggedRPMS, in the order of Koji's.
var rpmRow = []string{"name", "version", "release", "arch", "id", "epoch", "draft", "payloadhash", "size", "buildtime", "buildroot_id",
	"build_id", "metadata_only"}

// taggedRPMs answers [package files, builds]. The files are streamed: seventy thousand of them are nothing unusual.
func (c *Ctx) taggedRPMs(q tagQuery, a Args, extra bool) (any, error) {
	f := store.TaggedRPMFilter{Event: q.Event, Package: q.Package, Sigs: a.Bool("rpmsigs"), Draft: q.Draft}
	switch v := a.Any("arch").(type) {
	case string:
		if v != "" {
			f.Arches = []string{v}
		}
	case []any:
		if len(v) > 0 {
			f.Arches = a.Strs("arch")
		}
	case nil:
	default:
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "Invalid type for arch option: %s", describe(v))
	}
	builds, err := c.taggedBuilds(q)
	if err != nil {
		return nil, err
	}
	from := map[int64]int64{} // which tag a build's files are taken from
	for _, b := range builds {
		if _, has := from[b.ID]; !has {
			from[b.ID] = b.TagID
		}
	}
	order, err := c.tagOrder(q.tag, q.Event, q.inherit)
	if err != nil {
		return nil, err
	}
	names := append([]string{}, rpmRow...)
	if f.Sigs {
		names = append(names, "sigkey")
	}
	if extra {
		names = append(names, "extra")
	}
	tx := c.tx
	rows := streamed(func(yield func(any) error) error {
		for _, tag := range order {
			if err := tx.TaggedRPMs(tag, f, func(r *store.TaggedRPM) error {
				if r.BuildID == nil || from[*r.BuildID] != tag {
					return nil
				}
				return yield(xmlrpc.Row{Names: names, Values: rpmValues(r, f.Sigs, extra)})
			}); err != nil {
				return err
			}
		}
		return nil
	})
	return []any{rows, taggedBuildRows(builds, false)}, nil
}

func rpmValues(r *store.TaggedRPM, sigs, extra bool) []any {
	v := make([]any, 0, len(rpmRow)+2)
	v = append(v, r.Name, r.Version, r.Release, r.Arch, r.ID, r.Epoch, r.Draft, r.PayloadHash, r.Size, r.BuildTime, r.BuildrootID,
		r.BuildID, r.MetadataOnly)
	if sigs {
		v = append(v, r.Sigkey)
	}
	if extra {
		v = append(v, decodeExtra(r.Extra))
	}
	return v
}

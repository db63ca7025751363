package hub

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/blob"
	"github.com/privyseal/privyseal/buildsys/store"
)

// draftMark separates the release that a draft will have from its mark, which is draftMark and its id.
const draftMark = ",draft_"

// targetRelease is the release that a draft will have.
func targetRelease(release string) (string, error) {
	target, _, ok := strings.Cut(release, draftMark)
	if !ok || strings.Contains(target, ",") {
		return "", buildsys.Errorf(buildsys.FaultGeneric, "draft release: %s is not in valid format", release)
	}
	return target, nil
}

// finalRelease is the release of a build or, of a draft, the one that it will have.
func finalRelease(b *buildsys.Build) (string, error) {
	if b.Draft {
		return targetRelease(b.Release)
	}
	return b.Release, nil
}

// newBuild says what is built; the zero State is BUILDING.
type newBuild struct {
	nvra
	epoch         *int64
	owner         int64
	state         buildsys.BuildState
	draft         bool
	task, cg      *int64
	source, extra *string
	start, done   *time.Time
	volume        int64
}

// checkNVR refuses names that no build can have. A comma in the release is a draft's mark and nobody else's.
func (c *Ctx) checkNVR(n nvra) error {
	for _, p := range []struct{ what, s string }{{"version", n.version}, {"release", n.release}} {
		if strings.Contains(p.s, "-") {
			return buildsys.Errorf(buildsys.FaultGeneric, `The "-" character not allowed in %s field`, p.what)
		}
		if strings.Contains(p.s, ",") {
			return buildsys.Errorf(buildsys.FaultGeneric, `The "," character not allowed in %s field: it marks drafts`, p.what)
		}
	}
	top, err := c.Hub.top()
	if err != nil {
		return err
	}
	if _, err := top.Build(n.name, n.version, n.release+draftMark+"9223372036854775807", blob.DefaultVolume); err != nil {
		return buildsys.Errorf(buildsys.FaultGeneric, "build: %v", err)
	}
	return nil
}

// addBuild makes a build, or takes over a failed or canceled one that left nothing behind. The name of a build, without its
// epoch, is its alone; drafts are told apart by their marks.
func (c *Ctx) addBuild(n newBuild) (*buildsys.Build, error) {
	if err := c.checkNVR(n.nvra); err != nil {
		return nil, err
	}
	pkg, err := c.tx.EnsurePackage(n.name)
	if err != nil {
		return nil, err
	}
	b := &buildsys.Build{PackageID: pkg, Version: n.version, Release: n.release, Epoch: n.epoch, OwnerID: n.owner, State: n.state, Draft: n.draft,
		TaskID: n.task, CGID: n.cg, Source: n.source, Extra: n.extra, Start: n.start, Completion: n.done, VolumeID: n.volume}
	old, err := c.tx.BuildByNVR(n.name, n.version, n.release)
	switch {
	case errors.Is(err, store.ErrNotFound):
		if err = c.tx.AddBuild(b); errors.Is(err, store.ErrExists) {
			err = buildsys.Errorf(buildsys.FaultGeneric, "The build already exists: %s-%s-%s", n.name, n.version, n.release)
		}
	case err != nil:
	case n.draft:
		err = buildsys.Errorf(buildsys.FaultGeneric, "Target build already exists: %s (id=%d)", old.NVR(), old.ID)
	default:
		b.ID = old.ID
		err = c.recycle(old, b)
	}
	if err != nil {
		return nil, err
	}
	return c.tx.BuildByID(b.ID)
}

// recycle lets b take the place of a build of its name, which must have come to nothing and left no trace.
func (c *Ctx) recycle(old, b *buildsys.Build) error {
	refused := func(format string, args ...any) error { return buildsys.Errorf(buildsys.FaultGeneric, format, args...) }
	switch {
	case old.State == buildsys.BuildBuilding && b.State == old.State && equalPtr(old.TaskID, b.TaskID):
		return nil // the task was interrupted and begins again
	case old.State == buildsys.BuildBuilding && old.TaskID != nil:
		return refused("Build already in progress (task %d)", *old.TaskID)
	case old.State == buildsys.BuildBuilding:
		return refused("Build already in progress (reserved)")
	case old.State != buildsys.BuildFailed && old.State != buildsys.BuildCanceled:
		hint := ""
		if old.State == buildsys.BuildDeleted {
			hint = "; reset-build frees its name"
		}
		return refused("Build already exists (id=%d, state=%s): %s%s", old.ID, old.State, old.NVR(), hint)
	}
	tagged, rpms, err := c.tx.BuildTraces(old.ID)
	switch {
	case err != nil:
		return err
	case tagged:
		return refused("Build already exists. Unable to recycle, has tag history")
	case rpms:
		return refused("Build already exists. Unable to recycle, has rpm data")
	}
	if err := c.tx.EndReservation(old.ID); err != nil {
		return err
	}
	if err := c.tx.ReuseBuild(b); err != nil {
		return err
	}
	return c.removeBuildDirs(old)
}

// removeBuildDirs clears away files that a build which came to nothing left, on whatever volume.
func (c *Ctx) removeBuildDirs(b *buildsys.Build) error {
	top, err := c.Hub.top()
	if err != nil {
		return err
	}
	vols, err := c.tx.NamesIn(store.Volumes)
	if err != nil {
		return err
	}
	for _, v := range vols {
		place, err := top.Build(b.PackageName, b.Version, b.Release, v.Name)
		if err != nil {
			return err
		}
		if err := place.Remove(); err != nil {
			return diskFault(err)
		}
	}
	return nil
}

func createEmptyBuild(c *Ctx, a Args) (any, error) {
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
	now := c.tx.Now()
	b, err := c.addBuild(newBuild{nvra: nvra{name: a.Str("name"), version: a.Str("version"), release: a.Str("release")}, epoch: epoch, owner: owner,
		draft: a.Bool("draft"), state: buildsys.BuildComplete, start: &now, done: &now})
	if err != nil {
		return nil, err
	}
	return b.ID, nil
}

// importedBuild makes the complete build that an imported source package belongs to.
func (c *Ctx) importedBuild(n nvra, epoch *int64) (*buildsys.Build, error) {
	now := c.tx.Now()
	return c.addBuild(newBuild{nvra: n, epoch: epoch, owner: c.UserID(), state: buildsys.BuildComplete, start: &now, done: &now})
}

// timeFilters are the times that builds are chosen by.
func timeFilters(q *store.BuildQuery) map[string]**time.Time {
	return map[string]**time.Time{"createdBefore": &q.CreatedBefore, "createdAfter": &q.CreatedAfter, "completeBefore": &q.CompleteBefore,
		"completeAfter": &q.CompleteAfter, "promotedBefore": &q.PromotedBefore, "promotedAfter": &q.PromotedAfter}
}

// buildPlace is where a build's files are.
func (h *Hub) buildPlace(b *buildsys.Build) (blob.Build, error) {
	top, err := h.top()
	if err != nil {
		return blob.Build{}, err
	}
	return top.Build(b.PackageName, b.Version, b.Release, b.VolumeName)
}

// findCG looks a content generator up by name or id; id 0 stands for none.
func (c *Ctx) findCG(info any, strict bool) (id int64, name string, err error) {
	switch info.(type) {
	case string, int64:
	default:
		return 0, "", buildsys.Errorf(buildsys.FaultGeneric, "Invalid type for content generator: a name or an id is wanted, not %s", describe(info))
	}
	id, name, ok, err := c.named(store.ContentGenerators, info)
	if err == nil && !ok && strict {
		err = buildsys.Errorf(buildsys.FaultGeneric, "No such entry in table content_generator: %s", plain(info))
	}
	return id, name, err
}

// tagNames are the names of tags, in order.
func tagNames(tags []buildsys.Tag) []string {
	names := make([]string, len(tags))
	for i := range tags {
		names[i] = tags[i].Name
	}
	slices.Sort(names)
	return names
}

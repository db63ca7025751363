package hub

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
)

func buildEditMethods() []Method {
	return []Method{
		{Name: "createEmptyBuild", Perm: "admin", Args: "name, version, release, epoch, owner=None, draft=False", Mode: ModeWrite, Fn: createEmptyBuild,
			Doc: "Make a complete build without packages, for importing into. A failed or canceled build of that name is taken over."},
		{Name: "cancelBuild", Perm: PermPerson, Args: "buildID, strict=False", Mode: ModeWrite, Fn: cancelBuild,
			Doc: "Cancel a build that is being built, and its task: its owner and admins may. False if there is none, or it is over."},
		{Name: "deleteBuild", Perm: "admin", Args: "build, strict=True, min_ref_age=604800, reason=None", Mode: ModeWrite, Fn: deleteBuild,
			Doc: "Delete the files and signatures of a build that no tag, compose or build root of late needs. Its name stays taken, its past on record."},
		{Name: "resetBuild", Perm: "admin", Args: "build, reason=None", Mode: ModeWrite, Fn: resetBuild,
			Doc: "Empty a build that no tag and no compose holds, and cancel it: its name can be built or imported again. Its past stays on record."},
		{Name: "promoteBuild", Perm: PermPerson, Args: "build, force=False", Mode: ModeWrite, Fn: promoteBuild,
			Doc: "Make a draft a build, under the release it was made for. The policy draft_promotion decides who may; force overrides it, if you are an admin."},
		{Name: "setBuildOwner", Perm: "admin", Args: "build, user", Mode: ModeWrite, Fn: setBuildOwner, Doc: "Give a build to another user."},
		{Name: "setBuildTimestamp", Perm: "admin", Args: "build, ts", Mode: ModeWrite, Fn: setBuildTimestamp,
			Doc: "Change when a build was completed, in seconds since 1970."},
	}
}

func cancelBuild(c *Ctx, a Args) (any, error) {
	b, err := c.findBuild(a.Any("buildID"), a.Bool("strict"))
	if err != nil || b == nil {
		return false, err
	}
	if b.OwnerID != c.UserID() {
		if ok, err := c.Has("admin"); err != nil || !ok {
			if err == nil {
				err = buildsys.Errorf(buildsys.FaultActionNotAllowed, "Cannot cancel build, not owner")
			}
			return nil, err
		}
	}
	if b.State != buildsys.BuildBuilding {
		return false, nil
	}
	if err := c.tx.FinishBuild(b.ID, buildsys.BuildCanceled, c.tx.Now()); err != nil {
		return nil, err
	}
	if err := c.tx.EndReservation(b.ID); err != nil {
		return nil, err
	}
	if b.TaskID != nil {
		if err := c.cancelGroup(*b.TaskID); err != nil {
			return nil, err
		}
	}
	return true, nil
}

// cancelGroup cancels a task with every task of its group.
func (c *Ctx) cancelGroup(id int64) error {
	_, err := cancelTaskFull(c, Args{"cancelTaskFull", map[string]any{"task_id": id, "strict": false}})
	return err
}

// maxReason bounds the reason that is kept.
const maxReason = 4096

// reason is why something is done, as it is kept.
func (a Args) reason() (*string, error) {
	s := a.OptStr("reason")
	if s == nil || strings.TrimSpace(*s) == "" {
		return nil, nil
	}
	if len(*s) > maxReason {
		return nil, buildsys.Errorf(buildsys.FaultParameter, "%s: the reason is longer than %d bytes", a.method, maxReason)
	}
	return s, nil
}

// buildDetail is what a build held, for its log.
func (c *Ctx) buildDetail(b *buildsys.Build) (*string, error) {
	rpms, err := c.tx.RPMs(store.RPMFilter{BuildID: &b.ID})
	if err != nil {
		return nil, err
	}
	ids := make([]int64, len(rpms))
	for i := range rpms {
		ids[i] = rpms[i].ID
	}
	sigs, err := c.tx.SigsOfRPMs(ids)
	if err != nil {
		return nil, err
	}
	rows := []any{}
	for i := range rpms {
		r := &rpms[i]
		keys := []any{}
		for _, s := range sigs[r.ID] {
			if s.Sigkey != "" {
				keys = append(keys, s.Sigkey)
			}
		}
		rows = append(rows, map[string]any{"id": r.ID, "nvra": r.NVRA(), "size": r.Size, "payloadhash": r.PayloadHash,
			"header_sha256": r.HeaderSHA256, "buildroot_id": optional(r.BuildrootID), "sigkeys": keys})
	}
	return encodeJSON(map[string]any{"state": b.State.String(), "volume": b.VolumeName, "task_id": optional(b.TaskID), "owner": b.OwnerName,
		"creation_event_id": b.CreationEvent, "completion_ts": optUnixTime(b.Completion), "rpms": rows})
}

// logBuild records what is about to be done to a build.
func (c *Ctx) logBuild(b *buildsys.Build, action string, reason *string) error {
	detail, err := c.buildDetail(b)
	if err != nil {
		return err
	}
	why := ""
	if reason != nil {
		why = *reason
	}
	c.Log.Warn("build "+action, "build", b.NVR(), "id", b.ID, "user", c.User.Name, "reason", why)
	return c.tx.LogBuild(store.BuildLogEntry{BuildID: b.ID, NVR: b.NVR(), Action: action, Reason: reason, Detail: detail})
}

// unneeded refuses a build that a tag or a compose holds.
func (c *Ctx) unneeded(b *buildsys.Build, verb string) error {
	tags, err := c.tx.TagsOfBuild(b.ID)
	if err != nil {
		return err
	}
	if len(tags) > 0 {
		return buildsys.Errorf(buildsys.FaultGeneric, "Cannot %s build, tagged: %s (untag-build it first)", verb, strings.Join(tagNames(tags), ", "))
	}
	where, err := c.composeOf(b)
	if err == nil && where != "" {
		err = buildsys.Errorf(buildsys.FaultGeneric, "Cannot %s build, in a live compose: %s", verb, where)
	}
	return err
}

// composeOf finds a compose that holds a build: a dist repository made of a tag that held it, or a published tree, which
// shows by its hard links to the build's files. A tree that holds copies, on another file system, does not need them.
func (c *Ctx) composeOf(b *buildsys.Build) (string, error) {
	repos, err := c.tx.DistRepos()
	if err != nil {
		return "", err
	}
	for _, r := range repos {
		builds, err := c.taggedBuilds(tagQuery{TaggedFilter: store.TaggedFilter{Event: r.Event, Package: b.PackageName}, tag: r.Tag, inherit: true})
		if err != nil {
			return "", err
		}
		for i := range builds {
			if builds[i].ID == b.ID {
				return fmt.Sprintf("repository %d of tag %s", r.ID, r.TagName), nil
			}
		}
	}
	place, err := c.Hub.buildPlace(b)
	if err != nil {
		return "", err
	}
	found := ""
	err = filepath.WalkDir(place.Dir(), func(p string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		if st, ok := fi.Sys().(*syscall.Stat_t); ok && st.Nlink > 1 {
			found = d.Name() + " is linked from elsewhere"
			return fs.SkipAll
		}
		return nil
	})
	if err != nil {
		return "", diskFault(err)
	}
	return found, nil
}

func deleteBuild(c *Ctx, a Args) (any, error) {
	b, err := c.findBuild(a.Any("build"), true)
	if err != nil {
		return nil, err
	}
	reason, err := a.reason()
	if err != nil || b.State == buildsys.BuildDeleted {
		return nil, err
	}
	err = c.deletable(b, time.Duration(a.Float("min_ref_age")*float64(time.Second)))
	var refused *buildsys.Error
	if errors.As(err, &refused) && !a.Bool("strict") {
		return false, nil
	} else if err != nil {
		return nil, err
	}
	if err := c.logBuild(b, "deleted", reason); err != nil {
		return nil, err
	}
	if err := c.tx.DeleteBuild(b.ID); err != nil {
		return nil, err
	}
	return true, c.removeAfterCommit(b)
}

// deletable refuses a build that something refers to.
func (c *Ctx) deletable(b *buildsys.Build, age time.Duration) error {
	if b.State == buildsys.BuildBuilding {
		return buildsys.Errorf(buildsys.FaultGeneric, "Cannot delete build, being built: cancel it first")
	}
	if err := c.unneeded(b, "delete"); err != nil {
		return err
	}
	limit := int64(10)
	rpms, err := c.tx.BuiltWith(b.ID, &limit)
	if err != nil {
		return err
	}
	if len(rpms) > 0 {
		names := make([]string, len(rpms))
		for i := range rpms {
			names[i] = rpms[i].NVRA()
		}
		return buildsys.Errorf(buildsys.FaultGeneric, "Cannot delete build, used in buildroots: %s", strings.Join(names, ", "))
	}
	last, err := c.tx.LastInstalled(b.ID)
	if err == nil && last != nil && c.tx.Now().Sub(*last) < age {
		err = buildsys.Errorf(buildsys.FaultGeneric, "Cannot delete build, used in recent buildroot")
	}
	return err
}

// removeAfterCommit deletes the files of a build once it is on record that it has none. What is left by a crash in between
// is cleared away when the name is built again.
func (c *Ctx) removeAfterCommit(b *buildsys.Build) error {
	place, err := c.Hub.buildPlace(b)
	if err != nil {
		return err
	}
	links, err := c.buildLinks(b)
	if err != nil {
		return err
	}
	log := c.Log
	c.tx.AfterCommit(func() {
		for _, l := range links {
			if err := l.RemoveLink(); err != nil {
				log.Error("link to a build not removed", "link", l.Dir(), "err", err)
			}
		}
		if err := place.Remove(); err != nil {
			log.Error("files of a build not removed", "dir", place.Dir(), "err", err)
		}
	})
	return nil
}

func resetBuild(c *Ctx, a Args) (any, error) {
	b, err := c.findBuild(a.Any("build"), false)
	if err != nil || b == nil {
		return nil, err
	}
	reason, err := a.reason()
	if err != nil {
		return nil, err
	}
	if b.State == buildsys.BuildBuilding && b.TaskID != nil {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "Cannot reset build, being built by task %d: cancel it first", *b.TaskID)
	}
	if err := c.unneeded(b, "reset"); err != nil {
		return nil, err
	}
	if err := c.logBuild(b, "reset", reason); err != nil {
		return nil, err
	}
	if err := c.tx.ResetBuild(b.ID); err != nil {
		return nil, err
	}
	return nil, c.removeAfterCommit(b)
}

func promoteBuild(c *Ctx, a Args) (any, error) {
	b, err := c.findBuild(a.Any("build"), true)
	if err != nil {
		return nil, err
	}
	refused := func(format string, args ...any) error {
		return buildsys.Errorf(buildsys.FaultGeneric, "Cannot promote build "+b.NVR()+". Reason: "+format, args...)
	}
	switch {
	case !b.Draft:
		return nil, refused("Not a draft build")
	case b.State != buildsys.BuildComplete:
		return nil, refused("state (%s) is not COMPLETE.", b.State)
	}
	target, err := targetRelease(b.Release)
	if err != nil {
		return nil, err
	}
	old, err := c.tx.BuildByNVR(b.PackageName, b.Version, target)
	if err == nil {
		return nil, refused("Target build exists: %s(#%d)", old.NVR(), old.ID)
	} else if !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	if err := c.policyAssert("draft_promotion", policyData{"build": b.ID, "target_release": target, "user_id": c.UserID()}, a.Bool("force")); err != nil {
		return nil, err
	}
	if err := c.logBuild(b, "promoted", nil); err != nil {
		return nil, err
	}
	if err := c.tx.PromoteBuild(b, target); errors.Is(err, store.ErrExists) {
		return nil, refused("packages of its name are there already, in another build")
	} else if err != nil {
		return nil, err
	}
	now, err := c.tx.BuildByID(b.ID)
	if err != nil {
		return nil, err
	}
	tags, err := c.tx.TagsOfBuild(b.ID)
	if err != nil {
		return nil, err
	}
	for _, t := range tags {
		if err := c.tx.AddTagUpdate(t.ID, buildsys.TagUpdateDraftPromotion); err != nil {
			return nil, err
		}
	}
	from, err := c.Hub.buildPlace(b)
	if err != nil {
		return nil, err
	}
	to, err := c.Hub.buildPlace(now)
	if err != nil {
		return nil, err
	}
	// The files before the commit: where they were is a link from now on, so both names lead to them, whatever the record says.
	if err := from.MoveTo(to); err != nil {
		return nil, diskFault(err)
	}
	return buildMap(now), nil
}

func setBuildOwner(c *Ctx, a Args) (any, error) {
	b, err := c.findBuild(a.Any("build"), true)
	if err != nil {
		return nil, err
	}
	u, err := c.findUser(a.Any("user"), true)
	if err != nil {
		return nil, err
	}
	return nil, c.tx.SetBuildOwner(b.ID, u.ID)
}

func setBuildTimestamp(c *Ctx, a Args) (any, error) {
	b, err := c.findBuild(a.Any("build"), true)
	if err != nil {
		return nil, err
	}
	ts := a.Float("ts")
	if !(ts >= 0 && ts < 1e11) {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "Invalid type for timestamp")
	}
	if b.State == buildsys.BuildBuilding {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "%s is being built: it has no completion time", b.NVR())
	}
	return nil, c.tx.SetBuildCompletion(b.ID, time.UnixMicro(int64(ts*1e6)))
}

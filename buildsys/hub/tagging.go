package hub

import (
	"slices"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
)

func taggingMethods() []Method {
	return []Method{
		{Name: "tagBuild", Perm: PermPerson, Args: "tag, build, force=False, fromtag=None", Mode: ModeWrite, Fn: func(c *Ctx, a Args) (any, error) {
			return c.requestTag(a.Any("tag"), a.Any("build"), a.Any("fromtag"), a.Any("force"))
		}, Doc: "Ask for a build to be tagged, or with fromtag moved; returns the id of the task that does it. force overrides a lock, a missing permission, a missing package, if you are an admin, and tags again what is tagged."},
		{Name: "moveBuild", Perm: PermPerson, Args: "tag1, tag2, build, force=False", Mode: ModeWrite, Fn: func(c *Ctx, a Args) (any, error) {
			return c.requestTag(a.Any("tag2"), a.Any("build"), a.Any("tag1"), a.Any("force"))
		}, Doc: "Ask for a build to be moved from tag1 to tag2; returns the id of the task that does it."},
		{Name: "moveAllBuilds", Perm: PermPerson, Args: "tag1, tag2, package, force=False", Mode: ModeWrite, Fn: moveAllBuilds,
			Doc: "Ask for all builds of a package to be moved from tag1 to tag2, in the order of their tagging; returns the ids of the tasks that do it."},
		{Name: "tagBuildBypass", Perm: "tag", Args: "tag, build, force=False, notify=False", Mode: ModeWrite, Fn: tagBuildBypass,
			Doc: "Tag a build at once, without a task and whatever the tag's package list says."},
		{Name: "untagBuild", Perm: PermPerson, Args: "tag, build, strict=True, force=False", Mode: ModeWrite, Fn: untagBuild,
			Doc: "Take a build out of a tag at once. With strict it must be in it."},
		{Name: "untagBuildBypass", Perm: "tag", Args: "tag, build, strict=True, force=False, notify=False", Mode: ModeWrite, Fn: untagBuild,
			Doc: "Take a build out of a tag at once. With strict it must be in it."},
	}
}

// tagger is the person in whose name a build is tagged.
type tagger struct {
	id    int64
	perms []string
}

func (c *Ctx) newTagger(user int64) (tagger, error) {
	perms, err := c.tx.PermissionsOf(user)
	return tagger{user, perms}, err
}

// assertTagPolicy asks the policy tag whether a person may put a build into a tag (nil: take it out) or, with from, move it.
func (c *Ctx) assertTagPolicy(t tagger, tag, from *buildsys.Tag, b *buildsys.Build, force bool) error {
	data := policyData{"tag": nil, "fromtag": nil, "build": b.ID, "user_id": t.id, "operation": "tag"}
	if tag != nil {
		data["tag"] = tag.ID
	}
	switch {
	case tag == nil:
		data["operation"] = "untag"
	case from != nil:
		data["operation"] = "move"
	}
	if from != nil {
		data["fromtag"] = from.ID
	}
	return c.policyAssert("tag", data, force)
}

func (t tagger) admin() bool { return slices.Contains(t.perms, "admin") }

// assertTag refuses a locked tag, and one that demands a permission the person does not hold: admin does not imply it
// here, as in Koji, so that nobody tags into a protected tag by mistake. Admins can force both.
func (t tagger) assertTag(tag *buildsys.Tag, force bool) error {
	reason := ""
	switch {
	case tag.Locked:
		reason = "tag is locked"
	case tag.Perm != nil && !slices.Contains(t.perms, *tag.Perm):
		reason = "tag requires " + *tag.Perm + " permission"
	}
	if reason == "" || force && t.admin() {
		return nil
	}
	return buildsys.Errorf(buildsys.FaultActionNotAllowed, "%s", reason)
}

// assertPackage refuses a build whose package is not in the tag's list, or blocked. An admin can force it, and then it
// is added.
func (c *Ctx) assertPackage(t tagger, tag *buildsys.Tag, b *buildsys.Build, force bool) error {
	p, err := c.tagPackage(tag.ID, b.PackageID, 0)
	if err != nil {
		return err
	}
	switch {
	case p != nil && !p.Blocked:
		return nil
	case force && t.admin():
		c.Log.Info("package list overridden", "tag", tag.Name, "build", b.NVR(), "user", t.id)
		entry := buildsys.TagPackage{TagID: tag.ID, PackageID: b.PackageID, OwnerID: t.id}
		if p != nil {
			entry.OwnerID, entry.ExtraArches = p.OwnerID, p.ExtraArches
		}
		return c.tx.SetTagPackage(entry)
	case p == nil:
		return buildsys.Errorf(buildsys.FaultTag, "Package %s not in list for %s", b.PackageName, tag.Name)
	}
	return buildsys.Errorf(buildsys.FaultTag, "Package %s blocked in %s", b.PackageName, tag.Name)
}

func assertComplete(b *buildsys.Build) error {
	if b.State != buildsys.BuildComplete {
		return buildsys.Errorf(buildsys.FaultTag, "build %s not complete: state %s", b.NVR(), b.State)
	}
	return nil
}

// requestTag checks what can be checked now, and makes the task that checks again and does it.
// The task is asked for force in the caller's own words (the command line sends None).
func (c *Ctx) requestTag(tagInfo, buildInfo, from, forced any) (any, error) {
	force := truth(forced)
	b, err := c.findBuild(buildInfo, true)
	if err != nil {
		return nil, err
	}
	tag, err := c.findTag(tagInfo, 0, true)
	if err != nil {
		return nil, err
	}
	var fromTag *buildsys.Tag
	if truth(from) {
		id, err := c.tagID(from)
		if err != nil {
			return nil, err
		}
		if fromTag, err = c.findTag(id, 0, true); err != nil {
			return nil, err
		}
	}
	if err := assertComplete(b); err != nil {
		return nil, err
	}
	t, err := c.newTagger(c.UserID())
	if err != nil {
		return nil, err
	}
	if err := t.assertTag(tag, force); err != nil {
		return nil, err
	}
	var fromID any
	if fromTag != nil {
		if err := t.assertTag(fromTag, force); err != nil {
			return nil, err
		}
		fromID = fromTag.ID
	}
	if err := c.assertPackage(t, tag, b, force); err != nil {
		return nil, err
	}
	if err := c.assertTagPolicy(t, tag, fromTag, b, force); err != nil {
		return nil, err
	}
	priority := int64(buildsys.PriorityTagBuild)
	task, err := c.makeTask("tagBuild", []any{tag.ID, b.ID, forced, fromID}, taskOptions{priority: &priority})
	if err != nil {
		return nil, err
	}
	return task.ID, nil
}

// moveAllBuilds makes tasks that wait for one another, so that the order of the builds stays: the latest is moved last.
func moveAllBuilds(c *Ctx, a Args) (any, error) {
	force := a.Bool("force")
	pkg, name, err := c.findPackage(a.Any("package"), true)
	if err != nil {
		return nil, err
	}
	from, err := c.findTag(a.Any("tag1"), 0, true)
	if err != nil {
		return nil, err
	}
	to, err := c.findTag(a.Any("tag2"), 0, true)
	if err != nil {
		return nil, err
	}
	t, err := c.newTagger(c.UserID())
	if err != nil {
		return nil, err
	}
	if err := c.assertPackage(t, to, &buildsys.Build{PackageID: pkg, PackageName: name}, force); err != nil {
		return nil, err
	}
	for _, tag := range []*buildsys.Tag{from, to} {
		if err := t.assertTag(tag, force); err != nil {
			return nil, err
		}
	}
	builds, err := c.taggedBuilds(tagQuery{TaggedFilter: store.TaggedFilter{Package: name}, tag: from.ID})
	if err != nil {
		return nil, err
	}
	slices.Reverse(builds)
	ids, wait := []any{}, []any{}
	for i := range builds {
		b := &builds[i].Build
		if err := c.assertTagPolicy(t, to, from, b, force); err != nil {
			return nil, err
		}
		tag := []any{"tagBuild", []any{to.ID, b.ID, a.Any("force"), from.ID}, map[string]any{"priority": int64(buildsys.PriorityRepo)}}
		task, err := c.makeTask("dependantTask", []any{wait, []any{tag}}, taskOptions{})
		if err != nil {
			return nil, err
		}
		ids, wait = append(ids, task.ID), []any{task.ID}
	}
	return ids, nil
}

// tagNow puts a build into a tag. Putting it there again changes the order of the tag, so that takes force.
func (c *Ctx) tagNow(t tagger, tag *buildsys.Tag, b *buildsys.Build, force bool) error {
	if err := assertComplete(b); err != nil {
		return err
	}
	if err := t.assertTag(tag, force); err != nil {
		return err
	}
	tagged, err := c.tx.IsTagged(tag.ID, b.ID)
	if err != nil {
		return err
	}
	if tagged {
		if !force {
			return buildsys.Errorf(buildsys.FaultTag, "build %s already tagged (%s)", b.NVR(), tag.Name)
		}
		if _, err := c.tx.UntagBuild(tag.ID, b.ID); err != nil {
			return err
		}
	}
	return c.tx.TagBuild(tag.ID, b.ID)
}

func (c *Ctx) untagNow(t tagger, tag *buildsys.Tag, b *buildsys.Build, strict, force bool) error {
	if err := t.assertTag(tag, force); err != nil {
		return err
	}
	was, err := c.tx.UntagBuild(tag.ID, b.ID)
	if err == nil && !was && strict {
		err = buildsys.Errorf(buildsys.FaultTag, "build %s not in tag %s", b.NVR(), tag.Name)
	}
	return err
}

// taggingArgs finds what tagging methods are about.
func (c *Ctx) taggingArgs(a Args) (t tagger, tag *buildsys.Tag, b *buildsys.Build, err error) {
	if tag, err = c.findTag(a.Any("tag"), 0, true); err != nil {
		return
	}
	if b, err = c.findBuild(a.Any("build"), true); err != nil {
		return
	}
	t, err = c.newTagger(c.UserID())
	return
}

func tagBuildBypass(c *Ctx, a Args) (any, error) {
	t, tag, b, err := c.taggingArgs(a)
	if err != nil {
		return nil, err
	}
	if err := c.assertTagPolicy(t, tag, nil, b, a.Bool("force")); err != nil {
		return nil, err
	}
	if err := c.tagNow(t, tag, b, a.Bool("force")); err != nil || !a.Bool("notify") {
		return nil, err
	}
	return nil, c.notifyTagged(tag, nil, b)
}

func untagBuild(c *Ctx, a Args) (any, error) {
	t, tag, b, err := c.taggingArgs(a)
	if err != nil {
		return nil, err
	}
	if err := c.assertTagPolicy(t, nil, tag, b, a.Bool("force")); err != nil {
		return nil, err
	}
	if err := c.untagNow(t, tag, b, a.Bool("strict"), a.Bool("force")); err != nil {
		return nil, err
	}
	if _, asked := a.vals["notify"]; asked && !a.Bool("notify") {
		return nil, nil // untagBuildBypass, which tells nobody by itself
	}
	return nil, c.notifyTagged(nil, tag, b)
}

// hostTagBuild is what a tagBuild task does in the end: everything is checked again, for the task's owner and not for
// the builder, since locks, permissions and lists may have changed while the task waited.
func hostTagBuild(c *Ctx, h *buildsys.Host, a Args) (any, error) {
	task, err := c.hostTask(h, a.Int("task_id"))
	if err != nil {
		return nil, err
	}
	// A builder that died before it could close the task has the task again.
	if done, err := c.tx.TaskEffect(task.ID); err != nil || done {
		return nil, err
	}
	_, tag, b, err := c.taggingArgs(a)
	if err != nil {
		return nil, err
	}
	var from *buildsys.Tag
	if truth(a.Any("fromtag")) {
		if from, err = c.findTag(a.Any("fromtag"), 0, true); err != nil {
			return nil, err
		}
	}
	if err := c.assertAsked(task, tag, from, b, a.Bool("force")); err != nil {
		return nil, err
	}
	t, err := c.newTagger(task.Owner)
	if err != nil {
		return nil, err
	}
	c.tx.SetActor(task.Owner)
	defer c.tx.SetActor(c.UserID())
	force := a.Bool("force")
	if err := c.assertTagPolicy(t, tag, from, b, force); err != nil {
		return nil, err
	}
	if err := c.assertPackage(t, tag, b, force); err != nil {
		return nil, err
	}
	if from != nil {
		if err := c.untagNow(t, from, b, true, force); err != nil {
			return nil, err
		}
	}
	if err := c.tagNow(t, tag, b, force); err != nil {
		return nil, err
	}
	return nil, c.tx.SetTaskEffect(task.ID)
}

// assertAsked refuses a builder that tags anything but what the task's owner asked for in the task: a stolen builder has the
// tasks it was given, not their owners' rights.
func (c *Ctx) assertAsked(task *buildsys.Task, tag, from *buildsys.Tag, b *buildsys.Build, force bool) error {
	refused := buildsys.Errorf(buildsys.FaultActionNotAllowed, "task %d does not ask for %s to be tagged so", task.ID, b.NVR())
	args, err := taskArgs(task)
	if err != nil {
		return err
	}
	if task.Method != "tagBuild" || len(args) < 2 {
		return refused
	}
	asked := make([]any, 4) // tag, build, force, fromtag
	copy(asked, args)
	askedTag, err := c.findTag(asked[0], 0, true)
	if err != nil {
		return err
	}
	askedBuild, err := c.findBuild(asked[1], true)
	if err != nil {
		return err
	}
	if askedTag.ID != tag.ID || askedBuild.ID != b.ID || force && !truth(asked[2]) || truth(asked[3]) != (from != nil) {
		return refused
	}
	if from != nil {
		askedFrom, err := c.findTag(asked[3], 0, true)
		if err != nil {
			return err
		}
		if askedFrom.ID != from.ID {
			return refused
		}
	}
	return nil
}

package hub

import (
	"errors"
	"maps"
	"slices"

	"github.com/privyseal/privyseal/buildsys"
)

// Who wants to know of a build is told by a task: tagNotification when it was put into a tag or taken out, buildNotification when
// it is complete or has failed. A builder that can send mail runs it. Tasks are made only where the configuration wants
// them and there is somebody to tell.

// recipients are the addresses of those who are to be told how it went with a build in a tag (0: none): who asked for it, the
// build's owner and the package's, unless they asked to be spared.
func (c *Ctx) recipients(b *buildsys.Build, tag int64, success bool) ([]string, error) {
	asked, err := c.tx.NotificationsFor(b.PackageID, tag, success)
	if err != nil {
		return nil, err
	}
	address := map[string]int64{}
	for _, n := range asked {
		address[n.Email] = n.UserID
	}
	if c.Hub.cfg.NotifyOnSuccess || !success {
		owners := []int64{b.OwnerID}
		if tag != 0 {
			p, err := c.tagPackage(tag, b.PackageID, 0)
			if err != nil {
				return nil, err
			}
			if p != nil && !p.Blocked {
				owners = append(owners, p.OwnerID)
			}
		}
		for _, id := range owners {
			u, err := c.tx.UserByID(id)
			if err != nil {
				return nil, err
			}
			if u.Status == buildsys.StatusNormal && u.Type == buildsys.UserNormal {
				address[u.Name+"@"+c.Hub.emailDomain()] = u.ID
			}
		}
	}
	if len(address) == 0 {
		return nil, nil
	}
	spared, err := c.tx.SparedNotifications(b.PackageID, tag)
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(address, func(_ string, user int64) bool { return slices.Contains(spared, user) })
	return slices.Sorted(maps.Keys(address)), nil
}

// notifyTask makes the task that tells people. That none can be made, because a channel is disabled, say, undoes nothing of
// what is told.
func (c *Ctx) notifyTask(method string, args []any) error {
	_, err := c.makeTask(method, args, taskOptions{})
	var refused *buildsys.Error
	if errors.As(err, &refused) {
		c.Log.Warn("notification not made", "task", method, "err", err)
		return nil
	}
	return err
}

// tagNews is what became of a build in tags.
type tagNews struct {
	success   bool
	tag, from *buildsys.Tag // put into, taken out of; nil: not
	build     *buildsys.Build
	user      any // id of who asked for it, or None
	quiet     bool
	failure   string
}

// recipients are those of either tag.
func (n tagNews) recipients(c *Ctx) ([]string, error) {
	if !c.Hub.cfg.Notifications || n.success && n.quiet {
		return nil, nil
	}
	var out []string
	for _, t := range []*buildsys.Tag{n.tag, n.from} {
		if t == nil {
			continue
		}
		some, err := c.recipients(n.build, t.ID, n.success)
		if err != nil {
			return nil, err
		}
		out = append(out, some...)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// tell makes the task that tells some people.
func (n tagNews) tell(c *Ctx, recipients []string) error {
	var tag, from any
	if n.tag != nil {
		tag = n.tag.ID
	}
	if n.from != nil {
		from = n.from.ID
	}
	return c.notifyTask("tagNotification", []any{anyList(recipients), n.success, tag, from, n.build.ID, n.user, n.quiet, n.failure})
}

// notifyTagged tells people of a build that was tagged or untagged at once.
func (c *Ctx) notifyTagged(tag, from *buildsys.Tag, b *buildsys.Build) error {
	n := tagNews{success: true, tag: tag, from: from, build: b, user: c.UserID()}
	who, err := n.recipients(c)
	if err != nil || len(who) == 0 {
		return err
	}
	return n.tell(c, who)
}

// tagNotification takes a builder's word on how tagging went.
func tagNotification(c *Ctx, h *buildsys.Host, a Args) (any, error) {
	n := tagNews{success: a.Bool("is_successful"), quiet: a.Bool("ignore_success")}
	if f := a.OptStr("failure_msg"); f != nil {
		n.failure = clipText(*f, maxReason)
	}
	c.Log.Info("tagging done", "ok", n.success, "tag", a.Any("tag_id"), "from", a.Any("from_id"), "build", a.Any("build_id"), "user", a.Any("user_id"),
		"host", h.Name, "failure", n.failure)
	if !c.Hub.cfg.Notifications {
		return nil, nil
	}
	var err error
	if n.build, err = c.findBuild(a.Any("build_id"), false); err != nil || n.build == nil {
		return nil, err
	}
	for arg, to := range map[string]**buildsys.Tag{"tag_id": &n.tag, "from_id": &n.from} {
		if truth(a.Any(arg)) {
			if *to, err = c.findTag(a.Any(arg), 0, false); err != nil {
				return nil, err
			}
		}
	}
	if truth(a.Any("user_id")) {
		u, err := c.findUser(a.Any("user_id"), true)
		if err != nil {
			return nil, err
		}
		n.user = u.ID
	}
	who, err := n.recipients(c)
	if err != nil || len(who) == 0 {
		return nil, err
	}
	if err := c.BeginWrite(); err != nil {
		return nil, err
	}
	return nil, n.tell(c, who)
}

// notifyBuilt tells people of a build that its task has completed or failed.
func (c *Ctx) notifyBuilt(t *buildsys.Task, build int64) error {
	if !c.Hub.cfg.Notifications {
		return nil
	}
	b, err := c.tx.BuildByID(build)
	if err != nil {
		return err
	}
	var target any
	tag := int64(0)
	if t.Method == "build" {
		args, _ := taskArgs(t) // none where they cannot be read
		params, err := taskParams(t.Method, args)
		if err == nil {
			var found *buildsys.Target
			if found, err = c.findTarget(params["target"], 0, false); found != nil {
				target, tag = targetMap(found), found.DestTag
			}
		}
		if err = dropFault(err); err != nil {
			return err
		}
	}
	who, err := c.recipients(b, tag, b.State == buildsys.BuildComplete)
	if err != nil || len(who) == 0 {
		return err
	}
	return c.notifyTask("buildNotification", []any{anyList(who), buildMap(b), target, c.Hub.cfg.WebURL})
}

package hub

import (
	"github.com/privyseal/privyseal/buildsys"
)

// tagStateMethods are about who may put builds into a tag, and when a tag changed.
func tagStateMethods() []Method {
	return []Method{
		{Name: "checkTagAccess", Args: "tag_id, user_id=None", Fn: checkTagAccess,
			Doc: "[whether a user (by default the caller) may tag builds with a tag, whether force would let it, why not]."},
		{Name: "massTag", Mode: ModeWrite, Perm: "tag", Args: "tag, builds", Fn: massTag,
			Doc: "Tag builds at once, in this order, without tasks and whatever locks, the package list and policies say."},
		{Name: "tagFirstChangeEvent", Args: "tag, after=None, inherit=True", Fn: tagFirstChangeEvent,
			Doc: "The first event after another that changed a tag or, with inherit, what it inherits from; without after, when the tag was made."},
		{Name: "tagChangedSinceEvent", Args: "event, taglist", Fn: tagChangedSinceEvent,
			Doc: "Whether any of some tags (not what they inherit from) changed since an event."},
		{Name: "search", Args: "terms, type, matchType, queryOpts=None", Fn: search,
			Doc: "[{id, name}] of packages, builds, tags, targets, users, hosts or rpms by name: matchType glob, regexp (both whatever the case), or exact."},
		{Name: "hello", Args: "*args", Doc: "A greeting, to see whether the hub answers.", Fn: nothing("Hello World")},
		{Name: "fault", Doc: "An internal failure, to see what one looks like.", Fn: func(*Ctx, Args) (any, error) {
			return nil, buildsys.Errorf(buildsys.FaultInternal, "test exception")
		}},
	}
}

func checkTagAccess(c *Ctx, a Args) (any, error) {
	user := c.UserID()
	if id := a.OptInt("user_id"); id != nil {
		user = *id
	}
	if user == 0 {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "a user_id is required")
	}
	tag, err := c.findTag(a.Any("tag_id"), 0, true)
	if err != nil {
		return nil, err
	}
	t, err := c.newTagger(user)
	if err != nil {
		return nil, err
	}
	if err := t.assertTag(tag, false); err != nil {
		return []any{false, t.admin(), err.Error()}, nil
	}
	return []any{true, t.admin(), ""}, nil
}

// massTag gives each build an event of its own, so that their order in the tag is that of the list.
func massTag(c *Ctx, a Args) (any, error) {
	tag, err := c.findTag(a.Any("tag"), 0, true)
	if err != nil {
		return nil, err
	}
	for _, info := range a.List("builds") {
		b, err := c.findBuild(info, true)
		if err != nil {
			return nil, err
		}
		if err := assertComplete(b); err != nil {
			return nil, err
		}
		if _, err := c.tx.UntagBuild(tag.ID, b.ID); err != nil {
			return nil, err
		}
		if err := c.tx.TagBuild(tag.ID, b.ID); err != nil {
			return nil, err
		}
		c.tx.NextCall()
	}
	return nil, nil
}

func tagFirstChangeEvent(c *Ctx, a Args) (any, error) {
	tag, err := c.tagID(a.Any("tag"))
	if err != nil {
		return nil, err
	}
	after, err := looseInt(a.Any("after"), "tagFirstChangeEvent: after")
	if err != nil {
		return nil, err
	}
	ev := int64(0)
	switch {
	case after == nil:
		ev, err = c.tx.TagCreated(tag)
	case a.Bool("inherit"):
		ev, err = c.firstChange(tag, *after)
	default:
		if ev, err = c.tx.FirstChange([]int64{tag}, *after); err == nil && ev != 0 {
			var made int64
			made, err = c.tx.TagCreated(tag)
			ev = max(ev, made)
		}
	}
	if err != nil || ev == 0 {
		return nil, err
	}
	return ev, nil
}

func tagChangedSinceEvent(c *Ctx, a Args) (any, error) {
	tags := a.Ints("taglist")
	if len(tags) == 0 {
		return false, nil
	}
	return c.tx.TagsChanged(tags, a.Int("event"))
}

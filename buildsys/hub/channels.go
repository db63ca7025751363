package hub

import (
	"errors"
	"slices"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
)

func channelMethods() []Method {
	return []Method{
		{Name: "getChannel", Args: "channelInfo, strict=False", Fn: getChannel,
			Doc: "A channel by name or id; None if there is none, unless strict."},
		{Name: "listChannels", Args: "hostID=None, event=None, enabled=None", Fn: listChannels,
			Doc: "List channels, all or those of a builder (name or id)."},
		{Name: "addChannel", Perm: "admin", Args: "channel_name, description=None", Mode: ModeWrite, Fn: addChannel,
			Doc: "Add a channel. Returns its id."},
		{Name: "editChannel", Perm: "admin", Args: "channelInfo, **kw", Mode: ModeWrite, Fn: editChannel,
			Doc: "Change a channel: name, description, comment. Returns whether anything changed."},
		{Name: "renameChannel", Perm: "admin", Args: "old, new", Mode: ModeWrite, Fn: func(c *Ctx, a Args) (any, error) {
			_, err := c.changeChannel(a.Any("old"), Args{method: "renameChannel", vals: map[string]any{"name": a.Any("new")}})
			return nil, err
		}, Doc: "Rename a channel."},
		{Name: "removeChannel", Perm: "admin", Args: "channel_name, force=False", Mode: ModeWrite, Fn: removeChannel,
			Doc: "Take a channel away. Refused while it has unfinished tasks and, without force, while builders subscribe to it."},
		{Name: "enableChannel", Perm: "host", Args: "channelname, comment=None", Mode: ModeWrite, Doc: "Let a channel's builders take its tasks.",
			Fn: func(c *Ctx, a Args) (any, error) { return nil, c.enableChannel(a, true) }},
		{Name: "disableChannel", Perm: "host", Args: "channelname, comment=None", Mode: ModeWrite, Doc: "Let nobody take a channel's tasks.",
			Fn: func(c *Ctx, a Args) (any, error) { return nil, c.enableChannel(a, false) }},
		{Name: "addHostToChannel", Perm: "host", Args: "hostname, channel_name, create=False, force=False", Mode: ModeWrite, Fn: addHostToChannel,
			Doc: "Subscribe a builder to a channel; with create one that does not exist is made, with force it may be disabled."},
		{Name: "removeHostFromChannel", Perm: "host", Args: "hostname, channel_name", Mode: ModeWrite, Fn: removeHostFromChannel,
			Doc: "End a builder's subscription to a channel."},
	}
}

func channelMap(ch *store.Channel) map[string]any {
	return map[string]any{"id": ch.ID, "name": ch.Name, "description": optional(ch.Description), "enabled": ch.Enabled, "comment": optional(ch.Comment)}
}

// lookupChannel looks a channel up by name or id, also one that was removed by its id: tasks are in it. nil: there is none.
func (c *Ctx) lookupChannel(info any) (*store.Channel, error) {
	id, name, err := idOrName(info)
	if err != nil {
		return nil, err
	}
	var ch *store.Channel
	if id != 0 {
		ch, err = c.tx.ChannelByID(id)
	} else {
		ch, err = c.tx.ChannelByName(name)
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return ch, err
}

// findChannel looks a channel up by name or id. Without strict, one that does not exist is nil.
func (c *Ctx) findChannel(info any, strict bool) (*store.Channel, error) {
	ch, err := c.lookupChannel(info)
	if err != nil || ch != nil && !ch.Removed {
		return ch, err
	}
	if strict {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "No such channel: %s", plain(info))
	}
	return nil, nil
}

func getChannel(c *Ctx, a Args) (any, error) {
	ch, err := c.lookupChannel(a.Any("channelInfo"))
	switch {
	case err != nil:
		return nil, err
	case ch != nil:
		return channelMap(ch), nil
	case a.Bool("strict"):
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "No such channel: %s", plain(a.Any("channelInfo")))
	}
	return nil, nil
}

func listChannels(c *Ctx, a Args) (any, error) {
	var chs []store.Channel
	var err error
	switch {
	case a.Bool("hostID"):
		id, name, ierr := idOrName(a.Any("hostID"))
		if err = ierr; err == nil && name != "" {
			var h *buildsys.Host
			if h, err = c.findHost(name, true, 0); err == nil {
				id = h.ID
			}
		}
		if err == nil {
			chs, err = c.tx.ChannelsOfHost(id, a.Event("event"))
		}
	case a.Bool("event"):
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "list_channels with event and not host is not allowed.")
	default:
		chs, err = c.tx.Channels()
	}
	if err != nil {
		return nil, err
	}
	out := []any{}
	for i := range chs {
		if a.Nil("enabled") || a.Bool("enabled") == chs[i].Enabled {
			out = append(out, channelMap(&chs[i]))
		}
	}
	return out, nil
}

func addChannel(c *Ctx, a Args) (any, error) {
	name := a.Str("channel_name")
	if err := checkName(name); err != nil {
		return nil, err
	}
	if ch, err := c.findChannel(name, false); err != nil || ch != nil {
		if err == nil {
			err = channelExists(ch)
		}
		return nil, err
	}
	id, err := c.tx.InsertChannel(name, a.OptStr("description"))
	return id, err
}

func channelExists(ch *store.Channel) error {
	return buildsys.Errorf(buildsys.FaultGeneric, "channel %s already exists (id=%d)", ch.Name, ch.ID)
}

func editChannel(c *Ctx, a Args) (any, error) {
	return c.changeChannel(a.Any("channelInfo"), Args{method: "editChannel", vals: a.Map("kw")})
}

func (c *Ctx) changeChannel(info any, kw Args) (changed bool, err error) {
	ch, err := c.findChannel(info, true)
	if err != nil {
		return false, err
	}
	was := *ch
	for key := range kw.vals {
		switch key {
		case "name":
			ch.Name = kw.Str(key)
		case "description":
			ch.Description = kw.OptStr(key)
		case "comment":
			ch.Comment = kw.OptStr(key)
		default:
			return false, buildsys.Errorf(buildsys.FaultParameter, "%s() got an unexpected keyword argument '%s'", kw.method, key)
		}
	}
	if ch.Name != was.Name {
		if err := checkName(ch.Name); err != nil {
			return false, err
		}
		if other, err := c.findChannel(ch.Name, false); err != nil || other != nil {
			if err == nil {
				err = channelExists(other)
			}
			return false, err
		}
		if err := kept(&was, "renamed"); err != nil {
			return false, err
		}
	}
	if ch.Name == was.Name && equalPtr(ch.Description, was.Description) && equalPtr(ch.Comment, was.Comment) {
		return false, nil
	}
	return true, c.tx.UpdateChannel(ch)
}

// kept refuses what would take a channel away that the hub itself sends tasks to.
func kept(ch *store.Channel, what string) error {
	if ch.Name == "default" || ch.Name == "createrepo" {
		return buildsys.Errorf(buildsys.FaultGeneric, "channel %s cannot be %s: the hub sends tasks to it", ch.Name, what)
	}
	return nil
}

func (c *Ctx) enableChannel(a Args, enabled bool) error {
	ch, err := c.findChannel(a.Any("channelname"), true)
	if err != nil {
		return err
	}
	ch.Enabled = enabled
	if comment := a.OptStr("comment"); comment != nil {
		ch.Comment = comment
	}
	c.tx.AfterCommit(c.Hub.wakeScheduler)
	return c.tx.UpdateChannel(ch)
}

func removeChannel(c *Ctx, a Args) (any, error) {
	ch, err := c.findChannel(a.Any("channel_name"), true)
	if err != nil {
		return nil, err
	}
	if err := kept(ch, "removed"); err != nil {
		return nil, err
	}
	tasks, hosts, err := c.tx.ChannelWork(ch.ID)
	switch {
	case err != nil:
		return nil, err
	case tasks > 0:
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "channel %s has %s that are not finished: cancel them, or wait", ch.Name, plural(tasks, "task"))
	case hosts > 0 && !a.Bool("force"):
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "channel %s has %s: take them out of it, or use force", ch.Name, plural(hosts, "host"))
	}
	return nil, c.tx.RemoveChannel(ch.ID)
}

// isSubscribed tells whether a host is in a channel.
func (c *Ctx) isSubscribed(host, channel int64) (bool, error) {
	chs, err := c.tx.ChannelsOfHost(host, 0)
	return slices.ContainsFunc(chs, func(s store.Channel) bool { return s.ID == channel }), err
}

func addHostToChannel(c *Ctx, a Args) (any, error) {
	h, err := c.hostNamed(a.Any("hostname"))
	if err != nil {
		return nil, err
	}
	create := a.Bool("create")
	if create {
		if err := checkName(a.Str("channel_name")); err != nil {
			return nil, err
		}
	}
	ch, err := c.channelFor(a.Any("channel_name"), create)
	if err != nil {
		return nil, err
	}
	if !ch.Enabled && !a.Bool("force") {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "channel %s is disabled", plain(a.Any("channel_name")))
	}
	in, err := c.isSubscribed(h.ID, ch.ID)
	if err == nil && in {
		err = buildsys.Errorf(buildsys.FaultGeneric, "host %s is already subscribed to the %s channel", plain(a.Any("hostname")), plain(a.Any("channel_name")))
	}
	if err != nil {
		return nil, err
	}
	c.tx.AfterCommit(c.Hub.wakeScheduler)
	return nil, c.tx.AddHostToChannel(h.ID, ch.ID)
}

// channelFor finds the channel of a subscription, with create making it.
func (c *Ctx) channelFor(info any, create bool) (*store.Channel, error) {
	ch, err := c.findChannel(info, false)
	if err != nil || ch != nil {
		return ch, err
	}
	if !create {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "channel does not exist: %s", plain(info))
	}
	name, _ := info.(string)
	id, err := c.tx.InsertChannel(name, nil)
	if err != nil {
		return nil, err
	}
	return c.tx.ChannelByID(id)
}

func removeHostFromChannel(c *Ctx, a Args) (any, error) {
	h, err := c.hostNamed(a.Any("hostname"))
	if err != nil {
		return nil, err
	}
	ch, err := c.channelFor(a.Any("channel_name"), false)
	if err != nil {
		return nil, err
	}
	in, err := c.isSubscribed(h.ID, ch.ID)
	if err == nil && !in {
		err = buildsys.Errorf(buildsys.FaultGeneric, "host %s is not subscribed to the %s channel", plain(a.Any("hostname")), plain(a.Any("channel_name")))
	}
	if err != nil {
		return nil, err
	}
	_, err = c.tx.RemoveHostFromChannel(h.ID, ch.ID)
	return nil, err
}

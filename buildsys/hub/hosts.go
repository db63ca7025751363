package hub

import (
	"errors"
	"slices"
	"strings"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
)

func hostMethods() []Method {
	return []Method{
		{Name: "getHost", Args: "hostInfo, strict=False, event=None", Fn: getHost,
			Doc: "A builder by name or id; None if there is none, unless strict."},
		{Name: "listHosts", Args: "arches=None, channelID=None, ready=None, enabled=None, userID=None, queryOpts=None", Fn: listHosts,
			Doc: "List builders: those of any of some architectures, of a channel (name or id), ready or not, enabled or not, of a user."},
		{Name: "addHost", Perm: "host", Args: "hostname, arches, krb_principal=None, force=False", Mode: ModeWrite, Fn: addHost,
			Doc: "Add a builder for a list of architectures, with the user it logs in as, to channel default. Returns its id. With force, a person's user of that name becomes the builder's."},
		{Name: "editHost", Perm: "host", Args: "hostInfo, **kw", Mode: ModeWrite, Fn: editHost,
			Doc: "Change a builder: arches (separated by spaces), capacity, description, comment. Returns whether anything changed."},
		{Name: "enableHost", Perm: "host", Args: "hostname, comment=None", Mode: ModeWrite, Doc: "Let a builder take tasks.",
			Fn: func(c *Ctx, a Args) (any, error) { return nil, c.enableHost(a, true) }},
		{Name: "disableHost", Perm: "host", Args: "hostname, comment=None", Mode: ModeWrite, Doc: "Let a builder take no more tasks.",
			Fn: func(c *Ctx, a Args) (any, error) { return nil, c.enableHost(a, false) }},
		{Name: "getLastHostUpdate", Args: "hostID, ts=False", Fn: func(c *Ctx, a Args) (any, error) {
			h, err := c.findHost(a.Any("hostID"), false, 0)
			if err != nil || h == nil {
				return nil, err
			}
			if a.Bool("ts") {
				return optUnixTime(h.Update), nil
			}
			return optPyTime(h.Update), nil
		}, Doc: "When a builder last reported; None if it never did."},
	}
}

// hostMap is a builder as getHost shows it.
func hostMap(h *buildsys.Host) map[string]any {
	return map[string]any{
		"id":          h.ID,
		"user_id":     h.UserID,
		"name":        h.Name,
		"arches":      h.Arches,
		"capacity":    h.Capacity,
		"task_load":   h.TaskLoad,
		"description": optional(h.Description),
		"comment":     optional(h.Comment),
		"enabled":     h.Enabled,
		"ready":       h.Ready,
		"update_ts":   optUnixTime(h.Update),
	}
}

// findHost looks a builder up by name or id. Without strict, one that does not exist is nil.
func (c *Ctx) findHost(info any, strict bool, event int64) (*buildsys.Host, error) {
	var h *buildsys.Host
	var err error
	switch v := info.(type) {
	case int64:
		h, err = c.tx.HostByID(v, event)
	case string:
		h, err = c.tx.HostByName(v, event)
	default:
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "Invalid type for hostInfo: a host is a name or an id, not %s", describe(info))
	}
	if errors.Is(err, store.ErrNotFound) {
		if strict {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "Invalid hostInfo: %s", plain(info))
		}
		return nil, nil
	}
	return h, err
}

func getHost(c *Ctx, a Args) (any, error) {
	h, err := c.findHost(a.Any("hostInfo"), a.Bool("strict"), a.Event("event"))
	if err != nil || h == nil {
		return nil, err
	}
	return hostMap(h), nil
}

func listHosts(c *Ctx, a Args) (any, error) {
	var f store.HostFilter
	switch a.Any("arches").(type) {
	case nil:
	case string:
		f.Arches = []string{a.Str("arches")}
	default:
		if f.Arches = a.Strs("arches"); len(f.Arches) == 0 {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "arches option cannot be empty")
		}
	}
	if !a.Nil("channelID") {
		ch, err := c.findChannel(a.Any("channelID"), true)
		if err != nil {
			return nil, err
		}
		f.ChannelID = &ch.ID
	}
	if !a.Nil("userID") {
		u, err := c.findUser(a.Any("userID"), true)
		if err != nil {
			return nil, err
		}
		f.UserID = &u.ID
	}
	for name, dst := range map[string]**bool{"ready": &f.Ready, "enabled": &f.Enabled} {
		if !a.Nil(name) {
			b := a.Bool(name)
			*dst = &b
		}
	}
	hosts, err := c.tx.Hosts(f)
	if err != nil {
		return nil, err
	}
	rows := make([]map[string]any, len(hosts))
	for i := range hosts {
		rows[i] = hostMap(&hosts[i])
	}
	return applyOpts(rows, a.Map("queryOpts"))
}

// checkArches reads a list of architectures and writes it as the table keeps it.
func checkArches(arches []string) (string, error) {
	for _, a := range arches {
		if a == "" || strings.Trim(a, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" {
			return "", buildsys.Errorf(buildsys.FaultGeneric, "invalid architecture: %q", a)
		}
	}
	return strings.Join(arches, " "), nil
}

func addHost(c *Ctx, a Args) (any, error) {
	name := a.Str("hostname")
	if err := checkName(name); err != nil {
		return nil, err
	}
	arches, err := checkArches(a.Strs("arches"))
	if err != nil {
		return nil, err
	}
	if h, err := c.findHost(name, false, 0); err != nil {
		return nil, err
	} else if h != nil {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "host already exists: %s", name)
	}
	uid, err := c.hostUser(name, a.Bool("force"))
	if err != nil {
		return nil, err
	}
	if p := a.OptStr("krb_principal"); p != nil {
		if other, err := c.findUser(*p, false); err != nil || other != nil {
			if err == nil {
				err = buildsys.Errorf(buildsys.FaultGeneric, "user with this Kerberos principal already exists: %s", *p)
			}
			return nil, err
		}
		if err := c.tx.AddPrincipal(uid, *p); err != nil {
			return nil, err
		}
	}
	h := &buildsys.Host{UserID: uid, Name: name, Arches: arches, Capacity: 2, Enabled: true}
	if err := c.tx.InsertHost(h); err != nil {
		return nil, err
	}
	ch, err := c.findChannel("default", true)
	if err != nil {
		return nil, err
	}
	return h.ID, c.tx.AddHostToChannel(h.ID, ch.ID)
}

// hostUser finds or makes the user that a builder logs in as.
func (c *Ctx) hostUser(name string, force bool) (int64, error) {
	u, err := c.findUser(name, false)
	switch {
	case err != nil:
		return 0, err
	case u == nil:
		return c.tx.CreateUser(name, buildsys.StatusNormal, buildsys.UserHost)
	case u.Type == buildsys.UserHost:
		return u.ID, nil
	case force && u.Type == buildsys.UserNormal:
		u.Type = buildsys.UserHost
		return u.ID, c.tx.UpdateUser(*u)
	}
	return 0, buildsys.Errorf(buildsys.FaultGeneric, "user %s already exists and it is not a host; add the host with --force to make it one", name)
}

func editHost(c *Ctx, a Args) (any, error) {
	h, err := c.findHost(a.Any("hostInfo"), true, 0)
	if err != nil {
		return nil, err
	}
	was := *h
	kw := Args{method: "editHost", vals: a.Map("kw")}
	for key := range kw.vals {
		switch key {
		case "arches":
			if h.Arches, err = checkArches(strings.Fields(kw.Str(key))); err != nil {
				return nil, err
			}
		case "capacity":
			if h.Capacity = kw.Float(key); !(h.Capacity > 0) {
				return nil, buildsys.Errorf(buildsys.FaultGeneric, "capacity must be above 0")
			}
		case "description":
			h.Description = kw.OptStr(key)
		case "comment":
			h.Comment = kw.OptStr(key)
		default:
			return nil, buildsys.Errorf(buildsys.FaultParameter, "editHost() got an unexpected keyword argument '%s'", key)
		}
	}
	if was.Arches == h.Arches && was.Capacity == h.Capacity && optional(was.Description) == optional(h.Description) && optional(was.Comment) == optional(h.Comment) {
		return false, nil
	}
	c.tx.AfterCommit(c.Hub.wakeScheduler)
	return true, c.tx.ConfigureHost(h)
}

func (c *Ctx) enableHost(a Args, enabled bool) error {
	h, err := c.findHost(a.Any("hostname"), false, 0)
	if err != nil {
		return err
	}
	if h == nil {
		return buildsys.Errorf(buildsys.FaultGeneric, "host does not exist: %s", plain(a.Any("hostname")))
	}
	h.Enabled = enabled
	if comment := a.OptStr("comment"); comment != nil {
		h.Comment = comment
	}
	c.tx.AfterCommit(c.Hub.wakeScheduler)
	return c.tx.ConfigureHost(h)
}

func channelMethods() []Method {
	return []Method{
		{Name: "getChannel", Args: "channelInfo, strict=False", Fn: func(c *Ctx, a Args) (any, error) {
			ch, err := c.findChannel(a.Any("channelInfo"), a.Bool("strict"))
			if err != nil || ch == nil {
				return nil, err
			}
			return channelMap(ch), nil
		}, Doc: "A channel by name or id; None if there is none, unless strict."},
		{Name: "listChannels", Args: "hostID=None, event=None, enabled=None", Fn: listChannels,
			Doc: "List channels, all or those of a builder (name or id)."},
		{Name: "addChannel", Perm: "host", Args: "channel_name, description=None", Mode: ModeWrite, Fn: addChannel,
			Doc: "Add a channel. Returns its id."},
		{Name: "addHostToChannel", Perm: "host", Args: "hostname, channel_name, create=False, force=False", Mode: ModeWrite, Fn: addHostToChannel,
			Doc: "Subscribe a builder to a channel; with create one that does not exist is made, with force it may be disabled."},
		{Name: "removeHostFromChannel", Perm: "host", Args: "hostname, channel_name", Mode: ModeWrite, Fn: removeHostFromChannel,
			Doc: "End a builder's subscription to a channel."},
	}
}

func channelMap(ch *store.Channel) map[string]any {
	return map[string]any{"id": ch.ID, "name": ch.Name, "description": optional(ch.Description), "enabled": ch.Enabled, "comment": optional(ch.Comment)}
}

// findChannel looks a channel up by name or id. Without strict, one that does not exist is nil.
func (c *Ctx) findChannel(info any, strict bool) (*store.Channel, error) {
	var ch *store.Channel
	var err error
	switch v := info.(type) {
	case int64:
		ch, err = c.tx.ChannelByID(v)
	case string:
		ch, err = c.tx.ChannelByName(v)
	default:
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "Invalid type for channelInfo: a channel is a name or an id, not %s", describe(info))
	}
	if errors.Is(err, store.ErrNotFound) {
		if strict {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "No such channel: %s", plain(info))
		}
		return nil, nil
	}
	return ch, err
}

func listChannels(c *Ctx, a Args) (any, error) {
	var chs []store.Channel
	var err error
	switch {
	case truth(a.Any("hostID")):
		var h *buildsys.Host
		if h, err = c.findHost(a.Any("hostID"), false, 0); err != nil || h == nil {
			return []any{}, err
		}
		chs, err = c.tx.ChannelsOfHost(h.ID, a.Event("event"))
	case !a.Nil("event"):
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "list_channels with event and not host is not supported")
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
	id, err := c.tx.InsertChannel(name, a.OptStr("description"))
	if errors.Is(err, store.ErrExists) {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "channel %s already exists", name)
	}
	return id, err
}

// hostAndChannel finds both for a change of a subscription, and which channels the host is in.
func (c *Ctx) hostAndChannel(a Args, create bool) (*buildsys.Host, *store.Channel, bool, error) {
	h, err := c.findHost(a.Any("hostname"), false, 0)
	if err != nil {
		return nil, nil, false, err
	}
	if h == nil {
		return nil, nil, false, buildsys.Errorf(buildsys.FaultGeneric, "host does not exist: %s", plain(a.Any("hostname")))
	}
	ch, err := c.findChannel(a.Any("channel_name"), false)
	if err == nil && ch == nil {
		if !create {
			return nil, nil, false, buildsys.Errorf(buildsys.FaultGeneric, "channel does not exist: %s", plain(a.Any("channel_name")))
		}
		var id int64
		if err = checkName(a.Str("channel_name")); err == nil {
			if id, err = c.tx.InsertChannel(a.Str("channel_name"), nil); err == nil {
				ch, err = c.tx.ChannelByID(id)
			}
		}
	}
	if err != nil {
		return nil, nil, false, err
	}
	subscribed, err := c.tx.ChannelsOfHost(h.ID, 0)
	return h, ch, slices.ContainsFunc(subscribed, func(s store.Channel) bool { return s.ID == ch.ID }), err
}

func addHostToChannel(c *Ctx, a Args) (any, error) {
	h, ch, in, err := c.hostAndChannel(a, a.Bool("create"))
	switch {
	case err != nil:
		return nil, err
	case in:
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "host %s is already subscribed to the %s channel", h.Name, ch.Name)
	case !ch.Enabled && !a.Bool("force"):
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "channel %s is disabled", ch.Name)
	}
	c.tx.AfterCommit(c.Hub.wakeScheduler)
	return nil, c.tx.AddHostToChannel(h.ID, ch.ID)
}

func removeHostFromChannel(c *Ctx, a Args) (any, error) {
	h, ch, in, err := c.hostAndChannel(a, false)
	if err == nil && !in {
		err = buildsys.Errorf(buildsys.FaultGeneric, "host %s is not subscribed to the %s channel", h.Name, ch.Name)
	}
	if err != nil {
		return nil, err
	}
	_, err = c.tx.RemoveHostFromChannel(h.ID, ch.ID)
	return nil, err
}

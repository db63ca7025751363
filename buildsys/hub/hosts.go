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
		{Name: "enableHost", Perm: "host", Args: "hostname", Mode: ModeWrite, Doc: "Let a builder take tasks.",
			Fn: func(c *Ctx, a Args) (any, error) { return nil, c.enableHost(a, true) }},
		{Name: "removeHost", Perm: "host", Args: "hostInfo", Mode: ModeWrite, Fn: removeHost,
			Doc: "Take a builder away, with the login of its user. Refused while it has tasks. Added again, it has its id again."},
		{Name: "disableHost", Perm: "host", Args: "hostname", Mode: ModeWrite, Doc: "Let a builder take no more tasks.",
			Fn: func(c *Ctx, a Args) (any, error) { return nil, c.enableHost(a, false) }},
		{Name: "getLastHostUpdate", Args: "hostID, ts=False", Fn: getLastHostUpdate,
			Doc: "When a builder last called; None if it never did."},
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
	id, name, err := idOrName(info)
	if err != nil {
		return nil, err
	}
	var h *buildsys.Host
	if id != 0 {
		h, err = c.tx.HostByID(id, event)
	} else {
		h, err = c.tx.HostByName(name, event)
	}
	if errors.Is(err, store.ErrNotFound) {
		if strict {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "Invalid hostInfo: %s", plain(info))
		}
		return nil, nil
	}
	return h, err
}

// hostNamed is findHost for changes, with the words that Koji has there.
func (c *Ctx) hostNamed(info any) (*buildsys.Host, error) {
	h, err := c.findHost(info, false, 0)
	if err == nil && h == nil {
		err = buildsys.Errorf(buildsys.FaultGeneric, "host does not exist: %s", plain(info))
	}
	return h, err
}

func getLastHostUpdate(c *Ctx, a Args) (any, error) {
	h, err := c.findHost(a.Any("hostID"), false, 0)
	if err != nil || h == nil {
		return nil, err
	}
	last, err := c.tx.LastSeen(h.UserID)
	if err != nil || last == nil {
		return nil, err
	}
	if a.Bool("ts") {
		return unixTime(*last), nil
	}
	return pyTime(*last), nil
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
		if f.Arches = []string{a.Str("arches")}; f.Arches[0] == "" {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "arches option cannot be empty")
		}
	default:
		if f.Arches = a.Strs("arches"); len(f.Arches) == 0 {
			return nil, buildsys.Errorf(buildsys.FaultGeneric, "arches option cannot be empty")
		}
	}
	if !a.Nil("channelID") {
		ch, err := c.findChannel(a.Any("channelID"), false)
		if err == nil && ch == nil {
			err = buildsys.Errorf(buildsys.FaultGeneric, "No such entry in table channels: %s", plain(a.Any("channelID")))
		}
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
	f.Ready, f.Enabled = a.optBool("ready"), a.optBool("enabled")
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

func addHost(c *Ctx, a Args) (any, error) {
	name := a.Str("hostname")
	if err := checkName(name); err != nil {
		return nil, err
	}
	arches, err := joinArches(a.Strs("arches"))
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
	if p := a.OptStr("krb_principal"); p != nil && *p != "" {
		if held, err := c.tx.Principals(uid); err != nil {
			return nil, err
		} else if !slices.Contains(held, *p) {
			if err := c.newPrincipal(uid, *p); err != nil {
				return nil, err
			}
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
		return u.ID, c.welcomeBack(u)
	case force && u.Type == buildsys.UserNormal:
		// Who may add hosts may give them a Kerberos principal: that must not be a way to another's permissions.
		if held, err := c.tx.PermissionsOf(u.ID); err != nil {
			return 0, err
		} else if len(held) > 0 {
			if err := c.Assert("admin"); err != nil {
				return 0, err
			}
		}
		u.Type = buildsys.UserHost
		return u.ID, c.tx.UpdateUser(*u)
	}
	return 0, buildsys.Errorf(buildsys.FaultGeneric, "user %s already exists and it is not a host", name)
}

// welcomeBack lets the user of a builder that was removed log in again.
func (c *Ctx) welcomeBack(u *buildsys.User) error {
	was, err := c.tx.WasHost(u.Name)
	if err != nil || !was || u.Status == buildsys.StatusNormal {
		return err
	}
	u.Status = buildsys.StatusNormal
	return c.tx.UpdateUser(*u)
}

func removeHost(c *Ctx, a Args) (any, error) {
	h, err := c.hostNamed(a.Any("hostInfo"))
	if err != nil {
		return nil, err
	}
	n, err := c.tx.HostWork(h.ID)
	if err == nil && n > 0 {
		err = buildsys.Errorf(buildsys.FaultGeneric, "host %s has %s: disable it and wait, or free or cancel them", h.Name, plural(n, "task"))
	}
	if err != nil {
		return nil, err
	}
	if err := c.tx.RemoveHost(h.ID); err != nil {
		return nil, err
	}
	u, err := c.tx.UserByID(h.UserID)
	if err != nil || u.Type != buildsys.UserHost {
		return nil, err
	}
	u.Status = buildsys.StatusBlocked
	if err := c.tx.UpdateUser(u); err != nil {
		return nil, err
	}
	return nil, c.tx.CloseSessionsOf(u.ID)
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
			if h.Arches, err = joinArches(strings.Fields(kw.Str(key))); err != nil {
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
	if was.Arches == h.Arches && was.Capacity == h.Capacity && equalPtr(was.Description, h.Description) && equalPtr(was.Comment, h.Comment) {
		return false, nil
	}
	c.tx.AfterCommit(c.Hub.wakeScheduler)
	return true, c.tx.ConfigureHost(h)
}

func (c *Ctx) enableHost(a Args, enabled bool) error {
	h, err := c.hostNamed(a.Any("hostname"))
	if err != nil {
		return err
	}
	h.Enabled = enabled
	c.tx.AfterCommit(c.Hub.wakeScheduler)
	return c.tx.ConfigureHost(h)
}

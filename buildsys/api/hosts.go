package api

import (
	"context"

	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// Builder is a host with all that getHost and listHosts tell.
type Builder struct {
	ID          int64    `koji:"id" json:"id"`
	Name        string   `koji:"name" json:"name"`
	Arches      string   `koji:"arches" json:"arches"`
	Capacity    float64  `koji:"capacity" json:"capacity"`
	TaskLoad    float64  `koji:"task_load" json:"task_load"`
	Description *string  `koji:"description" json:"description"`
	Comment     *string  `koji:"comment" json:"comment"`
	Enabled     bool     `koji:"enabled" json:"enabled"`
	Ready       bool     `koji:"ready" json:"ready"`
	Update      *float64 `koji:"update_ts" json:"update_ts"`
}

// Builders finds hosts by name or, as int64, by id: nil where there is none.
func (h *Hub) Builders(ctx context.Context, hosts []any) ([]*Builder, error) {
	calls := make([][]any, len(hosts))
	for i, name := range hosts {
		calls[i] = []any{name}
	}
	return getMany[*Builder](ctx, h, "getHost", calls)
}

// ListHosts lists hosts, one answer for each opts; the keys of those are Koji's of listHosts.
func (h *Hub) ListHosts(ctx context.Context, opts ...map[string]any) ([][]Builder, error) {
	calls := make([][]any, len(opts))
	for i, o := range opts {
		calls[i] = []any{kw(o)}
	}
	return getMany[[]Builder](ctx, h, "listHosts", calls)
}

// EditHosts makes the same changes to hosts, and tells which they changed.
func (h *Hub) EditHosts(ctx context.Context, hosts []string, changes map[string]any) ([]bool, error) {
	calls := make([][]any, len(hosts))
	for i, name := range hosts {
		calls[i] = []any{name, kw(changes)}
	}
	return getMany[bool](ctx, h, "editHost", calls)
}

// EnableHosts lets hosts take tasks, or no more, and says why.
func (h *Hub) EnableHosts(ctx context.Context, hosts []string, enabled bool, comment *string) error {
	var calls []xmlrpc.Call
	for _, name := range hosts {
		calls = append(calls, xmlrpc.Call{Method: enableVerb("Host", enabled), Args: []any{name}})
		if comment != nil {
			calls = append(calls, xmlrpc.Call{Method: "editHost", Args: []any{name, kw{"comment": *comment}}})
		}
	}
	return h.All(ctx, calls)
}

// RemoveHost takes a host away.
func (h *Hub) RemoveHost(ctx context.Context, host string) error {
	return exec(ctx, h, "removeHost", host)
}

// Channel is a set of hosts that tasks are sent to.
type Channel struct {
	ID          int64   `koji:"id" json:"id"`
	Name        string  `koji:"name" json:"name"`
	Description *string `koji:"description" json:"description"`
	Comment     *string `koji:"comment" json:"comment"`
	Enabled     bool    `koji:"enabled" json:"enabled"`
}

// Channels lists channels, all or with enabled those that are or are not.
func (h *Hub) Channels(ctx context.Context, enabled *bool) ([]Channel, error) {
	if enabled != nil {
		return get[[]Channel](ctx, h, "listChannels", kw{"enabled": *enabled})
	}
	return get[[]Channel](ctx, h, "listChannels")
}

// ChannelsOf lists the channels of each of some hosts.
func (h *Hub) ChannelsOf(ctx context.Context, hosts ...int64) ([][]Channel, error) {
	calls := make([][]any, len(hosts))
	for i, id := range hosts {
		calls[i] = []any{id}
	}
	return getMany[[]Channel](ctx, h, "listChannels", calls)
}

// FindChannels finds channels by name, nil where there is none.
func (h *Hub) FindChannels(ctx context.Context, names ...string) ([]*Channel, error) {
	calls := make([][]any, len(names))
	for i, name := range names {
		calls[i] = []any{name}
	}
	return getMany[*Channel](ctx, h, "getChannel", calls)
}

// AddChannel adds a channel and returns its number.
func (h *Hub) AddChannel(ctx context.Context, name string, description *string) (int64, error) {
	return get[int64](ctx, h, "addChannel", name, kw{"description": anyOf(description)})
}

// EditChannel changes a channel and tells whether that changed anything.
func (h *Hub) EditChannel(ctx context.Context, name string, changes map[string]any) (bool, error) {
	return get[bool](ctx, h, "editChannel", name, kw(changes))
}

// EnableChannels lets channels' tasks be taken, or no more, and says why.
func (h *Hub) EnableChannels(ctx context.Context, names []string, enabled bool, comment *string) error {
	calls := make([]xmlrpc.Call, len(names))
	for i, name := range names {
		calls[i] = xmlrpc.Call{Method: enableVerb("Channel", enabled), Args: []any{name, kw{"comment": anyOf(comment)}}}
	}
	return h.All(ctx, calls)
}

// RemoveChannel takes a channel away, with force also from its hosts.
func (h *Hub) RemoveChannel(ctx context.Context, name string, force bool) error {
	return exec(ctx, h, "removeChannel", name, force)
}

// AddHostToChannel has a host take a channel's tasks; with create the channel is made, with force it may be disabled.
func (h *Hub) AddHostToChannel(ctx context.Context, host, channel string, create, force bool) error {
	k := kw{}
	if create {
		k["create"] = true
	}
	if force {
		k["force"] = true
	}
	return exec(ctx, h, "addHostToChannel", withEvent{kw: k}.args(host, channel)...)
}

// RemoveHostFromChannel has a host take a channel's tasks no more.
func (h *Hub) RemoveHostFromChannel(ctx context.Context, host, channel string) error {
	return exec(ctx, h, "removeHostFromChannel", host, channel)
}

// HostBuildroot is a build root on a host.
type HostBuildroot struct {
	ID      int64  `koji:"id"`
	RepoID  int64  `koji:"repo_id"`
	TagName string `koji:"tag_name"`
	Created string `koji:"create_event_time"`
}

// HostBuildroots lists the build roots of a host in each of some states.
func (h *Hub) HostBuildroots(ctx context.Context, host int64, states ...int64) ([][]HostBuildroot, error) {
	calls := make([][]any, len(states))
	for i, st := range states {
		calls[i] = []any{kw{"hostID": host, "state": st}}
	}
	return getMany[[]HostBuildroot](ctx, h, "listBuildroots", calls)
}

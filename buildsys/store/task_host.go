package store

import (
	"slices"
	"strings"

	"github.com/privyseal/privyseal/buildsys"
)

const hostColumns = `SELECT h.id, h.user_id, h.name, coalesce(c.arches, ''), c.capacity, h.task_load, c.description, c.comment,
	c.enabled, h.ready, h.update_time FROM host h JOIN host_config c ON c.host_id = h.id`

func scanHost(scan func(...any) error, h *buildsys.Host) error {
	var update *int64
	err := scan(&h.ID, &h.UserID, &h.Name, &h.Arches, &h.Capacity, &h.TaskLoad, &h.Description, &h.Comment, &h.Enabled, &h.Ready, &update)
	h.Update = optTime(update)
	return err
}

func (tx *Tx) host(cond string, v any, event int64) (*buildsys.Host, error) {
	var w where
	w.add(cond, v)
	w.live("c", event)
	return one(list(tx, hostColumns+w.String(), w.args, scanHost))
}

// HostByID returns a host, as it was configured at an event (0: as it is now).
func (tx *Tx) HostByID(id, event int64) (*buildsys.Host, error) {
	return tx.host("h.id = ?", id, event)
}

// HostByName returns a host, as it was configured at an event (0: as it is now).
func (tx *Tx) HostByName(name string, event int64) (*buildsys.Host, error) {
	return tx.host("h.name = ?", name, event)
}

// HostOfUser returns the host that logs in as a user.
func (tx *Tx) HostOfUser(user int64) (*buildsys.Host, error) {
	return tx.host("h.user_id = ?", user, 0)
}

// HostFilter narrows a list of hosts; nil fields do not.
type HostFilter struct {
	Arches         []string // any of them
	ChannelID      *int64
	UserID         *int64
	Ready, Enabled *bool
}

// Hosts lists hosts in order of their ids.
func (tx *Tx) Hosts(f HostFilter) ([]buildsys.Host, error) {
	var w where
	w.live("c", 0)
	if f.ChannelID != nil {
		w.add("h.id IN (SELECT hc.host_id FROM host_channels hc WHERE hc.channel_id = ? AND hc.active IS TRUE)", *f.ChannelID)
	}
	if f.UserID != nil {
		w.add("h.user_id = ?", *f.UserID)
	}
	if f.Ready != nil {
		w.add("h.ready = ?", *f.Ready)
	}
	if f.Enabled != nil {
		w.add("c.enabled = ?", *f.Enabled)
	}
	hosts, err := list(tx, hostColumns+w.String()+" ORDER BY h.id", w.args, scanHost)
	if f.Arches != nil {
		hosts = slices.DeleteFunc(hosts, func(h buildsys.Host) bool {
			return !slices.ContainsFunc(strings.Fields(h.Arches), func(a string) bool { return slices.Contains(f.Arches, a) })
		})
	}
	return hosts, err
}

// InsertHost adds a host for a user and sets its id.
func (tx *Tx) InsertHost(h *buildsys.Host) error {
	id, err := tx.insertNew(`INSERT INTO host (user_id, name) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING id`, h.UserID, h.Name)
	if err != nil {
		return err
	}
	h.ID = id
	return tx.createHostConfig(h)
}

func (tx *Tx) createHostConfig(h *buildsys.Host) error {
	return tx.create("host_config", "host_id, arches, capacity, description, comment, enabled", h.ID, h.Arches, h.Capacity, h.Description, h.Comment, h.Enabled)
}

// ConfigureHost replaces a host's settings.
func (tx *Tx) ConfigureHost(h *buildsys.Host) error {
	if _, err := tx.revoke("host_config", "host_id = $1", h.ID); err != nil {
		return err
	}
	return tx.createHostConfig(h)
}

// ReportHost notes what a host said of itself. data (JSON) stays if nil.
func (tx *Tx) ReportHost(id int64, load float64, ready bool, data *string) error {
	_, err := tx.exec(`UPDATE host SET task_load = $1, ready = $2, update_time = $3, data = coalesce($4, data) WHERE id = $5`,
		load, ready, micros(tx.Now()), data, id)
	return err
}

// SetHostData notes what a host said for the scheduler (JSON).
func (tx *Tx) SetHostData(id int64, data string) error {
	_, err := tx.exec(`UPDATE host SET data = $1 WHERE id = $2`, data, id)
	return err
}

// Channel is a set of hosts that tasks are sent to.
type Channel struct {
	ID                   int64
	Name                 string
	Description, Comment *string
	Enabled              bool
}

const channelColumns = `SELECT c.id, c.name, c.description, c.enabled, c.comment FROM channels c`

func scanChannel(scan func(...any) error, c *Channel) error {
	return scan(&c.ID, &c.Name, &c.Description, &c.Enabled, &c.Comment)
}

// ChannelByID returns a channel.
func (tx *Tx) ChannelByID(id int64) (*Channel, error) {
	return one(list(tx, channelColumns+` WHERE c.id = $1`, []any{id}, scanChannel))
}

// ChannelByName returns a channel.
func (tx *Tx) ChannelByName(name string) (*Channel, error) {
	return one(list(tx, channelColumns+` WHERE c.name = $1`, []any{name}, scanChannel))
}

// Channels lists all channels.
func (tx *Tx) Channels() ([]Channel, error) {
	return list(tx, channelColumns+` ORDER BY c.id`, nil, scanChannel)
}

// ChannelsOfHost lists the channels that a host subscribes to, at an event (0: now).
func (tx *Tx) ChannelsOfHost(host, event int64) ([]Channel, error) {
	var w where
	w.add("hc.host_id = ?", host)
	w.live("hc", event)
	return list(tx, channelColumns+` JOIN host_channels hc ON hc.channel_id = c.id`+w.String()+` ORDER BY c.id`, w.args, scanChannel)
}

// InsertChannel adds a channel.
func (tx *Tx) InsertChannel(name string, description *string) (int64, error) {
	return tx.insertNew(`INSERT INTO channels (name, description) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING id`, name, description)
}

// AddHostToChannel subscribes a host.
func (tx *Tx) AddHostToChannel(host, channel int64) error {
	return tx.create("host_channels", "host_id, channel_id", host, channel)
}

// RemoveHostFromChannel ends a subscription; false tells that there was none.
func (tx *Tx) RemoveHostFromChannel(host, channel int64) (bool, error) {
	return changed(tx.revoke("host_channels", "host_id = $1 AND channel_id = $2", host, channel))
}

package store

import (
	"slices"
	"strings"
	"time"

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

// InsertHost adds a host for a user and sets its id. One of a name that was given back is the same one again, with the same
// id. ErrExists tells that there is one.
func (tx *Tx) InsertHost(h *buildsys.Host) error {
	id, err := tx.insertNew(`INSERT INTO host (user_id, name) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE
		SET user_id = EXCLUDED.user_id, ready = FALSE, task_load = 0, update_time = NULL, data = NULL
		WHERE NOT EXISTS (SELECT 1 FROM host_config c WHERE c.host_id = host.id AND c.active IS TRUE) RETURNING id`, h.UserID, h.Name)
	if err != nil {
		return err
	}
	h.ID = id
	return tx.createHostConfig(h)
}

// HostWork counts the tasks that a host has: assigned or open.
func (tx *Tx) HostWork(host int64) (n int64, err error) {
	err = tx.row(`SELECT count(*) FROM task WHERE host_id = $1 AND state IN ($2, $3)`,
		[]any{host, int(buildsys.TaskOpen), int(buildsys.TaskAssigned)}, &n)
	return n, err
}

// WasHost tells whether there is or ever was a host of a name.
func (tx *Tx) WasHost(name string) (bool, error) {
	return tx.anyRow(`SELECT 1 FROM host WHERE name = $1`, name)
}

// RemoveHost ends a host's settings and subscriptions; what it did keeps its name.
func (tx *Tx) RemoveHost(host int64) error {
	for _, table := range []string{"host_channels", "host_config"} {
		if _, err := tx.revoke(table, "host_id = $1", host); err != nil {
			return err
		}
	}
	_, err := tx.exec(`UPDATE host SET ready = FALSE, task_load = 0, data = NULL WHERE id = $1`, host)
	return err
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

// LastSeen is when a host's user last called, nil if it never did.
func (tx *Tx) LastSeen(user int64) (*time.Time, error) {
	var last *int64
	err := tx.row(`SELECT max(update_time) FROM sessions WHERE user_id = $1`, []any{user}, &last)
	return optTime(last), err
}

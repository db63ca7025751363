package store

import "github.com/privyseal/privyseal/buildsys"

// Channel is a set of hosts that tasks are sent to.
type Channel struct {
	ID                   int64
	Name                 string
	Description, Comment *string
	Enabled              bool
	Removed              bool
}

const channelColumns = `SELECT c.id, c.name, c.description, c.enabled, c.comment, c.removed FROM channels c`

func scanChannel(scan func(...any) error, c *Channel) error {
	return scan(&c.ID, &c.Name, &c.Description, &c.Enabled, &c.Comment, &c.Removed)
}

// ChannelByID returns a channel, also one that was removed: tasks are named by it.
func (tx *Tx) ChannelByID(id int64) (*Channel, error) {
	return one(list(tx, channelColumns+` WHERE c.id = $1`, []any{id}, scanChannel))
}

// ChannelByName returns a channel.
func (tx *Tx) ChannelByName(name string) (*Channel, error) {
	return one(list(tx, channelColumns+` WHERE c.name = $1 AND NOT c.removed`, []any{name}, scanChannel))
}

// Channels lists all channels.
func (tx *Tx) Channels() ([]Channel, error) {
	return list(tx, channelColumns+` WHERE NOT c.removed ORDER BY c.id`, nil, scanChannel)
}

// ChannelsOfHost lists the channels that a host subscribes to, at an event (0: now).
func (tx *Tx) ChannelsOfHost(host, event int64) ([]Channel, error) {
	var w where
	w.add("hc.host_id = ?", host)
	w.live("hc", event)
	return list(tx, channelColumns+` JOIN host_channels hc ON hc.channel_id = c.id`+w.String()+` ORDER BY c.id`, w.args, scanChannel)
}

// InsertChannel adds a channel. One of a name that was given back is the same one again, with the same id. ErrExists tells
// that there is one.
func (tx *Tx) InsertChannel(name string, description *string) (int64, error) {
	return tx.insertNew(`INSERT INTO channels (name, description) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE
		SET description = EXCLUDED.description, comment = NULL, enabled = TRUE, removed = FALSE WHERE channels.removed RETURNING id`, name, description)
}

// UpdateChannel changes a channel's name, description, comment and whether it is enabled. A removed one that had the name
// before keeps it with its id behind.
func (tx *Tx) UpdateChannel(c *Channel) error {
	if _, err := tx.exec(`UPDATE channels SET name = name || '#' || id WHERE name = $1 AND id <> $2 AND removed`, c.Name, c.ID); err != nil {
		return err
	}
	_, err := tx.exec(`UPDATE channels SET name = $2, description = $3, comment = $4, enabled = $5 WHERE id = $1`,
		c.ID, c.Name, c.Description, c.Comment, c.Enabled)
	return err
}

// ChannelWork counts the unfinished tasks of a channel and the hosts that subscribe to it.
func (tx *Tx) ChannelWork(channel int64) (tasks, hosts int64, err error) {
	err = tx.row(`SELECT count(*) FROM task WHERE channel_id = $1 AND state IN ($2, $3, $4)`,
		[]any{channel, int(buildsys.TaskFree), int(buildsys.TaskOpen), int(buildsys.TaskAssigned)}, &tasks)
	if err == nil {
		err = tx.row(`SELECT count(*) FROM host_channels WHERE channel_id = $1 AND active IS TRUE`, []any{channel}, &hosts)
	}
	return tasks, hosts, err
}

// RemoveChannel ends a channel and all subscriptions to it; the tasks that were in it keep its name.
func (tx *Tx) RemoveChannel(channel int64) error {
	if _, err := tx.revoke("host_channels", "channel_id = $1", channel); err != nil {
		return err
	}
	_, err := tx.exec(`UPDATE channels SET enabled = FALSE, removed = TRUE WHERE id = $1`, channel)
	return err
}

// AddHostToChannel subscribes a host.
func (tx *Tx) AddHostToChannel(host, channel int64) error {
	return tx.create("host_channels", "host_id, channel_id", host, channel)
}

// RemoveHostFromChannel ends a subscription; false tells that there was none.
func (tx *Tx) RemoveHostFromChannel(host, channel int64) (bool, error) {
	return changed(tx.revoke("host_channels", "host_id = $1 AND channel_id = $2", host, channel))
}

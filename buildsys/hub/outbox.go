package hub

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
)

// The hub tells others what happens: that a build was tagged or untagged, that a build or repository changed its state, that a
// package was signed. Each message is written into the table outbox in the transaction of the change itself, one row for each
// receiver, so that a hub that dies tells of everything that was committed and of nothing else. A row leaves the table when the
// receiver has taken the message; a receiver may get a message twice, and knows it by its id. One receiver's messages come in
// their order. What a receiver refuses, or does not take within its patience, is dead: it stays in the table until a person has
// it sent again (retry-message) or dropped (drop-message).

// Sink is a receiver.
type Sink struct {
	Name string
	// Topics that it is told of, such as tag or repo.done; none: all.
	Topics []string
	// Patience is for how long a message is tried.
	Patience time.Duration
	send     sender
}

// sender delivers one message. An error that is errRefused makes no second try.
type sender interface {
	send(ctx context.Context, m *store.Message) error
	close()
}

// errRefused tells that a receiver does not want a message, ever.
var errRefused = errors.New("refused")

// outboxState wakes the senders.
type outboxState struct {
	mu   sync.Mutex
	wake map[string]chan struct{}
}

func (o *outboxState) waker(sink string) chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.wake == nil {
		o.wake = map[string]chan struct{}{}
	}
	if o.wake[sink] == nil {
		o.wake[sink] = make(chan struct{}, 1)
	}
	return o.wake[sink]
}

func (o *outboxState) ring(sink string) {
	select {
	case o.waker(sink) <- struct{}{}:
	default:
	}
}

// announcement is the body of a message. The names of its fields are those of the messages that Fedora's hub sends.
type announcement struct {
	ID       string         `json:"id"`
	Topic    string         `json:"topic"`
	Instance string         `json:"instance"` // the hub's name
	Time     string         `json:"time"`
	Event    *int64         `json:"event"`
	User     *string        `json:"user"`
	Msg      map[string]any `json:"msg"`
}

// announce writes what is to be told of a transaction's changes.
func (h *Hub) announce(tx *store.Tx, changes []store.Change) error {
	names := map[int64]string{}
	for _, ch := range changes {
		topic, msg, err := h.describeChange(tx, ch)
		if err != nil {
			return err
		}
		if msg == nil {
			continue
		}
		var id [16]byte
		_, _ = rand.Read(id[:])
		a := announcement{ID: hex.EncodeToString(id[:]), Topic: topic, Instance: h.cfg.Name, Time: tx.Now().Format(time.RFC3339Nano), Msg: msg}
		if ch.Event != 0 {
			a.Event = &ch.Event
		}
		if ch.Actor != 0 {
			if _, ok := names[ch.Actor]; !ok {
				u, err := tx.UserByID(ch.Actor)
				if err != nil && !errors.Is(err, store.ErrNotFound) {
					return err
				}
				names[ch.Actor] = u.Name
			}
			name := names[ch.Actor]
			a.User = &name
		}
		body, err := json.Marshal(a)
		if err != nil {
			return err
		}
		for _, s := range h.cfg.Sinks {
			if !s.wants(topic) {
				continue
			}
			if err := tx.Post(store.Message{Sink: s.Name, MessageID: a.ID, Topic: topic, Body: string(body)}); err != nil {
				return err
			}
			tx.AfterCommit(func() { h.told.ring(s.Name) })
		}
	}
	return nil
}

func (s *Sink) wants(topic string) bool {
	if len(s.Topics) == 0 {
		return true
	}
	return slices.ContainsFunc(s.Topics, func(t string) bool { return t == topic || t == "repo" && strings.HasPrefix(topic, "repo.") })
}

// describeChange makes a message of a change; a nil one tells nothing, because nothing of it is left.
func (h *Hub) describeChange(tx *store.Tx, ch store.Change) (topic string, msg map[string]any, err error) {
	gone := func(err error) (string, map[string]any, error) {
		if errors.Is(err, store.ErrNotFound) {
			err = nil
		}
		return "", nil, err
	}
	switch ch.Topic {
	case store.TopicTag, store.TopicUntag, store.TopicBuildState:
		b, err := tx.BuildByID(ch.Build)
		if err != nil {
			return gone(err)
		}
		msg := map[string]any{"build_id": b.ID, "name": b.PackageName, "version": b.Version, "release": b.Release, "epoch": b.Epoch,
			"owner": b.OwnerName, "nvr": b.NVR(), "task_id": b.TaskID}
		if ch.Topic == store.TopicBuildState {
			if ch.HasOld {
				if buildsys.BuildState(ch.Old) == b.State {
					return "", nil, nil
				}
				msg["old"] = ch.Old
			} else {
				msg["old"] = nil
			}
			msg["attribute"], msg["new"] = "state", int(b.State)
			return ch.Topic, msg, nil
		}
		name, err := tx.TagName(ch.Tag)
		if err != nil {
			return gone(err)
		}
		msg["tag_id"], msg["tag"] = ch.Tag, name
		return ch.Topic, msg, nil
	case store.TopicRepo:
		r, err := tx.RepoByID(ch.Repo)
		if err != nil {
			return gone(err)
		}
		topic := map[buildsys.RepoState]string{buildsys.RepoInit: "repo.init", buildsys.RepoReady: "repo.done",
			buildsys.RepoExpired: "repo.expired", buildsys.RepoDeleted: "repo.deleted", buildsys.RepoProblem: "repo.problem"}[r.State]
		msg := map[string]any{"repo_id": r.ID, "tag": r.TagName, "tag_id": r.TagID, "dist": r.Dist, "task_id": r.TaskID, "state": int(r.State)}
		return topic, msg, nil
	case store.TopicSign:
		r, err := tx.RPMByID(ch.RPM)
		if err != nil {
			return gone(err)
		}
		if ch.Sigkey == "" {
			return "", nil, nil // the header of an unsigned package
		}
		msg := map[string]any{"sigkey": ch.Sigkey, "rpm": map[string]any{"id": r.ID, "name": r.Name, "version": r.Version, "release": r.Release,
			"epoch": r.Epoch, "arch": r.Arch, "build_id": r.BuildID, "size": r.Size}}
		return ch.Topic, msg, nil
	}
	return "", nil, nil
}

// runOutbox delivers until ctx ends.
func (h *Hub) runOutbox(ctx context.Context) {
	var work sync.WaitGroup
	for i := range h.cfg.Sinks {
		work.Go(func() { h.deliver(ctx, &h.cfg.Sinks[i]) })
	}
	work.Wait()
}

// outboxLook is how often the outbox is looked at when nobody rings: another hub of the database may have written to it.
const outboxLook = 10 * time.Second

func (h *Hub) deliver(ctx context.Context, s *Sink) {
	defer s.send.close()
	for ctx.Err() == nil {
		wait, err := h.deliverDue(ctx, s)
		if err != nil && ctx.Err() == nil {
			h.log.Warn("outbox", "sink", s.Name, "err", err)
		}
		if wait <= 0 && err == nil {
			continue
		}
		if wait <= 0 || wait > outboxLook {
			wait = outboxLook
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-h.told.waker(s.Name):
		case <-t.C:
		}
		t.Stop()
	}
}

// deliverBatch is how many messages are read at once.
const deliverBatch = 50

// deliverDue delivers what is due, in order, and tells how long to wait; 0: there may be more. Two hubs do not deliver to one
// receiver at the same time.
func (h *Hub) deliverDue(ctx context.Context, s *Sink) (wait time.Duration, err error) {
	wait = outboxLook
	messages, err := h.nextMessages(ctx, s.Name)
	if err != nil || len(messages) == 0 {
		return wait, err
	}
	err = h.store.Alone(ctx, "outbox "+s.Name, func() error {
		if messages, err = h.nextMessages(ctx, s.Name); err != nil {
			return err
		}
		var done []int64
		var failed *store.Message
		var why error
		for i := range messages {
			m := &messages[i]
			if d := time.Until(m.Due); d > 0 {
				wait = d
				break
			}
			if why = s.send.send(ctx, m); why != nil {
				failed = m
				break
			}
			done = append(done, m.ID)
		}
		if failed == nil && len(done) == len(messages) {
			wait = 0
		}
		// What arrived is noted even when the hub is about to stop: it spares the receiver a second copy.
		return h.store.Write(context.WithoutCancel(ctx), 0, func(tx *store.Tx) error {
			if err := tx.Delivered(done); err != nil || failed == nil || ctx.Err() != nil {
				return err
			}
			pause, dead := s.after(failed, why, tx.Now())
			wait = pause
			level := h.log.Warn
			if dead {
				level, wait = h.log.Error, 0
			}
			level("message not delivered", "sink", s.Name, "topic", failed.Topic, "message", failed.MessageID, "attempt", failed.Attempts+1, "dead", dead, "err", why)
			return tx.Undelivered(failed.ID, tx.Now().Add(pause), clipText(why.Error(), 500), dead)
		})
	})
	return wait, err
}

func (h *Hub) nextMessages(ctx context.Context, sink string) (out []store.Message, err error) {
	err = h.store.Read(ctx, func(tx *store.Tx) error {
		out, err = tx.NextMessages(sink, deliverBatch)
		return err
	})
	return out, err
}

// after says when a message that failed is tried again, or that it is given up. The pauses double, up to five minutes.
func (s *Sink) after(m *store.Message, why error, now time.Time) (pause time.Duration, dead bool) {
	pause = min(time.Second<<min(m.Attempts, 20), 5*time.Minute)
	return pause, errors.Is(why, errRefused) || now.Sub(m.Created) > s.Patience
}

// clipText bounds a text in bytes. Both databases and XML want whole characters.
func clipText(s string, most int) string {
	if len(s) > most {
		s = s[:most] + "..."
	}
	return strings.ToValidUTF8(s, "")
}

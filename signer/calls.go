package signer

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/privyseal/privyseal/internal/daemon"
	"github.com/privyseal/privyseal/internal/wire"
	"github.com/privyseal/privyseal/keys"
)

// maxListed bounds the answer to list-keys, which is one frame.
const maxListed = 1000

// call answers what is not a request for a signature.
func (ss *session) call(ctx context.Context, c *wire.Call) *wire.Reply {
	r, err := ss.answer(ctx, c)
	c.Clear()
	if err != nil {
		r = &wire.Reply{Fault: ss.fault(err)}
	}
	r.Seq = c.Seq
	if r.Seq == 0 {
		r = &wire.Reply{Seq: 1, Fault: &wire.Fault{Code: wire.CodeProtocol, Msg: "sequence numbers start at 1"}}
	}
	return r
}

func (ss *session) answer(ctx context.Context, c *wire.Call) (*wire.Reply, error) {
	if _, err := ss.whose(); err != nil {
		return nil, err
	}
	switch c.Verb {
	case wire.VerbUnlock:
		return ss.unlock(ctx, c)
	case wire.VerbListKeys:
		return &wire.Reply{Keys: ss.list()}, nil
	case wire.VerbPublicKey:
		k, err := ss.granted(c.Key)
		if err != nil {
			return nil, err
		}
		return &wire.Reply{Key: ss.describe(k), Certificate: k.Certificate}, nil
	case wire.VerbChangePassphrase:
		return &wire.Reply{}, ss.changePassphrase(ctx, c)
	case wire.VerbWhoAmI:
		return &wire.Reply{WhoAmI: ss.whoAmI()}, nil
	case wire.VerbStatus:
		return &wire.Reply{Status: ss.status()}, nil
	case wire.VerbConsistency:
		return ss.consistency(c.Size)
	}
	return nil, &wire.Fault{Code: wire.CodeProtocol, Msg: fmt.Sprintf("the signer does not know the verb %.40q", string(c.Verb))}
}

// whose finds the session's user as the vault has him now.
func (ss *session) whose() (keys.User, error) {
	user, err := ss.keys.UserByPeer(ss.peer.Fingerprint, ss.san)
	switch {
	case errors.Is(err, keys.ErrDisabled), errors.Is(err, keys.ErrFrozen), err == nil && (user.Disabled || user.Frozen):
		return user, disabled(ss.user)
	case err != nil || user.Name != ss.user:
		return user, &wire.Fault{Code: wire.CodeUnknownUser,
			Msg: "the certificate of this session is no longer bound to user " + ss.user}
	}
	return user, nil
}

func disabled(user string) *wire.Fault {
	return &wire.Fault{Code: wire.CodeDisabled, Msg: fmt.Sprintf("the signer's console has shut out user %s: ask who runs it", user)}
}

// granted finds a key that the user holds a grant of now. A key that does not exist
// and one that was not granted give the same answer.
func (ss *session) granted(name string) (keys.Key, error) {
	if _, err := ss.whose(); err != nil {
		return keys.Key{}, err
	}
	k, err := ss.keys.Key(name)
	if err != nil || !ss.keys.Granted(ss.user, k.Name) {
		return keys.Key{}, noKey(ss.user, name)
	}
	return k, nil
}

func noKey(user, name string) *wire.Fault {
	return &wire.Fault{Code: wire.CodeNoKey,
		Msg: fmt.Sprintf("user %s has no key %.70q: unknown key, or no grant of it; list-keys shows those there are, the signer's console grants more", user, name)}
}

// stateOf names what keeps a key from signing; "active" when nothing does.
func stateOf(k keys.Key, now time.Time) string {
	switch {
	case k.State != "" && k.State != keys.Active:
		return string(k.State)
	case !k.Expires.IsZero() && !now.Before(k.Expires):
		return "expired"
	}
	return string(keys.Active)
}

// usable refuses a key that does not sign now.
func usable(k keys.Key, now time.Time) error {
	state := stateOf(k, now)
	var msg string
	switch state {
	case string(keys.Active):
		return nil
	case "expired":
		msg = fmt.Sprintf("key %s expired on %s: have the signer's console extend it, or use another key", k.Name, k.Expires.UTC().Format(time.RFC3339))
	case string(keys.Frozen):
		msg = fmt.Sprintf("key %s is frozen: nothing is signed with it until the signer's console unfreezes it", k.Name)
	case string(keys.Retired):
		msg = fmt.Sprintf("key %s is retired and makes no signatures any more: use its successor", k.Name)
	default:
		msg = fmt.Sprintf("key %s is in state %s and signs nothing", k.Name, state)
	}
	return &wire.Fault{Code: wire.CodeKeyState, Rule: state, Msg: msg}
}

func (ss *session) list() []wire.KeyInfo {
	var out []wire.KeyInfo
	for _, k := range ss.keys.Keys(ss.user) {
		if len(out) == maxListed {
			break
		}
		out = append(out, *ss.describe(k))
	}
	return out
}

// describe tells a user who was granted the key about it.
func (ss *session) describe(k keys.Key) *wire.KeyInfo {
	now := time.Now()
	info := &wire.KeyInfo{Name: k.Name, Fingerprint: k.Fingerprint, KeyID: k.KeyID, Algorithm: string(k.Algorithm), UserID: k.UserID,
		Created: k.Created, Expires: k.Expires, State: stateOf(k, now), Generation: k.Generation,
		Admin: slices.Contains(k.Admins, ss.user), Signed: ss.record.Totals(k.Fingerprint)}
	for _, p := range k.Purposes {
		info.Purposes = append(info.Purposes, string(p))
	}
	if usable(k, now) == nil {
		for _, op := range wire.Ops() {
			if k.Purposes.Has(operations[op].purpose) {
				info.May = append(info.May, op.String())
			}
		}
	}
	if _, until, ok := ss.keys.Unattended(ss.user, k.Name); ok {
		info.Unlocked = until
	}
	return info
}

func (ss *session) whoAmI() *wire.WhoAmI {
	w := &wire.WhoAmI{User: ss.user, Certificate: hex.EncodeToString(ss.peer.Fingerprint[:]), Role: ss.peer.Role, Name: ss.peer.Name,
		Keys: len(ss.keys.Keys(ss.user)), Signer: ss.cfg.Name, Time: time.Now()}
	if certs := ss.conn.ConnectionState().PeerCertificates; len(certs) > 0 {
		w.NotAfter = certs[0].NotAfter
	}
	return w
}

func (ss *session) status() *wire.Status {
	l := ss.cfg.Limits
	st := &wire.Status{Signer: ss.cfg.Name, Program: daemon.Version, Time: time.Now(), Since: ss.since,
		LogSize: ss.record.Checkpoint().Size,
		Limits:  wire.Limits{Sessions: l.SessionsPerUser, Window: l.Window, Streams: l.Streams, MaxBytes: wire.MaxSigned, QueueSeconds: l.Queue.Seconds()}}
	st.Waiting, st.WaitingMine = ss.gate.waiting(ss.user)
	all, mine := ss.line.waiting(ss.user)
	for _, lane := range order {
		st.Waiting[lane.String()] += all[lane.String()]
		st.WaitingMine[lane.String()] += mine[lane.String()]
	}
	st.Guesses, st.RetryAt = ss.guesses.state(ss.user)
	ss.server.mu.Lock()
	defer ss.server.mu.Unlock()
	st.Sessions, st.Mine = ss.sessions, ss.byUser[ss.user]
	return st
}

func (ss *session) consistency(size int64) (*wire.Reply, error) {
	if have := ss.record.Checkpoint().Size; size < 0 || size > have {
		return nil, &wire.Fault{Code: wire.CodeContent, Rule: "consistency",
			Msg: fmt.Sprintf("the signer's log has %d entries, not the %d that were seen: it was restored from an older copy, or this is another signer", have, size)}
	}
	c, proof, err := ss.record.Consistency(size)
	if err != nil {
		return nil, err
	}
	r := &wire.Reply{Checkpoint: c.Note}
	for _, h := range proof {
		r.Consistency = append(r.Consistency, h[:])
	}
	return r, nil
}

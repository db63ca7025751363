package signer

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/privyseal/privyseal/internal/wire"
	"github.com/privyseal/privyseal/keys"
)

// maxWrong passphrases, and a session unlocks nothing more.
const maxWrong = 5

// maxListed bounds the answer to list-keys, which is one frame.
const maxListed = 1000

// call answers what is not a request for a signature.
func (ss *session) call(ctx context.Context, c *wire.Call) *wire.Reply {
	r := &wire.Reply{}
	var err error
	switch c.Verb {
	case wire.VerbUnlock:
		r, err = ss.unlock(ctx, c)
		c.Clear()
	case wire.VerbListKeys:
		for _, k := range ss.keys.Keys(ss.user) {
			if len(r.Keys) == maxListed {
				break
			}
			r.Keys = append(r.Keys, *keyInfo(k))
		}
	case wire.VerbPublicKey:
		var k keys.Key
		if k, err = ss.granted(c.Key); err == nil {
			r.Key, r.Certificate = keyInfo(k), k.Certificate
		}
	default:
		err = &wire.Fault{Code: wire.CodeProtocol, Msg: fmt.Sprintf("the signer does not know the verb %.40q", string(c.Verb))}
	}
	if err != nil {
		r = &wire.Reply{Fault: ss.fault(err)}
	}
	r.Seq = c.Seq
	if r.Seq == 0 {
		r = &wire.Reply{Seq: 1, Fault: &wire.Fault{Code: wire.CodeProtocol, Msg: "sequence numbers start at 1"}}
	}
	return r
}

// granted finds a key that the user may use now. A key that does not exist and one
// that was not granted give the same answer.
func (ss *session) granted(name string) (keys.Key, error) {
	user, err := ss.keys.UserByCertificate(ss.peer.Fingerprint)
	if err != nil || user.Name != ss.user {
		return keys.Key{}, &wire.Fault{Code: wire.CodeUnknownUser,
			Msg: "the certificate of this session is no longer bound to user " + ss.user}
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

func (ss *session) unlock(ctx context.Context, c *wire.Call) (*wire.Reply, error) {
	// One at a time, or as many could be tried at once as the window lets in.
	select {
	case ss.unlocking <- struct{}{}:
		defer func() { <-ss.unlocking }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if ss.wrong >= maxWrong {
		return nil, &wire.Fault{Code: wire.CodeBadPassphrase, Msg: "too many wrong passphrases in this session"}
	}
	info, err := ss.granted(c.Key)
	if err != nil {
		return nil, err
	}
	key, err := ss.keys.Unlock(ctx, ss.user, info.Name, c.Passphrase)
	if err != nil {
		if errors.Is(err, keys.ErrBadPassphrase) {
			ss.wrong++
		}
		ss.log.Warn("unlock refused", "key", info.Name, "error", err)
		if errors.Is(err, keys.ErrUnknownKey) || errors.Is(err, keys.ErrNoGrant) { // taken away just now
			return nil, noKey(ss.user, c.Key)
		}
		return nil, err
	}
	if key.Fingerprint() != info.Fingerprint {
		return nil, fmt.Errorf("the vault gave key %s for %s", key.Fingerprint(), info.Fingerprint)
	}
	ss.mu.Lock()
	defer ss.mu.Unlock()
	o := &opened{name: info.Name, fingerprint: info.Fingerprint, key: key}
	i := slices.IndexFunc(ss.handles, func(h *opened) bool { return h.name == o.name && h.fingerprint == o.fingerprint })
	switch {
	case i >= 0:
		ss.handles[i] = o
	case len(ss.handles) == maxHandles:
		return nil, &wire.Fault{Code: wire.CodeBusy, Msg: fmt.Sprintf("this session has %d keys unlocked; open another", maxHandles)}
	default:
		i = len(ss.handles)
		ss.handles = append(ss.handles, o)
	}
	ss.log.Info("key unlocked", "key", info.Name)
	return &wire.Reply{Handle: uint32(i + 1), Key: keyInfo(info), Certificate: info.Certificate}, nil
}

// fault makes of an error what the client may know of it.
func (ss *session) fault(err error) *wire.Fault {
	var f *wire.Fault
	switch {
	case errors.As(err, &f):
		return f
	case errors.Is(err, keys.ErrBadPassphrase):
		return &wire.Fault{Code: wire.CodeBadPassphrase, Msg: "wrong passphrase of user " + ss.user}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return &wire.Fault{Code: wire.CodeStopping, Msg: "the session ended before the request was done"}
	}
	ss.log.Error("request failed", "error", err)
	return &wire.Fault{Code: wire.CodeInternal, Msg: "the signer could not do it; its log says why"}
}

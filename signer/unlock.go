package signer

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"slices"
	"time"

	"github.com/privyseal/privyseal/internal/wire"
	"github.com/privyseal/privyseal/keys"
	"github.com/privyseal/privyseal/keys/secret"
	"github.com/privyseal/privyseal/keys/vault"
)

// opened is a key that the session has unlocked.
type opened struct {
	name        string
	fingerprint string
	key         keyHolder
	unattended  bool // by the console: it is asked each time whether it still is
}

// keyHolder is the part of secret.Key that signs.
type keyHolder interface {
	SignHash(h hash.Hash, now time.Time) ([]byte, error)
	SignText(text []byte, now time.Time) ([]byte, error)
	SignIMA(hashAlg byte, digest []byte, now time.Time) ([]byte, error)
}

// maxHandles bounds the keys one session may hold open.
const maxHandles = 64

func (ss *session) handle(n uint32) *opened {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if n == 0 || int(n) > len(ss.handles) {
		return nil
	}
	return ss.handles[n-1]
}

func (ss *session) unlock(ctx context.Context, c *wire.Call) (*wire.Reply, error) {
	info, err := ss.granted(c.Key)
	if err != nil {
		return nil, err
	}
	if err := usable(info, time.Now()); err != nil {
		return nil, err
	}
	o := &opened{name: info.Name, fingerprint: info.Fingerprint}
	var key *secret.Key
	var until time.Time
	if len(c.Passphrase) == 0 {
		var ok bool
		if key, until, ok = ss.keys.Unattended(ss.user, info.Name); !ok {
			return nil, &wire.Fault{Code: wire.CodeLocked, Msg: fmt.Sprintf(
				"the signer's console has not unlocked key %s for user %s, or the time is over: give a passphrase", info.Name, ss.user)}
		}
		o.unattended = true
	} else {
		key, err = ss.tryPassphrase(ctx, func(ctx context.Context) (*secret.Key, error) {
			return ss.keys.Unlock(ctx, ss.user, info.Name, c.Passphrase)
		})
	}
	if err != nil {
		ss.log.Warn("unlock refused", "key", info.Name, "error", err)
		if errors.Is(err, keys.ErrUnknownKey) || errors.Is(err, keys.ErrNoGrant) { // taken away just now
			return nil, noKey(ss.user, c.Key)
		}
		return nil, err
	}
	if key.Fingerprint() != info.Fingerprint {
		return nil, fmt.Errorf("the vault gave key %s for %s", key.Fingerprint(), info.Fingerprint)
	}
	o.key = key
	handle, err := ss.keep(o)
	if err != nil {
		return nil, err
	}
	ss.log.Info("key unlocked", "key", info.Name, "unattended", o.unattended)
	return &wire.Reply{Handle: handle, Until: until, Key: ss.describe(info), Certificate: info.Certificate}, nil
}

// keep gives an opened key a handle.
func (ss *session) keep(o *opened) (uint32, error) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	i := slices.IndexFunc(ss.handles, func(h *opened) bool { return h.name == o.name && h.fingerprint == o.fingerprint })
	switch {
	case i >= 0:
		ss.handles[i] = o
	case len(ss.handles) == maxHandles:
		return 0, &wire.Fault{Code: wire.CodeBusy, Msg: fmt.Sprintf("this session has %d keys unlocked; open another", maxHandles)}
	default:
		i = len(ss.handles)
		ss.handles = append(ss.handles, o)
	}
	return uint32(i + 1), nil
}

// tryPassphrase runs what uses the user's passphrase, within the limit of guesses.
func (ss *session) tryPassphrase(ctx context.Context, try func(ctx context.Context) (*secret.Key, error)) (*secret.Key, error) {
	ctx, cancel := ss.patient(ctx)
	defer cancel()
	if err := ss.guesses.begin(ctx, ss.user); err != nil {
		return nil, err
	}
	key, err := try(ctx)
	wrong := errors.Is(err, keys.ErrBadPassphrase)
	if eerr := ss.guesses.end(ctx, ss.user, hex.EncodeToString(ss.peer.Fingerprint[:]), err == nil, wrong); eerr != nil {
		// A guess that the log does not hold must not have happened.
		return nil, fmt.Errorf("recording a wrong passphrase: %w", eerr)
	}
	return key, err
}

func (ss *session) changePassphrase(ctx context.Context, c *wire.Call) error {
	if len(c.NewPassphrase) < vault.MinPassphrase {
		return refused("passphrase", "the new passphrase needs at least %d characters", vault.MinPassphrase)
	}
	_, err := ss.tryPassphrase(ctx, func(ctx context.Context) (*secret.Key, error) {
		return nil, ss.keys.ChangePassphrase(ctx, ss.user, c.Passphrase, c.NewPassphrase)
	})
	if err != nil {
		ss.log.Warn("passphrase not changed", "error", err)
		return err
	}
	ss.log.Info("passphrase changed")
	return nil
}

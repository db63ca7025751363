package vault

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"weak"

	"github.com/privyseal/privyseal/keys"
	"github.com/privyseal/privyseal/keys/secret"
)

// Unlock opens a key (by name or fingerprint) for a user. Errors wrap keys.ErrUnknownUser, ErrUnknownKey, ErrNoGrant,
// ErrBadPassphrase or ErrTampered. It takes as long as argon2id takes; waiting for a turn ends with ctx.
//
// Two sessions that unlock one key share it: it is parsed once and kept as long as somebody holds it, not longer.
func (v *Vault) Unlock(ctx context.Context, user, key string, passphrase []byte) (*secret.Key, error) {
	s := v.State()
	k, err := s.key(key)
	if err != nil {
		return nil, err
	}
	wrapKey, err := s.wrapKey(ctx, user, k, passphrase)
	if err != nil {
		return nil, err
	}
	defer clear(wrapKey)
	plain, err := decrypt(wrapKey, k.Secret, k.secretAAD())
	if err != nil {
		return nil, fmt.Errorf("key %s: secret: %w", k.Name, keys.ErrTampered)
	}
	defer clear(plain)
	return v.opened.get(k.Fingerprint, func() (*secret.Key, error) {
		opened, err := secret.Parse(plain)
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", k.Name, err)
		}
		if opened.Fingerprint() != k.Fingerprint || opened.SigningKeyID() != k.KeyID || opened.Algorithm() != k.Algorithm {
			return nil, fmt.Errorf("key %s: %w", k.Name, keys.ErrTampered)
		}
		return opened, nil
	})
}

// wrapKey opens a user's grant of a key.
func (s *State) wrapKey(ctx context.Context, user string, k *keyRecord, passphrase []byte) ([]byte, error) {
	u, err := s.user(user)
	if err != nil {
		return nil, err
	}
	g := s.grant(u.Name, k.Name)
	if g == nil {
		return nil, fmt.Errorf("user %s, key %s: %w", u.Name, k.Name, keys.ErrNoGrant)
	}
	half, err := u.PrivateKey.unlock(ctx, passphrase, u.halfAAD())
	if err != nil {
		return nil, fmt.Errorf("user %s: %w", u.Name, err)
	}
	defer clear(half)
	private, err := hpkeKEM.NewPrivateKey(half)
	if err != nil || !bytes.Equal(private.PublicKey().Bytes(), u.PublicKey) {
		return nil, fmt.Errorf("user %s: key pair: %w", u.Name, keys.ErrTampered)
	}
	wrapKey, err := openGrant(private, g.Sealed, k.grantAAD(u.Name))
	if err != nil {
		return nil, fmt.Errorf("user %s, key %s: grant: %w", u.Name, k.Name, keys.ErrTampered)
	}
	return wrapKey, nil
}

// openKeys remembers opened keys weakly: a key that no session holds any more is gone with the next garbage collection.
type openKeys struct {
	mu   sync.Mutex
	keys map[string]weak.Pointer[secret.Key]
}

func (o *openKeys) get(fingerprint string, open func() (*secret.Key, error)) (*secret.Key, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if k := o.keys[fingerprint].Value(); k != nil {
		return k, nil
	}
	k, err := open()
	if err != nil {
		return nil, err
	}
	if o.keys == nil {
		o.keys = make(map[string]weak.Pointer[secret.Key])
	}
	o.keys[fingerprint] = weak.Make(k)
	return k, nil
}

// OpenCA gives the inner CA's key, PEM. The error wraps keys.ErrBadPassphrase.
func (s *State) OpenCA(ctx context.Context, passphrase []byte) ([]byte, error) {
	key, err := s.doc.CA.Key.unlock(ctx, passphrase, s.doc.CA.keyAAD())
	if err != nil {
		return nil, fmt.Errorf("inner CA: %w", err)
	}
	return key, nil
}

package vault

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"sync"
	"weak"

	"github.com/privyseal/privyseal/keys"
	"github.com/privyseal/privyseal/keys/secret"
)

// Unlock opens a key (by name or fingerprint) for a user, to sign. Errors wrap those of May, keys.ErrBadPassphrase or keys.ErrTampered. It takes as
// long as argon2id takes; waiting for a turn ends with ctx.
//
// Two sessions that unlock one key share it: it is parsed once and kept as long as somebody holds it, not longer.
func (v *Vault) Unlock(ctx context.Context, user, key string, passphrase []byte) (*secret.Key, error) {
	s := v.State()
	if err := s.May(user, key); err != nil {
		return nil, err
	}
	k, err := s.key(key)
	if err != nil {
		return nil, err
	}
	h, err := s.holder(ctx, user, k, passphrase)
	if err != nil {
		return nil, err
	}
	defer h.clear()
	return v.opened.get(k, h.wrapKey)
}

// open opens the secret with the wrapping key.
func (k *keyRecord) open(wrapKey []byte) (*secret.Key, error) {
	plain, err := decrypt(wrapKey, k.Secret, k.secretAAD())
	if err != nil {
		return nil, fmt.Errorf("key %s: secret: %w", k.Name, keys.ErrTampered)
	}
	defer clear(plain)
	opened, err := secret.Parse(plain)
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", k.Name, err)
	}
	if opened.Fingerprint() != k.Fingerprint || opened.SigningKeyID() != k.KeyID || opened.Algorithm() != k.Algorithm || !opened.Expires().Equal(k.Expires) {
		return nil, fmt.Errorf("key %s: %w", k.Name, keys.ErrTampered)
	}
	return opened, nil
}

// holder is what a passphrase opens: the user's private half, and with a grant the wrapping key.
type holder struct {
	*half
	wrapKey []byte
}

func (h *holder) clear() {
	h.half.clear()
	clear(h.wrapKey)
}

// holder opens a user's grant of a key. The state of the key does not matter: that is for those to ask who sign. Clear it after use.
func (s *State) holder(ctx context.Context, user string, k *keyRecord, passphrase []byte) (*holder, error) {
	u, err := s.user(user)
	if err != nil {
		return nil, err
	}
	if err := u.usable(); err != nil {
		return nil, err
	}
	g := s.grant(u.Name, k.Name)
	if g == nil {
		return nil, fmt.Errorf("user %s, key %s: %w", u.Name, k.Name, keys.ErrNoGrant)
	}
	h, err := u.open(ctx, passphrase)
	if err != nil {
		return nil, err
	}
	private, err := hpkeKEM.NewPrivateKey(h.seed)
	if err != nil || !bytes.Equal(private.PublicKey().Bytes(), u.PublicKey) {
		h.clear()
		return nil, fmt.Errorf("user %s: key pair: %w", u.Name, keys.ErrTampered)
	}
	wrapKey, err := openSealed(private, g.Sealed, k.grantAAD(u.id()), grantInfo)
	if err != nil {
		h.clear()
		return nil, fmt.Errorf("user %s, key %s: grant: %w", u.Name, k.Name, keys.ErrTampered)
	}
	return &holder{h, wrapKey}, nil
}

// openKeys remembers opened keys weakly: a key that no session holds any more is gone with the next garbage collection.
type openKeys struct {
	mu   sync.Mutex
	keys map[string]weak.Pointer[secret.Key] // by certificate: one that was extended is another
}

func (o *openKeys) get(k *keyRecord, wrapKey []byte) (*secret.Key, error) {
	// The ciphertext of this user's way is opened in any case: that somebody else has the key open proves nothing about it.
	plain, err := decrypt(wrapKey, k.Secret, k.secretAAD())
	if err != nil {
		return nil, fmt.Errorf("key %s: secret: %w", k.Name, keys.ErrTampered)
	}
	clear(plain)
	o.mu.Lock()
	defer o.mu.Unlock()
	sum := certificateSum(k.Certificate)
	if opened := o.keys[sum].Value(); opened != nil {
		return opened, nil
	}
	opened, err := k.open(wrapKey)
	if err != nil {
		return nil, err
	}
	if o.keys == nil {
		o.keys = make(map[string]weak.Pointer[secret.Key])
	}
	maps.DeleteFunc(o.keys, func(_ string, p weak.Pointer[secret.Key]) bool { return p.Value() == nil })
	o.keys[sum] = weak.Make(opened)
	return opened, nil
}

// OpenCA gives the inner CA's key, PEM. The error wraps keys.ErrBadPassphrase.
func (s *State) OpenCA(ctx context.Context, passphrase []byte) ([]byte, error) {
	key, err := s.doc.CA.Key.unlock(ctx, passphrase, s.doc.CA.keyAAD())
	if err != nil {
		return nil, fmt.Errorf("inner CA: %w", err)
	}
	return key, nil
}

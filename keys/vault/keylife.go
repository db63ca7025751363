package vault

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/privyseal/privyseal/keys"
	"github.com/privyseal/privyseal/keys/secret"
)

// How long a deleted key waits for a change of mind.
const (
	DefaultDeleteWait = 30 * 24 * time.Hour
	MinDeleteWait     = 24 * time.Hour
	maxDeleteWait     = 10 * 365 * 24 * time.Hour
)

// The ways of setKeyState.
const (
	toFrozen    = "freeze"
	toUnfrozen  = "unfreeze"
	toRetired   = "retire"
	toUndeleted = "undelete"
)

type setKeyState struct {
	Key         string `json:"key"`
	Fingerprint string `json:"fingerprint"`
	To          string `json:"to"`
}

func (a *setKeyState) what() string {
	if a.To == toFrozen || a.To == toUnfrozen {
		return fmt.Sprintf("%s key %s: %s", a.To, a.Key, a.Fingerprint)
	}
	return fmt.Sprintf("key %s %s: %s", a.To, a.Key, a.Fingerprint)
}

func (a *setKeyState) apply(d *document) error {
	k, err := d.keyByFingerprint(a.Key, a.Fingerprint)
	if err != nil {
		return err
	}
	already := fmt.Errorf("key %s is %s: nothing to %s", k.Name, k.state(), a.To)
	switch a.To {
	case toFrozen, toUnfrozen:
		if k.Frozen == (a.To == toFrozen) {
			return already
		}
		k.Frozen = a.To == toFrozen
	case toRetired:
		if !k.Retired.IsZero() {
			return already
		}
		k.Retired = now()
	case toUndeleted:
		if k.DeleteAfter.IsZero() {
			return already
		}
		k.DeleteAfter = time.Time{}
	default:
		return fmt.Errorf("key %s: unknown state %.40q", k.Name, a.To)
	}
	return nil
}

func (s *State) setKeyState(by, key, to string) (*Change, error) {
	k, err := s.key(key)
	if err != nil {
		return nil, err
	}
	a := &setKeyState{k.Name, k.Fingerprint, to}
	if err := a.apply(s.doc.clone()); err != nil {
		return nil, err
	}
	return newChange(by, "key-state", a), nil
}

// FreezeKey stops all signing with a key at once, in running sessions too, until UnfreezeKey.
func (s *State) FreezeKey(by, key string) (*Change, error) { return s.setKeyState(by, key, toFrozen) }

// UnfreezeKey undoes FreezeKey.
func (s *State) UnfreezeKey(by, key string) (*Change, error) {
	return s.setKeyState(by, key, toUnfrozen)
}

// RetireKey ends a key's service for good: it makes no new signatures, while it is listed and its public half given. There is no way back.
func (s *State) RetireKey(by, key string) (*Change, error) { return s.setKeyState(by, key, toRetired) }

// UndeleteKey takes DeleteKey back, as long as the waiting period lasts. A key that was retired is retired again.
func (s *State) UndeleteKey(by, key string) (*Change, error) {
	return s.setKeyState(by, key, toUndeleted)
}

type deleteKey struct {
	Key         string    `json:"key"`
	Fingerprint string    `json:"fingerprint"`
	After       time.Time `json:"after"`
}

func (a *deleteKey) what() string {
	return fmt.Sprintf("key delete %s after %s: %s", a.Key, a.After.Format(time.DateOnly), a.Fingerprint)
}

func (a *deleteKey) apply(d *document) error {
	k, err := d.keyByFingerprint(a.Key, a.Fingerprint)
	if err != nil {
		return err
	}
	if !k.DeleteAfter.IsZero() {
		return fmt.Errorf("key %s is deleted already, with effect from %s", k.Name, k.DeleteAfter.Format(time.RFC3339))
	}
	// An hour is for the way of a change through the inbox.
	if wait := a.After.Sub(now()); wait < MinDeleteWait-time.Hour || wait > maxDeleteWait {
		return fmt.Errorf("key %s: a waiting period of %s is not between %s and %s", k.Name, wait, MinDeleteWait, maxDeleteWait)
	}
	k.DeleteAfter = a.After
	return nil
}

// DeleteKey stops a key and lets its secret go when wait is over: with PurgeKeys, or with any change that comes later. Till then UndeleteKey
// takes it back. What was deleted stays known: name and fingerprint are not used again, and the certificate stays, for the signatures that exist.
func (s *State) DeleteKey(by, key string, wait time.Duration) (*Change, error) {
	k, err := s.key(key)
	if err != nil {
		return nil, err
	}
	if wait < MinDeleteWait || wait > maxDeleteWait {
		return nil, fmt.Errorf("a waiting period of %s is not between %s and %s", wait, MinDeleteWait, maxDeleteWait)
	}
	a := &deleteKey{k.Name, k.Fingerprint, now().Add(wait)}
	if err := a.apply(s.doc.clone()); err != nil {
		return nil, err
	}
	return newChange(by, "key-delete", a), nil
}

type purgeKeys struct{}

func (*purgeKeys) what() string          { return "key purge" }
func (*purgeKeys) apply(*document) error { return nil } // every change does it

// PurgeKeys removes the secrets of keys whose waiting period has ended; every other change does that too. The secret is gone from the state then, not
// from backups, nor from disk blocks that were written before.
func (s *State) PurgeKeys(by string) (*Change, error) {
	if len(s.doc.clone().purge(now())) == 0 {
		return nil, fmt.Errorf("no key whose waiting period has ended")
	}
	return newChange(by, "key-purge", new(purgeKeys)), nil
}

type extendKey struct {
	Key         string    `json:"key"`
	Fingerprint string    `json:"fingerprint"`
	Wrap        uint32    `json:"wrap"`
	Was         string    `json:"was"` // SHA-256 of the certificate that is replaced
	Expires     time.Time `json:"expires,omitzero"`
	Certificate string    `json:"certificate"`
	Secret      []byte    `json:"secret"`
	Holder      string    `json:"holder"` // whose passphrase it was made with
}

func (a *extendKey) what() string {
	if a.Expires.IsZero() {
		return fmt.Sprintf("key extend %s never expires by %s: %s", a.Key, a.Holder, a.Fingerprint)
	}
	return fmt.Sprintf("key extend %s expires %s by %s: %s", a.Key, a.Expires.Format(time.RFC3339), a.Holder, a.Fingerprint)
}

func (a *extendKey) apply(d *document) error {
	k, err := d.keyByFingerprint(a.Key, a.Fingerprint)
	if err != nil {
		return err
	}
	if k.Wrap != a.Wrap || certificateSum(k.Certificate) != a.Was {
		return fmt.Errorf("key %s was changed meanwhile: make the change again", k.Name)
	}
	if d.grant(k.Name, a.Holder) == nil {
		return fmt.Errorf("user %.70q, key %s: %w", a.Holder, k.Name, keys.ErrNoGrant)
	}
	k.Expires, k.Certificate, k.Secret = a.Expires, a.Certificate, a.Secret
	return nil
}

func certificateSum(armored string) string {
	sum := sha256.Sum256([]byte(armored))
	return hex.EncodeToString(sum[:])
}

// ExtendKey gives the key another moment of expiry (zero: never; it may be an earlier one), and its new armored certificate, which must be
// published. A holder's passphrase is needed: the key certifies that itself.
func (s *State) ExtendKey(ctx context.Context, by, key string, expires time.Time, holder string, passphrase []byte) (*Change, []byte, error) {
	k, err := s.key(key)
	if err != nil {
		return nil, nil, err
	}
	h, err := s.holder(ctx, holder, k, passphrase)
	if err != nil {
		return nil, nil, err
	}
	defer h.clear()
	opened, err := k.open(h.wrapKey)
	if err != nil {
		return nil, nil, err
	}
	extended, err := opened.Extend(expires, now())
	if err != nil {
		return nil, nil, err
	}
	plain := extended.Marshal()
	defer clear(plain)
	armored := extended.Certificate().Armor()
	a := &extendKey{
		Key: k.Name, Fingerprint: k.Fingerprint, Wrap: k.Wrap, Was: certificateSum(k.Certificate), Expires: extended.Expires(),
		Certificate: string(armored), Secret: encrypt(h.wrapKey, plain, k.secretAAD()), Holder: holder,
	}
	c, err := newChange(by, "key-extend", a).prove(h.half)
	return c, armored, err
}

// Revocation gives the key's armored revocation certificate, made at its birth: whoever publishes it ends the key. Nothing is changed.
func (s *State) Revocation(ctx context.Context, key, holder string, passphrase []byte) ([]byte, error) {
	k, err := s.key(key)
	if err != nil {
		return nil, err
	}
	if k.Revocation == nil {
		return nil, fmt.Errorf("key %s was imported without the secret half of its primary key: its revocation certificate is where that is", k.Name)
	}
	h, err := s.holder(ctx, holder, k, passphrase)
	if err != nil {
		return nil, err
	}
	defer h.clear()
	plain, err := decrypt(h.wrapKey, k.Revocation, k.revocationAAD())
	if err != nil {
		return nil, fmt.Errorf("key %s: revocation certificate: %w", k.Name, keys.ErrTampered)
	}
	return plain, nil
}

// OpenKey opens a key for an act at the console that makes no signature of a document, like the certificate for IMA; a retired or frozen key too.
func (s *State) OpenKey(ctx context.Context, key, holder string, passphrase []byte) (*secret.Key, error) {
	k, err := s.key(key)
	if err != nil {
		return nil, err
	}
	h, err := s.holder(ctx, holder, k, passphrase)
	if err != nil {
		return nil, err
	}
	defer h.clear()
	return k.open(h.wrapKey)
}

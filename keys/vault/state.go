package vault

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/privyseal/privyseal/keys"
)

// State is an immutable snapshot of the vault: users, keys and grants. It holds no secrets in the clear.
type State struct {
	doc    *document
	raw    []byte
	sum    [32]byte
	byCert map[string]*userRecord
	byFpr  map[string]*keyRecord
	byID   map[string]*userRecord
}

func newState(doc *document, raw []byte) *State {
	s := &State{
		doc: doc, raw: raw, sum: sha256.Sum256(raw),
		byCert: make(map[string]*userRecord), byFpr: make(map[string]*keyRecord), byID: make(map[string]*userRecord),
	}
	for i := range doc.Users {
		s.byID[doc.Users[i].id()] = &doc.Users[i]
		for _, c := range doc.Users[i].Certificates {
			s.byCert[c.SHA256] = &doc.Users[i]
		}
	}
	for i := range doc.Keys {
		s.byFpr[doc.Keys[i].Fingerprint] = &doc.Keys[i]
	}
	return s
}

// Name is that of the signer.
func (s *State) Name() string { return s.doc.Name }

// Generation counts the states of this vault, from 1.
func (s *State) Generation() uint64 { return s.doc.Generation }

// SHA256 is the hash of the state, in hex.
func (s *State) SHA256() string { return hex.EncodeToString(s.sum[:]) }

// Argon2 is the cost for new passphrases.
func (s *State) Argon2() Argon2 { return s.doc.Argon2 }

// CACertificate is the inner CA's certificate, PEM.
func (s *State) CACertificate() []byte { return []byte(s.doc.CA.Certificate) }

// Key looks a key up by its name or fingerprint. The error wraps keys.ErrUnknownKey.
func (s *State) Key(name string) (keys.Key, error) {
	k, err := s.key(name)
	if err != nil {
		return keys.Key{}, err
	}
	return s.noun(k), nil
}

func (s *State) noun(k *keyRecord) keys.Key {
	out := k.key()
	out.Admins = s.doc.admins(k.Name)
	return out
}

func (s *State) key(name string) (*keyRecord, error) {
	if k, ok := s.byFpr[name]; ok {
		return k, nil
	}
	if i, ok := slices.BinarySearchFunc(s.doc.Keys, name, byKey); ok {
		return &s.doc.Keys[i], nil
	}
	return nil, fmt.Errorf("key %.70q: %w", name, keys.ErrUnknownKey)
}

// User looks a user up. The error wraps keys.ErrUnknownUser.
func (s *State) User(name string) (keys.User, error) {
	u, err := s.user(name)
	if err != nil {
		return keys.User{}, err
	}
	return u.user(), nil
}

func (s *State) user(name string) (*userRecord, error) {
	if i, ok := slices.BinarySearchFunc(s.doc.Users, name, byUser); ok {
		return &s.doc.Users[i], nil
	}
	return nil, fmt.Errorf("user %.70q: %w", name, keys.ErrUnknownUser)
}

// UserByCertificate finds whose certificate this is, by the SHA-256 of its DER form. The error wraps keys.ErrUnknownUser, or keys.ErrDisabled or
// keys.ErrFrozen for a user who is shut out. Ask again as long as a session lasts: the answer changes at once.
func (s *State) UserByCertificate(fp [32]byte) (keys.User, error) {
	u, _, err := s.byCertificate(fp)
	if err != nil {
		return keys.User{}, err
	}
	return u.user(), nil
}

// UserByPeer is UserByCertificate that also wants the certificate to name the URI it was bound with.
func (s *State) UserByPeer(fp [32]byte, san string) (keys.User, error) {
	u, cert, err := s.byCertificate(fp)
	if err != nil {
		return keys.User{}, err
	}
	if cert.SAN != san {
		return keys.User{}, fmt.Errorf("certificate %x names %.200q, not %q as it was bound: %w", fp, san, cert.SAN, keys.ErrUnknownUser)
	}
	return u.user(), nil
}

func (s *State) byCertificate(fp [32]byte) (*userRecord, *certRecord, error) {
	sum := hex.EncodeToString(fp[:])
	u, ok := s.byCert[sum]
	if !ok {
		if i, gone := slices.BinarySearchFunc(s.doc.Revoked, sum, byRevoked); gone {
			r := &s.doc.Revoked[i]
			return nil, nil, fmt.Errorf("certificate %s of user %s was revoked on %s: %w", sum, r.User, r.At.Format(time.DateOnly), keys.ErrUnknownUser)
		}
		return nil, nil, fmt.Errorf("certificate %s is bound to nobody: %w", sum, keys.ErrUnknownUser)
	}
	if err := u.usable(); err != nil {
		return nil, nil, err
	}
	i, _ := slices.BinarySearchFunc(u.Certificates, sum, byCertificate)
	return u, &u.Certificates[i], nil
}

// May tells whether user may sign with key (its name or fingerprint) now: the grant is there and neither is disabled, frozen, retired, expired or
// being deleted. The error wraps one of keys.ErrUnknownUser, ErrUnknownKey, ErrNoGrant, ErrDisabled, ErrFrozen, ErrRetired, ErrExpired. It answers
// from memory: ask for every request.
func (s *State) May(user, key string) error {
	u, err := s.user(user)
	if err != nil {
		return err
	}
	k, err := s.key(key)
	if err != nil {
		return err
	}
	if err := u.usable(); err != nil {
		return err
	}
	if s.grant(u.Name, k.Name) == nil {
		return fmt.Errorf("user %s, key %s: %w", u.Name, k.Name, keys.ErrNoGrant)
	}
	return k.usable()
}

// usable refuses a key that signs nothing now.
func (k *keyRecord) usable() error {
	switch {
	case k.state() == keys.Deleting:
		return fmt.Errorf("key %s is being deleted: %w", k.Name, keys.ErrRetired)
	case k.state() == keys.Retired:
		return fmt.Errorf("key %s: %w", k.Name, keys.ErrRetired)
	case k.state() == keys.Frozen:
		return fmt.Errorf("key %s: %w", k.Name, keys.ErrFrozen)
	case !k.Expires.IsZero() && !clock().Before(k.Expires):
		return fmt.Errorf("key %s, on %s: %w", k.Name, k.Expires.Format(time.DateOnly), keys.ErrExpired)
	}
	return nil
}

// Granted tells whether user holds a grant of key (its name or fingerprint), whatever the state of both: enough to show the key, not to sign (May).
func (s *State) Granted(user, key string) bool {
	k, err := s.key(key)
	return err == nil && s.grant(user, k.Name) != nil
}

func (s *State) grant(user, key string) *grantRecord {
	if i, ok := slices.BinarySearchFunc(s.doc.Grants, grantRecord{Key: key, User: user}, byGrant); ok {
		return &s.doc.Grants[i]
	}
	return nil
}

// Keys lists the keys granted to user, or all with "", by name, whatever their state.
func (s *State) Keys(user string) []keys.Key {
	var out []keys.Key
	for i := range s.doc.Keys {
		if k := &s.doc.Keys[i]; user == "" || s.grant(user, k.Name) != nil {
			out = append(out, s.noun(k))
		}
	}
	return out
}

// Users lists all users, by name.
func (s *State) Users() []keys.User {
	var out []keys.User
	for i := range s.doc.Users {
		out = append(out, s.doc.Users[i].user())
	}
	return out
}

// Grants lists all grants, by key and user.
func (s *State) Grants() []keys.Grant {
	var out []keys.Grant
	for i := range s.doc.Grants {
		out = append(out, s.doc.Grants[i].grant())
	}
	return out
}

// Policy is the policy text; "" when none was set, which denies everything.
func (s *State) Policy() string { return s.doc.Policy }

// HubKeys lists hub attestation keys, the retired ones too.
func (s *State) HubKeys() []HubKey {
	var out []HubKey
	for _, r := range s.doc.HubKeys {
		// The state was checked when it was read.
		if key, id, err := parseHubKey([]byte(r.PEM)); err == nil {
			out = append(out, HubKey{r.Name, id, []byte(r.PEM), key, r.Added, r.Retired})
		}
	}
	return out
}

// LogKey is the verifier key of the signer's log, in note form.
func (s *State) LogKey() string { return s.doc.LogKey }

// Graves lists what was deleted.
func (s *State) Graves() []Grave {
	var out []Grave
	for _, g := range s.doc.Graves {
		out = append(out, Grave{g.Kind, g.Name, g.Fingerprint, g.Deleted, []byte(g.Certificate)})
	}
	return out
}

// Revoked lists the inner certificates that were revoked.
func (s *State) Revoked() []RevokedCertificate {
	var out []RevokedCertificate
	for _, r := range s.doc.Revoked {
		out = append(out, RevokedCertificate{keys.Certificate(r.certRecord), r.User, r.At})
	}
	return out
}

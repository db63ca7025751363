// Package signertest has what tests of signing sessions need: a vault and a record
// that live in memory, and the suites that they, and the real ones, must pass.
package signertest

import (
	"context"
	"crypto/subtle"
	"fmt"
	"sync"
	"time"

	"github.com/privyseal/privyseal/internal/pki"
	"github.com/privyseal/privyseal/internal/seal"
	"github.com/privyseal/privyseal/keys"
	"github.com/privyseal/privyseal/keys/secret"
	"github.com/privyseal/privyseal/signer/decide"
)

// Keystore is a signer.Keystore in memory.
type Keystore struct {
	mu          sync.Mutex
	users       map[string]keys.User
	byCert      map[[32]byte]string
	passphrases map[string]string
	keys        map[string]keys.Key
	secrets     map[string]*secret.Key
	grants      map[[2]string]bool
	unattended  map[[2]string]time.Time
	policy      *decide.Decider
	hubs        []seal.HubKeyInfo
}

// AllowAll is a policy for tests that are about something else.
const AllowAll = "[policy]\nsign =\n    all :: allow\nsign_legacy =\n    all :: allow\n"

// NewKeystore has neither users nor keys, and a policy that allows everything.
func NewKeystore() *Keystore {
	s := &Keystore{
		users:       map[string]keys.User{},
		byCert:      map[[32]byte]string{},
		passphrases: map[string]string{},
		keys:        map[string]keys.Key{},
		secrets:     map[string]*secret.Key{},
		grants:      map[[2]string]bool{},
		unattended:  map[[2]string]time.Time{},
	}
	if err := s.SetPolicy(AllowAll); err != nil {
		panic(err)
	}
	return s
}

// SetPolicy sets what is signed.
func (s *Keystore) SetPolicy(text string) error {
	d, err := decide.Load(text)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.policy = d
	return nil
}

// Policy implements signer.Keystore.
func (s *Keystore) Policy() *decide.Decider {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.policy
}

// TrustHub makes a hub's attestations count.
func (s *Keystore) TrustHub(hubs ...seal.HubKeyInfo) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hubs = hubs
}

// TrustedHubs implements signer.Keystore.
func (s *Keystore) TrustedHubs() []seal.HubKeyInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hubs
}

// ChangeUser changes what is known of a user.
func (s *Keystore) ChangeUser(name string, change func(*keys.User)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.users[name]
	change(&u)
	s.users[name] = u
}

// ChangeKey changes what is known of a key.
func (s *Keystore) ChangeKey(name string, change func(*keys.Key)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.keys[name]
	change(&k)
	s.keys[name] = k
}

// UnlockFor is what the console does for an unattended user.
func (s *Keystore) UnlockFor(user, key string, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unattended[[2]string{user, key}] = until
}

// Unattended implements signer.Keystore.
func (s *Keystore) Unattended(user, key string) (*secret.Key, time.Time, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	until, ok := s.unattended[[2]string{user, key}]
	if !ok || !time.Now().Before(until) || !s.grants[[2]string{user, key}] {
		return nil, time.Time{}, false
	}
	return s.secrets[key], until, true
}

// ChangePassphrase implements signer.Keystore.
func (s *Keystore) ChangePassphrase(_ context.Context, user string, old, new []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if subtle.ConstantTimeCompare(old, []byte(s.passphrases[user])) != 1 {
		return fmt.Errorf("user %q: %w", user, keys.ErrBadPassphrase)
	}
	s.passphrases[user] = string(new)
	return nil
}

// AddUser adds a user, bound to a certificate.
func (s *Keystore) AddUser(name, passphrase string, cert [32]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users[name] = keys.User{Name: name, Created: time.Now(),
		Certificates: []keys.Certificate{{SHA256: fmt.Sprintf("%x", cert)}}}
	s.byCert[cert] = name
	s.passphrases[name] = passphrase
}

// Unbind takes a certificate from its user.
func (s *Keystore) Unbind(cert [32]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byCert, cert)
}

// AddKey adds an OpenPGP secret key, granted to users.
func (s *Keystore) AddKey(name string, secretKey []byte, purposes keys.Purposes, users ...string) error {
	k, err := secret.Parse(secretKey)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	cert := k.Certificate()
	s.keys[name] = keys.Key{Name: name, Fingerprint: k.Fingerprint(), KeyID: k.SigningKeyID(), Algorithm: k.Algorithm(),
		Purposes: purposes.Normal(), UserID: cert.UserIDs()[0], Created: time.Now(), State: keys.Active, Certificate: cert.Armor()}
	s.secrets[name] = k
	for _, u := range users {
		s.grants[[2]string{u, name}] = true
	}
	return nil
}

// Revoke takes a grant back.
func (s *Keystore) Revoke(user, key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.grants, [2]string{user, key})
}

// UserByPeer implements signer.Keystore.
func (s *Keystore) UserByPeer(fp [32]byte, san string) (keys.User, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, ok := s.users[s.byCert[fp]]
	switch {
	case !ok || san != pki.RoleURI("client", u.Name):
		return keys.User{}, fmt.Errorf("certificate %x: %w", fp, keys.ErrUnknownUser)
	case u.Disabled:
		return keys.User{}, fmt.Errorf("user %q: %w", u.Name, keys.ErrDisabled)
	case u.Frozen:
		return keys.User{}, fmt.Errorf("user %q: %w", u.Name, keys.ErrFrozen)
	}
	return u, nil
}

// Key implements signer.Keystore.
func (s *Keystore) Key(name string) (keys.Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, ok := s.keys[name]
	if !ok {
		return k, fmt.Errorf("%q: %w", name, keys.ErrUnknownKey)
	}
	return k, nil
}

// Granted implements signer.Keystore.
func (s *Keystore) Granted(user, key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.grants[[2]string{user, key}]
}

// Keys implements signer.Keystore.
func (s *Keystore) Keys(user string) []keys.Key {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []keys.Key
	for name, k := range s.keys {
		if s.grants[[2]string{user, name}] {
			out = append(out, k)
		}
	}
	return out
}

// Unlock implements signer.Keystore.
func (s *Keystore) Unlock(ctx context.Context, user, key string, passphrase []byte) (*secret.Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, ok := s.secrets[key]
	if !ok {
		return nil, fmt.Errorf("%q: %w", key, keys.ErrUnknownKey)
	}
	if !s.grants[[2]string{user, key}] {
		return nil, fmt.Errorf("%q for %q: %w", key, user, keys.ErrNoGrant)
	}
	if subtle.ConstantTimeCompare(passphrase, []byte(s.passphrases[user])) != 1 {
		return nil, fmt.Errorf("user %q: %w", user, keys.ErrBadPassphrase)
	}
	return k, nil
}

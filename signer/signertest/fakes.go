// Package signertest has what tests of signing sessions need: a vault and a record
// that live in memory, and the suites that they, and the real ones, must pass.
package signertest

import (
	"context"
	"crypto/subtle"
	"fmt"
	"sync"
	"time"

	"github.com/privyseal/privyseal/keys"
	"github.com/privyseal/privyseal/keys/secret"
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
}

// NewKeystore is empty.
func NewKeystore() *Keystore {
	return &Keystore{
		users:       map[string]keys.User{},
		byCert:      map[[32]byte]string{},
		passphrases: map[string]string{},
		keys:        map[string]keys.Key{},
		secrets:     map[string]*secret.Key{},
		grants:      map[[2]string]bool{},
	}
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
		Purposes: purposes.Normal(), UserID: cert.UserIDs()[0], Created: time.Now(), Certificate: cert.Armor()}
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

// UserByCertificate implements signer.Keystore.
func (s *Keystore) UserByCertificate(fp [32]byte) (keys.User, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, ok := s.users[s.byCert[fp]]
	if !ok {
		return u, fmt.Errorf("certificate %x: %w", fp, keys.ErrUnknownUser)
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

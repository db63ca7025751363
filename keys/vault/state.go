package vault

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/privyseal/privyseal/keys"
)

// State is an immutable snapshot of the vault: users, keys and grants. It holds no secrets in the clear.
type State struct {
	doc    *document
	raw    []byte
	sum    [32]byte
	byCert map[string]*userRecord
	byFpr  map[string]*keyRecord
}

func newState(doc *document, raw []byte) *State {
	s := &State{doc: doc, raw: raw, sum: sha256.Sum256(raw), byCert: make(map[string]*userRecord), byFpr: make(map[string]*keyRecord)}
	for i := range doc.Users {
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
	return k.key(), nil
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

// UserByCertificate finds whose certificate this is, by the SHA-256 of its DER form. The error wraps keys.ErrUnknownUser.
func (s *State) UserByCertificate(fp [32]byte) (keys.User, error) {
	if u, ok := s.byCert[hex.EncodeToString(fp[:])]; ok {
		return u.user(), nil
	}
	return keys.User{}, fmt.Errorf("certificate %x is bound to nobody: %w", fp, keys.ErrUnknownUser)
}

// Granted tells whether the user may open the key (its name or fingerprint).
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

// Keys lists the keys granted to user, or all with "", by name.
func (s *State) Keys(user string) []keys.Key {
	var out []keys.Key
	for i := range s.doc.Keys {
		if k := &s.doc.Keys[i]; user == "" || s.grant(user, k.Name) != nil {
			out = append(out, k.key())
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

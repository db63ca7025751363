package signer

import (
	"context"

	"github.com/privyseal/privyseal/keys"
	"github.com/privyseal/privyseal/keys/secret"
	"github.com/privyseal/privyseal/keys/vault"
	"github.com/privyseal/privyseal/signer/seallog"
)

// Keystore is what a session needs of the vault. Everything but Unlock is asked for
// every request, and answers from memory.
type Keystore interface {
	// UserByCertificate finds whose certificate (SHA-256 of its DER form) this
	// is. The error wraps keys.ErrUnknownUser.
	UserByCertificate(fp [32]byte) (keys.User, error)
	// Key finds a key by name. The error wraps keys.ErrUnknownKey.
	Key(name string) (keys.Key, error)
	// Granted tells whether user may open key (both by name).
	Granted(user, key string) bool
	// Keys lists the keys granted to user.
	Keys(user string) []keys.Key
	// Unlock opens a key. Errors wrap keys.ErrUnknownKey, ErrNoGrant,
	// ErrBadPassphrase, ErrTampered.
	Unlock(ctx context.Context, user, key string, passphrase []byte) (*secret.Key, error)
}

// Log is the record of signatures.
type Log interface {
	// Sign gives the recorded signature of a subject, or makes one and records
	// it; either way it returns when the record is safe on disk. One make runs
	// at a time for a subject.
	Sign(ctx context.Context, s seallog.Subject, m seallog.Meta, make func() ([]byte, error)) (seallog.Signed, error)
}

// FromVault makes a Keystore of a vault.
func FromVault(v *vault.Vault) Keystore { return vaultStore{v} }

type vaultStore struct{ *vault.Vault }

func (s vaultStore) Key(name string) (keys.Key, error) { return s.State().Key(name) }
func (s vaultStore) Granted(user, key string) bool     { return s.State().Granted(user, key) }
func (s vaultStore) Keys(user string) []keys.Key       { return s.State().Keys(user) }

var _ Log = (*seallog.Log)(nil)

// Package vault is the key store.
package vault

import (
	"context"
	"errors"

	"github.com/privyseal/privyseal/keys"
	"github.com/privyseal/privyseal/keys/secret"
)

var errNotYet = errors.New("vault: not yet")

// Vault is an open vault. It is safe for concurrent use.
type Vault struct{}

// State is an immutable snapshot.
type State struct{}

func (s *State) Generation() uint64 { return 0 }

// Key looks a key up by name or fingerprint. The error wraps keys.ErrUnknownKey.
func (s *State) Key(name string) (keys.Key, error) { return keys.Key{}, errNotYet }

// User looks a user up. The error wraps keys.ErrUnknownUser.
func (s *State) User(name string) (keys.User, error) { return keys.User{}, errNotYet }

// UserByCertificate finds whose certificate (SHA-256 of DER) this is. The error wraps keys.ErrUnknownUser.
func (s *State) UserByCertificate(fp [32]byte) (keys.User, error) { return keys.User{}, errNotYet }

// Granted tells whether user may open key (both by name).
func (s *State) Granted(user, key string) bool { return false }

// Keys lists the keys granted to user, or all with "".
func (s *State) Keys(user string) []keys.Key { return nil }
func (s *State) Users() []keys.User          { return nil }
func (s *State) Grants() []keys.Grant        { return nil }

func (v *Vault) State() *State { return nil }
func (v *Vault) UserByCertificate(fp [32]byte) (keys.User, error) {
	return v.State().UserByCertificate(fp)
}

// Unlock opens key for user. Errors wrap keys.ErrUnknownKey, ErrUnknownUser, ErrNoGrant, ErrBadPassphrase, ErrTampered.
func (v *Vault) Unlock(ctx context.Context, user, key string, passphrase []byte) (*secret.Key, error) {
	return nil, errNotYet
}

package signer

import (
	"context"
	"iter"
	"sync/atomic"
	"time"

	"github.com/privyseal/privyseal/internal/seal"
	"github.com/privyseal/privyseal/keys"
	"github.com/privyseal/privyseal/keys/secret"
	"github.com/privyseal/privyseal/keys/vault"
	"github.com/privyseal/privyseal/signer/decide"
	"github.com/privyseal/privyseal/signer/seallog"
)

// Keystore is what a session needs of the vault. Everything but Unlock and
// ChangePassphrase is asked for every request, and answers from memory.
type Keystore interface {
	// UserByPeer finds whose certificate this is: SHA-256 of its DER form, and
	// the URI it names. The error wraps keys.ErrUnknownUser, ErrDisabled or
	// ErrFrozen.
	UserByPeer(fp [32]byte, san string) (keys.User, error)
	// Key finds a key by name. The error wraps keys.ErrUnknownKey.
	Key(name string) (keys.Key, error)
	// Granted tells whether user may open key (both by name).
	Granted(user, key string) bool
	// Keys lists the keys granted to user.
	Keys(user string) []keys.Key
	// Unlock opens a key. Errors wrap keys.ErrUnknownKey, ErrNoGrant,
	// ErrBadPassphrase, ErrTampered.
	Unlock(ctx context.Context, user, key string, passphrase []byte) (*secret.Key, error)
	// Unattended gives the key that the console unlocked for user.
	Unattended(user, key string) (k *secret.Key, until time.Time, ok bool)
	// ChangePassphrase re-wraps the user's own half. It is the only method that
	// changes the vault. Errors wrap keys.ErrBadPassphrase.
	ChangePassphrase(ctx context.Context, user string, old, new []byte) error
	// Policy decides what is signed; nil denies everything.
	Policy() *decide.Decider
	// TrustedHubs are the keys whose attestations count.
	TrustedHubs() []seal.HubKeyInfo
}

// Log is the record of signatures.
type Log interface {
	// Start gives the recorded signature of a subject, or makes one and hands it
	// to the disk; what it gives is to be waited for. One make runs at a time
	// for a subject.
	Start(ctx context.Context, s seallog.Subject, m seallog.Meta, make func() ([]byte, error)) (Pending, error)
	// Find looks for a recorded signature.
	Find(s seallog.Subject) (seallog.Record, bool, error)
	// AppendEvent records an act that is not a signature.
	AppendEvent(ctx context.Context, kind string, data []byte) (index int64, err error)
	// LastEvent gives the newest event of a kind.
	LastEvent(kind string) (data []byte, index int64, ok bool, err error)
	// Key is that of the checkpoints.
	Key() seal.LogKey
	// Checkpoint is the newest.
	Checkpoint() *seal.Checkpoint
	// Consistency proves that the log continues the one that had old entries.
	Consistency(old int64) (*seal.Checkpoint, [][32]byte, error)
	// Since finds the first entry at or after a time, Entries gives those from an index on.
	Since(t time.Time) (int64, error)
	Entries(from int64) iter.Seq2[seallog.Item, error]
	// Totals counts the signatures of a key.
	Totals(fingerprint string) int64
}

// Pending is a signature on its way to the disk.
type Pending interface {
	// Wait returns when the signature's entry is durable.
	Wait(ctx context.Context) (seallog.Signed, error)
}

// FromLog makes a Log of a seallog.
func FromLog(l *seallog.Log) Log { return logStore{l} }

type logStore struct{ *seallog.Log }

func (s logStore) Start(ctx context.Context, sub seallog.Subject, m seallog.Meta, make func() ([]byte, error)) (Pending, error) {
	p, err := s.Log.Start(ctx, sub, m, make)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// FromVault makes a Keystore of a vault.
func FromVault(v *vault.Vault) Keystore { return &vaultStore{Vault: v} }

type vaultStore struct {
	*vault.Vault
	read atomic.Pointer[derived]
}

// derived is what was made of one state.
type derived struct {
	state  *vault.State
	policy *decide.Decider
	hubs   []seal.HubKeyInfo
}

func (s *vaultStore) UserByPeer(fp [32]byte, san string) (keys.User, error) {
	return s.State().UserByPeer(fp, san)
}
func (s *vaultStore) Key(name string) (keys.Key, error) { return s.State().Key(name) }
func (s *vaultStore) Granted(user, key string) bool     { return s.State().Granted(user, key) }
func (s *vaultStore) Keys(user string) []keys.Key       { return s.State().Keys(user) }
func (s *vaultStore) Policy() *decide.Decider           { return s.derive().policy }
func (s *vaultStore) TrustedHubs() []seal.HubKeyInfo    { return s.derive().hubs }

// derive reads policy and hub keys once for each state of the vault.
func (s *vaultStore) derive() *derived {
	state := s.State()
	if d := s.read.Load(); d != nil && d.state == state {
		return d
	}
	d := &derived{state: state}
	// The console lets nothing in that does not load. Should it all the same, nothing is allowed.
	if p, err := decide.Load(state.Policy()); err == nil {
		d.policy = p
	}
	for _, k := range state.HubKeys() {
		if !k.Retired.IsZero() {
			continue
		}
		if pub, err := seal.ParsePublicKey(k.PEM); err == nil {
			d.hubs = append(d.hubs, seal.HubKeyInfo{Name: k.Name, ID: seal.KeyID(pub), Key: pub})
		}
	}
	s.read.Store(d)
	return d
}

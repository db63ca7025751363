package vault

import (
	"context"
	"crypto/ed25519"
	"errors"
	"io"
	"time"

	"github.com/privyseal/privyseal/keys"
	"github.com/privyseal/privyseal/keys/secret"
)

var errStub = errors.New("not built yet")

// HubKey is an attestation key of a hub that the console trusts.
type HubKey struct {
	Name    string
	ID      string // hex SHA-256 of the PKIX form
	PEM     []byte
	Added   time.Time
	Retired time.Time // zero: trusted
}

// Grave remembers a key or user that was deleted, so that neither its name nor its fingerprint comes back as something else.
type Grave struct {
	Kind        string // key or user
	Name        string
	Fingerprint string // of a key, or the ID of a user
	Deleted     time.Time
	Certificate []byte // of a key, armored: old signatures stay verifiable
}

// RevokedCertificate is an inner client certificate that nobody may use any more.
type RevokedCertificate struct {
	keys.Certificate
	User string
	At   time.Time
}

// May tells whether user may sign with key now: the grant is there and neither is disabled, frozen, retired, expired or being deleted. The error
// wraps one of keys.ErrUnknownUser, ErrUnknownKey, ErrNoGrant, ErrDisabled, ErrFrozen, ErrRetired, ErrExpired. It answers from memory: ask for every request.
func (s *State) May(user, key string) error { return errStub }

// UserByPeer finds whose inner certificate this is, by fingerprint and by the URI it names; a disabled or frozen user is refused.
func (s *State) UserByPeer(fp [32]byte, san string) (keys.User, error) { return keys.User{}, errStub }

// Policy is the policy text; "" when none was set, which denies everything.
func (s *State) Policy() string { return "" }

// HubKeys lists hub attestation keys, the retired ones too.
func (s *State) HubKeys() []HubKey { return nil }

// LogKey is the verifier key of the signer's log, in note form.
func (s *State) LogKey() string { return "" }

// Graves lists what was deleted.
func (s *State) Graves() []Grave { return nil }

// Revoked lists the inner certificates that were revoked.
func (s *State) Revoked() []RevokedCertificate { return nil }

// Users.

func (s *State) DisableUser(by, name string) (*Change, error)         { return nil, errStub }
func (s *State) EnableUser(by, name string) (*Change, error)          { return nil, errStub }
func (s *State) FreezeUser(by, name string) (*Change, error)          { return nil, errStub }
func (s *State) UnfreezeUser(by, name string) (*Change, error)        { return nil, errStub }
func (s *State) RenameUser(by, name, newName string) (*Change, error) { return nil, errStub }
func (s *State) DeleteUser(by, name string) (*Change, error)          { return nil, errStub }

// ResetUser gives a user who lost the passphrase a new key pair; grants and certificates are lost with the old one.
func (s *State) ResetUser(ctx context.Context, by, name string, passphrase []byte) (*Change, error) {
	return nil, errStub
}

// ChangePassphrase re-wraps the user's own private half and nothing else.
func (s *State) ChangePassphrase(ctx context.Context, by, user string, old, new []byte) (*Change, error) {
	return nil, errStub
}

// ChangePassphrase makes and applies the one change that a user may ask for over the wire.
func (v *Vault) ChangePassphrase(ctx context.Context, user string, old, new []byte) error {
	return errStub
}

// Certificates.

func (s *State) UnbindCertificate(by, user, sha256 string) (*Change, error) { return nil, errStub }

// RevokeCertificate takes a certificate (its SHA-256 or serial) away for good.
func (s *State) RevokeCertificate(by, sha256OrSerial string) (*Change, error) { return nil, errStub }

// Keys.

// ImportKey is AddKey for a key made elsewhere: spec's Algorithm and UserID are those of the key when empty.
func (s *State) ImportKey(by string, spec KeySpec, data, passphrase []byte) (*Change, []byte, error) {
	return nil, nil, errStub
}
func (s *State) RenameKey(by, key, newName string) (*Change, error) { return nil, errStub }

// ExtendKey gives the key another moment of expiry (zero: never), and its new armored certificate.
func (s *State) ExtendKey(ctx context.Context, by, key string, expires time.Time, holder string, passphrase []byte) (*Change, []byte, error) {
	return nil, nil, errStub
}
func (s *State) RetireKey(by, key string) (*Change, error)                     { return nil, errStub }
func (s *State) DeleteKey(by, key string, wait time.Duration) (*Change, error) { return nil, errStub }
func (s *State) UndeleteKey(by, key string) (*Change, error)                   { return nil, errStub }

// PurgeKeys removes the secrets of keys whose waiting period has ended; every other change does that too.
func (s *State) PurgeKeys(by string) (*Change, error)            { return nil, errStub }
func (s *State) RaiseGeneration(by, key string) (*Change, error) { return nil, errStub }
func (s *State) FreezeKey(by, key string) (*Change, error)       { return nil, errStub }
func (s *State) UnfreezeKey(by, key string) (*Change, error)     { return nil, errStub }

// RotateWrap replaces the key's wrapping key and seals it anew to everybody who holds a grant.
func (s *State) RotateWrap(ctx context.Context, by, key, holder string, passphrase []byte) (*Change, error) {
	return nil, errStub
}

// Revocation gives the key's revocation certificate, made at its birth. Nothing is changed.
func (s *State) Revocation(ctx context.Context, key, holder string, passphrase []byte) ([]byte, error) {
	return nil, errStub
}

// OpenKey opens a key for a console act (export of an X.509 certificate for IMA); retired keys too. Nothing is changed.
func (s *State) OpenKey(ctx context.Context, key, holder string, passphrase []byte) (*secret.Key, error) {
	return nil, errStub
}

// Grants.

// RevokeGrant takes a key from a user. With a holder and the passphrase the wrapping key is replaced at once; without (holder ""), the grant
// goes at once and the key is marked as due for that.
func (s *State) RevokeGrant(ctx context.Context, by, key, user, holder string, passphrase []byte) (*Change, error) {
	return nil, errStub
}

// SetAdmin makes a holder an admin of the key or a plain user of it. The last admin stays.
func (s *State) SetAdmin(by, key, user string, admin bool) (*Change, error) { return nil, errStub }

// Site.

func (s *State) SetPolicy(by, text string) (*Change, error)             { return nil, errStub }
func (s *State) AddHubKey(by, name string, pem []byte) (*Change, error) { return nil, errStub }
func (s *State) RetireHubKey(by, name string) (*Change, error)          { return nil, errStub }

// CheckPolicy sets what judges the text of a policy change before it is applied. Set it before changes are served.
func (v *Vault) CheckPolicy(check func(text string) error) {}

// Changed gives a channel that is closed when the state that counts now is replaced: sessions look again then.
func (v *Vault) Changed() <-chan struct{} { return nil }

// Unattended signing.

// UnlockSpec says what to open for whom until when.
type UnlockSpec struct {
	Key, User string
	Until     time.Time
	Holder    string // whose passphrase opens it; may be User
}

// Unlocked is a key that the console opened for a user.
type Unlocked struct {
	Key, User, Holder string
	Until             time.Time
}

// ReadStartKey gives the public key of the serve that runs now.
func ReadStartKey(dir string) ([]byte, error) { return nil, errStub }

// UnlockFor makes a change that carries the key's wrapping key, sealed to start (ReadStartKey): the running serve keeps the key in memory for
// the user until then. A freeze, a retirement, a revoked grant, a disabled user or another policy ends it.
func (s *State) UnlockFor(ctx context.Context, by string, start []byte, spec UnlockSpec, passphrase []byte) (*Change, error) {
	return nil, errStub
}

// LockAgain ends what UnlockFor began.
func (s *State) LockAgain(by, key, user string) (*Change, error) { return nil, errStub }

// Unattended gives the key that the console unlocked for user.
func (v *Vault) Unattended(user, key string) (k *secret.Key, until time.Time, ok bool) {
	return nil, time.Time{}, false
}

// UnattendedKeys lists what is unlocked now.
func (v *Vault) UnattendedKeys() []Unlocked { return nil }

// Start secret, log key, admin group, memory.

// SealStart puts a file that serve reads at start (inner.pem, log.key) under the start passphrase; name is the file's.
func SealStart(ctx context.Context, name string, plain, passphrase []byte, cost Argon2) ([]byte, error) {
	return nil, errStub
}

// OpenStart opens what SealStart made; a file that is not sealed is given as it is, and passphrase is not asked for.
func OpenStart(ctx context.Context, name string, data []byte, passphrase func() ([]byte, error)) ([]byte, error) {
	return nil, errStub
}

// StartCredential gives the passphrase from the systemd credential privyseal-start; ok is false when there is none.
func StartCredential() (passphrase []byte, ok bool, err error) { return nil, false, errStub }

// MakeLogKey makes DIR/log.key, or takes the one that an init cut short left, and gives it with its verifier key. passphrase nil: not sealed.
func MakeLogKey(ctx context.Context, dir, signer string, passphrase []byte, cost Argon2) (key ed25519.PrivateKey, verifier string, err error) {
	return nil, "", errStub
}

// LoadLogKey reads DIR/log.key.
func LoadLogKey(ctx context.Context, dir string, passphrase func() ([]byte, error)) (ed25519.PrivateKey, error) {
	return nil, errStub
}

// SetAdminGroup lets the members of a group administer the vault that another user serves: they read the state and write to the inbox.
func SetAdminGroup(dir string, gid int) error { return errStub }

// OnIdle sets what runs when the last passphrase derivation under way has ended, to give its memory back to the system.
func OnIdle(f func()) {}

// Backup writes the whole vault with its log to w, consistently while serve runs.
func Backup(ctx context.Context, dir string, w io.Writer) error { return errStub }

// Restore makes a vault in dir, which must not hold one, from what Backup wrote.
func Restore(ctx context.Context, r io.Reader, dir string) error { return errStub }

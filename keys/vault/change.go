package vault

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/privyseal/privyseal/keys"
	"github.com/privyseal/privyseal/keys/secret"
)

const (
	changeFormat = "privyseal change 1"
	maxChange    = 1 << 20
)

// The kinds of change.
const (
	opAddUser  = "add-user"
	opAddKey   = "add-key"
	opAddGrant = "add-grant"
	opBindCert = "bind-certificate"
)

// Change is one complete change of the vault: everything in it is generated and sealed. It is made from the state that its author saw
// and is checked against the state that it meets.
type Change struct {
	Format string       `json:"format"`
	ID     string       `json:"id"`
	At     time.Time    `json:"at"`
	By     string       `json:"by"` // who sat at the console, for the record
	Op     string       `json:"op"`
	User   *userRecord  `json:"user,omitempty"`
	Key    *keyRecord   `json:"key,omitempty"`
	Grants []grantBound `json:"grants,omitempty"`
	Bind   *certBound   `json:"bind,omitempty"`
}

// grantBound is a grant with what it was sealed for, so that it is refused rather than stored where the vault has moved on.
type grantBound struct {
	grantRecord
	Fingerprint string `json:"fingerprint"`
	Wrap        uint32 `json:"wrap"`
	PublicKey   []byte `json:"public_key"`
}

type certBound struct {
	User        string     `json:"user"`
	Certificate certRecord `json:"certificate"`
}

func newChange(by, op string) *Change {
	return &Change{Format: changeFormat, ID: hex.EncodeToString(random(16)), At: now(), By: by, Op: op}
}

func now() time.Time { return time.Now().UTC().Truncate(time.Second) }

// What says in one line what the change does, for the record and the terminal.
func (c *Change) What() string {
	switch {
	case c.Op == opAddUser && c.User != nil:
		return "user add " + c.User.Name
	case c.Op == opAddKey && c.Key != nil:
		var users []string
		for _, g := range c.Grants {
			users = append(users, g.User)
		}
		return fmt.Sprintf("key new %s %s %s for %s: %s", c.Key.Name, c.Key.Algorithm, c.Key.Purposes, strings.Join(users, ","), c.Key.Fingerprint)
	case c.Op == opAddGrant && len(c.Grants) == 1:
		return fmt.Sprintf("grant %s %s by %s", c.Grants[0].Key, c.Grants[0].User, c.Grants[0].By)
	case c.Op == opBindCert && c.Bind != nil:
		return fmt.Sprintf("ca issue %s %s", c.Bind.User, c.Bind.Certificate.SHA256)
	}
	return c.Op
}

// AddUser makes a user with a new key pair under passphrase.
func (s *State) AddUser(ctx context.Context, by, name string, passphrase []byte) (*Change, error) {
	if err := keys.CheckName(name); err != nil {
		return nil, err
	}
	if _, err := s.user(name); err == nil {
		return nil, fmt.Errorf("user %s: %w", name, keys.ErrExists)
	}
	private, err := hpkeKEM.GenerateKey()
	if err != nil {
		return nil, fmt.Errorf("generating a key pair: %w", err)
	}
	half, err := private.Bytes()
	if err != nil {
		return nil, fmt.Errorf("generating a key pair: %w", err)
	}
	defer clear(half)
	c := newChange(by, opAddUser)
	c.User = &userRecord{Name: name, Created: c.At, PublicKey: private.PublicKey().Bytes(), Certificates: []certRecord{}}
	c.User.PrivateKey, err = lock(ctx, passphrase, half, c.User.halfAAD(), s.doc.Argon2)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// KeySpec says what key to make.
type KeySpec struct {
	Name      string
	Algorithm keys.Algorithm
	Purposes  keys.Purposes
	UserID    string
	For       []string // users who are granted it; at least one
	Admins    []string // those of For who may grant it to others; the first of For when empty
}

// AddKey makes a key, granted to the users of spec, and gives its armored certificate. RSA-4096 takes seconds.
func (s *State) AddKey(by string, spec KeySpec) (*Change, []byte, error) {
	if err := keys.CheckName(spec.Name); err != nil {
		return nil, nil, err
	}
	if _, err := s.key(spec.Name); err == nil {
		return nil, nil, fmt.Errorf("key %s: %w", spec.Name, keys.ErrExists)
	}
	if err := spec.Purposes.Check(); err != nil {
		return nil, nil, err
	}
	if len(spec.For) == 0 {
		return nil, nil, errors.New("a key that nobody may use cannot be granted to anybody later: name at least one user")
	}
	// Names are looked up before seconds are spent on the key.
	for i, name := range spec.For {
		if _, err := s.user(name); err != nil {
			return nil, nil, err
		}
		if slices.Contains(spec.For[:i], name) {
			return nil, nil, fmt.Errorf("user %s is named twice", name)
		}
	}
	c := newChange(by, opAddKey)
	key, err := secret.Generate(spec.Algorithm, spec.UserID, c.At)
	if err != nil {
		return nil, nil, err
	}
	armored := key.Certificate().Armor()
	c.Key = &keyRecord{
		Name: spec.Name, Fingerprint: key.Fingerprint(), KeyID: key.SigningKeyID(), Algorithm: key.Algorithm(),
		Purposes: spec.Purposes.Normal(), UserID: spec.UserID, Created: c.At, Wrap: 1, Certificate: string(armored),
	}
	wrapKey, plain := random(wrapKeySize), key.Marshal()
	defer clear(wrapKey)
	defer clear(plain)
	c.Key.Secret = encrypt(wrapKey, plain, c.Key.secretAAD())
	for _, name := range spec.For {
		if err := s.addGrant(c, c.Key, name, "console", wrapKey); err != nil {
			return nil, nil, err
		}
	}
	return c, armored, nil
}

func (s *State) addGrant(c *Change, k *keyRecord, user, granter string, wrapKey []byte) error {
	u, err := s.user(user)
	if err != nil {
		return err
	}
	sealed, err := sealGrant(u.PublicKey, wrapKey, k.grantAAD(u.Name))
	if err != nil {
		return fmt.Errorf("granting key %s to %s: %w", k.Name, u.Name, err)
	}
	c.Grants = append(c.Grants, grantBound{
		grantRecord: grantRecord{Key: k.Name, User: u.Name, By: granter, Created: c.At, Sealed: sealed},
		Fingerprint: k.Fingerprint, Wrap: k.Wrap, PublicKey: u.PublicKey,
	})
	return nil
}

// AddGrant gives a key to user; granter, who holds it, proves that with the passphrase.
func (s *State) AddGrant(ctx context.Context, by, key, user, granter string, passphrase []byte) (*Change, error) {
	k, err := s.key(key)
	if err != nil {
		return nil, err
	}
	if _, err := s.user(user); err != nil {
		return nil, err
	}
	if s.grant(user, k.Name) != nil {
		return nil, fmt.Errorf("grant of key %s to %s: %w", k.Name, user, keys.ErrExists)
	}
	wrapKey, err := s.wrapKey(ctx, granter, k, passphrase)
	if err != nil {
		return nil, err
	}
	defer clear(wrapKey)
	c := newChange(by, opAddGrant)
	if err := s.addGrant(c, k, user, granter, wrapKey); err != nil {
		return nil, err
	}
	return c, nil
}

// BindCertificate says that whoever presents this client certificate is user.
func (s *State) BindCertificate(by, user string, cert keys.Certificate) (*Change, error) {
	if _, err := s.user(user); err != nil {
		return nil, err
	}
	c := newChange(by, opBindCert)
	cert.NotAfter = cert.NotAfter.UTC().Truncate(time.Second)
	c.Bind = &certBound{User: user, Certificate: certRecord(cert)}
	return c, nil
}

func (c *Change) encode() ([]byte, error) {
	b, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encoding a change: %w", err)
	}
	if len(b) > maxChange {
		return nil, fmt.Errorf("change of %d bytes is longer than the limit of %d", len(b), maxChange)
	}
	return b, nil
}

// decodeChange reads a change. Whether it fits the state is for apply to say.
func decodeChange(data []byte) (*Change, error) {
	if len(data) > maxChange {
		return nil, fmt.Errorf("%d bytes are more than the limit of %d", len(data), maxChange)
	}
	c := new(Change)
	if err := decodeStrict(data, c); err != nil {
		return nil, err
	}
	switch {
	case c.Format != changeFormat:
		return nil, fmt.Errorf("format %.40q is not %q", c.Format, changeFormat)
	case !isHex(c.ID, 32):
		return nil, fmt.Errorf("id %.40q is not 32 hex digits", c.ID)
	case len(c.By) > 200:
		return nil, errors.New("author of more than 200 bytes")
	}
	return c, nil
}

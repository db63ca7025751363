package vault

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/privyseal/privyseal/keys"
)

const (
	stateFormat  = "privyseal vault 2"
	maxState     = 64 << 20
	maxRecords   = 1 << 16
	maxApplied   = 64
	maxPolicy    = 256 << 10
	maxHubKeys   = 256
	maxHubKeyPEM = 4 << 10
)

// document is state.json. Its canonical form is what encoding/json makes of it: fixed order of fields, sorted lists, nothing else.
type document struct {
	Format     string          `json:"format"`
	Generation uint64          `json:"generation"`
	Previous   string          `json:"previous"` // SHA-256 of the state before this one
	Name       string          `json:"name"`     // of the signer
	LogKey     string          `json:"log_key"`  // verifier key of the signer's log
	Argon2     Argon2          `json:"argon2"`   // for new passphrases
	CA         caRecord        `json:"ca"`
	Policy     string          `json:"policy"`
	HubKeys    []hubKeyRecord  `json:"hub_keys"` // as added
	Users      []userRecord    `json:"users"`
	Keys       []keyRecord     `json:"keys"`
	Grants     []grantRecord   `json:"grants"`
	Revoked    []revokedRecord `json:"revoked"` // certificates, by SHA-256
	Graves     []graveRecord   `json:"graves"`  // as deleted
	Applied    []string        `json:"applied"` // the last changes
}

type caRecord struct {
	Certificate string  `json:"certificate"` // PEM
	Key         lockbox `json:"key"`
}

type hubKeyRecord struct {
	Name    string    `json:"name"`
	PEM     string    `json:"pem"`
	Added   time.Time `json:"added"`
	Retired time.Time `json:"retired,omitzero"`
}

type userRecord struct {
	Name         string       `json:"name"`
	Created      time.Time    `json:"created"`
	Disabled     bool         `json:"disabled"`
	Frozen       bool         `json:"frozen"`
	PublicKey    []byte       `json:"public_key"`
	Verify       []byte       `json:"verify"` // Ed25519: what the user proves the passphrase with
	PrivateKey   lockbox      `json:"private_key"`
	Certificates []certRecord `json:"certificates"`
}

type certRecord struct {
	SHA256   string    `json:"sha256"`
	Serial   string    `json:"serial"`
	SAN      string    `json:"san"`
	NotAfter time.Time `json:"not_after"`
}

type revokedRecord struct {
	certRecord
	User string    `json:"user"`
	At   time.Time `json:"at"`
}

type keyRecord struct {
	Name        string         `json:"name"`
	Fingerprint string         `json:"fingerprint"`
	KeyID       string         `json:"key_id"`
	Algorithm   keys.Algorithm `json:"algorithm"`
	Purposes    keys.Purposes  `json:"purposes"`
	UserID      string         `json:"user_id"`
	Created     time.Time      `json:"created"`
	Expires     time.Time      `json:"expires,omitzero"`
	Imported    bool           `json:"imported"`
	Frozen      bool           `json:"frozen"`
	Retired     time.Time      `json:"retired,omitzero"`
	DeleteAfter time.Time      `json:"delete_after,omitzero"`
	RotationDue bool           `json:"rotation_due"`
	Generation  uint32         `json:"generation"`
	Taken       uint32         `json:"taken"` // grants that were revoked: one made before counts no more
	Wrap        uint32         `json:"wrap"`
	Certificate string         `json:"certificate"`          // armored
	Secret      []byte         `json:"secret"`               // under the wrapping key
	Revocation  []byte         `json:"revocation,omitempty"` // certificate, under the wrapping key
}

type grantRecord struct {
	Key     string    `json:"key"`
	User    string    `json:"user"`
	By      string    `json:"by"`
	Admin   bool      `json:"admin"`
	Created time.Time `json:"created"`
	Sealed  []byte    `json:"sealed"` // the wrapping key, to the user
}

type graveRecord struct {
	Kind        string    `json:"kind"`
	Name        string    `json:"name"`
	Fingerprint string    `json:"fingerprint"`
	Deleted     time.Time `json:"deleted"`
	Certificate string    `json:"certificate,omitempty"`
}

// The kinds of graves.
const (
	graveKey  = "key"
	graveUser = "user"
)

// key gives the noun, but for its admins, which stand with the grants.
func (r *keyRecord) key() keys.Key {
	return keys.Key{
		Name: r.Name, Fingerprint: r.Fingerprint, KeyID: r.KeyID, Algorithm: r.Algorithm, Purposes: slices.Clone(r.Purposes),
		UserID: r.UserID, Created: r.Created, Expires: r.Expires, State: r.state(), RetiredAt: r.Retired, DeleteAfter: r.DeleteAfter,
		RotationDue: r.RotationDue, Imported: r.Imported, Generation: r.Generation, Wrap: r.Wrap, Certificate: []byte(r.Certificate),
	}
}

func (r *keyRecord) state() keys.State {
	switch {
	case !r.DeleteAfter.IsZero():
		return keys.Deleting
	case !r.Retired.IsZero():
		return keys.Retired
	case r.Frozen:
		return keys.Frozen
	}
	return keys.Active
}

func (r *userRecord) user() keys.User {
	u := keys.User{
		Name: r.Name, ID: r.id(), PublicKey: slices.Clone(r.PublicKey), Disabled: r.Disabled, Frozen: r.Frozen, Created: r.Created,
	}
	for _, c := range r.Certificates {
		u.Certificates = append(u.Certificates, keys.Certificate(c))
	}
	return u
}

// id names the user whatever the user is called: what is sealed to somebody is bound to it.
func (r *userRecord) id() string {
	sum := sha256.Sum256(r.PublicKey)
	return hex.EncodeToString(sum[:])
}

func (r *grantRecord) grant() keys.Grant {
	return keys.Grant{Key: r.Key, User: r.User, By: r.By, Admin: r.Admin, Created: r.Created}
}

func byUser(r userRecord, name string) int          { return cmp.Compare(r.Name, name) }
func byKey(r keyRecord, name string) int            { return cmp.Compare(r.Name, name) }
func byRevoked(r revokedRecord, sha256 string) int  { return cmp.Compare(r.SHA256, sha256) }
func byCertificate(r certRecord, sha256 string) int { return cmp.Compare(r.SHA256, sha256) }
func byGrant(r, other grantRecord) int {
	return cmp.Or(cmp.Compare(r.Key, other.Key), cmp.Compare(r.User, other.User))
}

func (d *document) encode() ([]byte, error) {
	b, err := json.MarshalIndent(d, "", " ")
	if err != nil {
		return nil, fmt.Errorf("encoding the state: %w", err)
	}
	b = append(b, '\n')
	if len(b) > maxState {
		return nil, fmt.Errorf("the state would have %d bytes, more than the limit of %d", len(b), maxState)
	}
	return b, nil
}

// decodeDocument reads a state and checks it in full: a state that is accepted here can be used without further looking.
func decodeDocument(data []byte) (*document, error) {
	if len(data) > maxState {
		return nil, fmt.Errorf("%d bytes are more than the limit of %d", len(data), maxState)
	}
	d := new(document)
	if err := decodeStrict(data, d); err != nil {
		return nil, err
	}
	if err := d.check(); err != nil {
		return nil, err
	}
	again, err := d.encode()
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(again, data) {
		return nil, errors.New("not in canonical form: it was edited by hand or by another program")
	}
	return d, nil
}

// decodeStrict reads exactly one JSON value without unknown fields.
func decodeStrict(data []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		var syntax *json.SyntaxError
		var kind *json.UnmarshalTypeError
		switch {
		case errors.As(err, &syntax):
			return fmt.Errorf("line %d: %w", line(data, syntax.Offset), err)
		case errors.As(err, &kind):
			return fmt.Errorf("line %d: %w", line(data, kind.Offset), err)
		}
		return fmt.Errorf("near line %d: %w", line(data, dec.InputOffset()), err)
	}
	// Not More: that takes a stray } or ] for the end.
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("data after the JSON value")
	}
	return nil
}

// line tells where an offset lies.
func line(data []byte, offset int64) int {
	return 1 + bytes.Count(data[:max(0, min(offset, int64(len(data))))], []byte("\n"))
}

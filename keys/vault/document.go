package vault

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/privyseal/privyseal/internal/pgp"
	"github.com/privyseal/privyseal/keys"
	"github.com/privyseal/privyseal/keys/secret"
)

const (
	stateFormat = "privyseal vault 1"
	maxState    = 64 << 20
	maxRecords  = 1 << 16
	maxApplied  = 64
)

// document is state.json. Its canonical form is what encoding/json makes of it: fixed order of fields, sorted lists, nothing else.
type document struct {
	Format     string        `json:"format"`
	Generation uint64        `json:"generation"`
	Previous   string        `json:"previous"` // SHA-256 of the state before this one
	Name       string        `json:"name"`     // of the signer
	Argon2     Argon2        `json:"argon2"`   // for new passphrases
	CA         caRecord      `json:"ca"`
	Users      []userRecord  `json:"users"`
	Keys       []keyRecord   `json:"keys"`
	Grants     []grantRecord `json:"grants"`
	Applied    []string      `json:"applied"` // the last changes
}

type caRecord struct {
	Certificate string  `json:"certificate"` // PEM
	Key         lockbox `json:"key"`
}

type userRecord struct {
	Name         string       `json:"name"`
	Created      time.Time    `json:"created"`
	PublicKey    []byte       `json:"public_key"`
	PrivateKey   lockbox      `json:"private_key"`
	Certificates []certRecord `json:"certificates"`
}

type certRecord struct {
	SHA256   string    `json:"sha256"`
	Serial   string    `json:"serial"`
	SAN      string    `json:"san"`
	NotAfter time.Time `json:"not_after"`
}

type keyRecord struct {
	Name        string         `json:"name"`
	Fingerprint string         `json:"fingerprint"`
	KeyID       string         `json:"key_id"`
	Algorithm   keys.Algorithm `json:"algorithm"`
	Purposes    keys.Purposes  `json:"purposes"`
	UserID      string         `json:"user_id"`
	Created     time.Time      `json:"created"`
	Generation  uint32         `json:"generation"`
	Wrap        uint32         `json:"wrap"`
	Certificate string         `json:"certificate"` // armored
	Secret      []byte         `json:"secret"`      // under the wrapping key
}

type grantRecord struct {
	Key     string    `json:"key"`
	User    string    `json:"user"`
	By      string    `json:"by"`
	Created time.Time `json:"created"`
	Sealed  []byte    `json:"sealed"` // the wrapping key, to the user
}

func (r *keyRecord) key() keys.Key {
	return keys.Key{
		Name: r.Name, Fingerprint: r.Fingerprint, KeyID: r.KeyID, Algorithm: r.Algorithm, Purposes: slices.Clone(r.Purposes),
		UserID: r.UserID, Created: r.Created, Generation: r.Generation, Wrap: r.Wrap, Certificate: []byte(r.Certificate),
	}
}

func (r *userRecord) user() keys.User {
	u := keys.User{Name: r.Name, PublicKey: slices.Clone(r.PublicKey), Created: r.Created}
	for _, c := range r.Certificates {
		u.Certificates = append(u.Certificates, keys.Certificate(c))
	}
	return u
}

func (r *grantRecord) grant() keys.Grant {
	return keys.Grant{Key: r.Key, User: r.User, By: r.By, Created: r.Created}
}

func byUser(r userRecord, name string) int { return cmp.Compare(r.Name, name) }
func byKey(r keyRecord, name string) int   { return cmp.Compare(r.Name, name) }
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
		return err
	}
	// Not More: that takes a stray } or ] for the end.
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("data after the JSON value")
	}
	return nil
}

func (d *document) check() error {
	switch {
	case d.Format != stateFormat:
		return fmt.Errorf("format %.40q is not %q", d.Format, stateFormat)
	case d.Generation == 0:
		return errors.New("generation 0")
	case !isHex(d.Previous, 64) && !(d.Generation == 1 && d.Previous == ""):
		return errors.New("previous is not a SHA-256")
	case len(d.Users) > maxRecords || len(d.Keys) > maxRecords || len(d.Grants) > maxRecords || len(d.Applied) > maxApplied:
		return fmt.Errorf("more than %d users, keys or grants", maxRecords)
	}
	if err := keys.CheckName(d.Name); err != nil {
		return fmt.Errorf("signer: %w", err)
	}
	if err := d.Argon2.Check(); err != nil {
		return err
	}
	if err := d.CA.Key.check(); err != nil {
		return fmt.Errorf("inner CA: %w", err)
	}
	for _, id := range d.Applied {
		if !isHex(id, 32) {
			return fmt.Errorf("applied change %.40q has no proper name", id)
		}
	}
	owners := make(map[string]string)
	for i, u := range d.Users {
		if i > 0 && d.Users[i-1].Name >= u.Name {
			return fmt.Errorf("user %q stands twice or out of order", u.Name)
		}
		if err := u.check(); err != nil {
			return fmt.Errorf("user %.70q: %w", u.Name, err)
		}
		for _, c := range u.Certificates {
			if owner, taken := owners[c.SHA256]; taken {
				return fmt.Errorf("user %s: certificate %s is bound to %s", u.Name, c.SHA256, owner)
			}
			owners[c.SHA256] = u.Name
		}
	}
	prints := make(map[string]string)
	for i, k := range d.Keys {
		if i > 0 && d.Keys[i-1].Name >= k.Name {
			return fmt.Errorf("key %q stands twice or out of order", k.Name)
		}
		if err := k.check(); err != nil {
			return fmt.Errorf("key %.70q: %w", k.Name, err)
		}
		if other, taken := prints[k.Fingerprint]; taken {
			return fmt.Errorf("keys %s and %s have one fingerprint", other, k.Name)
		}
		prints[k.Fingerprint] = k.Name
	}
	for i, g := range d.Grants {
		if i > 0 && byGrant(d.Grants[i-1], g) >= 0 {
			return fmt.Errorf("grant of key %q to %q stands twice or out of order", g.Key, g.User)
		}
		if _, ok := slices.BinarySearchFunc(d.Keys, g.Key, byKey); !ok {
			return fmt.Errorf("grant of key %.70q: %w", g.Key, keys.ErrUnknownKey)
		}
		if _, ok := slices.BinarySearchFunc(d.Users, g.User, byUser); !ok {
			return fmt.Errorf("grant to user %.70q: %w", g.User, keys.ErrUnknownUser)
		}
		if err := keys.CheckName(g.By); err != nil {
			return fmt.Errorf("grant of key %s to %s: granter: %w", g.Key, g.User, err)
		}
		if len(g.Sealed) == 0 || len(g.Sealed) > maxSealed {
			return fmt.Errorf("grant of key %s to %s: sealed to %d bytes", g.Key, g.User, len(g.Sealed))
		}
	}
	return nil
}

func (u *userRecord) check() error {
	if err := keys.CheckName(u.Name); err != nil {
		return err
	}
	if _, err := hpkeKEM.NewPublicKey(u.PublicKey); err != nil {
		return fmt.Errorf("public half: %w", err)
	}
	if len(u.Certificates) > maxRecords {
		return errors.New("too many certificates")
	}
	for i, c := range u.Certificates {
		if !isHex(c.SHA256, 64) || i > 0 && u.Certificates[i-1].SHA256 >= c.SHA256 {
			return fmt.Errorf("certificate %.70q is not a SHA-256, or stands twice or out of order", c.SHA256)
		}
	}
	return u.PrivateKey.check()
}

func (k *keyRecord) check() error {
	if err := keys.CheckName(k.Name); err != nil {
		return err
	}
	if err := k.Purposes.Check(); err != nil {
		return err
	}
	if _, err := keys.ParseAlgorithm(string(k.Algorithm)); err != nil {
		return err
	}
	if err := secret.CheckUserID(k.UserID); err != nil {
		return err
	}
	if len(k.Secret) == 0 || len(k.Secret) > maxSealed {
		return fmt.Errorf("secret of %d bytes", len(k.Secret))
	}
	certs, err := pgp.ReadCertificates(bytes.NewReader([]byte(k.Certificate)))
	if err != nil {
		return err
	}
	if len(certs) != 1 || certs[0].Fingerprint() != k.Fingerprint {
		return errors.New("fingerprint is not that of the certificate")
	}
	for _, signing := range certs[0].SigningKeys() {
		if signing.KeyID == k.KeyID {
			return nil
		}
	}
	return fmt.Errorf("key id %.40q is not that of a signing key of the certificate", k.KeyID)
}

func isHex(s string, n int) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(s) == n && hex.EncodeToString(b) == s
}

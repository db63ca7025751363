package vault

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"

	"github.com/privyseal/privyseal/internal/pgp"
	"github.com/privyseal/privyseal/keys"
	"github.com/privyseal/privyseal/keys/secret"
)

// check finds everything that a state may not hold. Its errors name the record.
func (d *document) check() error {
	switch {
	case d.Format != stateFormat:
		return fmt.Errorf("format %.40q is not %q", d.Format, stateFormat)
	case d.Generation == 0:
		return errors.New("generation 0")
	case !isHex(d.Previous, 64) && !(d.Generation == 1 && d.Previous == ""):
		return errors.New("previous is not a SHA-256")
	case len(d.Users) > maxRecords || len(d.Keys) > maxRecords || len(d.Grants) > maxRecords || len(d.Revoked) > maxRecords ||
		len(d.Graves) > maxRecords || len(d.Applied) > maxApplied:
		return fmt.Errorf("more than %d users, keys, grants, revoked certificates or deleted records", maxRecords)
	}
	if err := keys.CheckName(d.Name); err != nil {
		return fmt.Errorf("signer: %w", err)
	}
	if v, err := note.NewVerifier(d.LogKey); err != nil || v.Name() != LogOrigin(d.Name) {
		return fmt.Errorf("log key %.80q is not one of %s", d.LogKey, LogOrigin(d.Name))
	}
	if err := d.Argon2.Check(); err != nil {
		return err
	}
	if err := d.CA.Key.check(); err != nil {
		return fmt.Errorf("inner CA: %w", err)
	}
	if err := checkPolicyText(d.Policy); err != nil {
		return err
	}
	for _, id := range d.Applied {
		if !isHex(id, 32) {
			return fmt.Errorf("applied change %.40q has no proper name", id)
		}
	}
	return errors.Join(d.checkHubKeys(), d.checkUsers(), d.checkKeys(), d.checkGrants(), d.checkGraves())
}

func checkPolicyText(text string) error {
	switch {
	case len(text) > maxPolicy:
		return fmt.Errorf("policy of %d bytes is longer than the limit of %d", len(text), maxPolicy)
	case !utf8.ValidString(text) || strings.ContainsRune(text, 0):
		return errors.New("policy is not text in UTF-8")
	}
	return nil
}

func (d *document) checkHubKeys() error {
	if len(d.HubKeys) > maxHubKeys {
		return fmt.Errorf("more than %d hub keys", maxHubKeys)
	}
	ids := make(map[string]string)
	for i := range d.HubKeys {
		k := &d.HubKeys[i]
		if err := keys.CheckName(k.Name); err != nil {
			return fmt.Errorf("hub key: %w", err)
		}
		id, err := hubKeyID([]byte(k.PEM))
		if err != nil {
			return fmt.Errorf("hub key %s: %w", k.Name, err)
		}
		if other, taken := ids[id]; taken {
			return fmt.Errorf("hub keys %s and %s are one key", other, k.Name)
		}
		ids[id] = k.Name
		for _, other := range d.HubKeys[:i] {
			if other.Name == k.Name {
				return fmt.Errorf("hub key %s stands twice", k.Name)
			}
		}
	}
	return nil
}

func (d *document) checkUsers() error {
	owners, ids := make(map[string]string), make(map[string]string)
	for i := range d.Users {
		u := &d.Users[i]
		if i > 0 && d.Users[i-1].Name >= u.Name {
			return fmt.Errorf("user %.70q stands twice or out of order", u.Name)
		}
		if err := u.check(); err != nil {
			return fmt.Errorf("user %.70q: %w", u.Name, err)
		}
		if other, taken := ids[u.id()]; taken {
			return fmt.Errorf("users %s and %s have one key pair", other, u.Name)
		}
		ids[u.id()] = u.Name
		for _, c := range u.Certificates {
			if owner, taken := owners[c.SHA256]; taken {
				return fmt.Errorf("user %s: certificate %s is bound to %s", u.Name, c.SHA256, owner)
			}
			owners[c.SHA256] = u.Name
		}
	}
	for i := range d.Revoked {
		r := &d.Revoked[i]
		if i > 0 && d.Revoked[i-1].SHA256 >= r.SHA256 {
			return fmt.Errorf("revoked certificate %.70q stands twice or out of order", r.SHA256)
		}
		if err := r.check(); err != nil {
			return fmt.Errorf("revoked certificate %.70q: %w", r.SHA256, err)
		}
		if err := keys.CheckName(r.User); err != nil {
			return fmt.Errorf("revoked certificate %s: user: %w", r.SHA256, err)
		}
		if owner, bound := owners[r.SHA256]; bound {
			return fmt.Errorf("user %s: certificate %s is revoked", owner, r.SHA256)
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
	if len(u.Verify) != ed25519.PublicKeySize {
		return errors.New("key of proofs: not one of Ed25519")
	}
	if len(u.Certificates) > maxRecords {
		return errors.New("too many certificates")
	}
	for i, c := range u.Certificates {
		if i > 0 && u.Certificates[i-1].SHA256 >= c.SHA256 {
			return fmt.Errorf("certificate %.70q stands twice or out of order", c.SHA256)
		}
		if err := c.check(); err != nil {
			return fmt.Errorf("certificate %.70q: %w", c.SHA256, err)
		}
	}
	return u.PrivateKey.check()
}

func (c *certRecord) check() error {
	switch {
	case !isHex(c.SHA256, 64):
		return errors.New("not a SHA-256")
	case len(c.Serial) > 64 || strings.Trim(c.Serial, "0123456789abcdef") != "":
		return fmt.Errorf("serial number %.70q is not hex", c.Serial)
	case c.SAN == "" || len(c.SAN) > 200 || strings.ContainsFunc(c.SAN, func(r rune) bool { return r <= ' ' || r > '~' }):
		return fmt.Errorf("URI %.70q is not one of 1 to 200 printable characters", c.SAN)
	}
	return nil
}

func (d *document) checkKeys() error {
	prints := make(map[string]string)
	for i := range d.Keys {
		k := &d.Keys[i]
		if i > 0 && d.Keys[i-1].Name >= k.Name {
			return fmt.Errorf("key %.70q stands twice or out of order", k.Name)
		}
		if err := k.check(); err != nil {
			return fmt.Errorf("key %.70q: %w", k.Name, err)
		}
		if other, taken := prints[k.Fingerprint]; taken {
			return fmt.Errorf("keys %s and %s have one fingerprint", other, k.Name)
		}
		prints[k.Fingerprint] = k.Name
	}
	return nil
}

func (k *keyRecord) check() error {
	if err := keys.CheckName(k.Name); err != nil {
		return err
	}
	if err := k.Purposes.Check(); err != nil {
		return err
	}
	if k.Algorithm != keys.EdDSA && !k.Algorithm.IsRSA() {
		return fmt.Errorf("unknown key type %.40q", string(k.Algorithm))
	}
	if k.Purposes.Has(keys.PurposeIMA) && !k.Algorithm.IsRSA() {
		return errors.New("purpose ima needs an RSA key: the kernel verifies no other")
	}
	if err := secret.CheckUserID(k.UserID); err != nil {
		return err
	}
	if len(k.Secret) == 0 || len(k.Secret) > maxSealed || len(k.Revocation) > maxSealed {
		return fmt.Errorf("secret of %d bytes, revocation certificate of %d", len(k.Secret), len(k.Revocation))
	}
	if k.Wrap == 0 {
		return errors.New("wrap generation 0")
	}
	certs, err := pgp.ReadCertificates(strings.NewReader(k.Certificate))
	if err != nil {
		return err
	}
	if len(certs) != 1 || certs[0].Fingerprint() != k.Fingerprint || !bytes.Equal(certs[0].Armor(), []byte(k.Certificate)) {
		return errors.New("fingerprint is not that of the certificate")
	}
	for _, signing := range certs[0].SigningKeys() {
		if signing.KeyID == k.KeyID {
			if !signing.Expires.Equal(k.Expires) {
				return errors.New("expiry is not that of the certificate")
			}
			return nil
		}
	}
	return fmt.Errorf("key id %.40q is not that of a signing key of the certificate", k.KeyID)
}

func (d *document) checkGrants() error {
	for i := range d.Grants {
		g := &d.Grants[i]
		if i > 0 && byGrant(d.Grants[i-1], *g) >= 0 {
			return fmt.Errorf("grant of key %.70q to %.70q stands twice or out of order", g.Key, g.User)
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

func (d *document) checkGraves() error {
	for i := range d.Graves {
		g := &d.Graves[i]
		if err := keys.CheckName(g.Name); err != nil {
			return fmt.Errorf("deleted %.20q: %w", g.Kind, err)
		}
		switch {
		case g.Kind == graveKey && isHex(strings.ToLower(g.Fingerprint), 40) && len(g.Certificate) <= maxSealed:
		case g.Kind == graveUser && isHex(g.Fingerprint, 64) && g.Certificate == "":
		default:
			return fmt.Errorf("deleted %.20q %s: neither a key nor a user by its fingerprint", g.Kind, g.Name)
		}
	}
	return nil
}

func isHex(s string, n int) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(s) == n && hex.EncodeToString(b) == s
}

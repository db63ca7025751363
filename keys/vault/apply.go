package vault

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/privyseal/privyseal/keys"
)

// RefusedError means that a change does not fit the state it met. Nothing was changed.
type RefusedError struct{ Err error }

func (e *RefusedError) Error() string { return e.Err.Error() }
func (e *RefusedError) Unwrap() error { return e.Err }

// apply makes the next state. It touches nothing of s: records are replaced, never written into.
func (s *State) apply(c *Change) (*State, error) {
	d := *s.doc
	d.Generation++
	d.Previous = s.SHA256()
	d.Users, d.Keys, d.Grants = slices.Clone(d.Users), slices.Clone(d.Keys), slices.Clone(d.Grants)
	d.Applied = append(slices.Clone(d.Applied), c.ID)
	if n := len(d.Applied); n > maxApplied {
		d.Applied = d.Applied[n-maxApplied:]
	}
	if err := d.change(c); err != nil {
		return nil, &RefusedError{err}
	}
	raw, err := d.encode()
	if err != nil {
		return nil, &RefusedError{err}
	}
	// What is written must be readable: the full check that Open makes is made before anything is stored.
	checked, err := decodeDocument(raw)
	if err != nil {
		return nil, &RefusedError{fmt.Errorf("change %s: %w", c.Op, err)}
	}
	return newState(checked, raw), nil
}

func (d *document) change(c *Change) error {
	parts := 0
	for _, present := range []bool{c.User != nil, c.Key != nil, len(c.Grants) > 0 && c.Key == nil, c.Bind != nil} {
		if present {
			parts++
		}
	}
	if parts != 1 {
		return fmt.Errorf("change %.40q holds %d parts, not one", c.Op, parts)
	}
	switch {
	case c.Op == opAddUser && c.User != nil:
		i, taken := slices.BinarySearchFunc(d.Users, c.User.Name, byUser)
		if taken {
			return fmt.Errorf("user %s: %w", c.User.Name, keys.ErrExists)
		}
		d.Users = slices.Insert(d.Users, i, *c.User)
		return nil
	case c.Op == opAddKey && c.Key != nil:
		i, taken := slices.BinarySearchFunc(d.Keys, c.Key.Name, byKey)
		if taken {
			return fmt.Errorf("key %.70q: %w", c.Key.Name, keys.ErrExists)
		}
		d.Keys = slices.Insert(d.Keys, i, *c.Key)
		if len(c.Grants) == 0 {
			return errors.New("a key without a grant")
		}
		return d.addGrants(c.Grants)
	case c.Op == opAddGrant && len(c.Grants) == 1:
		return d.addGrants(c.Grants)
	case c.Op == opBindCert && c.Bind != nil:
		return d.bindCertificate(c.Bind)
	}
	return fmt.Errorf("unknown change %.40q", c.Op)
}

func (d *document) addGrants(grants []grantBound) error {
	for _, g := range grants {
		k, ok := slices.BinarySearchFunc(d.Keys, g.Key, byKey)
		if !ok {
			return fmt.Errorf("key %.70q: %w", g.Key, keys.ErrUnknownKey)
		}
		u, ok := slices.BinarySearchFunc(d.Users, g.User, byUser)
		if !ok {
			return fmt.Errorf("user %.70q: %w", g.User, keys.ErrUnknownUser)
		}
		if d.Keys[k].Fingerprint != g.Fingerprint || d.Keys[k].Wrap != g.Wrap || !bytes.Equal(d.Users[u].PublicKey, g.PublicKey) {
			return fmt.Errorf("grant of key %s to %s was made for another state of the vault: make it again", g.Key, g.User)
		}
		i, taken := slices.BinarySearchFunc(d.Grants, g.grantRecord, byGrant)
		if taken {
			return fmt.Errorf("grant of key %s to %s: %w", g.Key, g.User, keys.ErrExists)
		}
		d.Grants = slices.Insert(d.Grants, i, g.grantRecord)
	}
	return nil
}

func (d *document) bindCertificate(b *certBound) error {
	i, ok := slices.BinarySearchFunc(d.Users, b.User, byUser)
	if !ok {
		return fmt.Errorf("user %.70q: %w", b.User, keys.ErrUnknownUser)
	}
	certs := d.Users[i].Certificates
	at, taken := slices.BinarySearchFunc(certs, b.Certificate.SHA256, func(c certRecord, sum string) int {
		return bytes.Compare([]byte(c.SHA256), []byte(sum))
	})
	if taken {
		return fmt.Errorf("certificate %s: %w", b.Certificate.SHA256, keys.ErrExists)
	}
	d.Users[i].Certificates = slices.Insert(slices.Clone(certs), at, b.Certificate)
	return nil
}

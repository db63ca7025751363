package vault

import (
	"fmt"
	"slices"
	"time"

	"github.com/privyseal/privyseal/keys"
)

// clone copies the lists of a document, not what the records point to: a record is replaced by a changed copy.
func (d *document) clone() *document {
	c := *d
	c.HubKeys, c.Users, c.Keys, c.Grants = slices.Clone(d.HubKeys), slices.Clone(d.Users), slices.Clone(d.Keys), slices.Clone(d.Grants)
	c.Revoked, c.Graves, c.Applied = slices.Clone(d.Revoked), slices.Clone(d.Graves), slices.Clone(d.Applied)
	return &c
}

func (d *document) user(name string) (*userRecord, error) {
	if i, ok := slices.BinarySearchFunc(d.Users, name, byUser); ok {
		return &d.Users[i], nil
	}
	return nil, fmt.Errorf("user %.70q: %w", name, keys.ErrUnknownUser)
}

// key finds a key by its name alone: changes name keys as they are called.
func (d *document) key(name string) (*keyRecord, error) {
	if i, ok := slices.BinarySearchFunc(d.Keys, name, byKey); ok {
		return &d.Keys[i], nil
	}
	return nil, fmt.Errorf("key %.70q: %w", name, keys.ErrUnknownKey)
}

// keyByFingerprint finds the key that a change was made for. The name has to be the one of now, since it is what the log says.
func (d *document) keyByFingerprint(name, fingerprint string) (*keyRecord, error) {
	for i := range d.Keys {
		k := &d.Keys[i]
		if k.Fingerprint != fingerprint {
			continue
		}
		if k.Name != name {
			return nil, fmt.Errorf("key %.70q is called %s now: make the change again", name, k.Name)
		}
		return k, nil
	}
	return nil, fmt.Errorf("key %.70q: %w", name, keys.ErrUnknownKey)
}

func (d *document) grant(key, user string) *grantRecord {
	if i, ok := slices.BinarySearchFunc(d.Grants, grantRecord{Key: key, User: user}, byGrant); ok {
		return &d.Grants[i]
	}
	return nil
}

func (d *document) addUser(u userRecord) error {
	if err := d.nameFree(graveUser, u.Name); err != nil {
		return err
	}
	i, taken := slices.BinarySearchFunc(d.Users, u.Name, byUser)
	if taken {
		return fmt.Errorf("user %s: %w", u.Name, keys.ErrExists)
	}
	d.Users = slices.Insert(d.Users, i, u)
	return nil
}

func (d *document) addKey(k keyRecord) error {
	if err := d.nameFree(graveKey, k.Name); err != nil {
		return err
	}
	for i := range d.Graves {
		if g := &d.Graves[i]; g.Kind == graveKey && g.Fingerprint == k.Fingerprint {
			return fmt.Errorf("key %s: %s was deleted on %s: %w", k.Name, k.Fingerprint, g.Deleted.Format(time.DateOnly), keys.ErrExists)
		}
	}
	for i := range d.Keys {
		if other := &d.Keys[i]; other.Fingerprint == k.Fingerprint {
			return fmt.Errorf("key %s: %s is here as %s: %w", k.Name, k.Fingerprint, other.Name, keys.ErrExists)
		}
	}
	i, taken := slices.BinarySearchFunc(d.Keys, k.Name, byKey)
	if taken {
		return fmt.Errorf("key %.70q: %w", k.Name, keys.ErrExists)
	}
	d.Keys = slices.Insert(d.Keys, i, k)
	return nil
}

// nameFree refuses the name of something that was deleted: log and policy speak of it by that name.
func (d *document) nameFree(kind, name string) error {
	if err := keys.CheckName(name); err != nil {
		return err
	}
	if kind == graveUser && name == byConsole {
		return fmt.Errorf("no user is called %s: that is who gives a new key's first grants", name)
	}
	for i := range d.Graves {
		if g := &d.Graves[i]; g.Kind == kind && g.Name == name {
			return fmt.Errorf("%s %s was deleted on %s and its name is not used again: %w", kind, name, g.Deleted.Format(time.DateOnly), keys.ErrExists)
		}
	}
	return nil
}

func (d *document) bury(g graveRecord) { d.Graves = append(d.Graves, g) }

// purge removes the keys whose waiting period has ended, with their secrets and grants.
func (d *document) purge(now time.Time) (names []string) {
	for i := 0; i < len(d.Keys); {
		k := d.Keys[i]
		if k.DeleteAfter.IsZero() || now.Before(k.DeleteAfter) {
			i++
			continue
		}
		d.Keys = slices.Delete(d.Keys, i, i+1)
		d.Grants = slices.DeleteFunc(d.Grants, func(g grantRecord) bool { return g.Key == k.Name })
		d.bury(graveRecord{Kind: graveKey, Name: k.Name, Fingerprint: k.Fingerprint, Deleted: now, Certificate: k.Certificate})
		names = append(names, k.Name)
	}
	return names
}

// admins lists the admins of a key.
func (d *document) admins(key string) (names []string) {
	for i := range d.Grants {
		if g := &d.Grants[i]; g.Key == key && g.Admin {
			names = append(names, g.User)
		}
	}
	return names
}

// keepsAdmin refuses to take the last admin from a key that lives.
func (d *document) keepsAdmin(key, user string) error {
	g := d.grant(key, user)
	if g == nil || !g.Admin || len(d.admins(key)) > 1 {
		return nil
	}
	if k, err := d.key(key); err != nil || !k.DeleteAfter.IsZero() {
		return nil
	}
	return fmt.Errorf("user %s is the last admin of key %s: make another one first (admin add)", user, key)
}

// removeGrant takes a grant away and marks the key: whoever held it may have kept the wrapping key.
func (d *document) removeGrant(key, user string, rotated bool) error {
	i, ok := slices.BinarySearchFunc(d.Grants, grantRecord{Key: key, User: user}, byGrant)
	if !ok {
		return fmt.Errorf("user %.70q, key %.70q: %w", user, key, keys.ErrNoGrant)
	}
	d.Grants = slices.Delete(d.Grants, i, i+1)
	k, err := d.key(key)
	if err != nil {
		return err
	}
	k.Taken++
	k.RotationDue = k.RotationDue || !rotated
	return nil
}

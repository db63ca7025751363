package vault

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/privyseal/privyseal/keys"
	"github.com/privyseal/privyseal/keys/secret"
)

// KeySpec says what key to make.
type KeySpec struct {
	Name      string
	Algorithm keys.Algorithm
	Purposes  keys.Purposes
	UserID    string
	Expires   time.Time // zero: never
	For       []string  // users who are granted it; at least one
	Admins    []string  // those of For who may grant it to others; the first of For when empty
}

// grantBound is a grant with what it was sealed for, so that it is refused rather than stored where the vault has moved on.
type grantBound struct {
	grantRecord
	Fingerprint string `json:"fingerprint"`
	Wrap        uint32 `json:"wrap"`
	Taken       uint32 `json:"taken"`
	PublicKey   []byte `json:"public_key"`
}

// byConsole stands for who gave the grants that a key is born with.
const byConsole = "console"

type addKey struct {
	Key    keyRecord    `json:"key"`
	Grants []grantBound `json:"grants"`
}

func (a *addKey) what() string {
	var users []string
	for _, g := range a.Grants {
		users = append(users, g.User)
	}
	verb := "new"
	if a.Key.Imported {
		verb = "import"
	}
	return fmt.Sprintf("key %s %s %s %s for %s: %s", verb, a.Key.Name, a.Key.Algorithm, a.Key.Purposes, list(users), a.Key.Fingerprint)
}

func (a *addKey) apply(d *document) error {
	k := &a.Key
	if k.Generation != 0 || k.Taken != 0 || k.Wrap != 1 || k.Frozen || k.RotationDue || !k.Retired.IsZero() || !k.DeleteAfter.IsZero() {
		return fmt.Errorf("key %.70q: a new key has no history", k.Name)
	}
	if err := d.addKey(*k); err != nil {
		return err
	}
	for i := range a.Grants {
		if g := &a.Grants[i]; g.Key != k.Name || g.By != byConsole {
			return fmt.Errorf("key %s comes with a grant of key %.70q by %.70q: only those of itself are given at birth", k.Name, g.Key, g.By)
		}
		if err := d.addGrant(&a.Grants[i]); err != nil {
			return err
		}
	}
	if len(d.admins(a.Key.Name)) == 0 {
		return errors.New("a key without an admin")
	}
	return nil
}

func (s *State) checkSpec(spec *KeySpec) error {
	if err := s.doc.nameFree(graveKey, spec.Name); err != nil {
		return err
	}
	if _, err := s.key(spec.Name); err == nil {
		return fmt.Errorf("key %s: %w", spec.Name, keys.ErrExists)
	}
	if err := spec.Purposes.Normal().Check(); err != nil {
		return err
	}
	if len(spec.For) == 0 {
		return errors.New("a key that nobody may use cannot be granted to anybody later: name at least one user")
	}
	for i, name := range spec.For {
		if _, err := s.user(name); err != nil {
			return err
		}
		if slices.Contains(spec.For[:i], name) {
			return fmt.Errorf("user %s is named twice", name)
		}
	}
	if len(spec.Admins) == 0 {
		spec.Admins = spec.For[:1]
	}
	for _, name := range spec.Admins {
		if !slices.Contains(spec.For, name) {
			return fmt.Errorf("user %.70q is to be an admin of a key that the user is not granted", name)
		}
	}
	return nil
}

// AddKey makes a key, granted to the users of spec, and gives its armored certificate. Its revocation certificate is made and sealed with it.
// RSA-4096 takes seconds.
func (s *State) AddKey(by string, spec KeySpec) (*Change, []byte, error) {
	// Everything is checked before seconds are spent on the key.
	if err := s.checkSpec(&spec); err != nil {
		return nil, nil, err
	}
	if spec.Purposes.Has(keys.PurposeIMA) && !spec.Algorithm.IsRSA() {
		return nil, nil, errors.New("purpose ima needs a key of type rsa4096: the kernel verifies no other")
	}
	key, err := secret.GenerateUntil(spec.Algorithm, spec.UserID, now(), spec.Expires)
	if err != nil {
		return nil, nil, err
	}
	return s.addKey(by, spec, key, false)
}

// ImportKey is AddKey for a key made elsewhere, in the file data, which passphrase opens. What secret.Import refuses is refused; Algorithm, UserID
// and Expires are those of the key.
func (s *State) ImportKey(by string, spec KeySpec, data, passphrase []byte) (*Change, []byte, error) {
	if err := s.checkSpec(&spec); err != nil {
		return nil, nil, err
	}
	key, err := secret.Import(data, passphrase, now())
	if err != nil {
		return nil, nil, err
	}
	if ids := key.Certificate().UserIDs(); spec.UserID == "" && len(ids) > 0 {
		spec.UserID = ids[0]
	}
	return s.addKey(by, spec, key, true)
}

func (s *State) addKey(by string, spec KeySpec, key *secret.Key, imported bool) (*Change, []byte, error) {
	armored := key.Certificate().Armor()
	a := &addKey{Key: keyRecord{
		Name: spec.Name, Fingerprint: key.Fingerprint(), KeyID: key.SigningKeyID(), Algorithm: key.Algorithm(),
		Purposes: spec.Purposes.Normal(), UserID: spec.UserID, Created: now(), Expires: key.Expires(), Imported: imported, Wrap: 1,
		Certificate: string(armored),
	}}
	k := &a.Key
	wrapKey, plain := random(wrapKeySize), key.Marshal()
	defer clear(wrapKey)
	defer clear(plain)
	k.Secret = encrypt(wrapKey, plain, k.secretAAD())
	if key.HasPrimary() {
		revocation, err := key.Revocation(now())
		if err != nil {
			return nil, nil, err
		}
		k.Revocation = encrypt(wrapKey, revocation, k.revocationAAD())
	}
	if err := k.check(); err != nil {
		return nil, nil, fmt.Errorf("key %s: %w", spec.Name, err)
	}
	for _, name := range spec.For {
		g, err := s.sealGrant(k, name, byConsole, wrapKey)
		if err != nil {
			return nil, nil, err
		}
		g.Admin = slices.Contains(spec.Admins, name)
		a.Grants = append(a.Grants, *g)
	}
	if err := a.apply(s.doc.clone()); err != nil {
		return nil, nil, err
	}
	return newChange(by, "key-add", a), armored, nil
}

type renameKey struct {
	Key         string `json:"key"`
	Fingerprint string `json:"fingerprint"`
	Name        string `json:"name"`
}

func (a *renameKey) what() string {
	return fmt.Sprintf("key rename %s %s: %s", a.Key, a.Name, a.Fingerprint)
}

func (a *renameKey) apply(d *document) error {
	k, err := d.keyByFingerprint(a.Key, a.Fingerprint)
	if err != nil {
		return err
	}
	record := *k
	old := record.Name
	record.Name = a.Name
	d.Keys = slices.DeleteFunc(d.Keys, func(k keyRecord) bool { return k.Fingerprint == a.Fingerprint })
	if err := d.addKey(record); err != nil {
		return err
	}
	for i := range d.Grants {
		if d.Grants[i].Key == old {
			d.Grants[i].Key = a.Name
		}
	}
	slices.SortFunc(d.Grants, byGrant)
	return nil
}

// RenameKey gives a key another name; grants stay, since they are bound to its fingerprint. Policy rules name keys: look at them.
func (s *State) RenameKey(by, key, newName string) (*Change, error) {
	k, err := s.key(key)
	if err != nil {
		return nil, err
	}
	a := &renameKey{k.Name, k.Fingerprint, newName}
	if err := a.apply(s.doc.clone()); err != nil {
		return nil, err
	}
	return newChange(by, "key-rename", a), nil
}

type raiseGeneration struct {
	Key         string `json:"key"`
	Fingerprint string `json:"fingerprint"`
	To          uint32 `json:"to"`
}

func (a *raiseGeneration) what() string {
	return fmt.Sprintf("key generation %s %d: %s", a.Key, a.To, a.Fingerprint)
}

func (a *raiseGeneration) apply(d *document) error {
	k, err := d.keyByFingerprint(a.Key, a.Fingerprint)
	if err != nil {
		return err
	}
	if k.Generation+1 != a.To || a.To == 0 {
		return fmt.Errorf("key %s is at generation %d: it cannot go to %d", k.Name, k.Generation, a.To)
	}
	k.Generation = a.To
	return nil
}

// RaiseGeneration lets a key make new signature bytes for what it has signed before.
func (s *State) RaiseGeneration(by, key string) (*Change, error) {
	k, err := s.key(key)
	if err != nil {
		return nil, err
	}
	a := &raiseGeneration{k.Name, k.Fingerprint, k.Generation + 1}
	if err := a.apply(s.doc.clone()); err != nil {
		return nil, err
	}
	return newChange(by, "key-generation", a), nil
}

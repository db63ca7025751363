package vault

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/privyseal/privyseal/keys"
)

type addUser struct {
	User userRecord `json:"user"`
}

func (a *addUser) what() string { return "user add " + a.User.Name }

func (a *addUser) apply(d *document) error {
	u := a.User
	if u.Disabled || u.Frozen || len(u.Certificates) > 0 {
		return fmt.Errorf("user %.70q: a new user has no certificates and is shut out by nothing", u.Name)
	}
	u.Certificates = []certRecord{}
	if err := d.checkNewPair(&u); err != nil {
		return err
	}
	return d.addUser(u)
}

// checkNewPair refuses a key pair that was somebody's before, and a passphrase of another cost than this vault's: too low a cost helps whoever
// guesses, and one of gigabytes whoever wants to stop the signer.
func (d *document) checkNewPair(u *userRecord) error {
	for i := range d.Users {
		if other := &d.Users[i]; other.Name != u.Name && other.id() == u.id() {
			return fmt.Errorf("user %.70q: the key pair is that of user %s", u.Name, other.Name)
		}
	}
	for i := range d.Graves {
		if g := &d.Graves[i]; g.Kind == graveUser && g.Fingerprint == u.id() {
			return fmt.Errorf("user %.70q: the key pair is that of user %s, who was deleted", u.Name, g.Name)
		}
	}
	return d.checkCost(u.Name, &u.PrivateKey)
}

func (d *document) checkCost(user string, box *lockbox) error {
	if box.Argon2 != d.Argon2 {
		return fmt.Errorf("user %.70q: the passphrase has another cost than those of this vault", user)
	}
	return nil
}

// AddUser makes a user with a new key pair under passphrase.
func (s *State) AddUser(ctx context.Context, by, name string, passphrase []byte) (*Change, error) {
	if err := s.doc.nameFree(graveUser, name); err != nil {
		return nil, err
	}
	if _, err := s.user(name); err == nil {
		return nil, fmt.Errorf("user %s: %w", name, keys.ErrExists)
	}
	u, err := s.newUser(ctx, name, passphrase)
	if err != nil {
		return nil, err
	}
	return newChange(by, "user-add", &addUser{u}), nil
}

// newUser makes a record with a new key pair.
func (s *State) newUser(ctx context.Context, name string, passphrase []byte) (userRecord, error) {
	private, err := hpkeKEM.GenerateKey()
	if err != nil {
		return userRecord{}, fmt.Errorf("generating a key pair: %w", err)
	}
	seed, err := private.Bytes()
	if err != nil {
		return userRecord{}, fmt.Errorf("generating a key pair: %w", err)
	}
	h, err := newHalf(seed)
	if err != nil {
		return userRecord{}, fmt.Errorf("generating a key pair: %w", err)
	}
	defer h.clear()
	u := userRecord{Name: name, Created: now(), PublicKey: private.PublicKey().Bytes(), Verify: h.verifyKey(), Certificates: []certRecord{}}
	u.PrivateKey, err = lock(ctx, passphrase, h.seed, u.halfAAD(), s.doc.Argon2)
	return u, err
}

// flagUser shuts a user out, or lets the user in again. Nil leaves a flag as it is.
type flagUser struct {
	User     string `json:"user"`
	Disabled *bool  `json:"disabled,omitempty"`
	Frozen   *bool  `json:"frozen,omitempty"`
}

func (a *flagUser) what() string {
	switch {
	case a.Disabled != nil && *a.Disabled:
		return "user disable " + a.User
	case a.Disabled != nil:
		return "user enable " + a.User
	case a.Frozen != nil && *a.Frozen:
		return "freeze user " + a.User
	}
	return "unfreeze user " + a.User
}

func (a *flagUser) apply(d *document) error {
	u, err := d.user(a.User)
	switch {
	case err != nil:
		return err
	case (a.Disabled == nil) == (a.Frozen == nil):
		return fmt.Errorf("user %s: one of two flags is to be changed", a.User)
	case a.Disabled != nil && u.Disabled == *a.Disabled, a.Frozen != nil && u.Frozen == *a.Frozen:
		return fmt.Errorf("%s: that is so already", a.what())
	}
	if a.Disabled != nil {
		u.Disabled = *a.Disabled
	} else {
		u.Frozen = *a.Frozen
	}
	return nil
}

func (s *State) flagUser(by string, a *flagUser) (*Change, error) {
	if err := a.apply(s.doc.clone()); err != nil {
		return nil, err
	}
	return newChange(by, "user-flag", a), nil
}

// DisableUser shuts a user out at once; grants and certificates stay for the day of EnableUser.
func (s *State) DisableUser(by, name string) (*Change, error) {
	return s.flagUser(by, &flagUser{User: name, Disabled: new(true)})
}

// EnableUser lets a disabled user in again.
func (s *State) EnableUser(by, name string) (*Change, error) {
	return s.flagUser(by, &flagUser{User: name, Disabled: new(false)})
}

// FreezeUser stops a user at once, as after the loss of a machine: the same effect as DisableUser, undone for itself.
func (s *State) FreezeUser(by, name string) (*Change, error) {
	return s.flagUser(by, &flagUser{User: name, Frozen: new(true)})
}

// UnfreezeUser undoes FreezeUser.
func (s *State) UnfreezeUser(by, name string) (*Change, error) {
	return s.flagUser(by, &flagUser{User: name, Frozen: new(false)})
}

type renameUser struct {
	User string `json:"user"`
	Name string `json:"name"`
}

func (a *renameUser) what() string { return fmt.Sprintf("user rename %s %s", a.User, a.Name) }

func (a *renameUser) apply(d *document) error {
	u, err := d.user(a.User)
	if err != nil {
		return err
	}
	record := *u
	record.Name = a.Name
	d.Users = slices.DeleteFunc(d.Users, func(u userRecord) bool { return u.Name == a.User })
	if err := d.addUser(record); err != nil {
		return err
	}
	for i := range d.Grants {
		if d.Grants[i].User == a.User {
			d.Grants[i].User = a.Name
		}
		if d.Grants[i].By == a.User {
			d.Grants[i].By = a.Name
		}
	}
	slices.SortFunc(d.Grants, byGrant)
	return nil
}

// RenameUser gives a user another name. Grants, passphrase and certificates stay: they are bound to the user's key pair. A certificate still says
// the old name; it counts, as it was bound.
func (s *State) RenameUser(by, name, newName string) (*Change, error) {
	a := &renameUser{name, newName}
	if err := a.apply(s.doc.clone()); err != nil {
		return nil, err
	}
	return newChange(by, "user-rename", a), nil
}

type deleteUser struct {
	User string `json:"user"`
}

func (a *deleteUser) what() string { return "user delete " + a.User }

func (a *deleteUser) apply(d *document) error {
	u, err := d.user(a.User)
	if err != nil {
		return err
	}
	record := *u
	if err := d.dropUser(&record); err != nil {
		return err
	}
	d.Users = slices.DeleteFunc(d.Users, func(u userRecord) bool { return u.Name == a.User })
	d.bury(graveRecord{Kind: graveUser, Name: record.Name, Fingerprint: record.id(), Deleted: now()})
	return nil
}

// dropUser takes away all that hangs on a user's key pair: grants, and certificates, which are revoked.
func (d *document) dropUser(u *userRecord) error {
	for _, g := range slices.Clone(d.Grants) {
		if g.User != u.Name {
			continue
		}
		if err := d.keepsAdmin(g.Key, u.Name); err != nil {
			return err
		}
		if err := d.removeGrant(g.Key, u.Name, false); err != nil {
			return err
		}
	}
	for _, cert := range u.Certificates {
		d.revoke(revokedRecord{cert, u.Name, now()})
	}
	return nil
}

// DeleteUser removes a user for good: grants go, certificates are revoked, the keys that the user held are due for another wrapping key, and
// the name is not used again. The last admin of a key cannot be deleted.
func (s *State) DeleteUser(by, name string) (*Change, error) {
	a := &deleteUser{name}
	if err := a.apply(s.doc.clone()); err != nil {
		return nil, err
	}
	return newChange(by, "user-delete", a), nil
}

type resetUser struct {
	User userRecord `json:"user"`
	Was  string     `json:"was"` // ID of the user before
}

func (a *resetUser) what() string { return "user reset " + a.User.Name }

func (a *resetUser) apply(d *document) error {
	u, err := d.user(a.User.Name)
	if err != nil {
		return err
	}
	if u.id() != a.Was {
		return fmt.Errorf("user %s has another key pair than when this was made: make it again", a.User.Name)
	}
	if err := d.checkNewPair(&a.User); err != nil {
		return err
	}
	record := *u
	if err := d.dropUser(&record); err != nil {
		return err
	}
	fresh := a.User
	fresh.Created, fresh.Certificates, fresh.Disabled, fresh.Frozen = record.Created, []certRecord{}, record.Disabled, record.Frozen
	*u = fresh
	return nil
}

// ResetUser gives a user who lost the passphrase a new key pair. Nobody can open the old one, so all grants are lost with it and have to be given
// again; certificates are revoked. The last admin of a key cannot be reset: nobody could grant it again.
func (s *State) ResetUser(ctx context.Context, by, name string, passphrase []byte) (*Change, error) {
	u, err := s.user(name)
	if err != nil {
		return nil, err
	}
	// What is refused is refused before seconds are spent on the passphrase.
	if err := s.doc.clone().dropUser(u); err != nil {
		return nil, err
	}
	fresh, err := s.newUser(ctx, name, passphrase)
	if err != nil {
		return nil, err
	}
	return newChange(by, "user-reset", &resetUser{fresh, u.id()}), nil
}

type changePassphrase struct {
	User       string  `json:"user"`
	PublicKey  []byte  `json:"public_key"`
	Was        []byte  `json:"was"` // the salt of the lockbox that is replaced
	PrivateKey lockbox `json:"private_key"`
}

func (a *changePassphrase) what() string { return "passphrase " + a.User }

func (a *changePassphrase) apply(d *document) error {
	u, err := d.user(a.User)
	if err != nil {
		return err
	}
	if !bytes.Equal(u.PublicKey, a.PublicKey) || !bytes.Equal(u.PrivateKey.Salt, a.Was) {
		return fmt.Errorf("user %s: the passphrase was changed meanwhile: try again", a.User)
	}
	u.PrivateKey = a.PrivateKey
	return d.checkCost(u.Name, &u.PrivateKey)
}

// ChangePassphrase puts the user's own private half under another passphrase, and touches nothing else: neither the key pair nor a grant. It
// is the one change that can come over the wire. The error wraps keys.ErrBadPassphrase when old is wrong.
func (s *State) ChangePassphrase(ctx context.Context, by, user string, old, new []byte) (*Change, error) {
	u, err := s.user(user)
	if err != nil {
		return nil, err
	}
	h, err := u.open(ctx, old)
	if err != nil {
		return nil, err
	}
	defer h.clear()
	box, err := lock(ctx, new, h.seed, u.halfAAD(), s.doc.Argon2)
	if err != nil {
		return nil, err
	}
	return newChange(by, opPassphrase, &changePassphrase{user, u.PublicKey, u.PrivateKey.Salt, box}).prove(h)
}

// ChangePassphrase makes and applies the one change that a user may ask for over the wire.
func (v *Vault) ChangePassphrase(ctx context.Context, user string, old, new []byte) error {
	c, err := v.State().ChangePassphrase(ctx, "user "+user+" over the wire", user, old, new)
	if err != nil {
		return err
	}
	return v.Apply(ctx, c)
}

// usable refuses a user who is shut out.
func (u *userRecord) usable() error {
	switch {
	case u.Disabled:
		return fmt.Errorf("user %s: %w", u.Name, keys.ErrDisabled)
	case u.Frozen:
		return fmt.Errorf("user %s: %w", u.Name, keys.ErrFrozen)
	}
	return nil
}

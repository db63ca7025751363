package vault

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/privyseal/privyseal/keys"
)

// sealGrant makes a grant of k to user.
func (s *State) sealGrant(k *keyRecord, user, granter string, wrapKey []byte) (*grantBound, error) {
	u, err := s.user(user)
	if err != nil {
		return nil, err
	}
	sealed, err := sealTo(u.PublicKey, wrapKey, k.grantAAD(u.id()), grantInfo)
	if err != nil {
		return nil, fmt.Errorf("granting key %s to %s: %w", k.Name, u.Name, err)
	}
	return &grantBound{
		grantRecord: grantRecord{Key: k.Name, User: u.Name, By: granter, Created: now(), Sealed: sealed},
		Fingerprint: k.Fingerprint, Wrap: k.Wrap, Taken: k.Taken, PublicKey: u.PublicKey,
	}, nil
}

// addGrant stores a grant that was sealed for this very state of key and user.
func (d *document) addGrant(g *grantBound) error {
	k, err := d.key(g.Key)
	if err != nil {
		return err
	}
	u, err := d.user(g.User)
	if err != nil {
		return err
	}
	if k.Fingerprint != g.Fingerprint || k.Wrap != g.Wrap || k.Taken != g.Taken || !bytes.Equal(u.PublicKey, g.PublicKey) {
		return fmt.Errorf("grant of key %s to %s was made for another state of the vault: make it again", g.Key, g.User)
	}
	i, taken := slices.BinarySearchFunc(d.Grants, g.grantRecord, byGrant)
	if taken {
		return fmt.Errorf("grant of key %s to %s: %w", g.Key, g.User, keys.ErrExists)
	}
	d.Grants = slices.Insert(d.Grants, i, g.grantRecord)
	return nil
}

type addGrant struct {
	Grant grantBound `json:"grant"`
}

func (a *addGrant) what() string {
	return fmt.Sprintf("grant give %s %s by %s", a.Grant.Key, a.Grant.User, a.Grant.By)
}

func (a *addGrant) apply(d *document) error {
	if g := d.grant(a.Grant.Key, a.Grant.By); g == nil || !g.Admin {
		return fmt.Errorf("user %s, key %s: %w", a.Grant.By, a.Grant.Key, keys.ErrNotAdmin)
	}
	return d.addGrant(&a.Grant)
}

// AddGrant gives a key to user; granter, who is an admin of it, proves that with the passphrase.
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
	if g := s.grant(granter, k.Name); g != nil && !g.Admin {
		return nil, fmt.Errorf("user %s, key %s: %w: one of %s gives it", granter, k.Name, keys.ErrNotAdmin, list(s.doc.admins(k.Name)))
	}
	h, err := s.holder(ctx, granter, k, passphrase)
	if err != nil {
		return nil, err
	}
	defer h.clear()
	g, err := s.sealGrant(k, user, granter, h.wrapKey)
	if err != nil {
		return nil, err
	}
	return newChange(by, "grant-add", &addGrant{*g}).prove(h.half)
}

type setAdmin struct {
	Key   string `json:"key"`
	User  string `json:"user"`
	Admin bool   `json:"admin"`
}

func (a *setAdmin) what() string {
	if a.Admin {
		return fmt.Sprintf("admin add %s %s", a.Key, a.User)
	}
	return fmt.Sprintf("admin remove %s %s", a.Key, a.User)
}

func (a *setAdmin) apply(d *document) error {
	if _, err := d.key(a.Key); err != nil {
		return err
	}
	if _, err := d.user(a.User); err != nil {
		return err
	}
	g := d.grant(a.Key, a.User)
	switch {
	case g == nil:
		return fmt.Errorf("user %s, key %s: %w", a.User, a.Key, keys.ErrNoGrant)
	case g.Admin == a.Admin:
		return fmt.Errorf("%s: that is so already", a.what())
	case !a.Admin:
		if err := d.keepsAdmin(a.Key, a.User); err != nil {
			return err
		}
	}
	g.Admin = a.Admin
	return nil
}

// SetAdmin makes a holder an admin of the key or a plain user of it. The last admin stays.
func (s *State) SetAdmin(by, key, user string, admin bool) (*Change, error) {
	k, err := s.key(key)
	if err != nil {
		return nil, err
	}
	a := &setAdmin{k.Name, user, admin}
	if err := a.apply(s.doc.clone()); err != nil {
		return nil, err
	}
	return newChange(by, "grant-admin", a), nil
}

// rotation replaces the wrapping key of a key.
type rotation struct {
	Key         string         `json:"key"`
	Fingerprint string         `json:"fingerprint"`
	Wrap        uint32         `json:"wrap"` // the new one
	Was         string         `json:"was"`  // SHA-256 of the certificate whose secret was sealed anew
	Secret      []byte         `json:"secret"`
	Revocation  []byte         `json:"revocation,omitempty"`
	Sealed      []sealedHolder `json:"sealed"`
	Holder      string         `json:"holder"` // whose passphrase it was made with; keeps the key
}

// sealedHolder is the new wrapping key for one who keeps the grant.
type sealedHolder struct {
	User      string `json:"user"`
	PublicKey []byte `json:"public_key"`
	Sealed    []byte `json:"sealed"`
}

// apply wants to find exactly the holders that the rotation was made for.
func (r *rotation) apply(d *document) error {
	stale := fmt.Errorf("key %.70q or its holders were changed meanwhile: make the change again", r.Key)
	k, err := d.keyByFingerprint(r.Key, r.Fingerprint)
	if err != nil {
		return err
	}
	if k.Wrap+1 != r.Wrap || certificateSum(k.Certificate) != r.Was || (k.Revocation == nil) != (r.Revocation == nil) {
		return stale
	}
	sealed := make(map[string]sealedHolder, len(r.Sealed))
	for _, h := range r.Sealed {
		sealed[h.User] = h
	}
	for i := range d.Grants {
		g := &d.Grants[i]
		if g.Key != k.Name {
			continue
		}
		u, err := d.user(g.User)
		if err != nil {
			return err
		}
		h, ok := sealed[g.User]
		if !ok || !bytes.Equal(h.PublicKey, u.PublicKey) {
			return stale
		}
		g.Sealed = h.Sealed
		delete(sealed, g.User)
	}
	if len(sealed) > 0 {
		return stale
	}
	if d.grant(k.Name, r.Holder) == nil {
		return fmt.Errorf("user %.70q, key %s: %w", r.Holder, k.Name, keys.ErrNoGrant)
	}
	k.Wrap, k.Secret, k.Revocation, k.RotationDue = r.Wrap, r.Secret, r.Revocation, false
	return nil
}

// rotate makes a rotation by the holder name that leaves out one user, or nobody with "".
func (s *State) rotate(k *keyRecord, name string, h *holder, without string) (*rotation, error) {
	plain, err := decrypt(h.wrapKey, k.Secret, k.secretAAD())
	if err != nil {
		return nil, fmt.Errorf("key %s: secret: %w", k.Name, keys.ErrTampered)
	}
	defer clear(plain)
	fresh := random(wrapKeySize)
	defer clear(fresh)
	record := *k
	record.Wrap++
	r := &rotation{Key: k.Name, Fingerprint: k.Fingerprint, Wrap: record.Wrap, Was: certificateSum(k.Certificate), Holder: name}
	r.Secret = encrypt(fresh, plain, record.secretAAD())
	if k.Revocation != nil {
		revocation, err := decrypt(h.wrapKey, k.Revocation, k.revocationAAD())
		if err != nil {
			return nil, fmt.Errorf("key %s: revocation certificate: %w", k.Name, keys.ErrTampered)
		}
		defer clear(revocation)
		r.Revocation = encrypt(fresh, revocation, record.revocationAAD())
	}
	for i := range s.doc.Grants {
		g := &s.doc.Grants[i]
		if g.Key != k.Name || g.User == without {
			continue
		}
		bound, err := s.sealGrant(&record, g.User, g.By, fresh)
		if err != nil {
			return nil, err
		}
		r.Sealed = append(r.Sealed, sealedHolder{g.User, bound.PublicKey, bound.Sealed})
	}
	return r, nil
}

type rotateWrap struct {
	Rotation rotation `json:"rotation"`
}

func (a *rotateWrap) what() string {
	return fmt.Sprintf("key rotate %s wrap %d by %s: %s", a.Rotation.Key, a.Rotation.Wrap, a.Rotation.Holder, a.Rotation.Fingerprint)
}
func (a *rotateWrap) apply(d *document) error { return a.Rotation.apply(d) }

// RotateWrap replaces the key's wrapping key and seals it anew to everybody who holds a grant. What somebody kept of the old one opens nothing that is
// in the vault from then on; a copy of the vault from before it still opens.
func (s *State) RotateWrap(ctx context.Context, by, key, holder string, passphrase []byte) (*Change, error) {
	k, err := s.key(key)
	if err != nil {
		return nil, err
	}
	h, err := s.holder(ctx, holder, k, passphrase)
	if err != nil {
		return nil, err
	}
	defer h.clear()
	r, err := s.rotate(k, holder, h, "")
	if err != nil {
		return nil, err
	}
	return newChange(by, "key-rotate", &rotateWrap{*r}).prove(h.half)
}

type revokeGrant struct {
	Key      string    `json:"key"`
	User     string    `json:"user"`
	Rotation *rotation `json:"rotation,omitempty"`
}

func (a *revokeGrant) what() string {
	if a.Rotation != nil {
		return fmt.Sprintf("grant revoke %s %s, wrap %d by %s", a.Key, a.User, a.Rotation.Wrap, a.Rotation.Holder)
	}
	return fmt.Sprintf("grant revoke %s %s, rotation due", a.Key, a.User)
}

func (a *revokeGrant) apply(d *document) error {
	if _, err := d.key(a.Key); err != nil {
		return err
	}
	if _, err := d.user(a.User); err != nil {
		return err
	}
	if err := d.keepsAdmin(a.Key, a.User); err != nil {
		return err
	}
	if err := d.removeGrant(a.Key, a.User, a.Rotation != nil); err != nil {
		return err
	}
	if a.Rotation == nil {
		return nil
	}
	if a.Rotation.Key != a.Key {
		return fmt.Errorf("grant of key %s with the rotation of key %.70q", a.Key, a.Rotation.Key)
	}
	return a.Rotation.apply(d)
}

// RevokeGrant takes a key from a user. With a holder who stays and the passphrase the wrapping key is replaced at once; without (holder ""), the grant
// goes at once and the key is marked as due for that (RotateWrap). The last admin of a key keeps it.
func (s *State) RevokeGrant(ctx context.Context, by, key, user, holder string, passphrase []byte) (*Change, error) {
	k, err := s.key(key)
	if err != nil {
		return nil, err
	}
	a := &revokeGrant{Key: k.Name, User: user}
	if err := a.apply(s.doc.clone()); err != nil {
		return nil, err
	}
	switch holder {
	case "":
		return newChange(by, "grant-revoke", a), nil
	case user:
		return nil, fmt.Errorf("the passphrase of user %s cannot renew a key that the user is to lose: name another holder", user)
	}
	h, err := s.holder(ctx, holder, k, passphrase)
	if err != nil {
		return nil, err
	}
	defer h.clear()
	if a.Rotation, err = s.rotate(k, holder, h, user); err != nil {
		return nil, err
	}
	return newChange(by, "grant-revoke", a).prove(h.half)
}

package secret

import (
	"bytes"
	"cmp"
	"crypto"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"github.com/privyseal/privyseal/internal/pgp"
)

// errNoPrimary means that only subkeys' secret halves are here: what the primary key alone can do cannot be done.
var errNoPrimary = errors.New("the secret half of the primary key is not here, only that of a subkey")

// entity reads the stored key again: what the library changes must not be what signs.
func (k *Key) entity() (*openpgp.Entity, error) {
	e, err := openpgp.ReadEntity(packet.NewReader(bytes.NewReader(k.private)))
	if err != nil {
		return nil, fmt.Errorf("secret key: %w", err)
	}
	if e.PrivateKey == nil || e.PrivateKey.Dummy() {
		return nil, fmt.Errorf("key %s: %w", k.name(), errNoPrimary)
	}
	return e, nil
}

// name is the key id of the primary key, for messages.
func (k *Key) name() string { return k.cert.KeyID() }

// HasPrimary tells whether the secret half of the primary key is here: without it the key can neither be extended nor revoked.
func (k *Key) HasPrimary() bool {
	_, err := k.entity()
	return err == nil
}

// Revocation makes an armored revocation certificate for the whole key, to be kept for the day when the key is lost or stolen. It names no reason,
// which every program takes for a reason to distrust old signatures too.
func (k *Key) Revocation(now time.Time) ([]byte, error) {
	e, err := k.entity()
	if err != nil {
		return nil, err
	}
	now = now.Truncate(time.Second)
	reason := packet.NoReason
	sig := &packet.Signature{
		Version:          4,
		SigType:          packet.SigTypeKeyRevocation,
		PubKeyAlgo:       e.PrivateKey.PubKeyAlgo,
		Hash:             crypto.SHA256,
		CreationTime:     now,
		IssuerKeyId:      &e.PrivateKey.KeyId,
		RevocationReason: &reason,
	}
	if err := sig.RevokeKey(e.PrimaryKey, e.PrivateKey, config(now)); err != nil {
		return nil, fmt.Errorf("revoking key %s: %w", k.name(), err)
	}
	packetBytes, err := serialize(sig, k.name())
	if err != nil {
		return nil, err
	}
	armored := pgp.ArmorRevocation(packetBytes)
	// Nobody will try it before the day it is needed, so it is tried now.
	if _, err := k.cert.Revoke(armored); err != nil {
		return nil, err
	}
	return armored, nil
}

// Extend gives the same key with a certificate in which the key and its signing subkeys expire at another moment; zero: never. The statements
// of before are replaced, so the certificate does not grow. The old Key stays as it is.
func (k *Key) Extend(expires, now time.Time) (*Key, error) {
	e, err := k.entity()
	if err != nil {
		return nil, err
	}
	err = renew(e, now, func(public *packet.PublicKey, _ *uint32) (*uint32, error) {
		return lifetime(public.CreationTime, expires)
	})
	if err != nil {
		return nil, fmt.Errorf("extending key %s: %w", k.name(), err)
	}
	out, err := write(e, true)
	if err != nil {
		return nil, fmt.Errorf("extending key %s: %w", k.name(), err)
	}
	defer clear(out)
	extended, err := Parse(out)
	if err != nil {
		return nil, fmt.Errorf("extending key %s: %w", k.name(), err)
	}
	if extended.info.Fingerprint != k.info.Fingerprint || !extended.info.Expires.Equal(expires.Truncate(time.Second)) {
		return nil, fmt.Errorf("extending key %s: it would be another key or expire at another moment; nothing was changed", k.name())
	}
	return extended, nil
}

// lastMoment is the last moment that OpenPGP has: times are seconds since 1970 in 32 bits. A certificate can say more, as a length of time, but gpg
// adds it in 32 bits, comes to a day of the last century and takes the key for expired.
var lastMoment = time.Unix(math.MaxUint32, 0).UTC()

// lifetime is how OpenPGP says when a key expires: in seconds after it was made. nil, for the zero time, is never.
func lifetime(created, expires time.Time) (*uint32, error) {
	if expires.IsZero() {
		return nil, nil
	}
	seconds := expires.Sub(created) / time.Second
	switch from, to := created.UTC().Format(time.DateOnly), expires.UTC().Format(time.DateOnly); {
	case expires.After(lastMoment):
		return nil, fmt.Errorf("made on %s, it cannot expire on %s: OpenPGP counts time in 32 bits of seconds, to %s; let it expire before, or never",
			from, to, lastMoment.Format(time.RFC3339))
	case seconds < 1:
		return nil, fmt.Errorf("made on %s, it cannot expire on %s", from, to)
	}
	return new(uint32(seconds)), nil
}

// renewal is how renew makes statements.
type renewal struct {
	entity *openpgp.Entity
	cfg    *packet.Config
	life   func(public *packet.PublicKey, before *uint32) (*uint32, error)
}

// renew makes what a key says about itself and its signing subkeys anew, with SHA-256 and another life.
func renew(e *openpgp.Entity, now time.Time, life func(public *packet.PublicKey, before *uint32) (*uint32, error)) error {
	r := &renewal{e, config(now.Truncate(time.Second)), life}
	valid := 0
	for _, id := range e.Identities {
		latest, err := id.Verify(time.Time{}, lenient)
		if err != nil {
			continue // revoked
		}
		valid++
		id.SelfCertifications, err = r.statement(latest, e.PrimaryKey, func(s *packet.Signature) error {
			return s.SignUserId(id.UserId.Id, e.PrimaryKey, e.PrivateKey, r.cfg)
		})
		if err != nil {
			return err
		}
	}
	if valid == 0 {
		return errors.New("it has no user ID that is valid")
	}
	if latest, err := e.LatestValidDirectSignature(time.Time{}, lenient); err == nil && latest != nil {
		e.DirectSignatures, err = r.statement(latest, e.PrimaryKey, func(s *packet.Signature) error {
			return s.SignDirectKeyBinding(e.PrimaryKey, e.PrivateKey, r.cfg)
		})
		if err != nil {
			return err
		}
	}
	for i := range e.Subkeys {
		sub := &e.Subkeys[i]
		latest, err := sub.Verify(time.Time{}, lenient)
		if err != nil || !latest.FlagSign || sub.PrivateKey == nil || sub.PrivateKey.Dummy() {
			continue
		}
		if latest.EmbeddedSignature == nil {
			return fmt.Errorf("signing subkey %016x does not consent", sub.PublicKey.KeyId)
		}
		sub.Bindings, err = r.statement(latest, sub.PublicKey, func(s *packet.Signature) error {
			s.EmbeddedSignature.CreationTime, s.EmbeddedSignature.Hash = s.CreationTime, crypto.SHA256
			if err := s.EmbeddedSignature.CrossSignKey(sub.PublicKey, e.PrimaryKey, sub.PrivateKey, r.cfg); err != nil {
				return err
			}
			return s.SignKey(sub.PublicKey, e.PrivateKey, r.cfg)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// statement makes the latest statement of its kind anew, in place of all of them.
func (r *renewal) statement(latest *packet.Signature, about *packet.PublicKey, sign func(*packet.Signature) error) ([]*packet.VerifiableSignature, error) {
	created := r.cfg.Now()
	if !created.After(latest.CreationTime) {
		if latest.CreationTime.Sub(created) > time.Hour {
			return nil, fmt.Errorf("it certified itself on %s: check the clock of this machine", latest.CreationTime.UTC().Format(time.RFC3339))
		}
		// Of two statements of one second nobody knows which is the later.
		created = latest.CreationTime.Add(time.Second)
	}
	life, err := r.life(about, latest.KeyLifetimeSecs)
	if err != nil {
		return nil, err
	}
	latest.CreationTime, latest.Hash, latest.KeyLifetimeSecs = created, crypto.SHA256, life
	if err := sign(latest); err != nil {
		return nil, err
	}
	return []*packet.VerifiableSignature{packet.NewVerifiableSig(latest)}, nil
}

// Expires is when the key that signs expires; zero: never.
func (k *Key) Expires() time.Time { return k.info.Expires }

// lenient reads statements with SHA-1, which keys of older distributions make about themselves.
var lenient = &packet.Config{RejectHashAlgorithms: map[crypto.Hash]bool{}}

// write gives the packets of an entity. The library keeps user IDs in a map; here their order is fixed: the primary one first.
func write(e *openpgp.Entity, withSecrets bool) ([]byte, error) {
	var out bytes.Buffer
	if withSecrets {
		if err := e.PrivateKey.Serialize(&out); err != nil {
			return nil, err
		}
	} else if err := e.PrimaryKey.Serialize(&out); err != nil {
		return nil, err
	}
	for _, sigs := range [][]*packet.VerifiableSignature{e.Revocations, e.DirectSignatures} {
		for _, s := range sigs {
			if err := s.Packet.Serialize(&out); err != nil {
				return nil, err
			}
		}
	}
	isPrimary := func(id *openpgp.Identity) int {
		if self, err := id.Verify(time.Time{}, lenient); err == nil && self.IsPrimaryId != nil && *self.IsPrimaryId {
			return 0
		}
		return 1
	}
	ids := slices.SortedFunc(maps.Values(e.Identities), func(a, b *openpgp.Identity) int {
		return cmp.Or(cmp.Compare(isPrimary(a), isPrimary(b)), cmp.Compare(a.Name, b.Name))
	})
	for _, id := range ids {
		if err := id.Serialize(&out); err != nil {
			return nil, err
		}
	}
	for _, sub := range e.Subkeys {
		if err := sub.Serialize(&out, withSecrets); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), nil
}

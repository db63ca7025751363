package secret

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"github.com/privyseal/privyseal/internal/pgp"
	"github.com/privyseal/privyseal/keys"
)

// minRSABits is the least that an imported RSA key may have: what is signed today is to be trusted for ten years and more.
const minRSABits = 3072

// Import reads a secret key made elsewhere, armored or binary, that passphrase may protect, and refuses one that should not sign any longer:
// not version 4, another algorithm than RSA of 3072 or 4096 bits or EdDSA, a small RSA exponent, revoked, expired before now, or with a signing
// subkey that the passphrase does not open. What it does not sign with is left behind: subkeys that encrypt or authenticate, and signatures
// by other people. Statements of the key about itself that rest on SHA-1 are made anew.
//
// A wrong passphrase gives keys.ErrBadPassphrase. Input of at most 256 KiB; passphrases turned into keys by salted, iterated hashing
// only, so that a prepared file cannot ask for gigabytes.
func Import(data, passphrase []byte, now time.Time) (k *Key, err error) {
	packets, err := pgp.DearmorSecretKey(data)
	if err != nil {
		return nil, fmt.Errorf("secret key: %w", err)
	}
	defer func() {
		if p := recover(); p != nil {
			k, err = nil, fmt.Errorf("secret key: malformed: %v", p)
		}
	}()
	if err := checkProtection(packets); err != nil {
		return nil, fmt.Errorf("secret key: %w", err)
	}
	reader := packet.NewReader(bytes.NewReader(packets))
	e, err := openpgp.ReadEntity(reader)
	if err != nil {
		return nil, fmt.Errorf("secret key: %w", err)
	}
	if e.PrivateKey == nil {
		return nil, errors.New("secret key: this is a public key; export the secret one (gpg --export-secret-keys)")
	}
	if _, err := reader.Next(); err == nil {
		return nil, errors.New("secret key: more than one key in the input")
	}
	if err := lint(e.PrimaryKey); err != nil {
		return nil, err
	}
	if err := open(e.PrivateKey, passphrase); err != nil {
		return nil, err
	}
	weak, err := strip(e, passphrase)
	if err != nil {
		return nil, err
	}
	if weak {
		err := renew(e, now, func(_ *packet.PublicKey, before *uint32) (*uint32, error) { return before, nil })
		if err != nil {
			return nil, fmt.Errorf("secret key: renewing what it says about itself with SHA-1: %w", err)
		}
	}
	out, err := write(e, true)
	if err != nil {
		return nil, fmt.Errorf("secret key: %w", err)
	}
	defer clear(out)
	if k, err = Parse(out); err != nil {
		return nil, err
	}
	if end := k.info.Expires; !end.IsZero() && !now.Before(end) {
		return nil, fmt.Errorf("secret key: it expired on %s: extend it where it was made", end.Format(time.DateOnly))
	}
	return k, nil
}

// open takes the passphrase off a key.
func open(k *packet.PrivateKey, passphrase []byte) error {
	if k.Dummy() || !k.Encrypted {
		return nil
	}
	if len(passphrase) == 0 {
		return fmt.Errorf("secret key %016x is protected: give its passphrase: %w", k.KeyId, keys.ErrBadPassphrase)
	}
	if err := k.Decrypt(passphrase); err != nil {
		return fmt.Errorf("secret key %016x: %w", k.KeyId, keys.ErrBadPassphrase)
	}
	return nil
}

// strip leaves what signs, and tells whether a statement that stays rests on SHA-1.
func strip(e *openpgp.Entity, passphrase []byte) (weak bool, err error) {
	if e.Revoked(time.Time{}) {
		return false, errors.New("secret key: it is revoked")
	}
	old := func(s *packet.Signature) bool { return s.Hash == crypto.SHA1 }
	valid := 0
	for name, id := range e.Identities {
		id.OtherCertifications = nil
		self, err := id.Verify(time.Time{}, lenient)
		if err != nil {
			delete(e.Identities, name)
			continue
		}
		valid++
		id.SelfCertifications = []*packet.VerifiableSignature{packet.NewVerifiableSig(self)}
		weak = weak || old(self)
	}
	if valid == 0 {
		return false, errors.New("secret key: it has no user ID that it vouches for itself")
	}
	var kept []openpgp.Subkey
	for _, sub := range e.Subkeys {
		binding, err := sub.Verify(time.Time{}, lenient)
		if err != nil || !binding.FlagsValid || !binding.FlagSign {
			continue
		}
		if sub.PrivateKey == nil || sub.PrivateKey.Dummy() {
			continue
		}
		if err := lint(sub.PublicKey); err != nil {
			return false, err
		}
		if err := open(sub.PrivateKey, passphrase); err != nil {
			return false, err
		}
		sub.Bindings = []*packet.VerifiableSignature{packet.NewVerifiableSig(binding)}
		weak = weak || old(binding) || binding.EmbeddedSignature != nil && old(binding.EmbeddedSignature)
		kept = append(kept, sub)
	}
	e.Subkeys = kept
	if e.PrivateKey.Dummy() && weak {
		return false, fmt.Errorf("secret key: what it says about itself rests on SHA-1, and %w to renew that", errNoPrimary)
	}
	return weak, nil
}

// lint refuses keys that should not sign any longer.
func lint(k *packet.PublicKey) error {
	if k.Version != 4 {
		return fmt.Errorf("secret key %016x is of OpenPGP version %d; rpm takes version 4", k.KeyId, k.Version)
	}
	switch public := k.PublicKey.(type) {
	case *rsa.PublicKey:
		if n := public.N.BitLen(); n != minRSABits && n != rsaBits {
			return fmt.Errorf("secret key %016x is RSA of %d bits: only %d and %d are taken; make a new key", k.KeyId, n, minRSABits, rsaBits)
		}
		if public.E < 65537 {
			return fmt.Errorf("secret key %016x has the RSA exponent %d: at least 65537 is wanted", k.KeyId, public.E)
		}
		return nil
	}
	if k.PubKeyAlgo != packet.PubKeyAlgoEdDSA {
		return fmt.Errorf("secret key %016x is of algorithm %s: only RSA and EdDSA (22) are verified by rpm 4.18",
			k.KeyId, pgp.Algorithm(k.PubKeyAlgo))
	}
	return nil
}

// checkProtection looks at how each secret key packet is protected before the library does: it would set out to do whatever work
// a file asks for.
func checkProtection(packets []byte) error {
	return pgp.SecretKeys(packets, func(body []byte) error {
		rest, err := afterPublic(body)
		if err != nil {
			return err
		}
		if len(rest) == 0 {
			return errors.New("secret key packet is cut short")
		}
		switch usage := rest[0]; usage {
		case 0:
			return nil
		case 253:
			rest = rest[min(3, len(rest)):]
		case 254, 255:
			rest = rest[min(2, len(rest)):]
		default:
			return fmt.Errorf("protected in the way of PGP 2 (%d); change its passphrase with gpg first", usage)
		}
		if len(rest) == 0 {
			return errors.New("secret key packet is cut short")
		}
		switch kind := rest[0]; kind {
		case 1, 3, 101: // salted; salted and iterated; GNU: the secret half is elsewhere
			return nil
		default:
			return fmt.Errorf("passphrase hashing of type %d is not taken, only salted and iterated; export the key with gpg", kind)
		}
	})
}

// afterPublic skips the public part of a version 4 secret key packet.
func afterPublic(b []byte) ([]byte, error) {
	if len(b) < 6 || b[0] != 4 {
		return nil, errors.New("not a version 4 secret key")
	}
	algorithm := b[5]
	b = b[6:]
	// X25519, X448, Ed25519 and Ed448 have octets of a fixed number, the others integers that say how long they are.
	if n, ok := map[byte]int{25: 32, 26: 56, 27: 32, 28: 57}[algorithm]; ok {
		if n > len(b) {
			return nil, errors.New("secret key packet is cut short")
		}
		return b[n:], nil
	}
	integers := map[byte]int{1: 2, 2: 2, 3: 2, 16: 3, 17: 4, 18: 1, 19: 1, 22: 1}
	n, ok := integers[algorithm]
	if !ok {
		return nil, fmt.Errorf("%s is not taken, only RSA and EdDSA (22)", pgp.Algorithm(algorithm))
	}
	if algorithm == 18 || algorithm == 19 || algorithm == 22 { // the name of a curve comes first
		if len(b) < 1 || len(b) < 1+int(b[0]) {
			return nil, errors.New("secret key packet is cut short")
		}
		b = b[1+int(b[0]):]
	}
	for range n {
		if len(b) < 2 {
			return nil, errors.New("secret key packet is cut short")
		}
		size := (int(binary.BigEndian.Uint16(b)) + 7) / 8
		if size > len(b)-2 {
			return nil, errors.New("secret key packet is cut short")
		}
		b = b[2+size:]
	}
	if algorithm == 18 { // and the hash and cipher of ECDH last
		if len(b) < 1 || len(b) < 1+int(b[0]) {
			return nil, errors.New("secret key packet is cut short")
		}
		b = b[1+int(b[0]):]
	}
	return b, nil
}

// Package secret holds OpenPGP secret keys and signs with them, over ProtonMail/go-crypto.
//
// A Key is opened once and kept: parsing an RSA-4096 secret key checks it and prepares its CRT values, which costs more than a
// signature. Signing afterwards is one private-key operation at full speed; nothing is parsed, and no lock is taken, so any number
// of goroutines may sign with one Key at once.
//
// Signatures are OpenPGP version 4 with SHA-256, over binary data (type 0x00: SignBinary, SignHash) or text (0x01: SignText), and say in their
// hashed part when they were made, by which key id (subpacket 16) and by which fingerprint (subpacket 33). No subpacket is marked critical, since rpm up to 4.16
// refuses some that are, and no salt notation is added: the same input at the same second gives the same bytes.
//
// Where a key has a signing subkey, that one signs. A primary key that may only certify never signs data, although rpm 4.18 would
// accept it.
//
// An RSA key of purpose ima signs file digests for the kernel instead (SignIMA), which knows it by a certificate of its own kind (X509).
//
// Keys are RSA-4096 or EdDSA over Ed25519 (algorithm 22), the two that rpm 4.18 verifies, or RSA-3072 where Import brings one. What is
// imported is checked and stripped: see Import. Extend makes the same key with another expiry, Revocation its revocation certificate.
//
// Secret halves are held in ordinary
// memory, which Go's garbage collector may copy; keeping the process from being read or swapped out is the caller's work. The
// package encrypts nothing: keys/vault does. It does not make OpenPGP version 6 keys or signatures: rpm 4.18 refuses them.
package secret

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"github.com/privyseal/privyseal/internal/pgp"
	"github.com/privyseal/privyseal/keys"
)

const rsaBits = 4096

// Key is an opened OpenPGP secret key. It is immutable and safe for concurrent use.
type Key struct {
	signer  *packet.PrivateKey
	info    pgp.PublicKeyInfo // of signer
	cert    *pgp.Certificate
	algo    keys.Algorithm
	private []byte
}

// config fixes what the library would otherwise decide by its defaults.
func config(now time.Time) *packet.Config {
	off := false
	return &packet.Config{
		DefaultHash:                           crypto.SHA256,
		Time:                                  func() time.Time { return now },
		NonDeterministicSignaturesViaNotation: &off,
		InsecureGenerateNonCriticalKeyFlags:   true,
		InsecureGenerateNonCriticalSignatureCreationTime: true,
	}
}

// CheckUserID tells whether s can be an OpenPGP user ID: 1 to 200 bytes of printable UTF-8.
func CheckUserID(s string) error {
	if s == "" || len(s) > 200 {
		return fmt.Errorf("user ID must have 1 to 200 bytes, like \"Release key <releng@example.org>\"")
	}
	if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return fmt.Errorf("user ID %q holds characters that cannot be printed", s)
	}
	return nil
}

// Generate makes a new key: one primary key that certifies and signs, with one user ID, that never expires. RSA-4096 takes seconds.
func Generate(alg keys.Algorithm, uid string, created time.Time) (*Key, error) {
	return GenerateUntil(alg, uid, created, time.Time{})
}

// GenerateUntil is Generate for a key that expires; zero: never.
func GenerateUntil(alg keys.Algorithm, uid string, created, expires time.Time) (*Key, error) {
	if err := CheckUserID(uid); err != nil {
		return nil, err
	}
	created = created.Truncate(time.Second)
	life, err := lifetime(created, expires)
	if err != nil {
		return nil, fmt.Errorf("a new key: %w", err)
	}
	cfg := config(created)
	var primary *packet.PrivateKey
	switch alg {
	case keys.RSA4096:
		private, err := rsa.GenerateKey(rand.Reader, rsaBits)
		if err != nil {
			return nil, fmt.Errorf("generating a key: %w", err)
		}
		primary = packet.NewRSAPrivateKey(created, private)
	case keys.EdDSA:
		cfg.Algorithm, cfg.Curve = packet.PubKeyAlgoEdDSA, packet.Curve25519
		// The library gives access to Ed25519 of algorithm 22 only through a whole entity; its encryption subkey is left behind.
		throwaway, err := openpgp.NewEntity("x", "", "", cfg)
		if err != nil {
			return nil, fmt.Errorf("generating a key: %w", err)
		}
		primary = throwaway.PrivateKey
	default:
		return nil, fmt.Errorf("key type %q: use rsa4096 or eddsa", string(alg))
	}
	userID := &packet.UserId{Id: uid}
	yes := true
	self := &packet.Signature{
		Version:       4,
		SigType:       packet.SigTypePositiveCert,
		PubKeyAlgo:    primary.PubKeyAlgo,
		Hash:          crypto.SHA256,
		CreationTime:  created,
		IssuerKeyId:   &primary.KeyId,
		IsPrimaryId:   &yes,
		FlagsValid:    true,
		FlagCertify:   true,
		FlagSign:      true,
		PreferredHash: []uint8{uint8(pgp.SHA256), uint8(pgp.SHA512)},

		KeyLifetimeSecs: life,
	}
	if err := self.SignUserId(uid, &primary.PublicKey, primary, cfg); err != nil {
		return nil, fmt.Errorf("certifying the user ID: %w", err)
	}
	var out bytes.Buffer
	if err := errors.Join(primary.Serialize(&out), userID.Serialize(&out), self.Serialize(&out)); err != nil {
		return nil, fmt.Errorf("writing the new key: %w", err)
	}
	// Reading it back is the test that what will be stored can be used.
	return Parse(out.Bytes())
}

// Parse reads an unprotected transferable secret key, binary or armored, and checks it: this is the slow step, done once.
func Parse(secretBytes []byte) (k *Key, err error) {
	packets, err := pgp.DearmorSecretKey(secretBytes)
	if err != nil {
		return nil, fmt.Errorf("secret key: %w", err)
	}
	defer func() {
		if p := recover(); p != nil {
			k, err = nil, fmt.Errorf("secret key: malformed: %v", p)
		}
	}()
	reader := packet.NewReader(bytes.NewReader(packets))
	entity, err := openpgp.ReadEntity(reader)
	if err != nil {
		return nil, fmt.Errorf("secret key: %w", err)
	}
	if entity.PrivateKey == nil {
		return nil, errors.New("secret key: this is a public key")
	}
	if _, err := reader.Next(); err == nil {
		return nil, errors.New("secret key: more than one key in the input")
	}
	public, err := write(entity, false)
	if err != nil {
		return nil, fmt.Errorf("secret key: writing its certificate: %w", err)
	}
	certs, err := pgp.ReadCertificates(bytes.NewReader(public))
	if err != nil {
		return nil, fmt.Errorf("secret key: its certificate: %w", err)
	}
	k = &Key{cert: certs[0], private: bytes.Clone(packets)}
	if err := k.choose(entity); err != nil {
		return nil, err
	}
	return k, nil
}

// choose picks the key that signs: the newest signing subkey whose secret half is here, else the primary key if it may sign.
func (k *Key) choose(entity *openpgp.Entity) error {
	halves := map[string]*packet.PrivateKey{k.cert.Fingerprint(): entity.PrivateKey}
	for _, sub := range entity.Subkeys {
		if sub.PrivateKey != nil {
			halves[fmt.Sprintf("%X", sub.PrivateKey.Fingerprint)] = sub.PrivateKey
		}
	}
	for _, info := range k.cert.SigningKeys() {
		half := halves[info.Fingerprint]
		if half == nil || half.Dummy() {
			continue
		}
		isPrimary := info.Fingerprint == k.cert.Fingerprint()
		if k.signer == nil || k.info.Fingerprint == k.cert.Fingerprint() || !isPrimary && info.Created.After(k.info.Created) {
			k.signer, k.info = half, info
		}
	}
	switch {
	case k.signer == nil:
		return errors.New("secret key: no key in it may sign data: the primary key certifies only and there is no signing subkey")
	case k.signer.Encrypted:
		return errors.New("secret key: it is protected by a passphrase of its own; remove that first (gpg --edit-key KEY passwd)")
	}
	switch {
	case k.info.Algorithm == pgp.EdDSA:
		k.algo = keys.EdDSA
	case k.info.Algorithm == pgp.RSA && k.info.Bits == rsaBits:
		k.algo = keys.RSA4096
	case k.info.Algorithm == pgp.RSA && k.info.Bits == 3072:
		k.algo = keys.RSA3072
	default:
		return fmt.Errorf("secret key: %s of %d bits is not supported, only RSA of 3072 or %d bits and EdDSA (algorithm 22)",
			k.info.Algorithm, k.info.Bits, rsaBits)
	}
	return nil
}

// Marshal gives the unprotected secret key in binary form. Whoever holds these bytes holds the key.
func (k *Key) Marshal() []byte { return bytes.Clone(k.private) }

// Certificate is the public half.
func (k *Key) Certificate() *pgp.Certificate { return k.cert }

// Algorithm is that of the key that signs.
func (k *Key) Algorithm() keys.Algorithm { return k.algo }

// Fingerprint is that of the primary key: 40 upper case hex digits.
func (k *Key) Fingerprint() string { return k.cert.Fingerprint() }

// SigningFingerprint is that of the key that signs, which is a subkey where there is one.
func (k *Key) SigningFingerprint() string { return k.info.Fingerprint }

// SigningKeyID is the key id of the key that signs: 16 lower case hex digits.
func (k *Key) SigningKeyID() string { return k.info.KeyID }

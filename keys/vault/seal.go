package vault

import (
	"context"
	"crypto/hpke"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/privyseal/privyseal/keys"
)

// maxSealed bounds every ciphertext of the state; an RSA-4096 secret key needs 3 KiB.
const maxSealed = 64 << 10

const (
	wrapKeySize = chacha20poly1305.KeySize
	saltSize    = 16
)

// The suite of users' key pairs: ML-KEM-768 with X25519, HKDF-SHA256, ChaCha20-Poly1305.
var (
	hpkeKEM  = hpke.MLKEM768X25519()
	hpkeKDF  = hpke.HKDFSHA256()
	hpkeAEAD = hpke.ChaCha20Poly1305()
)

// MinPassphrase is the least length of a passphrase, in bytes.
const MinPassphrase = 8

// Argon2 is the cost of turning a passphrase into a key with argon2id. It is kept with each ciphertext, so a new default changes
// nothing that exists.
type Argon2 struct {
	Time      uint32 `json:"time"`
	MemoryKiB uint32 `json:"memory_kib"`
	Threads   uint8  `json:"threads"`
}

// DefaultArgon2 is the cost for passphrases of people: 64 MiB, three passes, four lanes.
var DefaultArgon2 = Argon2{Time: 3, MemoryKiB: 64 << 10, Threads: 4}

// Check refuses parameters that argon2 cannot take or that would stop the machine.
func (a Argon2) Check() error {
	if a.Time < 1 || a.Time > 64 || a.Threads < 1 || a.Threads > 64 || a.MemoryKiB < 8*uint32(a.Threads) || a.MemoryKiB > 4<<20 {
		return fmt.Errorf("argon2id with %d passes, %d KiB, %d lanes: want 1-64 passes, 1-64 lanes, at least 8 KiB a lane, at most 4 GiB",
			a.Time, a.MemoryKiB, a.Threads)
	}
	return nil
}

// lockbox is a secret under a passphrase.
type lockbox struct {
	Argon2 Argon2 `json:"argon2"`
	Salt   []byte `json:"salt"`
	Box    []byte `json:"box"`
}

func (l *lockbox) check() error {
	if len(l.Salt) != saltSize || len(l.Box) == 0 || len(l.Box) > maxSealed {
		return fmt.Errorf("lockbox with a salt of %d and a box of %d bytes", len(l.Salt), len(l.Box))
	}
	return l.Argon2.Check()
}

// lock puts plain under a passphrase.
func lock(ctx context.Context, passphrase, plain, aad []byte, a Argon2) (lockbox, error) {
	if len(passphrase) < MinPassphrase {
		return lockbox{}, fmt.Errorf("a passphrase needs at least %d characters", MinPassphrase)
	}
	if err := a.Check(); err != nil {
		return lockbox{}, err
	}
	l := lockbox{Argon2: a, Salt: random(saltSize)}
	key, err := derive(ctx, passphrase, l.Salt, a)
	if err != nil {
		return lockbox{}, err
	}
	defer clear(key)
	l.Box = encrypt(key, plain, aad)
	return l, nil
}

// unlock opens a lockbox. A changed lockbox cannot be told from a wrong passphrase.
func (l *lockbox) unlock(ctx context.Context, passphrase, aad []byte) ([]byte, error) {
	key, err := derive(ctx, passphrase, l.Salt, l.Argon2)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	plain, err := decrypt(key, l.Box, aad)
	if err != nil {
		return nil, keys.ErrBadPassphrase
	}
	return plain, nil
}

// encrypt gives nonce and ciphertext under a 32 byte key; nonces of XChaCha20 are long enough to be drawn at random.
func encrypt(key, plain, aad []byte) []byte {
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		panic(err) // the length of key is fixed
	}
	nonce := random(aead.NonceSize())
	return aead.Seal(nonce, nonce, plain, aad)
}

func decrypt(key, box, aad []byte) ([]byte, error) {
	if len(key) != chacha20poly1305.KeySize {
		return nil, errors.New("key has a wrong length")
	}
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		return nil, err
	}
	if len(box) < aead.NonceSize() {
		return nil, errors.New("ciphertext is cut short")
	}
	return aead.Open(nil, box[:aead.NonceSize()], box[aead.NonceSize():], aad)
}

// What HPKE seals for.
const (
	grantInfo  = "privyseal grant 2"
	unlockInfo = "privyseal unlock 2"
)

// sealTo seals a wrapping key to somebody's public half.
func sealTo(publicKey, wrapKey, aad []byte, info string) ([]byte, error) {
	public, err := hpkeKEM.NewPublicKey(publicKey)
	if err != nil {
		return nil, fmt.Errorf("public half: %w", err)
	}
	enc, sender, err := hpke.NewSender(public, hpkeKDF, hpkeAEAD, []byte(info))
	if err != nil {
		return nil, err
	}
	box, err := sender.Seal(aad, wrapKey)
	if err != nil {
		return nil, err
	}
	return append(enc, box...), nil
}

// openSealed opens what sealTo made.
func openSealed(private hpke.PrivateKey, sealed, aad []byte, info string) ([]byte, error) {
	// The encapsulated key of ML-KEM-768 with X25519 has a fixed size.
	const encSize = 1088 + 32
	if len(sealed) < encSize {
		return nil, errors.New("sealed secret is cut short")
	}
	recipient, err := hpke.NewRecipient(sealed[:encSize], private, hpkeKDF, hpkeAEAD, []byte(info))
	if err != nil {
		return nil, err
	}
	return recipient.Open(aad, sealed[encSize:])
}

// What each ciphertext is bound to. Fields carry their lengths, so that no two lists of fields give the same bytes.

func bind(label string, fields ...string) []byte {
	out := appendField(nil, label)
	for _, f := range fields {
		out = appendField(out, f)
	}
	return out
}

func appendField(b []byte, s string) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
	return append(b, s...)
}

func (u *userRecord) halfAAD() []byte {
	return bind("privyseal user half 2", u.id())
}

func (k *keyRecord) secretAAD() []byte {
	return bind("privyseal secret key 2", k.Fingerprint, string(k.Algorithm), k.Purposes.String(), fmt.Sprint(k.Wrap))
}

func (k *keyRecord) revocationAAD() []byte {
	return bind("privyseal revocation 2", k.Fingerprint, fmt.Sprint(k.Wrap))
}

// A grant is bound to the fingerprint of the key and the ID of the user, not to what they are called: a new name keeps it.
func (k *keyRecord) grantAAD(userID string) []byte {
	return bind("privyseal grant 2", k.Fingerprint, userID, k.Purposes.String(), fmt.Sprint(k.Wrap))
}

func (c *caRecord) keyAAD() []byte { return bind("privyseal inner CA key 1", c.Certificate) }

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return b
}

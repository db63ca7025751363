// Package pgp reads OpenPGP certificates and signatures and verifies them. It knows no secret keys.
package pgp

import (
	"errors"
	"io"
	"time"
)

var errNotYet = errors.New("pgp: not yet")

type PublicKeyInfo struct {
	Fingerprint string // 40 upper hex
	KeyID       string // 16 lower hex
	Algorithm   Algorithm
	Bits        int
	Created     time.Time
	Expires     time.Time // zero: never
}

// Algorithm is an OpenPGP public key algorithm number.
type Algorithm byte

// Hash is an OpenPGP hash algorithm number.
type Hash byte

type Certificate struct{}

func ReadCertificates(r io.Reader) ([]*Certificate, error) { return nil, errNotYet }
func (c *Certificate) Fingerprint() string                 { return "" }
func (c *Certificate) KeyID() string                       { return "" }
func (c *Certificate) SigningKeys() []PublicKeyInfo        { return nil }
func (c *Certificate) Armor() []byte                       { return nil }
func (c *Certificate) UserIDs() []string                   { return nil }

type Signature struct {
	KeyID       string // 16 lower hex; "" if the packet does not say
	Fingerprint string // 40 upper hex; "" if the packet does not say
	Hash        Hash
	Algorithm   Algorithm
	Type        byte
	Version     byte
	Created     time.Time
}

func ParseSignature(packet []byte) (*Signature, error) { return nil, errNotYet }
func (s *Signature) Sigkey() string                    { return "" }

type State int

const (
	Bad State = iota // the zero value is the safe one
	UnknownKey
	Verified
)

type Result struct {
	State       State
	Reason      string // why Bad, in words
	Signature   *Signature
	Certificate *Certificate // nil unless the key is known
}

type Keyring struct{}

func NewKeyring(certs ...*Certificate) *Keyring { return &Keyring{} }

// Verify checks one binary signature packet over all of signed.
// The error is for reading signed or for a packet that cannot be parsed; a wrong signature is Result.State Bad.
func (k *Keyring) Verify(sig []byte, signed []byte) (Result, error) { return Result{}, errNotYet }

// VerifyReader is Verify over a stream.
func (k *Keyring) VerifyReader(sig []byte, signed io.Reader) (Result, error) {
	return Result{}, errNotYet
}

// Dearmor gives the packets of an armored signature block (a detached .asc file), or b itself when it is binary.
func Dearmor(b []byte) ([]byte, error) { return nil, errNotYet }

// ArmorSignature wraps a signature packet as a PGP SIGNATURE block.
func ArmorSignature(packet []byte) []byte { return nil }

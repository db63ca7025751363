package secret

import (
	"errors"
	"hash"
	"time"
)

var errStub = errors.New("not built yet")

// SignText gives a signature packet of type 0x01 over text, whose line ends count as CR LF whatever they are. For a clear-text document
// sign what pgp.CleartextBytes makes of it and put both together with pgp.EncodeCleartext.
func (k *Key) SignText(text []byte, now time.Time) ([]byte, error) { return nil, errStub }

// SignHash is SignBinary for data that somebody has hashed already: h is the SHA-256 state after all of it. The state is used up.
func (k *Key) SignHash(h hash.Hash, now time.Time) ([]byte, error) { return nil, errStub }

// SignIMA signs the digest of a file for the kernel's IMA: the whole value of the attribute security.ima (signature version 2), whose
// hex form stands in an RPM's FILESIGNATURES. hashAlg is the number that FILEDIGESTALGO of the RPM header has (8 for SHA-256).
func (k *Key) SignIMA(hashAlg byte, digest []byte, now time.Time) ([]byte, error) {
	return nil, errStub
}

// IMAKeyID is what an IMA signature of this key names it by: 8 hex digits.
func (k *Key) IMAKeyID() (string, error) { return "", errStub }

// X509 is a self-signed certificate of the key, DER, for the kernel's keyring.
func (k *Key) X509() ([]byte, error) { return nil, errStub }

// Revocation makes an armored revocation certificate for the whole key.
func (k *Key) Revocation(now time.Time) ([]byte, error) { return nil, errStub }

// Extend gives the same key with a certificate that says another moment of expiry; zero: never.
func (k *Key) Extend(expires, now time.Time) (*Key, error) { return nil, errStub }

// Import reads a secret key, armored or binary, that passphrase may protect, and refuses one that should not be used any longer.
func Import(data, passphrase []byte) (*Key, error) { return nil, errStub }

package secret

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // it names a key for the kernel, and protects nothing
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// imaHashes translates the hash numbers of OpenPGP, which RPM headers use, to those of the kernel (include/uapi/linux/hash_info.h).
var imaHashes = map[byte]struct {
	kernel byte
	hash   crypto.Hash
}{
	8:  {4, crypto.SHA256},
	9:  {5, crypto.SHA384},
	10: {6, crypto.SHA512},
	11: {7, crypto.SHA224},
}

// SignIMA signs the digest of a file for the kernel's IMA: the whole value of the attribute security.ima (signature version 2), whose
// hex form stands in an RPM's FILESIGNATURES. hashAlg is the number that FILEDIGESTALGO of the RPM header has (8 for SHA-256).
func (k *Key) SignIMA(hashAlg byte, digest []byte, now time.Time) ([]byte, error) {
	private, public, err := k.rsa()
	if err != nil {
		return nil, err
	}
	h, ok := imaHashes[hashAlg]
	if !ok {
		return nil, fmt.Errorf("file digests of algorithm %d cannot be signed for IMA: SHA-224 to SHA-512 can", hashAlg)
	}
	if len(digest) != h.hash.Size() {
		return nil, fmt.Errorf("a file digest of %d bytes is no %s", len(digest), h.hash)
	}
	if err := k.usable(now); err != nil {
		return nil, err
	}
	value, err := private.Sign(rand.Reader, digest, h.hash)
	if err != nil {
		return nil, fmt.Errorf("signing with key %s: %w", k.info.KeyID, err)
	}
	// EVM_IMA_XATTR_DIGSIG, then struct signature_v2_hdr.
	id := skid(public)
	out := append([]byte{3, 2, h.kernel}, id[len(id)-4:]...)
	out = binary.BigEndian.AppendUint16(out, uint16(len(value)))
	return append(out, value...), nil
}

// IMAKeyID is what an IMA signature names this key by: 8 hex digits, the end of the subject key identifier of X509.
func (k *Key) IMAKeyID() (string, error) {
	_, public, err := k.rsa()
	if err != nil {
		return "", err
	}
	id := skid(public)
	return hex.EncodeToString(id[len(id)-4:]), nil
}

// X509 is a self-signed certificate of the key, DER, for the keyring of the kernel or in /etc/keys. The same key gives the same bytes.
func (k *Key) X509() ([]byte, error) {
	private, public, err := k.rsa()
	if err != nil {
		return nil, err
	}
	serial, ok := new(big.Int).SetString(k.Fingerprint()[:32], 16)
	if !ok {
		return nil, fmt.Errorf("fingerprint %s is not hex", k.Fingerprint())
	}
	name := "IMA key " + k.Fingerprint()
	if ids := k.cert.UserIDs(); len(ids) > 0 && len(ids[0]) <= 64 { // ub-common-name
		name = ids[0]
	}
	end := k.info.Expires
	if end.IsZero() {
		end = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC) // RFC 5280: no end
	}
	template := &x509.Certificate{
		SerialNumber:          serial.Rsh(serial, 1), // positive in 16 octets
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             k.info.Created,
		NotAfter:              end,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		SignatureAlgorithm:    x509.SHA256WithRSA,
		SubjectKeyId:          skid(public),
		AuthorityKeyId:        skid(public),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		return nil, fmt.Errorf("certifying key %s for IMA: %w", k.info.KeyID, err)
	}
	return der, nil
}

func (k *Key) rsa() (crypto.Signer, *rsa.PublicKey, error) {
	private, ok := k.signer.PrivateKey.(crypto.Signer)
	if !ok || !k.algo.IsRSA() {
		return nil, nil, errors.New("only an RSA key signs for IMA")
	}
	public, ok := private.Public().(*rsa.PublicKey)
	if !ok {
		return nil, nil, errors.New("only an RSA key signs for IMA")
	}
	return private, public, nil
}

// skid is the subject key identifier of RFC 5280, method 1. Evmctl and the kernel count on it, so Go's own choice is not taken.
func skid(public *rsa.PublicKey) []byte {
	sum := sha1.Sum(x509.MarshalPKCS1PublicKey(public))
	return sum[:]
}

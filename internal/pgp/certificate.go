package pgp

import (
	"bytes"
	"crypto"
	//lint:ignore SA1019 keys of old distributions are DSA; only their size is looked at
	"crypto/dsa"
	"crypto/rsa"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

const (
	maxKeyring      = 4 << 20
	maxCertificates = 4096
	maxCertificate  = 256 << 10
	maxPackets      = 1024
	maxRSABits      = 16384
	maxDSABits      = 4096
	maxDSASubgroup  = 512
)

// PublicKeyInfo describes a key that may sign.
type PublicKeyInfo struct {
	Fingerprint string // 40 upper case hex digits
	KeyID       string // 16 lower case hex digits
	Algorithm   Algorithm
	Bits        int
	Created     time.Time
	Expires     time.Time // zero: never
}

// lenient accepts SHA-1 in what a primary key says about itself, as the keys of older distributions do: whoever hands us a certificate
// vouches for the primary key anyway. Subkeys are held to the library's own, stricter rule.
var lenient = &packet.Config{RejectHashAlgorithms: map[crypto.Hash]bool{}}

// Certificate is an OpenPGP certificate (a transferable public key), kept byte for byte as it was read.
type Certificate struct {
	raw         []byte
	fingerprint string
	keyID       string
	userIDs     []string
	keys        []certKey
}

// certKey is one key of a certificate, with what decides whether its signatures count.
type certKey struct {
	info    PublicKeyInfo
	public  *packet.PublicKey
	refused string // why its signatures never count: "" for a key that signs
	revoked bool   // that is why
}

// Fingerprint is that of the primary key: 40 upper case hex digits.
func (c *Certificate) Fingerprint() string { return c.fingerprint }

// KeyID is that of the primary key: 16 lower case hex digits.
func (c *Certificate) KeyID() string { return c.keyID }

// UserIDs lists the user IDs with a valid self-signature, sorted.
func (c *Certificate) UserIDs() []string { return slices.Clone(c.userIDs) }

// Bytes is the certificate in binary form.
func (c *Certificate) Bytes() []byte { return slices.Clone(c.raw) }

// Armor is the certificate as a PGP PUBLIC KEY BLOCK.
func (c *Certificate) Armor() []byte { return encodeArmor(armorPublicKey, c.raw) }

// SigningKeys lists the keys whose signatures count, the primary key first if it is one of them. Expired keys are listed: what they
// signed in their time stays good.
func (c *Certificate) SigningKeys() []PublicKeyInfo {
	var out []PublicKeyInfo
	for _, k := range c.keys {
		if k.refused == "" {
			out = append(out, k.info)
		}
	}
	return out
}

// ReadCertificates reads all certificates of r, armored or binary. It refuses the whole input when one of them is not sound, holds
// secret keys or is not of version 4: a key file that is half understood would be worse than none.
func ReadCertificates(r io.Reader) ([]*Certificate, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxKeyring+1))
	if err != nil {
		return nil, fmt.Errorf("reading certificates: %w", err)
	}
	if len(data) > maxKeyring {
		return nil, fmt.Errorf("certificates: more than the limit of %d bytes", maxKeyring)
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, errors.New("certificates: the input is empty")
	}
	chunks := [][]byte{data}
	if data[0] < 0x80 {
		blocks, err := decodeArmor(data)
		if err != nil {
			return nil, fmt.Errorf("certificates: %w", err)
		}
		chunks = nil
		for _, b := range blocks {
			switch b.kind {
			case armorPublicKey:
				chunks = append(chunks, b.data)
			case armorSecretKey:
				return nil, errors.New("certificates: this is a secret key; give the public one")
			default:
				return nil, fmt.Errorf("certificates: armored %.40q is not a public key", b.kind)
			}
		}
		if len(chunks) == 0 {
			return nil, errors.New("certificates: no PGP PUBLIC KEY BLOCK and no OpenPGP packet found")
		}
	}
	var certs []*Certificate
	for _, chunk := range chunks {
		for len(chunk) > 0 {
			var one []byte
			if one, chunk, err = splitCertificate(chunk); err != nil {
				return nil, fmt.Errorf("certificate %d: %w", len(certs)+1, err)
			}
			if len(certs) == maxCertificates {
				return nil, fmt.Errorf("certificates: more than the limit of %d", maxCertificates)
			}
			c, err := parseCertificate(one)
			if err != nil {
				return nil, fmt.Errorf("certificate %d: %w", len(certs)+1, err)
			}
			certs = append(certs, c)
		}
	}
	return certs, nil
}

// splitCertificate takes the packets up to the next primary key. Trust packets are gpg's own notes, not part of a certificate.
func splitCertificate(b []byte) (one, rest []byte, err error) {
	for n := 0; len(b) > 0; n++ {
		kind, _, whole, after, err := nextPacket(b)
		switch {
		case err != nil:
			return nil, nil, err
		case n == 0 && (kind == packetSecretKey || kind == packetSecretSubkey):
			return nil, nil, errors.New("this is a secret key; give the public one")
		case n == 0 && kind != packetPublicKey:
			return nil, nil, fmt.Errorf("begins with a packet of type %d, not with a public key", kind)
		case n > 0 && kind == packetPublicKey:
			return one, b, nil
		case kind == packetSecretKey || kind == packetSecretSubkey:
			return nil, nil, errors.New("holds secret keys; give the public ones")
		case n == maxPackets:
			return nil, nil, fmt.Errorf("more than %d packets", maxPackets)
		}
		if kind != packetTrust {
			one = append(one, whole...)
		}
		if len(one) > maxCertificate {
			return nil, nil, fmt.Errorf("longer than the limit of %d bytes", maxCertificate)
		}
		b = after
	}
	return one, nil, nil
}

// parseCertificate reads one certificate and judges its keys. The library's parsers are kept behind recover: these are outside bytes.
func parseCertificate(raw []byte) (c *Certificate, err error) {
	defer func() {
		if p := recover(); p != nil {
			c, err = nil, fmt.Errorf("malformed: %v", p)
		}
	}()
	reader := packet.NewReader(bytes.NewReader(raw))
	entity, err := openpgp.ReadEntity(reader)
	if err != nil {
		return nil, err
	}
	if entity.PrimaryKey.Version != 4 {
		return nil, fmt.Errorf("version %d keys are not supported, only version 4", entity.PrimaryKey.Version)
	}
	if err := checkSize(entity.PrimaryKey); err != nil {
		return nil, err
	}
	c = &Certificate{
		raw:         raw,
		fingerprint: fingerprint(entity.PrimaryKey),
		keyID:       keyID(entity.PrimaryKey),
	}
	for name, identity := range entity.Identities {
		if _, err := identity.Verify(time.Time{}, lenient); err == nil {
			c.userIDs = append(c.userIDs, name)
		}
	}
	slices.Sort(c.userIDs)
	self, err := entity.VerifyPrimaryKey(time.Time{}, lenient)
	if self == nil && !entity.Revoked(time.Time{}) {
		return nil, errors.New("no valid self-signature: the certificate is damaged or was not made by its key")
	}
	primary := newCertKey(entity.PrimaryKey, self)
	switch {
	case err != nil:
		primary.refused, primary.revoked = "is revoked", true
	case self.FlagsValid && !self.FlagSign:
		primary.refused = "certifies only"
	}
	c.keys = append(c.keys, primary)
	for _, sub := range entity.Subkeys {
		if sub.PublicKey.Version != 4 || !sub.PublicKey.PubKeyAlgo.CanSign() {
			continue
		}
		if err := checkSize(sub.PublicKey); err != nil {
			return nil, fmt.Errorf("subkey %s: %w", keyID(sub.PublicKey), err)
		}
		binding, err := sub.Verify(time.Time{}, nil)
		key := newCertKey(sub.PublicKey, binding)
		// A subkey outlives its primary key in no program that checks.
		if end := primary.info.Expires; !end.IsZero() && (key.info.Expires.IsZero() || end.Before(key.info.Expires)) {
			key.info.Expires = end
		}
		switch {
		case primary.revoked:
			key.refused, key.revoked = "belongs to a primary key that is revoked", true
		case err != nil && binding == nil && sub.Revoked(nil, time.Time{}):
			key.refused, key.revoked = "is revoked", true
		case err != nil:
			key.refused = "is not bound to its primary key"
		case !binding.FlagsValid || !binding.FlagSign:
			key.refused = "is not meant for signing"
		}
		c.keys = append(c.keys, key)
	}
	return c, nil
}

// checkSize refuses numbers so large that one verification with them would take seconds or minutes.
func checkSize(k *packet.PublicKey) error {
	switch public := k.PublicKey.(type) {
	case *rsa.PublicKey:
		if n := public.N.BitLen(); n > maxRSABits {
			return fmt.Errorf("RSA key of %d bits is longer than the limit of %d", n, maxRSABits)
		}
	case *dsa.PublicKey:
		if p, q := public.P.BitLen(), public.Q.BitLen(); p > maxDSABits || q > maxDSASubgroup {
			return fmt.Errorf("DSA key of %d and %d bits is longer than the limit of %d and %d", p, q, maxDSABits, maxDSASubgroup)
		}
	}
	return nil
}

func newCertKey(public *packet.PublicKey, self *packet.Signature) certKey {
	bits, _ := public.BitLength()
	if k, ok := public.PublicKey.(*rsa.PublicKey); ok {
		bits = uint16(min(k.N.BitLen(), 1<<16-1))
	}
	key := certKey{public: public, info: PublicKeyInfo{
		Fingerprint: fingerprint(public),
		KeyID:       keyID(public),
		Algorithm:   Algorithm(public.PubKeyAlgo),
		Bits:        int(bits),
		Created:     public.CreationTime.UTC(),
	}}
	if self != nil && self.KeyLifetimeSecs != nil && *self.KeyLifetimeSecs != 0 {
		key.info.Expires = key.info.Created.Add(time.Duration(*self.KeyLifetimeSecs) * time.Second)
	}
	return key
}

func fingerprint(k *packet.PublicKey) string {
	return strings.ToUpper(hex.EncodeToString(k.Fingerprint))
}

func keyID(k *packet.PublicKey) string { return fmt.Sprintf("%016x", k.KeyId) }

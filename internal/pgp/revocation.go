package pgp

import (
	"bytes"
	"errors"
	"fmt"
)

// ArmorRevocation wraps a revocation signature as revocation certificates are published: as a PGP PUBLIC KEY BLOCK, which gpg --import takes.
func ArmorRevocation(packet []byte) []byte { return encodeArmor(armorPublicKey, packet) }

// ParseRevocation reads a revocation certificate, armored or binary: one signature packet that revokes a whole key. Who made it, Revoke finds out.
func ParseRevocation(data []byte) (*Signature, []byte, error) {
	if len(data) > 2*maxSignature {
		return nil, nil, fmt.Errorf("revocation certificate of %d bytes is longer than the limit of %d", len(data), 2*maxSignature)
	}
	if armored(data) {
		blocks, err := decodeArmor(data)
		if err != nil {
			return nil, nil, fmt.Errorf("revocation certificate: %w", err)
		}
		if len(blocks) != 1 || blocks[0].kind != armorPublicKey && blocks[0].kind != armorSignature {
			return nil, nil, errors.New("revocation certificate: not one armored PGP PUBLIC KEY BLOCK")
		}
		data = blocks[0].data
	}
	s, err := ParseSignature(data)
	if err != nil {
		return nil, nil, fmt.Errorf("revocation certificate: %w", err)
	}
	if s.Type != sigKeyRevocation {
		return nil, nil, fmt.Errorf("revocation certificate: signature of type 0x%02x revokes no key", s.Type)
	}
	return s, data, nil
}

// Revoke gives the certificate as it is once the revocation certificate is published. It refuses one that another key made.
func (c *Certificate) Revoke(revocation []byte) (*Certificate, error) {
	s, packet, err := ParseRevocation(revocation)
	if err != nil {
		return nil, err
	}
	if s.KeyID != c.keyID || s.Fingerprint != "" && s.Fingerprint != c.fingerprint {
		return nil, fmt.Errorf("revocation certificate is that of key %s, not of %s", s.KeyID, c.keyID)
	}
	// Revocations stand right behind the primary key.
	_, _, primary, rest, err := nextPacket(c.raw)
	if err != nil {
		return nil, err
	}
	revoked, err := parseCertificate(bytes.Join([][]byte{primary, packet, rest}, nil))
	if err != nil {
		return nil, err
	}
	if !revoked.keys[0].revoked {
		return nil, errors.New("revocation certificate: its signature is not good")
	}
	return revoked, nil
}

// Revoked tells whether the primary key was revoked, and with it everything.
func (c *Certificate) Revoked() bool { return c.keys[0].revoked }

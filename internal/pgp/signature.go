package pgp

import (
	"crypto"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
)

const maxSignature = 64 << 10

// Algorithm is an OpenPGP public key algorithm number (RFC 9580, section 9.1).
type Algorithm byte

// The algorithms that sign and that we meet.
const (
	RSA     Algorithm = 1
	RSASign Algorithm = 3
	DSA     Algorithm = 17
	ECDSA   Algorithm = 19
	EdDSA   Algorithm = 22
	Ed25519 Algorithm = 27
	Ed448   Algorithm = 28
)

func (a Algorithm) String() string {
	switch a {
	case RSA, RSASign:
		return "RSA"
	case DSA:
		return "DSA"
	case ECDSA:
		return "ECDSA"
	case EdDSA:
		return "EdDSA"
	case Ed25519:
		return "Ed25519"
	case Ed448:
		return "Ed448"
	}
	return fmt.Sprintf("algorithm %d", byte(a))
}

// Hash is an OpenPGP hash algorithm number (RFC 9580, section 9.5).
type Hash byte

// The hashes that we meet.
const (
	MD5    Hash = 1
	SHA1   Hash = 2
	SHA256 Hash = 8
	SHA384 Hash = 9
	SHA512 Hash = 10
	SHA224 Hash = 11
)

func (h Hash) String() string {
	switch h {
	case MD5:
		return "MD5"
	case SHA1:
		return "SHA1"
	case SHA256:
		return "SHA256"
	case SHA384:
		return "SHA384"
	case SHA512:
		return "SHA512"
	case SHA224:
		return "SHA224"
	}
	return fmt.Sprintf("hash %d", byte(h))
}

// strong gives the hash function, or false for one that no longer proves anything.
func (h Hash) strong() (crypto.Hash, bool) {
	switch h {
	case SHA224:
		return crypto.SHA224, true
	case SHA256:
		return crypto.SHA256, true
	case SHA384:
		return crypto.SHA384, true
	case SHA512:
		return crypto.SHA512, true
	}
	return 0, false
}

// Signature is what a signature packet says about itself; nothing of it is proved before Keyring.Verify.
type Signature struct {
	KeyID       string // of the (sub)key that signed, 16 lower case hex digits
	Fingerprint string // of that key, 40 upper case hex digits; "" where the packet does not say
	Hash        Hash
	Algorithm   Algorithm
	Type        byte
	Version     byte
	Created     time.Time

	body []byte // of the packet
	tail int    // where version 3 keeps its MPIs in body
}

// Sigkey is the name that Koji gives to the key: the last 8 hex digits of its key id, in lower case.
func (s *Signature) Sigkey() string { return s.KeyID[8:] }

// ParseSignature reads exactly one signature packet. A version or algorithm that we cannot verify is still described where its
// layout allows, so that a hub can tell whose it is.
func ParseSignature(packet []byte) (*Signature, error) {
	if len(packet) > maxSignature {
		return nil, fmt.Errorf("signature of %d bytes is longer than the limit of %d", len(packet), maxSignature)
	}
	kind, body, _, rest, err := nextPacket(packet)
	if err != nil {
		return nil, fmt.Errorf("signature: %w", err)
	}
	if kind != packetSignature {
		return nil, fmt.Errorf("signature: packet of type %d is not a signature", kind)
	}
	if len(rest) != 0 {
		return nil, fmt.Errorf("signature: %d bytes follow the packet", len(rest))
	}
	if len(body) == 0 {
		return nil, errors.New("signature: empty packet")
	}
	s := &Signature{Version: body[0], body: body}
	switch s.Version {
	case 3:
		err = s.parse3()
	case 4:
		err = s.parse4()
	default:
		err = fmt.Errorf("version %d is not supported, only 3 and 4", s.Version)
	}
	if err != nil {
		return nil, fmt.Errorf("signature: %w", err)
	}
	return s, nil
}

func (s *Signature) parse3() error {
	b := s.body
	if len(b) < 19 {
		return errors.New("version 3 packet is cut short")
	}
	if b[1] != 5 {
		return fmt.Errorf("version 3 packet hashes %d octets, not 5", b[1])
	}
	s.Type = b[2]
	s.Created = time.Unix(int64(binary.BigEndian.Uint32(b[3:7])), 0).UTC()
	s.KeyID = hex.EncodeToString(b[7:15])
	s.Algorithm, s.Hash = Algorithm(b[15]), Hash(b[16])
	s.tail = 19
	return nil
}

func (s *Signature) parse4() error {
	b := s.body
	if len(b) < 6 {
		return errors.New("version 4 packet is cut short")
	}
	s.Type, s.Algorithm, s.Hash = b[1], Algorithm(b[2]), Hash(b[3])
	hashed, rest, err := area(b[4:])
	if err != nil {
		return fmt.Errorf("hashed subpackets: %w", err)
	}
	unhashed, rest, err := area(rest)
	if err != nil {
		return fmt.Errorf("unhashed subpackets: %w", err)
	}
	if len(rest) < 4 {
		return errors.New("version 4 packet is cut short")
	}
	// What the hashed area says comes first: the unhashed one can be changed by anybody.
	for _, a := range [][]byte{hashed, unhashed} {
		if err := s.subpackets(a, len(a) > 0 && &a[0] == &b[6]); err != nil {
			return err
		}
	}
	if s.Created.IsZero() {
		return errors.New("no creation time in the hashed subpackets")
	}
	if s.Fingerprint != "" {
		id := strings.ToLower(s.Fingerprint[24:])
		if s.KeyID != "" && s.KeyID != id {
			return fmt.Errorf("issuer key id %s and issuer fingerprint %s disagree", s.KeyID, s.Fingerprint)
		}
		s.KeyID = id
	}
	if s.KeyID == "" {
		return errors.New("does not say which key made it")
	}
	return nil
}

// area splits a subpacket area with its two-octet length off b.
func area(b []byte) (subpackets, rest []byte, err error) {
	if len(b) < 2 {
		return nil, nil, errors.New("cut short")
	}
	n := int(binary.BigEndian.Uint16(b))
	if n > len(b)-2 {
		return nil, nil, fmt.Errorf("claim %d bytes where %d follow", n, len(b)-2)
	}
	return b[2 : 2+n], b[2+n:], nil
}

// subpackets takes creation time, issuer key id and issuer fingerprint from one area; the first of each counts.
func (s *Signature) subpackets(b []byte, hashed bool) error {
	for len(b) > 0 {
		var size, head int
		switch o := int(b[0]); {
		case o < 192:
			size, head = o, 1
		case o < 255:
			if len(b) < 2 {
				return errors.New("subpacket is cut short")
			}
			size, head = (o-192)<<8+int(b[1])+192, 2
		default:
			if len(b) < 5 {
				return errors.New("subpacket is cut short")
			}
			n := binary.BigEndian.Uint32(b[1:5])
			if n > maxSignature {
				return errors.New("subpacket is too long")
			}
			size, head = int(n), 5
		}
		if size < 1 || size > len(b)-head {
			return errors.New("subpacket is cut short")
		}
		kind, data := b[head]&0x7f, b[head+1:head+size]
		b = b[head+size:]
		switch {
		case kind == 2 && hashed && s.Created.IsZero():
			if len(data) != 4 {
				return fmt.Errorf("creation time of %d octets", len(data))
			}
			s.Created = time.Unix(int64(binary.BigEndian.Uint32(data)), 0).UTC()
		case kind == 16 && s.KeyID == "":
			if len(data) != 8 {
				return fmt.Errorf("issuer key id of %d octets", len(data))
			}
			s.KeyID = hex.EncodeToString(data)
		case kind == 33 && s.Fingerprint == "":
			if len(data) != 21 || data[0] != 4 {
				return errors.New("issuer fingerprint is not one of a version 4 key")
			}
			s.Fingerprint = strings.ToUpper(hex.EncodeToString(data[1:]))
		}
	}
	return nil
}

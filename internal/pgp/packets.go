package pgp

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Packet types of RFC 9580, section 5.
const (
	packetSignature    = 2
	packetOnePass      = 4
	packetSecretKey    = 5
	packetPublicKey    = 6
	packetSecretSubkey = 7
	packetLiteral      = 11
	packetTrust        = 12
)

// sigKeyRevocation is the type of a signature that revokes a primary key.
const sigKeyRevocation = 0x20

// nextPacket splits the first packet off b: its type, its body, the packet as a whole, and what follows.
// Partial and indeterminate lengths are refused: keys and signatures never need them.
func nextPacket(b []byte) (kind byte, body, whole, rest []byte, err error) {
	if len(b) < 2 {
		return 0, nil, nil, nil, errors.New("packet header is cut short")
	}
	if b[0]&0x80 == 0 {
		return 0, nil, nil, nil, fmt.Errorf("octet 0x%02x does not begin an OpenPGP packet", b[0])
	}
	var size uint64
	head := 2
	if b[0]&0x40 == 0 {
		kind = b[0] >> 2 & 0x0f
		octets := 1 << (b[0] & 3)
		if octets == 8 {
			return 0, nil, nil, nil, errors.New("packet of indeterminate length")
		}
		if len(b) < 1+octets {
			return 0, nil, nil, nil, errors.New("packet header is cut short")
		}
		for _, o := range b[1 : 1+octets] {
			size = size<<8 | uint64(o)
		}
		head = 1 + octets
	} else {
		kind = b[0] & 0x3f
		switch o := b[1]; {
		case o < 192:
			size = uint64(o)
		case o < 224:
			if len(b) < 3 {
				return 0, nil, nil, nil, errors.New("packet header is cut short")
			}
			size = uint64(o-192)<<8 + uint64(b[2]) + 192
			head = 3
		case o < 255:
			return 0, nil, nil, nil, errors.New("packet of partial length")
		default:
			if len(b) < 6 {
				return 0, nil, nil, nil, errors.New("packet header is cut short")
			}
			size = uint64(binary.BigEndian.Uint32(b[2:6]))
			head = 6
		}
	}
	if size > uint64(len(b)-head) {
		return 0, nil, nil, nil, fmt.Errorf("packet claims %d bytes where %d follow", size, len(b)-head)
	}
	end := head + int(size)
	return kind, b[head:end], b[:end], b[end:], nil
}

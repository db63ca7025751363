package rpmhead

import "encoding/binary"

// issuer returns the key ID that a signature packet of version 3 or 4 names as its
// maker's. It is what the packet says, and proves nothing.
func issuer(packet []byte) (id uint64, ok bool) {
	body := packetBody(packet)
	switch {
	case len(body) >= 17 && body[0] == 3:
		return binary.BigEndian.Uint64(body[7:]), true
	case len(body) >= 6 && body[0] == 4:
		rest := body[4:]
		for range 2 { // hashed subpackets, then the others
			if len(rest) < 2 {
				return 0, false
			}
			n := int(binary.BigEndian.Uint16(rest))
			if rest = rest[2:]; n > len(rest) {
				return 0, false
			}
			if id, ok := issuerIn(rest[:n]); ok {
				return id, true
			}
			rest = rest[n:]
		}
	}
	return 0, false
}

// issuerIn looks for the issuer's key ID (subpacket 16) or fingerprint (33, of
// version 4: its last eight bytes are the key ID).
func issuerIn(b []byte) (uint64, bool) {
	for len(b) > 0 {
		n, size := int(b[0]), 1
		switch {
		case n == 255 && len(b) >= 5:
			n, size = int(binary.BigEndian.Uint32(b[1:])), 5
		case n >= 192 && n < 255 && len(b) >= 2:
			n, size = (n-192)<<8+int(b[1])+192, 2
		case n >= 192:
			return 0, false
		}
		if b = b[size:]; n < 1 || n > len(b) {
			return 0, false
		}
		sub := b[1:n]
		switch kind := b[0] & 0x7f; {
		case kind == 16 && len(sub) == 8:
			return binary.BigEndian.Uint64(sub), true
		case kind == 33 && len(sub) == 21 && sub[0] == 4:
			return binary.BigEndian.Uint64(sub[13:]), true
		}
		b = b[n:]
	}
	return 0, false
}

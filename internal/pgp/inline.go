package pgp

import (
	"encoding/hex"
	"errors"
	"fmt"
)

// maxMessage bounds a signed message: container signatures are a few hundred bytes of JSON.
const maxMessage = 1 << 20

// DecodeInline takes a signed message, as EncodeInline makes it, apart. It reads one signature over one literal packet, neither compressed nor encrypted.
func DecodeInline(msg []byte) (data, sig []byte, err error) {
	if len(msg) > maxMessage+maxSignature {
		return nil, nil, fmt.Errorf("message of %d bytes is longer than the limit of %d", len(msg), maxMessage+maxSignature)
	}
	kind, onePass, _, rest, err := nextPacket(msg)
	if err != nil {
		return nil, nil, fmt.Errorf("message: %w", err)
	}
	if kind != packetOnePass || len(onePass) != 13 || onePass[0] != 3 || onePass[12] != 1 {
		return nil, nil, fmt.Errorf("message: begins with a packet of type %d, not with one one-pass signature", kind)
	}
	kind, literal, _, rest, err := nextPacket(rest)
	if err != nil {
		return nil, nil, fmt.Errorf("message: %w", err)
	}
	if kind != packetLiteral || len(literal) < 6 || len(literal) < 6+int(literal[1]) {
		return nil, nil, fmt.Errorf("message: packet of type %d where literal data belongs", kind)
	}
	s, err := ParseSignature(rest)
	if err != nil {
		return nil, nil, fmt.Errorf("message: %w", err)
	}
	if s.Type != onePass[1] || byte(s.Hash) != onePass[2] || byte(s.Algorithm) != onePass[3] || s.KeyID != hex.EncodeToString(onePass[4:12]) {
		return nil, nil, errors.New("message: the one-pass packet announces another signature")
	}
	return literal[6+int(literal[1]):], rest, nil
}

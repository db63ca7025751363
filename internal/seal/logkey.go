package seal

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

const maxKeyText = 512

// OriginPrefix stands before a signer's name in the origin of its log.
const OriginPrefix = "privyseal/"

// LogKey is the public key of a log. The zero value is no key.
type LogKey struct {
	verifier note.Verifier
	text     string
}

// NewLogKey names a public key.
func NewLogKey(name string, pub ed25519.PublicKey) (LogKey, error) {
	if len(pub) != ed25519.PublicKeySize {
		return LogKey{}, fmt.Errorf("log key %.64q: %d bytes where an Ed25519 key has %d", name, len(pub), ed25519.PublicKeySize)
	}
	text, err := note.NewEd25519VerifierKey(name, pub)
	if err != nil {
		return LogKey{}, fmt.Errorf("log key %.64q: %w", name, err)
	}
	return ParseLogKey(text)
}

// ParseLogKey reads the form that String gives: name+hash+base64.
func ParseLogKey(text string) (LogKey, error) {
	text = strings.TrimSpace(text)
	if len(text) > maxKeyText {
		return LogKey{}, fmt.Errorf("log key: %d bytes, longer than the limit of %d", len(text), maxKeyText)
	}
	v, err := note.NewVerifier(text)
	if err != nil || strings.ContainsFunc(text, func(r rune) bool { return r < 0x21 || r == 0x7f }) {
		return LogKey{}, fmt.Errorf("log key %.64q: want NAME+HASH+BASE64 of an Ed25519 key, as privyseal-signer log key prints it", text)
	}
	return LogKey{v, text}, nil
}

// Name is the origin of the log.
func (k LogKey) Name() string {
	if k.IsZero() {
		return ""
	}
	return k.verifier.Name()
}

// IsZero tells whether this is no key.
func (k LogKey) IsZero() bool { return k.verifier == nil }

// String is the form that ParseLogKey reads.
func (k LogKey) String() string { return k.text }

// SignCheckpoint signs the head of a tree. The result is the 64 bytes that Note makes a checkpoint of.
func (k LogKey) SignCheckpoint(priv ed25519.PrivateKey, size int64, root [32]byte) []byte {
	return ed25519.Sign(priv, checkpointText(k.Name(), size, root))
}

// VerifyCheckpoint checks what SignCheckpoint made.
func (k LogKey) VerifyCheckpoint(size int64, root [32]byte, sig []byte) bool {
	return !k.IsZero() && k.verifier.Verify(checkpointText(k.Name(), size, root), sig)
}

// Note is the checkpoint of a tree, given the signature that SignCheckpoint made.
func (k LogKey) Note(size int64, root [32]byte, sig []byte) []byte {
	b := checkpointText(k.Name(), size, root)
	b = append(b, "\n\u2014 "...)
	b = append(b, k.Name()...)
	b = append(b, ' ')
	raw := binary.BigEndian.AppendUint32(nil, k.verifier.KeyHash())
	b = base64.StdEncoding.AppendEncode(b, append(raw, sig...))
	return append(b, '\n')
}

// ErrUnknownLog means that a checkpoint carries no signature of the log key at hand.
var ErrUnknownLog = errors.New("not signed by this log key")

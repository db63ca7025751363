package rpmhead

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"strings"
)

// Whole hashes a header and the payload that is written to it, for a signature of
// both.
//
// A signature of header and payload says nothing of where one ends and the other
// begins. With a payload of no bytes it would be a signature of the header alone,
// which somebody could put under another tag and in front of any payload. Where
// the header has a digest of its payload, that has to be the payload's: such a
// signature is never over a pair that does not belong together.
type Whole struct {
	sum    hash.Hash
	pinned hash.Hash // of the payload alone, nil if the header has no digest that is known
	want   string
	size   uint64
}

// NewWhole begins with a header, which must have kept CheckStrictPayload.
func NewWhole(h *Header) *Whole {
	w := &Whole{sum: sha256.New()}
	w.sum.Write(h.raw)
	if want, ok := h.String(TagPayloadDigest); ok {
		algo, _ := h.Uint64(TagPayloadDigestAlgo)
		w.want, w.pinned = want, newHash(algo)
	}
	return w
}

// Write takes a piece of the payload.
func (w *Whole) Write(b []byte) (int, error) {
	w.size += uint64(len(b))
	if w.pinned != nil {
		w.pinned.Write(b)
	}
	return w.sum.Write(b)
}

// SHA256 ends the payload, and gives the hash of header and payload as it stands.
func (w *Whole) SHA256() (hash.Hash, error) {
	if w.size == 0 {
		return nil, &FormatError{Part: "payload", Detail: "it is empty: a signature of header and payload would be one of the header alone"}
	}
	if w.pinned != nil {
		if got := hex.EncodeToString(w.pinned.Sum(nil)); !strings.EqualFold(got, w.want) {
			return nil, &DigestError{What: "payload's digest", Want: w.want, Got: got}
		}
	}
	return w.sum, nil
}

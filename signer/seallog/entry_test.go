package seallog

import (
	"bytes"
	"testing"
	"time"
)

func FuzzDecodeEntry(f *testing.F) {
	s := Subject{KeyFingerprint: "AB", Op: "data", SigType: 1, Hash: 8, Generation: 3}
	at := time.Unix(1700000000, 0)
	f.Add(encodeSignature(at, &s, Meta{"u", "w"}, []byte("sig")))
	f.Add(encodeEvent(at, "state", []byte("data")))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		rec, ev, err := decodeEntry(data)
		var again []byte
		switch {
		case err != nil:
			return
		case rec != nil:
			again = encodeSignature(rec.Time, &rec.Subject, rec.Meta, rec.Signature)
		default:
			again = encodeEvent(ev.at, ev.kind, ev.data)
		}
		if !bytes.Equal(again, data) {
			t.Fatalf("%x decodes, but encodes as %x", data, again)
		}
	})
}

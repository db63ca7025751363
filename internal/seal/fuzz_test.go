package seal_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/privyseal/privyseal/internal/seal"
)

func FuzzDecodeEntry(f *testing.F) {
	for _, e := range []*seal.Entry{entryOf("x"), {Time: time.Unix(1, 0), Event: &seal.EventEntry{Kind: "state", Data: []byte(`{"a":1}`)}}} {
		b, err := seal.EncodeEntry(e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := seal.DecodeEntry(data)
		if err != nil {
			return
		}
		if again, err := seal.EncodeEntry(e); err != nil || !bytes.Equal(again, data) {
			t.Fatalf("%x decodes, but encodes as %x, %v", data, again, err)
		}
	})
}

func FuzzParseProof(f *testing.F) {
	l := newMemLog(f, "", 9)
	for i := range int64(9) {
		f.Add(l.proof(f, 9, i).Marshal())
	}
	f.Add([]byte("c2sp.org/tlog-proof@v1\nextra \nindex 0\n\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := seal.ParseProof(data)
		if err != nil {
			return
		}
		if !bytes.Equal(p.Marshal(), data) {
			t.Fatalf("%q is read, but written as %q", data, p.Marshal())
		}
		if e, c, err := p.Verify(l.key); err == nil && (p.Index >= c.Size || e == nil) {
			t.Fatalf("index %d is proven in a tree of %d", p.Index, c.Size)
		}
	})
}

func FuzzOpenCheckpoint(f *testing.F) {
	l := newMemLog(f, "", 9)
	for size := range int64(9) {
		f.Add(l.checkpoint(f, size).Note)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := seal.OpenCheckpoint(data, l.key)
		if err == nil && (c.Origin != origin || c.Size < 0 || c.Size > 9) {
			t.Fatalf("%+v", c)
		}
		if k, err := seal.ParseLogKey(string(data)); err == nil && k.IsZero() {
			t.Fatal("a key that is none")
		}
	})
}

func FuzzOpenAttestation(f *testing.F) {
	env, err := seal.SignAttestation(attested(), secret(9))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(env)
	f.Add([]byte(`{"payloadType":"application/vnd.in-toto+json","payload":"e30=","signatures":[{"keyid":"","sig":""}]}`))
	want, err := seal.OpenAttestation(env, hubs())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		// The fuzzer cannot sign: what opens is what was signed.
		if a, err := seal.OpenAttestation(data, hubs()); err == nil && *a != *want {
			t.Fatalf("%+v", a)
		}
	})
}

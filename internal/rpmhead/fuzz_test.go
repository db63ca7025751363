package rpmhead_test

import (
	"bytes"
	"testing"

	"github.com/privyseal/privyseal/internal/lab"
	"github.com/privyseal/privyseal/internal/rpmhead"
)

// Run these with -fuzzminimizetime 10x: the default spends a minute on making
// every interesting input of some kilobytes smaller, and so fuzzes nothing.

// exercise calls every accessor with every tag of a header.
func exercise(h *rpmhead.Header) {
	for _, e := range h.Entries() {
		h.String(e.Tag)
		h.Strings(e.Tag)
		h.Bin(e.Tag)
		h.Uint32s(e.Tag)
		h.Uint64s(e.Tag)
	}
	_ = h.NEVRA().String()
	strict := h.CheckStrict()
	_ = h.CheckStrictPayload()
	if _, digests, err := rpmhead.IMADigests(h); err == nil && len(digests) == 0 {
		panic("digests of no files")
	}
	if rpmhead.NeedsPayload(strict) && h.NEVRA().Name == "" {
		panic("an old package without a name")
	}
}

func FuzzParse(f *testing.F) {
	small, err := rpmhead.Marshal(rpmhead.TagRegion, goodFields())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(small)
	for _, path := range samples(f) {
		pkg, err := rpmhead.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(pkg.Header.Bytes())
		f.Add(pkg.Signature.Bytes())
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		h, err := rpmhead.Parse(raw, rpmhead.Limits{})
		if err != nil {
			return
		}
		if !bytes.Equal(h.Bytes(), raw) {
			t.Error("Bytes are not what was parsed")
		}
		exercise(h)
	})
}

func FuzzRead(f *testing.F) {
	for _, name := range []string{"plain-1.0-5.noarch.rpm", "packed-1.0-1.noarch.rpm"} {
		f.Add(sample(f, name))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		pkg, err := rpmhead.Read(bytes.NewReader(b))
		if err != nil {
			return
		}
		exercise(pkg.Signature)
		exercise(pkg.Header)
		pkg.Signatures()
		_ = rpmhead.VerifyDigests(bytes.NewReader(b))
		if whole := append(append(append([]byte{}, pkg.Lead...), pkg.SigHeaderBytes()...), pkg.Header.Bytes()...); !bytes.Equal(whole, b[:pkg.HeaderEnd]) {
			t.Error("lead and headers are not the file's first bytes")
		}
	})
}

func FuzzWithSignature(f *testing.F) {
	pkg, err := rpmhead.Read(bytes.NewReader(sample(f, "plain-1.0-5.noarch.rpm")))
	if err != nil {
		f.Fatal(err)
	}
	packet := detach(f, lab.KeyEdDSA, pkg.Header.Bytes())
	f.Add(pkg.Signature.Bytes(), rpmhead.SigDSA, packet)
	f.Add(pkg.Signature.Bytes(), rpmhead.SigOpenPGP, packet)
	f.Add(pkg.Signature.Bytes(), rpmhead.SigGPG, packet)
	f.Add(pkg.Signature.Bytes(), rpmhead.SigPGP, []byte{0x88, 12, 4, 0, 1, 8, 0, 0, 0, 4, 3, 16, 0, 0})
	f.Fuzz(func(t *testing.T, raw []byte, tag int32, packet []byte) {
		sig, err := rpmhead.Parse(raw, rpmhead.Limits{})
		if err != nil {
			return
		}
		rpmhead.SignatureTag(packet)
		region, fits, err := rpmhead.WithSignature(sig, tag, packet)
		if err != nil {
			return
		}
		after, err := rpmhead.ParseSignature(region)
		if err != nil {
			t.Fatalf("what was written does not parse: %v", err)
		}
		if padded := len(raw) + (8-len(raw)%8)%8; fits != (len(region) == padded) {
			t.Errorf("fits %v with %d bytes for %d", fits, len(region), padded)
		}
		found := false
		for _, s := range rpmhead.Signatures(after) {
			found = found || s.Tag == tag && bytes.Equal(s.Packet, packet)
		}
		if !found {
			t.Error("the signature is not there")
		}
	})
}

func FuzzVercmp(f *testing.F) {
	for _, v := range versions {
		f.Add(v.a, v.b)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if x, y := rpmhead.Vercmp(a, b), rpmhead.Vercmp(b, a); x != -y || x < -1 || x > 1 {
			t.Errorf("Vercmp(%q, %q) = %d, the other way %d", a, b, x, y)
		}
		if rpmhead.Vercmp(a, a) != 0 {
			t.Errorf("%q differs from itself", a)
		}
	})
}

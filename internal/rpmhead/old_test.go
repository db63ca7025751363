package rpmhead_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/privyseal/privyseal/internal/lab"
	"github.com/privyseal/privyseal/internal/rpmhead"
)

// oldPackages are ours of EL5's and EL6's shape, and those that CentOS 4 to 7
// published, which a library we use has in its tests.
func oldPackages(t testing.TB) map[string][]byte {
	t.Helper()
	cmd := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/cavaliergopher/rpm")
	cmd.Dir = lab.Root(t)
	dir, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list -m: %v", err)
	}
	found := map[string][]byte{}
	for _, pattern := range []string{
		lab.Testdata(t, "rpms") + "/old-*.rpm",
		strings.TrimSpace(string(dir)) + "/testdata/centos-release-[4567]*.rpm",
		strings.TrimSpace(string(dir)) + "/testdata/epel-release-7*.rpm",
	} {
		paths, err := filepath.Glob(pattern)
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s: no packages: %v", pattern, err)
		}
		for _, path := range paths {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			found[filepath.Base(path)] = b
		}
	}
	return found
}

// TestOldPackages signs packages without a payload digest, header and payload at
// once, and lets rpm judge them.
func TestOldPackages(t *testing.T) {
	db := rpmDB(t)
	for name, b := range oldPackages(t) {
		pkg, err := rpmhead.Read(bytes.NewReader(b))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var strict *rpmhead.StrictError
		if err := pkg.Header.CheckStrict(); !errors.As(err, &strict) || strict.Rule != rpmhead.RuleNoDigest || !rpmhead.NeedsPayload(err) {
			t.Errorf("%s: strict: %v", name, err)
		}
		if err := pkg.Header.CheckStrictPayload(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := rpmhead.VerifyDigests(bytes.NewReader(b)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		// What a signature of the header alone is worth to rpm.
		path := writeFile(t, name, b)
		packet := detach(t, lab.KeyEdDSA, pkg.Header.Bytes())
		if _, err := rpmhead.SignInPlace(path, rpmhead.SignatureTag(packet), packet); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if out, err := exec.Command("rpmkeys", "--dbpath", db, "-K", path).CombinedOutput(); err == nil {
			t.Errorf("%s: rpm takes a signature of the header alone: %s", name, out)
		}
		for key, kind := range map[string]string{lab.KeyEdDSA: "V4 EdDSA", lab.KeyRSA4096: "V4 RSA"} {
			path := writeFile(t, name, b)
			packet := detach(t, key, b[pkg.HeaderStart:])
			if _, err := rpmhead.SignInPlace(path, rpmhead.PayloadSignatureTag(packet), packet); err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			rpmVerifies(t, db, path, kind)
			signed, err := rpmhead.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			sigs := signed.Signatures()
			if last := sigs[len(sigs)-1]; !bytes.Equal(last.Packet, packet) || !last.CoversPayload() {
				t.Errorf("%s: %d signatures, the last is not ours", name, len(sigs))
			}
			// Header signatures of the distribution do not stay behind; that of our
			// own key does.
			for _, s := range sigs[:len(sigs)-1] {
				if name != "old-1.0-2.el5.noarch.rpm" || key != lab.KeyRSA4096 || s.Tag != rpmhead.SigRSA {
					t.Errorf("%s: tag %d of another key is left", name, s.Tag)
				}
			}
		}
	}
}

// TestNeedsPayload holds that a header is called old only where nothing else is
// wrong with it.
func TestNeedsPayload(t *testing.T) {
	marshal := func(fields []rpmhead.Field) []byte {
		raw, err := rpmhead.Marshal(rpmhead.TagRegion, fields)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	good := goodFields()
	old := good[:4:4]
	for _, c := range []struct {
		name  string
		raw   []byte
		needs bool // a signature of header and payload
		taken bool // with its payload
	}{
		{"good", marshal(good), false, true},
		{"old", marshal(old), true, true},
		{"digest of the unpacked payload alone", marshal(append(old, rpmhead.StringArrayField(5097, sha256hex))), true, true},
		{"sha-1", marshal(append(old, rpmhead.StringArrayField(5092, sha256hex[:40]), rpmhead.Int32Field(5093, 2))), true, true},
		{"md5", marshal(append(old, rpmhead.StringArrayField(5092, sha256hex[:32]), rpmhead.Int32Field(5093, 1))), true, true},
		{"old and a tag twice", marshal(append(old, rpmhead.StringField(1000, "b"))), false, false},
		{"old and a path as name", marshal(append(old[1:4:4], rpmhead.StringField(1000, "../a"))), false, false},
		{"old and no release", marshal(good[:2]), false, false},
		{"old and two epochs", marshal(append(old, rpmhead.Int32Field(1003, 1, 2))), false, false},
		{"malformed digest", marshal(append(old, rpmhead.StringArrayField(5092, "zz"), rpmhead.Int32Field(5093, 8))), false, false},
		{"two digests", marshal(append(old, rpmhead.StringArrayField(5092, sha256hex, sha256hex), rpmhead.Int32Field(5093, 8))), false, false},
		{"sha-1 and a tag twice", marshal(append(old, rpmhead.StringField(1001, "2"), rpmhead.StringArrayField(5092, sha256hex[:40]), rpmhead.Int32Field(5093, 2))), false, false},
		{"no region", rawHeader([][4]uint32{{1000, 6, 0, 1}}, []byte("a\x00")), false, false},
	} {
		h, err := rpmhead.Parse(c.raw, rpmhead.Limits{})
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if err := h.CheckStrict(); rpmhead.NeedsPayload(err) != c.needs || (err == nil) != (c.taken && !c.needs) {
			t.Errorf("%s: strict: %v", c.name, err)
		}
		if err := h.CheckStrictPayload(); (err == nil) != c.taken || rpmhead.NeedsPayload(err) {
			t.Errorf("%s: with its payload: %v", c.name, err)
		}
	}
	if rpmhead.NeedsPayload(nil) || rpmhead.NeedsPayload(errors.New("x")) {
		t.Error("other errors need a payload")
	}
}

// TestIssuers holds that a header signature stays beside a new one of header and
// payload only where both name the same key, in whatever form.
func TestIssuers(t *testing.T) {
	id, other := []byte{1, 2, 3, 4, 5, 6, 7, 8}, []byte{1, 2, 3, 4, 5, 6, 7, 9}
	sub := func(kind byte, body []byte) []byte { return append([]byte{byte(len(body) + 1), kind}, body...) }
	long := func(kind byte, body []byte) []byte {
		n := len(body) + 1
		return append([]byte{255, 0, 0, byte(n >> 8), byte(n), kind}, body...)
	}
	middle := func(kind byte, body []byte) []byte {
		n := len(body) + 1 - 192
		return append([]byte{byte(n>>8) + 192, byte(n), kind}, body...)
	}
	v4 := func(hashed, unhashed []byte) []byte {
		body := append([]byte{4, 0, 22, 8, byte(len(hashed) >> 8), byte(len(hashed))}, hashed...)
		body = append(append(body, byte(len(unhashed)>>8), byte(len(unhashed))), unhashed...)
		return append([]byte{0xc2, 255, 0, 0, byte(len(body) >> 8), byte(len(body))}, body...)
	}
	v3 := func(id []byte) []byte {
		body := append(append([]byte{3, 5, 0, 0, 0, 0, 0}, id...), 17, 8, 0, 0)
		return append([]byte{0x88, byte(len(body))}, body...)
	}
	fingerprint := append([]byte{4, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9}, id...)
	filler := middle(20, make([]byte, 300))
	first := v4(nil, sub(16, id))
	for name, c := range map[string]struct {
		packet []byte
		stays  bool
	}{
		"unhashed":                   {v4(nil, sub(16, id)), true},
		"hashed":                     {v4(sub(16, id), nil), true},
		"behind another":             {v4(sub(2, []byte{0, 0, 0, 0}), sub(16, id)), true},
		"behind a long one":          {v4(filler, sub(16, id)), true},
		"in five bytes of length":    {v4(nil, long(16, id)), true},
		"critical":                   {v4(nil, sub(16|0x80, id)), true},
		"fingerprint":                {v4(sub(33, fingerprint), nil), true},
		"version 3":                  {v3(id), true},
		"another key":                {v4(nil, sub(16, other)), false},
		"version 3, another key":     {v3(other), false},
		"no issuer":                  {v4(sub(2, []byte{0, 0, 0, 0}), nil), false},
		"short ID":                   {v4(nil, sub(16, id[:7])), false},
		"fingerprint of version 6":   {v4(sub(33, append([]byte{6}, make([]byte, 32)...)), nil), false},
		"a length beyond the end":    {v4(nil, []byte{9, 16, 1, 2}), false},
		"a length of nothing":        {v4(nil, []byte{0, 0, 0}), false},
		"half a length":              {v4(nil, []byte{200}), false},
		"area beyond the end":        {[]byte{0x88, 6, 4, 0, 22, 8, 0, 9}, false},
		"nothing but four bytes":     {[]byte{0x88, 4, 4, 0, 22, 8}, false},
		"other areas cut off before": {[]byte{0x88, 7, 4, 0, 22, 8, 0, 0, 0}, false},
	} {
		raw, err := rpmhead.Marshal(rpmhead.SigRegion, []rpmhead.Field{rpmhead.BinField(rpmhead.SigDSA, first), rpmhead.Int32Field(rpmhead.SigSize, 1)})
		if err != nil {
			t.Fatal(err)
		}
		sig, err := rpmhead.Parse(raw, rpmhead.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		region, _, err := rpmhead.WithSignature(sig, rpmhead.SigGPG, c.packet)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		after, err := rpmhead.ParseSignature(region)
		if err != nil {
			t.Fatal(err)
		}
		if !after.Has(rpmhead.SigGPG) || after.Has(rpmhead.SigDSA) != c.stays {
			t.Errorf("%s: the header's signature stays: %v", name, after.Has(rpmhead.SigDSA))
		}
	}
}

func TestPayloadSignatureTag(t *testing.T) {
	for key, want := range map[string]int32{lab.KeyEdDSA: rpmhead.SigGPG, lab.KeyRSA4096: rpmhead.SigPGP, lab.KeyRSASubkey: rpmhead.SigPGP} {
		if got := rpmhead.PayloadSignatureTag(detach(t, key, []byte("x"))); got != want {
			t.Errorf("%s: tag %d, want %d", key, got, want)
		}
	}
	if got := rpmhead.PayloadSignatureTag([]byte("x")); got != 0 {
		t.Errorf("text: tag %d", got)
	}
}

// TestWhole hashes headers with their payload, with another, and with none.
func TestWhole(t *testing.T) {
	for name, pinned := range map[string]bool{"old-1.0-1.el5.noarch.rpm": false, "plain-1.1-1.noarch.rpm": true} {
		b := sample(t, name)
		pkg, err := rpmhead.Read(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		payload := b[pkg.HeaderEnd:]
		altered := bytes.Clone(payload)
		altered[len(altered)-1] ^= 1
		for _, c := range []struct {
			name    string
			payload []byte
			taken   bool
		}{{"its own", payload, true}, {"none", nil, false}, {"altered", altered, !pinned}, {"one byte more", append(bytes.Clone(payload), 0), !pinned}} {
			w := rpmhead.NewWhole(pkg.Header)
			for piece := range slices.Chunk(c.payload, 100) {
				if n, err := w.Write(piece); n != len(piece) || err != nil {
					t.Fatal(n, err)
				}
			}
			sum, err := w.SHA256()
			if (err == nil) != c.taken {
				t.Errorf("%s, payload %s: %v", name, c.name, err)
			}
			if err == nil {
				if want := sha256.Sum256(append(bytes.Clone(pkg.Header.Bytes()), c.payload...)); !bytes.Equal(sum.Sum(nil), want[:]) {
					t.Errorf("%s, payload %s: another hash", name, c.name)
				}
			}
		}
	}
}

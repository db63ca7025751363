package rpmhead_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"github.com/privyseal/privyseal/internal/lab"
	"github.com/privyseal/privyseal/internal/rpmhead"
)

// detach signs with one of the throw-away keys and returns the bare packet.
func detach(t testing.TB, key string, signed []byte) []byte {
	t.Helper()
	ring, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(lab.KeyNamed(t, key).Secret))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	config := &packet.Config{Time: func() time.Time { return time.Unix(1781600000, 0) }}
	if err := openpgp.DetachSign(&out, ring[:1], bytes.NewReader(signed), config); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// rpmDB is a private database that knows all throw-away keys.
func rpmDB(t testing.TB) string {
	t.Helper()
	db := filepath.Join(t.TempDir(), "db")
	for _, k := range lab.Keys(t) {
		if out, err := exec.Command("rpmkeys", "--dbpath", db, "--import", k.PublicFile).CombinedOutput(); err != nil {
			t.Fatalf("rpmkeys --import %s: %v\n%s", k.Name, err, out)
		}
	}
	return db
}

// rpmVerifies fails unless rpm finds a good signature of a kind ("Header V4",
// or "V4" for one over the payload too) and nothing bad in the file. The exit
// status says nothing: an unsigned package has 0.
func rpmVerifies(t testing.TB, db, path, kind string) {
	t.Helper()
	cmd := exec.Command("rpmkeys", "--dbpath", db, "-Kv", path)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	found := false
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSpace(line)
		found = found || strings.HasPrefix(line, kind) && strings.Contains(line, "ignature") && strings.HasSuffix(line, ": OK")
	}
	if err != nil || !found || strings.Contains(string(out), "BAD") || strings.Contains(string(out), "NOKEY") {
		t.Errorf("rpmkeys finds no good %q signature (%v):\n%s", kind, err, out)
	}
}

func writeFile(t testing.TB, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o640); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestSignEverySample signs every committed package and lets rpm judge it.
func TestSignEverySample(t *testing.T) {
	db := rpmDB(t)
	keys := []string{lab.KeyEdDSA, lab.KeyRSA4096, lab.KeyRSASubkey}
	for i, from := range samples(t) {
		name := filepath.Base(from)
		path := writeFile(t, name, sample(t, name))
		before, err := rpmhead.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if rpmhead.NeedsPayload(before.Header.CheckStrict()) {
			continue // TestOldPackages
		}
		packet := detach(t, keys[i%len(keys)], before.Header.Bytes())
		inPlace, err := rpmhead.SignInPlace(path, rpmhead.SignatureTag(packet), packet)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		after, err := rpmhead.ReadFile(path)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if reserved := before.Signature.Has(rpmhead.SigReservedSpace); inPlace != reserved || inPlace != (before.HeaderStart == after.HeaderStart) {
			t.Errorf("%s: in place %v, reserved space %v, header at %d then %d", name, inPlace, reserved, before.HeaderStart, after.HeaderStart)
		}
		sigs := after.Signatures()
		if len(sigs) != 1 || !bytes.Equal(sigs[0].Packet, packet) {
			t.Errorf("%s: %d signatures, want ours alone", name, len(sigs))
		}
		if !bytes.Equal(before.Header.Bytes(), after.Header.Bytes()) {
			t.Errorf("%s: the signed header changed", name)
		}
		if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o640 {
			t.Errorf("%s: mode %v, %v", name, st.Mode(), err)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := rpmhead.VerifyDigests(f); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		f.Close()
		rpmVerifies(t, db, path, "Header V4")
	}
}

// TestSignTwice holds that signing again replaces, and that a signature with
// the payload stands beside the header's.
func TestSignTwice(t *testing.T) {
	db := rpmDB(t)
	path := writeFile(t, "a.rpm", sample(t, "plain-1.0-1.noarch.rpm"))
	whole := sample(t, "plain-1.0-1.noarch.rpm")
	pkg, err := rpmhead.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	size := len(whole)
	sign := func(tag int32, key string, signed []byte) {
		t.Helper()
		if inPlace, err := rpmhead.SignInPlace(path, tag, detach(t, key, signed)); err != nil || !inPlace {
			t.Fatalf("in place %v: %v", inPlace, err)
		}
	}
	tags := func() (tags []int32) {
		p, err := rpmhead.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range p.Signatures() {
			tags = append(tags, s.Tag)
		}
		return tags
	}
	expect := func(want ...int32) {
		t.Helper()
		got := tags()
		if len(got) != len(want) {
			t.Fatalf("signatures %v, want %v", got, want)
		}
		for i := range got {
			if got[i] != want[i] {
				t.Fatalf("signatures %v, want %v", got, want)
			}
		}
		if st, err := os.Stat(path); err != nil || st.Size() != int64(size) {
			t.Fatalf("size %d, was %d", st.Size(), size)
		}
	}
	sign(rpmhead.SigRSA, lab.KeyRSA4096, pkg.Header.Bytes())
	expect(rpmhead.SigRSA)
	sign(rpmhead.SigPGP, lab.KeyRSA4096, whole[pkg.HeaderStart:])
	expect(rpmhead.SigRSA, rpmhead.SigPGP)
	rpmVerifies(t, db, path, "Header V4 RSA")
	rpmVerifies(t, db, path, "V4 RSA")
	sign(rpmhead.SigDSA, lab.KeyEdDSA, pkg.Header.Bytes())
	expect(rpmhead.SigDSA)
	sign(rpmhead.SigGPG, lab.KeyEdDSA, whole[pkg.HeaderStart:])
	expect(rpmhead.SigDSA, rpmhead.SigGPG)
	rpmVerifies(t, db, path, "Header V4 EdDSA")
	rpmVerifies(t, db, path, "V4 EdDSA")
	sign(rpmhead.SigOpenPGP, lab.KeyEdDSA, pkg.Header.Bytes())
	sign(rpmhead.SigOpenPGP, lab.KeyRSA4096, pkg.Header.Bytes())
	expect(rpmhead.SigDSA, rpmhead.SigOpenPGP, rpmhead.SigOpenPGP, rpmhead.SigGPG)
	sign(rpmhead.SigRSA, lab.KeyRSASubkey, pkg.Header.Bytes())
	expect(rpmhead.SigRSA)
	rpmVerifies(t, db, path, "Header V4 RSA")
}

// TestWriteSigned copies with another signature header, as a hub does from
// sighdr, both where it fits and where it moves the payload.
func TestWriteSigned(t *testing.T) {
	db := rpmDB(t)
	for _, name := range []string{"plain-1.0-5.noarch.rpm", "packed-1.0-1.noarch.rpm"} {
		whole := sample(t, name)
		src, err := os.Open(lab.Testdata(t, "rpms", name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { src.Close() })
		pkg, err := rpmhead.Read(bytes.NewReader(whole))
		if err != nil {
			t.Fatal(err)
		}
		packet := detach(t, lab.KeyEdDSA, pkg.Header.Bytes())
		region, _, err := rpmhead.WithSignature(pkg.Signature, rpmhead.SigDSA, packet)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), name)
		dst, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := rpmhead.WriteSigned(dst, src, pkg, region); err != nil {
			t.Fatal(err)
		}
		dst.Close()
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		want := append(append(append([]byte{}, whole[:96]...), region...), whole[pkg.HeaderStart:]...)
		if !bytes.Equal(got, want) {
			t.Errorf("%s: the copy differs", name)
		}
		rpmVerifies(t, db, path, "Header V4 EdDSA")

		if err := rpmhead.WriteSigned(io.Discard, src, pkg, region[:len(region)-8]); err == nil {
			t.Errorf("%s: a torn signature header is spliced in", name)
		}
		if err := rpmhead.WriteSigned(io.Discard, src, pkg, pkg.Header.Bytes()[:40]); err == nil {
			t.Errorf("%s: half a header is spliced in", name)
		}
	}
}

func TestWithSignatureRefuses(t *testing.T) {
	pkg, err := rpmhead.Read(bytes.NewReader(sample(t, "plain-1.0-1.noarch.rpm")))
	if err != nil {
		t.Fatal(err)
	}
	eddsa := detach(t, lab.KeyEdDSA, pkg.Header.Bytes())
	rsa := detach(t, lab.KeyRSA4096, pkg.Header.Bytes())
	for _, c := range []struct {
		name   string
		tag    int32
		packet []byte
	}{
		{"another tag", rpmhead.SigMD5, eddsa},
		{"EdDSA under RSA", rpmhead.SigRSA, eddsa},
		{"RSA under DSA", rpmhead.SigDSA, rsa},
		{"EdDSA under PGP", rpmhead.SigPGP, eddsa},
		{"RSA under GPG", rpmhead.SigGPG, rsa},
		{"nothing", rpmhead.SigRSA, nil},
		{"two packets", rpmhead.SigDSA, append(bytes.Clone(eddsa), eddsa...)},
		{"cut off", rpmhead.SigDSA, eddsa[:len(eddsa)-1]},
		{"text", rpmhead.SigOpenPGP, []byte("-----BEGIN PGP SIGNATURE-----")},
		{"too long", rpmhead.SigRSA, make([]byte, rpmhead.MaxPacket+1)},
	} {
		if _, _, err := rpmhead.WithSignature(pkg.Signature, c.tag, c.packet); err == nil {
			t.Errorf("%s: accepted", c.name)
		}
	}
}

// TestFillKeepsSize changes how much room there is byte by byte.
func TestFillKeepsSize(t *testing.T) {
	pkg, err := rpmhead.Read(bytes.NewReader(sample(t, "plain-1.0-1.noarch.rpm")))
	if err != nil {
		t.Fatal(err)
	}
	packet := detach(t, lab.KeyEdDSA, pkg.Header.Bytes())
	fitted := 0
	for _, tag := range []int32{rpmhead.SigReserved, rpmhead.SigReservedSpace} {
		for room := 1; room < 300; room++ {
			raw, err := rpmhead.Marshal(rpmhead.SigRegion, []rpmhead.Field{
				rpmhead.StringField(rpmhead.SigSHA256, sha256hex), rpmhead.Int32Field(rpmhead.SigSize, 1),
				rpmhead.BinField(tag, make([]byte, room)),
			})
			if err != nil {
				t.Fatal(err)
			}
			sig, err := rpmhead.Parse(raw, rpmhead.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			region, fits, err := rpmhead.WithSignature(sig, rpmhead.SigDSA, packet)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := rpmhead.ParseSignature(region); err != nil {
				t.Fatalf("tag %d, room %d: %v", tag, room, err)
			}
			if same := len(region) == len(raw)+(8-len(raw)%8)%8; same != fits {
				t.Fatalf("tag %d, room %d: fits %v, %d bytes from %d", tag, room, fits, len(region), len(raw))
			}
			// The entry for the signature takes 16 bytes, alignment up to 3 more.
			if need := len(packet) + 16 + 3; room > need && !fits {
				t.Errorf("tag %d: %d bytes of room do not hold %d", tag, room, need)
			}
			if fits {
				fitted++
			}
		}
	}
	if fitted == 0 {
		t.Error("nothing ever fits")
	}
}

func TestSignatureTag(t *testing.T) {
	for key, want := range map[string]int32{lab.KeyEdDSA: rpmhead.SigDSA, lab.KeyRSA4096: rpmhead.SigRSA, lab.KeyRSASubkey: rpmhead.SigRSA} {
		if got := rpmhead.SignatureTag(detach(t, key, []byte("x"))); got != want {
			t.Errorf("%s: tag %d, want %d", key, got, want)
		}
	}
	// The same in every framing of a packet: old format with lengths of one,
	// two and four bytes, new format with one, two and five; version 3.
	v4 := []byte{4, 0, 22, 8}
	v3 := make([]byte, 17)
	v3[0], v3[15] = 3, 1
	long := append(bytes.Clone(v4), make([]byte, 300)...)
	for _, c := range []struct {
		packet []byte
		want   int32
	}{
		{append([]byte{0x88, 4}, v4...), rpmhead.SigDSA},
		{append([]byte{0x89, 0, 4}, v4...), rpmhead.SigDSA},
		{append([]byte{0x8a, 0, 0, 0, 4}, v4...), rpmhead.SigDSA},
		{append([]byte{0xc2, 4}, v4...), rpmhead.SigDSA},
		{append([]byte{0xc2, 192, 304 - 192}, long...), rpmhead.SigDSA},
		{append([]byte{0xc2, 255, 0, 0, 0, 4}, v4...), rpmhead.SigDSA},
		{append([]byte{0x88, 17}, v3...), rpmhead.SigRSA},
		{append([]byte{0x8b, 4}, v4...), 0},
		{append([]byte{0xc6, 4}, v4...), 0},
		{append([]byte{0x88, 5}, v4...), 0},
		{[]byte{0x88, 4, 6, 0, 22, 8}, 0},
		{[]byte{0x88, 4, 4, 0, 99, 8}, 0},
		{[]byte{0x88}, 0},
	} {
		if got := rpmhead.SignatureTag(c.packet); got != c.want {
			t.Errorf("%x: tag %d, want %d", c.packet, got, c.want)
		}
	}
}

func TestSignInPlaceErrors(t *testing.T) {
	if _, err := rpmhead.SignInPlace(filepath.Join(t.TempDir(), "none.rpm"), rpmhead.SigDSA, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	path := writeFile(t, "text.rpm", []byte("not an RPM at all"))
	if _, err := rpmhead.SignInPlace(path, rpmhead.SigDSA, nil); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("text file: %v does not name it", err)
	}
}

package rpmhead_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/hex"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"github.com/privyseal/privyseal/internal/lab"
	"github.com/privyseal/privyseal/internal/rpmhead"
)

// imaKey is the RSA key of testdata as the kernel knows it: by a certificate.
func imaKey(t testing.TB) (key *rsa.PrivateKey, skid, certificate []byte) {
	t.Helper()
	ring, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(lab.KeyNamed(t, lab.KeyRSA4096).Secret))
	if err != nil {
		t.Fatal(err)
	}
	key = ring[0].PrivateKey.PrivateKey.(*rsa.PrivateKey)
	sum := sha1.Sum(x509.MarshalPKCS1PublicKey(&key.PublicKey))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ima"}, SubjectKeyId: sum[:],
		NotBefore: time.Unix(1700000000, 0), NotAfter: time.Unix(4000000000, 0),
	}
	if certificate, err = x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key); err != nil {
		t.Fatal(err)
	}
	return key, sum[:], certificate
}

// imaSign makes signatures of version 2 of the kernel's format, as hex.
func imaSign(t testing.TB, key *rsa.PrivateKey, skid []byte, digests [][]byte) []string {
	t.Helper()
	out := make([]string, len(digests))
	for i, d := range digests {
		if d == nil {
			continue
		}
		value, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, d)
		if err != nil {
			t.Fatal(err)
		}
		b := append([]byte{3, 2, 4}, skid[len(skid)-4:]...)
		out[i] = hex.EncodeToString(append(binary.BigEndian.AppendUint16(b, uint16(len(value))), value...))
	}
	return out
}

// TestFileSignatures signs a package's files, has rpm read the signatures and
// evmctl check them against the files, and signs the header on top.
func TestFileSignatures(t *testing.T) {
	files := map[string]string{"/usr/share/ima/a": "one\n", "/usr/share/ima/b": "two\n", "/usr/share/ima/c": ""}
	path := lab.RPM{Name: "ima", Files: files}.Write(t, t.TempDir())
	pkg, err := rpmhead.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	algo, digests, err := rpmhead.IMADigests(pkg.Header)
	if err != nil || algo != 8 || len(digests) != len(files) {
		t.Fatalf("%d digests of algorithm %d, %v", len(digests), algo, err)
	}
	key, skid, certificate := imaKey(t)
	sigs := imaSign(t, key, skid, digests)
	for range 2 { // the second time replaces
		region, fits, err := rpmhead.WithFileSignatures(pkg.Signature, sigs)
		if err != nil {
			t.Fatal(err)
		}
		inPlace, err := rpmhead.ReplaceSignature(path, pkg, region)
		if err != nil || inPlace != fits {
			t.Fatalf("in place %v, fits %v: %v", inPlace, fits, err)
		}
		if pkg, err = rpmhead.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	packet := detach(t, lab.KeyEdDSA, pkg.Header.Bytes())
	if _, err := rpmhead.SignInPlace(path, rpmhead.SignatureTag(packet), packet); err != nil {
		t.Fatal(err)
	}
	rpmVerifies(t, rpmDB(t), path, "Header V4 EdDSA")

	out, err := exec.Command("rpm", "-qp", "--nosignature", "--qf", `%{FILESIGNATURELENGTH}\n[%{FILENAMES} %{FILESIGNATURES}\n]`, path).Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if want := len(sigs[0]) / 2; len(lines) != len(files)+1 || lines[0] != "521" || want != 521 {
		t.Fatalf("rpm reads %q, %d bytes are a signature", lines, want)
	}
	dir := t.TempDir()
	der := filepath.Join(dir, "key.der")
	if err := os.WriteFile(der, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	for i, line := range lines[1:] {
		name, sig, _ := strings.Cut(line, " ")
		if err := rpmhead.VerifyIMA(sig, algo, digests[i], []*rsa.PublicKey{&key.PublicKey}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		file := filepath.Join(dir, filepath.Base(name))
		raw, err := hex.DecodeString(sig)
		if err != nil {
			t.Fatal(err)
		}
		for path, content := range map[string][]byte{file: []byte(files[name]), file + ".sig": raw} {
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		verify := func() (string, error) {
			out, err := exec.Command("evmctl", "ima_verify", "--sigfile", "--key", der, file).CombinedOutput()
			return string(out), err
		}
		if out, err := verify(); err != nil || !strings.Contains(out, "verification is OK") {
			t.Errorf("evmctl: %v: %s", err, out)
		}
		if err := os.WriteFile(file, []byte("altered"), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := verify(); err == nil {
			t.Errorf("evmctl takes an altered file: %s", out)
		}
	}
}

// TestIMADigests lists what has digests, and refuses what IMA has no use for.
func TestIMADigests(t *testing.T) {
	pkg, err := rpmhead.Read(bytes.NewReader(sample(t, "old-1.0-1.el6.noarch.rpm")))
	if err != nil {
		t.Fatal(err)
	}
	_, digests, err := rpmhead.IMADigests(pkg.Header)
	if err != nil || len(digests) != 4 || digests[0] != nil || len(digests[1]) != 32 || len(digests[2]) != 32 || digests[3] != nil {
		t.Errorf("a directory, two files and a link: %x, %v", digests, err)
	}
	for name, want := range map[string]string{
		"old-1.0-1.el5.noarch.rpm": "MD5", "plain-1.0-1.src.rpm": "source package",
	} {
		pkg, err := rpmhead.Read(bytes.NewReader(sample(t, name)))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := rpmhead.IMADigests(pkg.Header); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	binary := rpmhead.StringField(rpmhead.TagSourceRPM, "a-1-1.src.rpm")
	algo := rpmhead.Int32Field(rpmhead.TagFileDigestAlgo, 8)
	many := rpmhead.StringArrayField(rpmhead.TagFileDigests, make([]string, rpmhead.MaxIMAFiles+1)...)
	for _, c := range []struct {
		name   string
		fields []rpmhead.Field
		want   string
	}{
		{"no digests", nil, "no file digests"},
		{"a short one", []rpmhead.Field{rpmhead.StringArrayField(rpmhead.TagFileDigests, "", sha256hex[:62]), algo}, "file 1"},
		{"no hex", []rpmhead.Field{rpmhead.StringArrayField(rpmhead.TagFileDigests, "x"+sha256hex[1:]), algo}, "file 0"},
		{"digests twice", []rpmhead.Field{rpmhead.StringArrayField(rpmhead.TagFileDigests, sha256hex), rpmhead.StringArrayField(rpmhead.TagFileDigests, sha256hex), algo}, "twice"},
		{"a number", []rpmhead.Field{rpmhead.Int32Field(rpmhead.TagFileDigests, 5), algo}, "no list"},
		{"one name more", []rpmhead.Field{rpmhead.StringArrayField(rpmhead.TagFileDigests, sha256hex), rpmhead.StringArrayField(rpmhead.TagBaseNames, "a", "b"), algo}, "2 file names"},
		{"no algorithm", []rpmhead.Field{rpmhead.StringArrayField(rpmhead.TagFileDigests, sha256hex)}, "MD5"},
		{"two algorithms", []rpmhead.Field{rpmhead.StringArrayField(rpmhead.TagFileDigests, sha256hex), rpmhead.Int32Field(rpmhead.TagFileDigestAlgo, 8, 10)}, "not one number"},
		{"algorithm a string", []rpmhead.Field{rpmhead.StringArrayField(rpmhead.TagFileDigests, sha256hex), rpmhead.StringField(rpmhead.TagFileDigestAlgo, "8")}, "not one number"},
		{"sha-1", []rpmhead.Field{rpmhead.StringArrayField(rpmhead.TagFileDigests, sha256hex[:40]), rpmhead.Int32Field(rpmhead.TagFileDigestAlgo, 2)}, "algorithm 2"},
		{"too many", []rpmhead.Field{many, algo}, "at most"},
	} {
		raw, err := rpmhead.Marshal(rpmhead.TagRegion, append(append(slices.Clone(goodFields()), binary), c.fields...))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		h, err := rpmhead.Parse(raw, rpmhead.Limits{})
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if _, _, err := rpmhead.IMADigests(h); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// TestVerifyIMARefuses changes every byte of a signature, and what it is of.
func TestVerifyIMARefuses(t *testing.T) {
	key, skid, _ := imaKey(t)
	digest := make([]byte, 32)
	sig := imaSign(t, key, skid, [][]byte{digest})[0]
	keys := []*rsa.PublicKey{&key.PublicKey}
	if err := rpmhead.VerifyIMA(sig, 8, digest, keys); err != nil {
		t.Fatal(err)
	}
	raw, _ := hex.DecodeString(sig)
	for i := range raw {
		if i >= 3 && i < 7 {
			continue // the key's ID only helps to find it
		}
		bad := slices.Clone(raw)
		bad[i] ^= 1
		if rpmhead.VerifyIMA(hex.EncodeToString(bad), 8, digest, keys) == nil {
			t.Errorf("byte %d changed: verifies", i)
		}
	}
	for name, bad := range map[string]string{"empty": "", "no hex": "zz", "cut": sig[:len(sig)-2], "longer": sig + "00", "header alone": sig[:18], "huge": strings.Repeat("00", 5000)} {
		if rpmhead.VerifyIMA(bad, 8, digest, keys) == nil {
			t.Errorf("%s: verifies", name)
		}
		if bad == "" {
			continue // what has no signature
		}
		if _, _, err := rpmhead.WithFileSignatures(nil, []string{bad}); err == nil {
			t.Errorf("%s: written", name)
		}
	}
	if rpmhead.VerifyIMA(sig, 10, digest, keys) == nil || rpmhead.VerifyIMA(sig, 1, digest, keys) == nil ||
		rpmhead.VerifyIMA(sig, 8, append([]byte{1}, digest[1:]...), keys) == nil || rpmhead.VerifyIMA(sig, 8, digest, nil) == nil {
		t.Error("a signature of something else verifies")
	}
	for _, n := range []int{0, rpmhead.MaxIMAFiles + 1} {
		if _, _, err := rpmhead.WithFileSignatures(nil, make([]string, n)); err == nil {
			t.Errorf("signatures of %d files are written", n)
		}
	}
}

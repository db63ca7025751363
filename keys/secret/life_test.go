package secret_test

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"hash"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"github.com/privyseal/privyseal/internal/pgp"
	"github.com/privyseal/privyseal/keys"
	"github.com/privyseal/privyseal/keys/secret"
)

// gnupg is a home of the real gpg.
type gnupg struct {
	t   *testing.T
	dir string
}

func newGnupg(t *testing.T) gnupg {
	t.Helper()
	// Its sockets need a short path.
	dir, err := os.MkdirTemp("", "gpg")
	if err != nil {
		t.Fatal(err)
	}
	g := gnupg{t, dir}
	g.file("gpg-agent.conf", []byte("s2k-count 1024\n"))
	g.file("gpg.conf", []byte("s2k-count 1024\n"))
	t.Cleanup(func() {
		_ = exec.Command("gpgconf", "--homedir", dir, "--kill", "all").Run()
		os.RemoveAll(dir)
	})
	return g
}

func (g gnupg) try(stdin []byte, args ...string) ([]byte, string, error) {
	cmd := exec.Command("gpg", append([]string{"--homedir", g.dir, "--batch", "--yes", "--status-fd", "2", "--pinentry-mode", "loopback"}, args...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.Stdin = bytes.NewReader(stdin)
	var out, status bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &status
	err := cmd.Run()
	return out.Bytes(), status.String(), err
}

func (g gnupg) run(stdin []byte, args ...string) []byte {
	g.t.Helper()
	out, status, err := g.try(stdin, args...)
	if err != nil {
		g.t.Fatalf("gpg %q: %v\n%s", args, err, status)
	}
	return out
}

func (g gnupg) file(name string, data []byte) string {
	g.t.Helper()
	path := filepath.Join(g.dir, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		g.t.Fatal(err)
	}
	return path
}

func TestSignText(t *testing.T) {
	text := []byte("first line \n- dashed\n-----BEGIN PGP SIGNATURE-----\n\n  ümlaut\t\nlast")
	for _, name := range []string{"rsa4096", "eddsa", "rsa-subkey"} {
		k := load(t, name)
		sig, err := k.SignText(text, at)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := pgp.EncodeCleartext(text, sig)
		if err != nil {
			t.Fatal(err)
		}
		ring := pgp.NewKeyring(k.Certificate())
		got, gotSig, err := pgp.DecodeCleartext(doc)
		if err != nil {
			t.Fatalf("%s\n%s", err, doc)
		}
		if r, err := ring.VerifyText(gotSig, got); err != nil || r.State != pgp.Verified {
			t.Errorf("%s: %v %v %s", name, err, r.State, r.Reason)
		}
		if r, err := ring.VerifyText(gotSig, append(got, 'x')); err != nil || r.State != pgp.Bad {
			t.Errorf("%s: other text: %v %v", name, err, r.State)
		}
		// A signature over text is none over the same bytes, and the other way round.
		if r, err := ring.Verify(sig, pgp.CleartextBytes(text)); err != nil || r.State != pgp.Bad {
			t.Errorf("%s: as binary: %v %v", name, err, r.State)
		}
		g := newGnupg(t)
		g.run(k.Certificate().Armor(), "--import")
		if _, status, err := g.try(doc, "--verify"); err != nil || !strings.Contains(status, "VALIDSIG "+k.SigningFingerprint()) {
			t.Errorf("%s: gpg: %v\n%s", name, err, status)
		}
		if _, status, err := g.try(bytes.Replace(doc, []byte("ümlaut"), []byte("umlaut"), 1), "--verify"); err == nil || !strings.Contains(status, "BADSIG") {
			t.Errorf("%s: gpg takes other text: %v\n%s", name, err, status)
		}
	}
}

func TestSignMessage(t *testing.T) {
	data := []byte(`{"critical":{"type":"atomic container signature"}}`)
	k := load(t, "eddsa")
	sig, err := k.SignBinary(data, at)
	if err != nil {
		t.Fatal(err)
	}
	msg, err := pgp.EncodeInline(data, sig)
	if err != nil {
		t.Fatal(err)
	}
	g := newGnupg(t)
	g.run(k.Certificate().Armor(), "--import")
	out, status, err := g.try(msg, "--decrypt")
	if err != nil || !bytes.Equal(out, data) || !strings.Contains(status, "VALIDSIG "+k.SigningFingerprint()) {
		t.Errorf("gpg: %v %q\n%s", err, out, status)
	}
}

func TestSignHash(t *testing.T) {
	k := load(t, "rsa4096")
	header, payload := []byte("header"), bytes.Repeat([]byte("payload"), 1000)
	h := sha256.New()
	h.Write(header)
	h.Write(payload)
	sig, err := k.SignHash(h, at)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := k.SignHash(h, at); err != nil || !bytes.Equal(again, sig) {
		t.Errorf("the hash was used up: %v", err)
	}
	if whole, err := k.SignBinary(append(header, payload...), at); err != nil || !bytes.Equal(whole, sig) {
		t.Errorf("not the signature of the same bytes: %v", err)
	}
	for name, h := range map[string]hash.Hash{"sha512": sha512.New(), "sha512/256": sha512.New512_256(), "sha224": sha256.New224()} {
		if _, err := k.SignHash(h, at); err == nil {
			t.Errorf("%s is taken for SHA-256", name)
		}
	}
}

func TestIMA(t *testing.T) {
	k := load(t, "rsa4096")
	der, err := k.X509()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := k.X509(); err != nil || !bytes.Equal(der, again) {
		t.Errorf("the certificate is another each time: %v", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	if err := cert.CheckSignatureFrom(cert); err == nil {
		t.Error("the certificate may certify others")
	}
	if err := cert.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature); err != nil {
		t.Error(err)
	}
	id, err := k.IMAKeyID()
	if err != nil || id != hex.EncodeToString(cert.SubjectKeyId[16:]) || len(cert.SubjectKeyId) != 20 {
		t.Errorf("key id %s, subject key identifier %x: %v", id, cert.SubjectKeyId, err)
	}
	digest := sha256.Sum256([]byte("file"))
	value, err := k.SignIMA(byte(pgp.SHA256), digest[:], at)
	if err != nil {
		t.Fatal(err)
	}
	// type, version, hash of the kernel, key id, length
	head := "030204" + id + "0200"
	if len(value) != 9+512 || hex.EncodeToString(value[:9]) != head {
		t.Fatalf("%d bytes, head %x, want %s", len(value), value[:9], head)
	}
	public, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok {
		t.Fatal("not an RSA certificate")
	}
	if err := rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], value[9:]); err != nil {
		t.Error(err)
	}
	// The same with the tools of another house.
	dir := t.TempDir()
	for name, data := range map[string][]byte{"cert.der": der, "digest": digest[:], "sig": value[9:]} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{
		{"x509", "-inform", "der", "-in", "cert.der", "-pubkey", "-noout", "-out", "pub.pem"},
		{"pkeyutl", "-verify", "-pubin", "-inkey", "pub.pem", "-in", "digest", "-sigfile", "sig", "-pkeyopt", "digest:sha256"},
	} {
		cmd := exec.Command("openssl", args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("openssl %q: %v\n%s", args, err, out)
		}
	}
	// And what the kernel's own tool says of the whole value.
	file := filepath.Join(dir, "file")
	if err := errors.Join(os.WriteFile(file, []byte("file"), 0o600), os.WriteFile(file+".sig", value, 0o600)); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("evmctl", "ima_verify", "--sigfile", "--key", filepath.Join(dir, "cert.der"), file).CombinedOutput(); err != nil {
		t.Errorf("evmctl: %v\n%s", err, out)
	}
	for name, try := range map[string]func() error{
		"short digest": func() error { _, err := k.SignIMA(8, digest[:20], at); return err },
		"md5":          func() error { _, err := k.SignIMA(1, digest[:16], at); return err },
		"sha1":         func() error { _, err := k.SignIMA(2, digest[:20], at); return err },
		"eddsa":        func() error { _, err := load(t, "eddsa").SignIMA(8, digest[:], at); return err },
		"eddsa x509":   func() error { _, err := load(t, "eddsa").X509(); return err },
		"too early":    func() error { _, err := k.SignIMA(8, digest[:], at.AddDate(-1, 0, 0)); return err },
	} {
		if try() == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestExtend(t *testing.T) {
	for _, name := range []string{"rsa4096", "eddsa", "rsa-subkey"} {
		t.Run(name, func(t *testing.T) {
			k := load(t, name)
			end := at.AddDate(1, 0, 0)
			e, err := k.Extend(end, at)
			if err != nil {
				t.Fatal(err)
			}
			if !e.Expires().Equal(end) || e.Fingerprint() != k.Fingerprint() || e.SigningFingerprint() != k.SigningFingerprint() || !k.Expires().IsZero() {
				t.Errorf("expires %s, fingerprints %s %s", e.Expires(), e.Fingerprint(), e.SigningFingerprint())
			}
			if _, err := e.SignBinary(nil, end); err == nil || !strings.Contains(err.Error(), "expired on") {
				t.Errorf("signing after the end: %v", err)
			}
			sig, err := e.SignBinary([]byte("x"), end.Add(-time.Second))
			if err != nil {
				t.Fatal(err)
			}
			if r, err := pgp.NewKeyring(e.Certificate()).Verify(sig, []byte("x")); err != nil || r.State != pgp.Verified {
				t.Errorf("%v %v %s", err, r.State, r.Reason)
			}
			// What is stored is the extended key.
			if again, err := secret.Parse(e.Marshal()); err != nil || !again.Expires().Equal(end) || !bytes.Equal(again.Certificate().Bytes(), e.Certificate().Bytes()) {
				t.Errorf("read back: %v", err)
			}
			g := newGnupg(t)
			g.run(k.Certificate().Armor(), "--import")
			g.run(e.Certificate().Armor(), "--import")
			list := string(g.run(nil, "--with-colons", "--list-keys"))
			if n := strings.Count(list, ":"+unix(end)+":"); n == 0 {
				t.Errorf("gpg knows no expiry on %s:\n%s", unix(end), list)
			}
			never, err := e.Extend(time.Time{}, at)
			if err != nil || !never.Expires().IsZero() {
				t.Errorf("never: %v %s", err, never.Expires())
			}
			if l := len(never.Certificate().Bytes()); l > len(k.Certificate().Bytes())+64 {
				t.Errorf("the certificate grows from %d to %d bytes", len(k.Certificate().Bytes()), l)
			}
			for _, bad := range []time.Time{at.AddDate(-10, 0, 0), at.AddDate(200, 0, 0)} {
				if _, err := k.Extend(bad, at); err == nil || !strings.Contains(err.Error(), "cannot expire on") {
					t.Errorf("%s: %v", bad, err)
				}
			}
		})
	}
	// The last moment of all is one that gpg knows; a later one is refused, with the limit.
	last := time.Date(2106, 2, 7, 6, 28, 15, 0, time.UTC)
	k := load(t, "eddsa")
	e, err := k.Extend(last, at)
	if err != nil {
		t.Fatal(err)
	}
	g := newGnupg(t)
	g.run(e.Certificate().Armor(), "--import")
	if list := string(g.run(nil, "--with-colons", "--list-keys")); !strings.Contains(list, ":"+unix(last)+":") || strings.Contains(list, "pub:e:") {
		t.Errorf("to gpg it does not expire on %s:\n%s", unix(last), list)
	}
	for _, late := range []time.Time{last.Add(time.Second), at.AddDate(100, 0, 0), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)} {
		_, err := k.Extend(late, at)
		_, gerr := secret.GenerateUntil(keys.EdDSA, "x", at, late)
		for _, err := range []error{err, gerr} {
			if err == nil || !strings.Contains(err.Error(), "to 2106-02-07T06:28:15Z") {
				t.Errorf("%s: %v", late, err)
			}
		}
	}
	if _, err := secret.GenerateUntil(keys.EdDSA, "x", at, at); err == nil {
		t.Error("a key that expires at its birth")
	}
	k, err = secret.GenerateUntil(keys.EdDSA, "x", at, at.AddDate(0, 1, 0))
	if err != nil || !k.Expires().Equal(at.AddDate(0, 1, 0)) {
		t.Errorf("%v %s", err, k.Expires())
	}
}

func unix(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }

func TestRevocation(t *testing.T) {
	for _, name := range []string{"eddsa", "rsa-subkey"} {
		k := load(t, name)
		revocation, err := k.Revocation(at)
		if err != nil {
			t.Fatal(err)
		}
		sig, err := k.SignBinary([]byte("x"), at)
		if err != nil {
			t.Fatal(err)
		}
		revoked, err := k.Certificate().Revoke(revocation)
		if err != nil || !revoked.Revoked() || k.Certificate().Revoked() || len(revoked.SigningKeys()) != 0 {
			t.Fatalf("%v", err)
		}
		if r, err := pgp.NewKeyring(revoked).Verify(sig, []byte("x")); err != nil || r.State != pgp.Bad || !strings.Contains(r.Reason, "revoked") {
			t.Errorf("%s: %v %v %s", name, err, r.State, r.Reason)
		}
		g := newGnupg(t)
		g.run(k.Certificate().Armor(), "--import")
		g.run(revocation, "--import")
		if list := string(g.run(nil, "--with-colons", "--list-keys")); !strings.Contains(list, "pub:r:") {
			t.Errorf("%s: gpg does not take the revocation:\n%s", name, list)
		}
		if _, err := load(t, "other-eddsa").Certificate().Revoke(revocation); err == nil {
			t.Error("another key is revoked by it")
		}
	}
}

func TestImport(t *testing.T) {
	g := newGnupg(t)
	pass := []byte("old passphrase")
	make := func(uid string, args ...string) string {
		g.run(nil, append([]string{"--passphrase", string(pass), "--quick-generate-key", uid}, args...)...)
		list := string(g.run(nil, "--with-colons", "--list-keys", "="+uid))
		_, rest, _ := strings.Cut(list, "\nfpr:::::::::")
		return rest[:40]
	}
	export := func(fpr string, args ...string) []byte {
		return g.run(nil, append([]string{"--passphrase", string(pass), "--armor", "--export-secret-keys"}, append(args, fpr)...)...)
	}
	now := time.Now().Add(time.Minute)
	ed := make("Ed <ed@test.invalid>", "ed25519", "cert,sign", "never")
	protected := export(ed)
	for _, tc := range []struct {
		pass string
		want error
	}{{"", keys.ErrBadPassphrase}, {"wrong passphrase", keys.ErrBadPassphrase}, {string(pass), nil}} {
		k, err := secret.Import(protected, []byte(tc.pass), now)
		if !errors.Is(err, tc.want) || (err == nil) != (tc.want == nil) {
			t.Errorf("%q: %v", tc.pass, err)
			continue
		}
		if err == nil && (k.Fingerprint() != ed || k.Algorithm() != keys.EdDSA) {
			t.Errorf("%s %s", k.Fingerprint(), k.Algorithm())
		}
	}
	k, err := secret.Import(protected, pass, now)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := secret.Parse(k.Marshal()); err != nil || again.Fingerprint() != ed {
		t.Errorf("what is stored: %v", err)
	}

	// A primary key that certifies, with subkeys: the one that signs is taken, the one that encrypts is not.
	sub := make("Sub <sub@test.invalid>", "ed25519", "cert", "never")
	g.run(nil, "--passphrase", string(pass), "--quick-add-key", sub, "ed25519", "sign", "1y")
	g.run(nil, "--passphrase", string(pass), "--quick-add-key", sub, "cv25519", "encr", "1y")
	k, err = secret.Import(export(sub), pass, now)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(g.run(k.Certificate().Armor(), "--with-colons", "--show-keys")), "\nsub:"); n != 1 || k.SigningFingerprint() == sub || k.Expires().IsZero() {
		t.Errorf("%d subkeys, signing key %s, expires %s", n, k.SigningFingerprint(), k.Expires())
	}
	if _, err := k.Revocation(now); err != nil {
		t.Error(err)
	}
	// Only subkeys: it signs, and can neither be revoked nor extended here.
	onlySub := g.run(nil, "--passphrase", string(pass), "--armor", "--export-secret-subkeys", sub)
	if k, err = secret.Import(onlySub, pass, now); err != nil {
		t.Fatal(err)
	}
	if _, err := k.SignBinary([]byte("x"), now); err != nil || k.HasPrimary() {
		t.Errorf("%v, primary key here: %v", err, k.HasPrimary())
	}
	for what, try := range map[string]func() error{
		"revocation": func() error { _, err := k.Revocation(now); return err },
		"extend":     func() error { _, err := k.Extend(time.Time{}, now); return err },
	} {
		if err := try(); err == nil || !strings.Contains(err.Error(), "primary key is not here") {
			t.Errorf("%s: %v", what, err)
		}
	}

	// Statements with SHA-1 are made anew.
	old := newGnupg(t)
	old.run(nil, "--passphrase", "", "--cert-digest-algo", "SHA1", "--allow-weak-key-signatures", "--quick-generate-key", "Old <old@test.invalid>", "ed25519", "cert,sign", "never")
	if k, err = secret.Import(old.run(nil, "--export-secret-keys"), nil, now); err != nil {
		t.Fatal(err)
	}
	if dump := string(old.run(k.Certificate().Bytes(), "--list-packets")); strings.Contains(dump, "digest algo 2,") || !strings.Contains(dump, "digest algo 8,") {
		t.Errorf("SHA-1 is left:\n%s", dump)
	}

	// What only encrypts may be of any kind; here X25519 as RFC 9580 has it.
	entity, err := openpgp.NewEntity("New", "", "", &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, Time: func() time.Time { return now.Add(-time.Hour) }})
	if err != nil {
		t.Fatal(err)
	}
	if err := entity.AddEncryptionSubkey(&packet.Config{Algorithm: packet.PubKeyAlgoX25519, Time: func() time.Time { return now.Add(-time.Hour) }}); err != nil {
		t.Fatal(err)
	}
	var modern bytes.Buffer
	if err := entity.SerializePrivateWithoutSigning(&modern, nil); err != nil {
		t.Fatal(err)
	}
	if k, err = secret.Import(modern.Bytes(), nil, now); err != nil || k.Algorithm() != keys.EdDSA {
		t.Errorf("with subkeys that encrypt: %v", err)
	}

	rsa2048 := make("Weak <weak@test.invalid>", "rsa2048", "cert,sign", "never")
	p256 := make("Curve <curve@test.invalid>", "nistp256", "cert,sign", "never")
	expired := make("Late <late@test.invalid>", "ed25519", "cert,sign", "seconds=30")
	certOnly := make("Cert <cert@test.invalid>", "ed25519", "cert", "never")
	two := append(bytes.Clone(dearmored(t, protected)), dearmored(t, export(sub))...)
	public := g.run(nil, "--armor", "--export", ed)
	for name, tc := range map[string]struct {
		data []byte
		want string
	}{
		"rsa2048":       {export(rsa2048), "RSA of 2048 bits"},
		"p256":          {export(p256), "ECDSA: only RSA and EdDSA"},
		"expired":       {export(expired), "it expired on"},
		"cert only":     {export(certOnly), "certifies only"},
		"public":        {public, "not one armored PGP PRIVATE KEY BLOCK"},
		"binary public": {g.run(nil, "--export", ed), "this is a public key"},
		"two keys":      {two, "more than one key"},
		"empty":         {nil, "secret key"},
		"text":          {[]byte("hello"), "secret key"},
		"cut":           {dearmored(t, protected)[:60], "secret key"},
		"large":         {bytes.Repeat([]byte{0x99}, 300<<10), "longer than the limit"},
	} {
		if _, err := secret.Import(tc.data, pass, now); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want ...%s...", name, err, tc.want)
		}
	}
	// One that was revoked where it was made.
	if k, err = secret.Import(protected, pass, now); err != nil {
		t.Fatal(err)
	}
	revocation, err := k.Revocation(now)
	if err != nil {
		t.Fatal(err)
	}
	g.run(revocation, "--import")
	if _, err := secret.Import(export(ed), pass, now); err == nil || !strings.Contains(err.Error(), "it is revoked") {
		t.Errorf("revoked: %v", err)
	}
	// A subkey that signs under a passphrase of its own is not left behind in silence.
	mixed := dearmored(t, g.run(nil, "--passphrase", string(pass), "--armor", "--export-secret-keys", sub))
	if _, err := secret.Import(mixed, []byte("other passphrase"), now); !errors.Is(err, keys.ErrBadPassphrase) {
		t.Errorf("got %v", err)
	}
}

// A small public exponent is refused, whatever the length of the key.
func TestImportRefusesSmallExponent(t *testing.T) {
	data, err := os.ReadFile("../../testdata/keys/rsa4096.sec.asc")
	if err != nil {
		t.Fatal(err)
	}
	e, err := openpgp.ReadEntity(packet.NewReader(bytes.NewReader(dearmored(t, data))))
	if err != nil {
		t.Fatal(err)
	}
	private, ok := e.PrivateKey.PrivateKey.(*rsa.PrivateKey)
	if !ok {
		t.Fatal("not RSA")
	}
	one := big.NewInt(1)
	p, q := new(big.Int).Sub(private.Primes[0], one), new(big.Int).Sub(private.Primes[1], one)
	weak := rsa.PrivateKey{PublicKey: rsa.PublicKey{N: private.N}, Primes: private.Primes}
	for _, small := range []int{3, 5, 7, 11, 13, 17, 257} {
		if weak.D = new(big.Int).ModInverse(big.NewInt(int64(small)), new(big.Int).Mul(p, q)); weak.D != nil {
			weak.E = small
			break
		}
	}
	weak.Precompute()
	e.PrivateKey = packet.NewRSAPrivateKey(e.PrimaryKey.CreationTime, &weak)
	e.PrimaryKey = &e.PrivateKey.PublicKey
	for _, id := range e.Identities {
		self := &packet.Signature{Version: 4, SigType: packet.SigTypePositiveCert, PubKeyAlgo: packet.PubKeyAlgoRSA, Hash: crypto.SHA256,
			CreationTime: time.Now(), IssuerKeyId: &e.PrimaryKey.KeyId, FlagsValid: true, FlagSign: true}
		if err := self.SignUserId(id.UserId.Id, e.PrimaryKey, e.PrivateKey, nil); err != nil {
			t.Fatal(err)
		}
		id.SelfCertifications = []*packet.VerifiableSignature{packet.NewVerifiableSig(self)}
	}
	var out bytes.Buffer
	if err := e.SerializePrivateWithoutSigning(&out, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := secret.Import(out.Bytes(), nil, time.Now()); err == nil || !strings.Contains(err.Error(), "RSA exponent "+strconv.Itoa(weak.E)+":") {
		t.Errorf("got %v", err)
	}
}

func dearmored(t *testing.T, armored []byte) []byte {
	t.Helper()
	b, err := pgp.DearmorSecretKey(armored)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A file that wants its passphrase hashed with gigabytes of memory is refused before any work is done.
func TestImportRefusesCostlyPassphraseHashing(t *testing.T) {
	// Version 4, EdDSA, curve name, point; protection 253 (AEAD), AES-256, OCB, argon2 with 2^31 KiB.
	body := []byte{4, 0, 0, 0, 1, 22, 9, 0x2b, 6, 1, 4, 1, 0xda, 0x47, 0x0f, 1, 1, 7}
	body = append(body, make([]byte, 33)...)
	body[18] = 0x40
	body = append(body, 253, 9, 2, 4)
	body = append(body, make([]byte, 16)...)
	body = append(body, 1, 4, 31)
	body = append(body, make([]byte, 40)...)
	packet := append([]byte{0xc5, byte(len(body))}, body...)
	if _, err := secret.Import(packet, []byte("passphrase"), at); err == nil || !strings.Contains(err.Error(), "hashing of type 4") {
		t.Errorf("got %v", err)
	}
}

func FuzzImport(f *testing.F) {
	for _, name := range []string{"eddsa", "rsa-subkey"} {
		data, err := os.ReadFile("../../testdata/keys/" + name + ".sec.asc")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte{0xc5, 3, 4, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		k, err := secret.Import(data, []byte("passphrase"), at)
		if err != nil {
			return
		}
		if _, err := secret.Parse(k.Marshal()); err != nil {
			t.Fatalf("an imported key cannot be stored: %v", err)
		}
	})
}

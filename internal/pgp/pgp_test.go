package pgp_test

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"github.com/privyseal/privyseal/internal/pgp"
)

func readKey(t testing.TB, file string) []byte {
	t.Helper()
	data, err := os.ReadFile("../../testdata/keys/" + file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func cert(t testing.TB, name string) *pgp.Certificate {
	t.Helper()
	certs, err := pgp.ReadCertificates(bytes.NewReader(readKey(t, name+".pub.asc")))
	if err != nil {
		t.Fatal(err)
	}
	if len(certs) != 1 {
		t.Fatalf("%s: %d certificates", name, len(certs))
	}
	return certs[0]
}

// gnupg is a private gpg home; gpg is the oracle that makes what we must read.
type gnupg struct {
	t    testing.TB
	home string
}

func newGnupg(t testing.TB, secrets ...string) gnupg {
	t.Helper()
	g := gnupg{t, t.TempDir()}
	if err := os.Chmod(g.home, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = exec.Command("gpgconf", "--homedir", g.home, "--kill", "gpg-agent").Run() })
	for _, s := range secrets {
		g.run(readKey(t, s+".sec.asc"), "--import")
	}
	return g
}

func (g gnupg) run(stdin []byte, args ...string) []byte {
	g.t.Helper()
	cmd := exec.Command("gpg", append([]string{"--homedir", g.home, "--batch", "--quiet", "--yes", "--no-tty",
		"--pinentry-mode", "loopback", "--passphrase", ""}, args...)...)
	cmd.Stdin = bytes.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		g.t.Fatalf("gpg %q: %v\n%s", args, err, &stderr)
	}
	return out
}

func TestReadCertificates(t *testing.T) {
	for _, tc := range []struct {
		name, fingerprint string
		signing           string
		bits              int
		algo              pgp.Algorithm
	}{
		{"rsa4096", "983D50AF8F6B02D4A27637C236D55C9681157503", "983D50AF8F6B02D4A27637C236D55C9681157503", 4096, pgp.RSA},
		{"eddsa", "78837A1F87D03F8987293CFE39C21C29CAE9470E", "78837A1F87D03F8987293CFE39C21C29CAE9470E", 0, pgp.EdDSA},
		{"rsa-subkey", "590031DEC5F3525C010D0AC8710479AEFC0069BE", "42E02B25F59E8C18B31BDBC0DC4207FE32C01E17", 4096, pgp.RSA},
		{"other-eddsa", "C157F19AC32CE4477BE741FC3B22367516B0CFA8", "C157F19AC32CE4477BE741FC3B22367516B0CFA8", 0, pgp.EdDSA},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := cert(t, tc.name)
			if c.Fingerprint() != tc.fingerprint || c.KeyID() != strings.ToLower(tc.fingerprint[24:]) {
				t.Errorf("fingerprint %s, key id %s", c.Fingerprint(), c.KeyID())
			}
			if got, want := c.UserIDs(), fmt.Sprintf("[Privyseal test %s <%s@test.invalid>]", tc.name, tc.name); fmt.Sprint(got) != want {
				t.Errorf("user IDs %v, want %v", got, want)
			}
			keys := c.SigningKeys()
			if len(keys) != 1 || keys[0].Fingerprint != tc.signing || keys[0].Algorithm != tc.algo || tc.bits != 0 && keys[0].Bits != tc.bits {
				t.Fatalf("signing keys %+v", keys)
			}
			if got := keys[0].Created.Format("2006-01-02"); got != "2026-01-01" || !keys[0].Expires.IsZero() {
				t.Errorf("created %s, expires %s", got, keys[0].Expires)
			}
			again, err := pgp.ReadCertificates(bytes.NewReader(c.Armor()))
			if err != nil || len(again) != 1 || !bytes.Equal(again[0].Bytes(), c.Bytes()) {
				t.Errorf("armoring and reading again: %v", err)
			}
			// Our armor is read by those who will meet it.
			g := newGnupg(t)
			g.run(c.Armor(), "--import")
			if got := g.run(nil, "--export"); !bytes.Equal(got, c.Bytes()) {
				t.Error("gpg exports other bytes than it was given")
			}
			file := filepath.Join(g.home, "key.asc")
			if err := os.WriteFile(file, c.Armor(), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command("rpmkeys", "--dbpath", t.TempDir(), "--import", file).CombinedOutput(); err != nil {
				t.Errorf("rpmkeys --import: %v\n%s", err, out)
			}
		})
	}
}

func TestReadSeveralCertificates(t *testing.T) {
	armored := append(readKey(t, "rsa4096.pub.asc"), "some text between\n"...)
	armored = append(armored, readKey(t, "eddsa.pub.asc")...)
	g := newGnupg(t)
	g.run(armored, "--import")
	for name, input := range map[string][]byte{
		"blocks":      armored,
		"binary":      g.run(nil, "--export"),
		"one block":   g.run(nil, "--export", "--armor"),
		"CRLF":        bytes.ReplaceAll(armored, []byte("\n"), []byte("\r\n")),
		"no checksum": bytes.Join(withoutChecksum(armored), nil),
	} {
		certs, err := pgp.ReadCertificates(bytes.NewReader(input))
		if err != nil || len(certs) != 2 {
			t.Errorf("%s: %d certificates, %v", name, len(certs), err)
		}
	}
}

func withoutChecksum(text []byte) (lines [][]byte) {
	for line := range bytes.Lines(text) {
		if line[0] != '=' {
			lines = append(lines, line)
		}
	}
	return lines
}

func TestReadCertificatesRefuses(t *testing.T) {
	good := readKey(t, "eddsa.pub.asc")
	binaryCert := cert(t, "eddsa").Bytes()
	flipped := bytes.Clone(binaryCert)
	flipped[len(flipped)-3] ^= 1 // inside the self-signature
	damaged := bytes.Clone(good)
	i := bytes.Index(damaged, []byte("\n\n")) + 10
	damaged[i] ^= 2
	for _, tc := range []struct {
		name  string
		input []byte
		want  string
	}{
		{"empty", nil, "input is empty"},
		{"text", []byte("hello\n"), "no PGP PUBLIC KEY BLOCK"},
		{"secret key", readKey(t, "eddsa.sec.asc"), "this is a secret key"},
		{"secret packets", mustDearmorSecret(t, "eddsa"), "this is a secret key"},
		{"damaged armor", damaged, "checksum does not match"},
		{"no END", good[:len(good)-20], "END line does not match"},
		{"cut armor", good[:200], "has no END line"},
		{"cut packets", binaryCert[:100], "certificate 1: packet claims"},
		{"damaged signature", flipped, "no valid self-signature"},
		{"signature first", mustSign(t), "not with a public key"},
		{"huge length", []byte{0x99, 0xff, 0xff, 4, 1}, "packet claims 65535 bytes"},
		{"indeterminate", []byte{0x9b, 1, 2, 3}, "indeterminate length"},
		{"partial", []byte{0xc6, 0xe1, 4, 5}, "partial length"},
		{"too long", bytes.Repeat(good, 4<<20/len(good)+1), "more than the limit"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			certs, err := pgp.ReadCertificates(bytes.NewReader(tc.input))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%d certificates, error %v, want ...%s...", len(certs), err, tc.want)
			}
		})
	}
	if _, err := pgp.ReadCertificates(iotest.ErrReader(io.ErrNoProgress)); err == nil || !strings.Contains(err.Error(), io.ErrNoProgress.Error()) {
		t.Errorf("read error: %v", err)
	}
}

func mustDearmorSecret(t testing.TB, name string) []byte {
	t.Helper()
	b, err := pgp.DearmorSecretKey(readKey(t, name+".sec.asc"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mustSign(t testing.TB) []byte {
	t.Helper()
	return newGnupg(t, "eddsa").run([]byte("data"), "--detach-sign")
}

func TestVerify(t *testing.T) {
	data := bytes.Repeat([]byte("signed bytes\n"), 5000)
	g := newGnupg(t, "rsa4096", "eddsa", "rsa-subkey", "other-eddsa")
	sign := func(args ...string) []byte { return g.run(data, append(args, "--detach-sign")...) }
	ring := pgp.NewKeyring(cert(t, "rsa4096"), cert(t, "eddsa"), cert(t, "rsa-subkey"))
	other := bytes.Clone(data)
	other[7] ^= 1
	for _, tc := range []struct {
		name   string
		sig    []byte
		data   []byte
		state  pgp.State
		sigkey string
		reason string
	}{
		{"rsa", sign("-u", "rsa4096@"), data, pgp.Verified, "81157503", ""},
		{"rsa sha512", sign("-u", "rsa4096@", "--digest-algo", "SHA512"), data, pgp.Verified, "81157503", ""},
		{"rsa sha384", sign("-u", "rsa4096@", "--digest-algo", "SHA384"), data, pgp.Verified, "81157503", ""},
		{"eddsa", sign("-u", "eddsa@test.invalid"), data, pgp.Verified, "cae9470e", ""},
		{"subkey", sign("-u", "rsa-subkey@"), data, pgp.Verified, "32c01e17", ""},
		{"unknown", sign("-u", "other-eddsa@"), data, pgp.UnknownKey, "16b0cfa8", ""},
		{"unknown, other data", sign("-u", "other-eddsa@"), other, pgp.UnknownKey, "16b0cfa8", ""},
		{"other data", sign("-u", "rsa4096@"), other, pgp.Bad, "81157503", "does not match the signed bytes"},
		{"other data, eddsa", sign("-u", "eddsa@test.invalid"), other, pgp.Bad, "cae9470e", "does not match the signed bytes"},
		{"sha1", sign("-u", "rsa4096@", "--digest-algo", "SHA1"), data, pgp.Bad, "81157503", "SHA1 is too weak"},
		{"text", sign("-u", "rsa4096@", "--textmode"), data, pgp.Bad, "81157503", "type 0x01"},
		{"before its key", sign("-u", "eddsa@test.invalid", "--faked-system-time", "20250101T000000!", "--ignore-time-conflict", "--ignore-valid-from"),
			data, pgp.Bad, "cae9470e", "older than its key"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, err := ring.Verify(tc.sig, tc.data)
			if err != nil {
				t.Fatal(err)
			}
			if r.State != tc.state || r.Signature.Sigkey() != tc.sigkey || !strings.Contains(r.Reason, tc.reason) || (r.Reason == "") != (tc.reason == "") {
				t.Errorf("%v %s %q, want %v %s %q", r.State, r.Signature.Sigkey(), r.Reason, tc.state, tc.sigkey, tc.reason)
			}
			if (r.Certificate == nil) != (tc.state == pgp.UnknownKey) {
				t.Errorf("certificate %v", r.Certificate)
			}
			unarmored, err := pgp.Dearmor(pgp.ArmorSignature(tc.sig))
			if err != nil || !bytes.Equal(unarmored, tc.sig) {
				t.Errorf("armor and back: %v", err)
			}
		})
	}
	if _, err := ring.VerifyReader(sign("-u", "rsa4096@"), iotest.ErrReader(io.ErrNoProgress)); err == nil {
		t.Error("a read error is not reported")
	}
}

// A primary key that may only certify does not sign data, although rpm takes it; gpg cannot be told to do this, so the signing key
// of the certificate is disguised: its issuer is changed to name the primary key.
func TestCertifyOnlyPrimaryIsBad(t *testing.T) {
	ring := pgp.NewKeyring(cert(t, "rsa-subkey"))
	g := newGnupg(t, "rsa-subkey")
	sig := g.run([]byte("data"), "-u", "rsa-subkey@", "--detach-sign")
	sub := []byte{0x42, 0xE0, 0x2B, 0x25, 0xF5, 0x9E, 0x8C, 0x18, 0xB3, 0x1B, 0xDB, 0xC0, 0xDC, 0x42, 0x07, 0xFE, 0x32, 0xC0, 0x1E, 0x17}
	prim := []byte{0x59, 0x00, 0x31, 0xDE, 0xC5, 0xF3, 0x52, 0x5C, 0x01, 0x0D, 0x0A, 0xC8, 0x71, 0x04, 0x79, 0xAE, 0xFC, 0x00, 0x69, 0xBE}
	sig = bytes.ReplaceAll(sig, sub, prim)
	sig = bytes.ReplaceAll(sig, sub[12:], prim[12:])
	r, err := ring.Verify(sig, []byte("data"))
	if err != nil || r.State != pgp.Bad || !strings.Contains(r.Reason, "certifies only") {
		t.Errorf("%v %v %q", err, r.State, r.Reason)
	}
}

// Keys that were revoked, or that expired before they signed, do not count; one that expired afterwards does.
func TestRevokedAndExpired(t *testing.T) {
	born := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(days int) *packet.Config {
		return &packet.Config{
			Algorithm: packet.PubKeyAlgoEdDSA, Curve: packet.Curve25519, KeyLifetimeSecs: 30 * 86400,
			Time: func() time.Time { return born.AddDate(0, 0, days) },
		}
	}
	e, err := openpgp.NewEntity("short-lived", "", "", at(0))
	if err != nil {
		t.Fatal(err)
	}
	if err := e.AddSigningSubkey(at(0)); err != nil {
		t.Fatal(err)
	}
	sign := func(key *packet.PrivateKey, days int) []byte {
		s := &packet.Signature{Version: 4, PubKeyAlgo: key.PubKeyAlgo, Hash: crypto.SHA256, CreationTime: at(days).Now(), IssuerKeyId: &key.KeyId}
		h := crypto.SHA256.New()
		h.Write([]byte("data"))
		var out bytes.Buffer
		if err := errors.Join(s.Sign(h, key, at(days)), s.Serialize(&out)); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	check := func(what string, sig []byte, state pgp.State, reason string) {
		t.Helper()
		var public bytes.Buffer
		if err := e.Serialize(&public); err != nil {
			t.Fatal(err)
		}
		certs, err := pgp.ReadCertificates(&public)
		if err != nil {
			t.Fatal(err)
		}
		r, err := pgp.NewKeyring(certs...).Verify(sig, []byte("data"))
		if err != nil || r.State != state || !strings.Contains(r.Reason, reason) {
			t.Errorf("%s: %v %v %q, want %v %q", what, err, r.State, r.Reason, state, reason)
		}
	}
	primary, signing, encryption := e.PrivateKey, e.Subkeys[1].PrivateKey, e.Subkeys[0].PrivateKey
	check("in time", sign(primary, 10), pgp.Verified, "")
	check("in time, subkey", sign(signing, 10), pgp.Verified, "")
	check("after expiry", sign(primary, 31), pgp.Bad, "expired on 2026-01-31")
	check("after expiry, subkey", sign(signing, 31), pgp.Bad, "expired on 2026-01-31")
	if got := encryption.PubKeyAlgo.CanSign(); got {
		t.Error("the encryption subkey could sign")
	}
	if err := e.Subkeys[1].Revoke(packet.KeyRetired, "test", at(20)); err != nil {
		t.Fatal(err)
	}
	check("subkey revoked", sign(signing, 10), pgp.Bad, "is revoked")
	check("only the subkey is revoked", sign(primary, 10), pgp.Verified, "")
	if err := e.Revoke(packet.KeyCompromised, "test", at(20)); err != nil {
		t.Fatal(err)
	}
	check("primary revoked", sign(primary, 10), pgp.Bad, "is revoked")
}

// A subkey that was never cross-certified, or was bound by somebody else, must not speak for the certificate.
func TestForeignSubkey(t *testing.T) {
	config := &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, Curve: packet.Curve25519}
	a, err := openpgp.NewEntity("a", "", "", config)
	if err != nil {
		t.Fatal(err)
	}
	b, err := openpgp.NewEntity("b", "", "", config)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.AddSigningSubkey(config); err != nil {
		t.Fatal(err)
	}
	a.Subkeys = append(a.Subkeys, b.Subkeys[1])
	var public bytes.Buffer
	if err := a.Serialize(&public); err != nil {
		t.Fatal(err)
	}
	certs, err := pgp.ReadCertificates(&public)
	if err != nil {
		t.Fatal(err)
	}
	if keys := certs[0].SigningKeys(); len(keys) != 1 || keys[0].Fingerprint != certs[0].Fingerprint() {
		t.Errorf("signing keys %+v, want the primary key alone", keys)
	}
}

// Enterprise distributions signed with version 3 packets for years. gpg no longer makes them, so one is made here by hand.
func TestVersion3(t *testing.T) {
	secret, err := openpgp.ReadKeyRing(bytes.NewReader(mustDearmorSecret(t, "rsa4096")))
	if err != nil {
		t.Fatal(err)
	}
	data := []byte("data of a version 3 signature")
	five := []byte{0, 0x69, 0x80, 0, 0} // type and time, 2026-02-02
	sum := sha256.Sum256(append(bytes.Clone(data), five...))
	raw, err := rsa.SignPKCS1v15(nil, secret[0].PrivateKey.PrivateKey.(*rsa.PrivateKey), crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	value := new(big.Int).SetBytes(raw)
	v3 := append([]byte{3, 5}, five...)
	v3 = append(v3, 0x36, 0xD5, 0x5C, 0x96, 0x81, 0x15, 0x75, 0x03, 1, 8, sum[0], sum[1])
	v3 = binary.BigEndian.AppendUint16(v3, uint16(value.BitLen()))
	v3 = append(v3, value.Bytes()...)
	sig := append([]byte{0x89, byte(len(v3) >> 8), byte(len(v3))}, v3...)
	s, err := pgp.ParseSignature(sig)
	if err != nil {
		t.Fatal(err)
	}
	if s.Version != 3 || s.KeyID != "36d55c9681157503" || s.Sigkey() != "81157503" || s.Hash != pgp.SHA256 || s.Algorithm != pgp.RSA ||
		s.Created.Format("2006-01-02") != "2026-02-02" {
		t.Errorf("%+v", s)
	}
	ring := pgp.NewKeyring(cert(t, "rsa4096"))
	if r, err := ring.Verify(sig, data); err != nil || r.State != pgp.Verified {
		t.Errorf("good: %v %v %s", err, r.State, r.Reason)
	}
	if r, err := ring.Verify(sig, data[1:]); err != nil || r.State != pgp.Bad {
		t.Errorf("other data: %v %v %s", err, r.State, r.Reason)
	}
	if r, err := ring.Verify(sig[:len(sig)-1], data); err == nil {
		t.Errorf("cut: %v %s", r.State, r.Reason)
	}
}

func TestParseSignatureRefuses(t *testing.T) {
	good := mustSign(t)
	for _, tc := range []struct {
		name string
		sig  []byte
		want string
	}{
		{"empty", nil, "cut short"},
		{"cut", good[:len(good)-1], "packet claims"},
		{"two", append(bytes.Clone(good), good...), "bytes follow"},
		{"a key", cert(t, "eddsa").Bytes()[:60], "is not a signature"},
		{"text", []byte("-----BEGIN PGP SIGNATURE-----"), "does not begin an OpenPGP packet"},
		{"version 6", []byte{0xc2, 4, 6, 0, 22, 8}, "version 6 is not supported"},
		{"version 2", []byte{0xc2, 4, 2, 0, 22, 8}, "version 2 is not supported"},
		{"no body", []byte{0xc2, 0}, "empty packet"},
		{"no issuer", []byte{0xc2, 18, 4, 0, 22, 8, 0, 6, 5, 2, 1, 2, 3, 4, 0, 0, 9, 9, 0, 0}, "does not say which key"},
		{"no time", []byte{0xc2, 12, 4, 0, 22, 8, 0, 0, 0, 0, 9, 9, 0, 0}, "no creation time"},
		{"too long", make([]byte, 70<<10), "longer than the limit"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, err := pgp.ParseSignature(tc.sig)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%+v, error %v, want ...%s...", s, err, tc.want)
			}
		})
	}
}

// Of several copies of a certificate, a revocation in any of them counts; otherwise the renewed one does.
func TestSameKeyInTwoCertificates(t *testing.T) {
	config := &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, Curve: packet.Curve25519}
	e, err := openpgp.NewEntity("twice", "", "", config)
	if err != nil {
		t.Fatal(err)
	}
	read := func() *pgp.Certificate {
		var public bytes.Buffer
		if err := e.Serialize(&public); err != nil {
			t.Fatal(err)
		}
		certs, err := pgp.ReadCertificates(&public)
		if err != nil {
			t.Fatal(err)
		}
		return certs[0]
	}
	renewed := read()
	past := uint32(1)
	for _, id := range e.Identities {
		self := id.SelfCertifications[0].Packet
		self.KeyLifetimeSecs = &past
		if err := self.SignUserId(id.Name, e.PrimaryKey, e.PrivateKey, config); err != nil {
			t.Fatal(err)
		}
	}
	expired := read()
	var sig bytes.Buffer
	signed := time.Now().Add(time.Minute)
	s := &packet.Signature{Version: 4, PubKeyAlgo: e.PrivateKey.PubKeyAlgo, Hash: crypto.SHA256, CreationTime: signed, IssuerKeyId: &e.PrivateKey.KeyId}
	h := crypto.SHA256.New()
	h.Write([]byte("data"))
	if err := errors.Join(s.Sign(h, e.PrivateKey, config), s.Serialize(&sig)); err != nil {
		t.Fatal(err)
	}
	if err := e.Revoke(packet.NoReason, "", config); err != nil {
		t.Fatal(err)
	}
	revoked := read()
	for name, tc := range map[string]struct {
		ring  *pgp.Keyring
		state pgp.State
	}{
		"renewed":               {pgp.NewKeyring(renewed), pgp.Verified},
		"expired":               {pgp.NewKeyring(expired), pgp.Bad},
		"renewed and expired":   {pgp.NewKeyring(renewed, expired), pgp.Verified},
		"expired and renewed":   {pgp.NewKeyring(expired, renewed), pgp.Verified},
		"revoked":               {pgp.NewKeyring(revoked), pgp.Bad},
		"renewed and revoked":   {pgp.NewKeyring(renewed, revoked), pgp.Bad},
		"revoked among them":    {pgp.NewKeyring(expired, revoked, renewed), pgp.Bad},
		"renewed, listed twice": {pgp.NewKeyring(renewed, renewed), pgp.Verified},
	} {
		r, err := tc.ring.Verify(sig.Bytes(), []byte("data"))
		if err != nil || r.State != tc.state {
			t.Errorf("%s: %v %v %s", name, err, r.State, r.Reason)
		}
	}
}

func TestKeyringConcurrentUse(t *testing.T) {
	data := []byte("data")
	sig := newGnupg(t, "rsa-subkey").run(data, "--detach-sign")
	ring := pgp.NewKeyring(cert(t, "rsa-subkey"))
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if r, err := ring.Verify(sig, data); err != nil || r.State != pgp.Verified {
				t.Errorf("%v %v %s", err, r.State, r.Reason)
			}
		})
	}
	wg.Wait()
}

func FuzzReadCertificates(f *testing.F) {
	for _, name := range []string{"rsa4096", "eddsa", "rsa-subkey"} {
		f.Add(readKey(f, name+".pub.asc"))
		f.Add(cert(f, name).Bytes())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		certs, err := pgp.ReadCertificates(bytes.NewReader(data))
		if err != nil {
			return
		}
		pgp.NewKeyring(certs...)
		for _, c := range certs {
			again, err := pgp.ReadCertificates(bytes.NewReader(c.Armor()))
			if err != nil || len(again) != 1 || again[0].Fingerprint() != c.Fingerprint() {
				t.Fatalf("accepted, but not when written again: %v", err)
			}
		}
	})
}

func FuzzSignature(f *testing.F) {
	ring := pgp.NewKeyring(cert(f, "rsa4096"), cert(f, "eddsa"), cert(f, "rsa-subkey"))
	g := newGnupg(f, "rsa4096", "eddsa")
	f.Add(g.run([]byte("data"), "-u", "rsa4096@", "--detach-sign"))
	f.Add(g.run([]byte("data"), "-u", "eddsa@", "--detach-sign"))
	f.Add([]byte{0x89, 0, 21, 3, 5, 0, 1, 2, 3, 4, 0x36, 0xD5, 0x5C, 0x96, 0x81, 0x15, 0x75, 0x03, 1, 8, 1, 2, 0, 1})
	f.Fuzz(func(t *testing.T, packet []byte) {
		r, err := ring.Verify(packet, []byte("other data"))
		if err == nil && r.State == pgp.Verified {
			t.Fatal("a signature over other data is verified")
		}
		if s, err := pgp.ParseSignature(packet); err == nil && len(s.Sigkey()) != 8 {
			t.Fatalf("sigkey %q", s.Sigkey())
		}
	})
}

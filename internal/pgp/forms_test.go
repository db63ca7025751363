package pgp_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/privyseal/privyseal/internal/pgp"
)

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// texts are what a clear-text document has to carry through.
var texts = []string{
	"", "\n", "one line", "one line\n", "two\nlines\n", "blank at the end \t\nlast \n", "- dash\n-\n--\n", "-----BEGIN PGP SIGNATURE-----\n",
	"From here\nto there", "\n\nempty lines\n\n\n", "carriage\r\nreturns\r\n", "lone\rreturn\n", "ümlaut\n", "Hash: SHA256\n\nx\n",
}

// What gpg clear-signs is read and verified, whatever the text.
func TestDecodeCleartext(t *testing.T) {
	g := newGnupg(t, "eddsa")
	ring := pgp.NewKeyring(cert(t, "eddsa"))
	for _, text := range texts {
		doc := g.run([]byte(text), "--clear-sign")
		got, sig, err := pgp.DecodeCleartext(doc)
		if err != nil {
			t.Errorf("%q: %v\n%s", text, err, doc)
			continue
		}
		if r, err := ring.VerifyText(sig, got); err != nil || r.State != pgp.Verified {
			t.Errorf("%q: %v %v %s\n%s", text, err, r.State, r.Reason, doc)
		}
		if !bytes.Equal(pgp.CleartextBytes(got), pgp.CleartextBytes([]byte(text))) {
			t.Errorf("%q: read as %q", text, got)
		}
		// Written by us from the same parts, it reads the same.
		again, err := pgp.EncodeCleartext([]byte(text), sig)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got2, sig2, err := pgp.DecodeCleartext(again); err != nil || !bytes.Equal(got2, got) || !bytes.Equal(sig2, sig) {
			t.Errorf("%q: written and read: %q %v", text, got2, err)
		}
	}
}

func TestDecodeCleartextRefuses(t *testing.T) {
	g := newGnupg(t, "eddsa")
	good := string(g.run([]byte("first\n- second\n"), "--clear-sign"))
	for name, tc := range map[string]struct{ doc, want string }{
		"empty":            {"", "line 1"},
		"text above":       {"You owe us money.\n" + good, "would not be signed"},
		"empty line above": {"\n" + good, "would not be signed"},
		"text below":       {good + "You owe us money.\n", "does not end the document"},
		"second document":  {good + good, "does not end the document"},
		"other header":     {strings.Replace(good, "Hash:", "Comment:", 1), "line 2: only Hash:"},
		"header with text": {strings.Replace(good, "\n\n", "\nYou owe us money.\n\n", 1), "only Hash:"},
		"dash not escaped": {strings.Replace(good, "- - second", "-- second", 1), "line 5: begins with a dash"},
		"no signature":     {good[:strings.LastIndex(good, "-----BEGIN PGP SIG")], "no signature below"},
		"head alone":       {good[:30], "line 1"},
		"head and no text": {"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n", "text is missing"},
		"cut":              {good[:len(good)-20], "does not end the document"},
		"broken signature": {strings.Replace(good, "\n=", "\n=AAAA\nx=", 1), ""},
		"too long":         {good + strings.Repeat(" ", 17<<20), "longer than the limit"},
	} {
		if _, _, err := pgp.DecodeCleartext([]byte(tc.doc)); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want ...%s...", name, err, tc.want)
		}
	}
}

// What gpg signs into one message, without compressing it, is read and verified.
func TestDecodeInline(t *testing.T) {
	g := newGnupg(t, "rsa4096")
	ring := pgp.NewKeyring(cert(t, "rsa4096"))
	data := []byte(`{"critical":{}}`)
	msg := g.run(data, "--sign", "--compress-algo", "none")
	got, sig, err := pgp.DecodeInline(msg)
	if err != nil || !bytes.Equal(got, data) {
		t.Fatalf("%q %v", got, err)
	}
	if r, err := ring.Verify(sig, got); err != nil || r.State != pgp.Verified {
		t.Errorf("%v %s", err, r.Reason)
	}
	ours, err := pgp.EncodeInline(data, sig)
	if err != nil {
		t.Fatal(err)
	}
	if out := g.run(ours, "--decrypt"); !bytes.Equal(out, data) {
		t.Errorf("gpg reads %q", out)
	}
	other := bytes.Clone(ours)
	other[9] ^= 1 // the key id of the one-pass packet
	for name, bad := range map[string][]byte{
		"empty": nil, "compressed": g.run(data, "--sign", "--compress-algo", "zip"), "cut": msg[:len(msg)-1], "followed by more": append(bytes.Clone(msg), 0),
		"signature alone": sig, "announces another key": other, "too long": bytes.Repeat([]byte{0xc4}, 2<<20), "two": append(bytes.Clone(msg), msg...),
	} {
		if _, _, err := pgp.DecodeInline(bad); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestRevocationCertificate(t *testing.T) {
	g := newGnupg(t)
	g.run(nil, "--quick-generate-key", "Lost <lost@test.invalid>", "ed25519", "cert,sign", "never")
	certs, err := pgp.ReadCertificates(bytes.NewReader(g.run(nil, "--export")))
	if err != nil {
		t.Fatal(err)
	}
	c := certs[0]
	sig := g.run([]byte("x"), "--detach-sign")
	// gpg makes one at the birth of a key, and keeps people from importing it by a colon.
	file := g.home + "/openpgp-revocs.d/" + c.Fingerprint() + ".rev"
	armored := bytes.Replace(readFile(t, file), []byte(":-----BEGIN"), []byte("-----BEGIN"), 1)
	s, packet, err := pgp.ParseRevocation(armored)
	if err != nil || s.KeyID != c.KeyID() {
		t.Fatalf("%+v %v", s, err)
	}
	for name, form := range map[string][]byte{"armored": armored, "binary": packet, "ours": pgp.ArmorRevocation(packet)} {
		revoked, err := c.Revoke(form)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if r, err := pgp.NewKeyring(revoked).Verify(sig, []byte("x")); err != nil || r.State != pgp.Bad || !strings.Contains(r.Reason, "is revoked") {
			t.Errorf("%s: %v %v %s", name, err, r.State, r.Reason)
		}
		if r, err := pgp.NewKeyring(c).Verify(sig, []byte("x")); err != nil || r.State != pgp.Verified {
			t.Errorf("%s: the certificate of before: %v %v", name, err, r.State)
		}
	}
	broken := bytes.Clone(packet)
	broken[len(broken)-1] ^= 1
	for name, tc := range map[string]struct {
		cert *pgp.Certificate
		data []byte
		want string
	}{
		"another key's":    {cert(t, "eddsa"), armored, "not of"},
		"broken":           {c, broken, "signature is not good"},
		"other signature":  {c, sig, "revokes no key"},
		"a certificate":    {c, c.Armor(), "revocation certificate"},
		"empty":            {c, nil, "revocation certificate"},
		"still with colon": {c, readFile(t, file), "revocation certificate"},
		"long":             {c, make([]byte, 1<<20), "longer than the limit"},
	} {
		if _, err := tc.cert.Revoke(tc.data); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want ...%s...", name, err, tc.want)
		}
	}
}

// A subkey that says nothing of an end ends with its primary key.
func TestSubkeyExpiresWithItsPrimaryKey(t *testing.T) {
	g := newGnupg(t)
	g.run(nil, "--faked-system-time", "20260101T000000", "--quick-generate-key", "P <p@test.invalid>", "ed25519", "cert", "1y")
	fpr := strings.Split(string(g.run(nil, "--with-colons", "--list-keys")), "\nfpr:::::::::")[1][:40]
	g.run(nil, "--faked-system-time", "20260101T000001", "--quick-add-key", fpr, "ed25519", "sign", "never")
	certs, err := pgp.ReadCertificates(bytes.NewReader(g.run(nil, "--export")))
	if err != nil {
		t.Fatal(err)
	}
	if k := certs[0].SigningKeys(); len(k) != 1 || k[0].Expires.Format("2006-01-02") != "2027-01-01" {
		t.Errorf("%+v", k)
	}
}

func FuzzDecodeCleartext(f *testing.F) {
	f.Add([]byte("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\ntext\n- -----BEGIN\n-----BEGIN PGP SIGNATURE-----\n\nAAAA\n-----END PGP SIGNATURE-----\n"))
	f.Fuzz(func(_ *testing.T, doc []byte) {
		if text, sig, err := pgp.DecodeCleartext(doc); err == nil {
			_, _ = pgp.EncodeCleartext(text, sig)
		}
	})
}

func FuzzDecodeInline(f *testing.F) {
	sig := mustSign(f)
	if msg, err := pgp.EncodeInline([]byte("data"), sig); err == nil {
		f.Add(msg)
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		data, sig, err := pgp.DecodeInline(msg)
		if err != nil {
			return
		}
		if _, err := pgp.EncodeInline(data, sig); err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
	})
}

func FuzzRevocation(f *testing.F) {
	f.Add(mustSign(f))
	c := cert(f, "eddsa")
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := c.Revoke(data); err == nil {
			t.Fatal("a revocation that the key never made")
		}
	})
}

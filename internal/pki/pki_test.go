package pki

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"net"
	"strings"
	"testing"
	"time"
)

func newCA(t *testing.T) *CA {
	t.Helper()
	ca, err := NewCA("test CA", 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func TestIssue(t *testing.T) {
	ca := newCA(t)
	leaf, err := ca.Issue(Request{CN: "localhost", DNS: []string{"localhost"}, IPs: []net.IP{net.IPv4(127, 0, 0, 1)},
		URI: RoleURI("bridge", "bridge1"), Server: true, Life: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	c := leaf.Cert
	if c.URIs[0].String() != "privyseal://bridge/bridge1" || c.Subject.CommonName != "localhost" || c.IsCA {
		t.Errorf("URIs %v, CN %q, CA %v", c.URIs, c.Subject.CommonName, c.IsCA)
	}
	if len(c.Raw) > 600 {
		t.Errorf("a certificate of %d bytes makes large handshakes", len(c.Raw))
	}
	verify := func(usage x509.ExtKeyUsage, name string) error {
		_, err := c.Verify(x509.VerifyOptions{Roots: ca.Pool(), DNSName: name, KeyUsages: []x509.ExtKeyUsage{usage}})
		return err
	}
	for _, name := range []string{"localhost", "127.0.0.1"} {
		if err := verify(x509.ExtKeyUsageServerAuth, name); err != nil {
			t.Error(err)
		}
	}
	if verify(x509.ExtKeyUsageClientAuth, "localhost") == nil || verify(x509.ExtKeyUsageServerAuth, "example.org") == nil {
		t.Error("good for what it was not issued for")
	}
	if _, err := c.Verify(x509.VerifyOptions{Roots: newCA(t).Pool()}); err == nil {
		t.Error("verifies under another CA")
	}
	long, err := ca.Issue(Request{CN: "x", Client: true, Life: 1000 * 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if long.Cert.NotAfter.After(ca.Cert.NotAfter) {
		t.Error("outlives its CA")
	}
	for name, r := range map[string]Request{
		"no CN":       {Client: true},
		"no use":      {CN: "x"},
		"bad URI":     {CN: "x", Client: true, URI: "privyseal://a b/%zz"},
		"key and CSR": {CN: "x", Client: true, PublicKey: leaf.Cert.PublicKey, CSR: []byte("x")},
		"bad CSR":     {CN: "x", Client: true, CSR: []byte("x")},
	} {
		if _, err := ca.Issue(r); err == nil {
			t.Errorf("%s: issued", name)
		}
	}
}

func TestLeafCannotCertify(t *testing.T) {
	ca := newCA(t)
	leaf, err := ca.Issue(Request{CN: "x", Client: true})
	if err != nil {
		t.Fatal(err)
	}
	key, err := leaf.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := LoadCA(leaf.CertPEM(), key); err == nil {
		t.Error("a leaf was loaded as a CA")
	}
	rogue := &CA{Cert: leaf.Cert, key: leaf.Key}
	sub, err := rogue.Issue(Request{CN: "y", Client: true})
	if err != nil {
		t.Fatal(err)
	}
	inter := x509.NewCertPool()
	inter.AddCert(leaf.Cert)
	if _, err := sub.Cert.Verify(x509.VerifyOptions{Roots: ca.Pool(), Intermediates: inter,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err == nil {
		t.Error("what a leaf certified verifies")
	}
}

func TestCSR(t *testing.T) {
	ca := newCA(t)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ec, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]crypto.Signer{"ecdsa": ec, "ed25519": ed} {
		der, err := MakeCSR(key, "releng", RoleURI("client", "root"))
		if err != nil {
			t.Fatal(err)
		}
		for form, csr := range map[string][]byte{"DER": der, "PEM": EncodeCSR(der)} {
			leaf, err := ca.Issue(Request{CN: "releng", URI: RoleURI("client", "releng"), Client: true, CSR: csr})
			if err != nil {
				t.Fatalf("%s %s: %v", name, form, err)
			}
			if leaf.Key != nil || !samePublic(leaf.Cert.PublicKey, key.Public()) {
				t.Errorf("%s %s: another key was certified", name, form)
			}
			// What the CSR asks to be called counts for nothing.
			if got := leaf.Cert.URIs[0].String(); got != "privyseal://client/releng" {
				t.Errorf("%s %s: URI %s", name, form, got)
			}
			if _, err := leaf.KeyPEM(); err == nil {
				t.Errorf("%s %s: gives a key it does not have", name, form)
			}
		}
		forged := bytes.Clone(der)
		forged[len(forged)-3] ^= 1
		if _, err := ParseCSR(forged); err == nil {
			t.Errorf("%s: a request with a wrong signature was taken", name)
		}
	}
}

func TestLoadCAAgain(t *testing.T) {
	ca := newCA(t)
	key, err := ca.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	again, err := LoadCA(ca.CertPEM(), append(ca.CertPEM(), key...))
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := again.Issue(Request{CN: "x", Client: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := leaf.Cert.CheckSignatureFrom(ca.Cert); err != nil {
		t.Error(err)
	}
	otherKey, err := newCA(t).KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := LoadCA(ca.CertPEM(), otherKey); err == nil {
		t.Error("loaded with another CA's key")
	}
}

func TestPinSurvivesRenewal(t *testing.T) {
	ca := newCA(t)
	a, err := ca.Issue(Request{CN: "x", Server: true})
	if err != nil {
		t.Fatal(err)
	}
	b, err := ca.Issue(Request{CN: "x", Server: true, PublicKey: a.Key.(*ecdsa.PrivateKey).Public()})
	if err != nil {
		t.Fatal(err)
	}
	if Pin(a.Cert) != Pin(b.Cert) || len(Pin(a.Cert)) != 64 {
		t.Errorf("pins %s and %s", Pin(a.Cert), Pin(b.Cert))
	}
	if Fingerprint(a.Cert) == Fingerprint(b.Cert) {
		t.Error("two certificates with one fingerprint")
	}
}

func TestCheckName(t *testing.T) {
	for name, ok := range map[string]bool{"signer1": true, "a.b-c_d@e+f": true, "": false, ".x": false, "a/b": false, "a b": false,
		"é": false, "a\x00": false, strings.Repeat("a", 64): true, strings.Repeat("a", 65): false} {
		if err := CheckName(name); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func FuzzParsePEM(f *testing.F) {
	ca, err := NewCA("fuzz", time.Hour)
	if err != nil {
		f.Fatal(err)
	}
	key, err := ca.KeyPEM()
	if err != nil {
		f.Fatal(err)
	}
	csr, err := MakeCSR(ca.key, "x", "")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(ca.CertPEM())
	f.Add(key)
	f.Add(EncodeCSR(csr))
	f.Add(csr)
	f.Fuzz(func(t *testing.T, data []byte) {
		ParseCertificate(data)
		ParseKey(data)
		ParseCSR(data)
	})
}

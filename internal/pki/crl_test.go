package pki

import (
	"crypto/x509"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestRevocations: a list is read again when it changed; one that is bad, or of another CA, changes nothing and is told once.
func TestRevocations(t *testing.T) {
	ca, err := NewCA("hub CA", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := ca.Issue(Request{CN: "alice", Client: true})
	if err != nil {
		t.Fatal(err)
	}
	id := SerialID(leaf.Cert)
	path := filepath.Join(t.TempDir(), "crl")
	put := func(by *CA, entries ...x509.RevocationListEntry) {
		t.Helper()
		crl, err := by.CRL(big.NewInt(int64(len(entries)+1)), entries)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, crl, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	entry := x509.RevocationListEntry{SerialNumber: leaf.Cert.SerialNumber, RevocationTime: time.Now()}
	cas := []*x509.Certificate{ca.Cert}
	if _, err := OpenRevocations(path, cas); err == nil {
		t.Error("a list that is not there was opened")
	}
	put(ca)
	r, err := OpenRevocations(path, cas)
	if err != nil {
		t.Fatal(err)
	}
	var told []error
	r.OnError = func(err error) { told = append(told, err) }
	has := func(want bool, when string) {
		t.Helper()
		r.looked = time.Time{} // the second is over
		if r.Has(id) != want {
			t.Errorf("%s: revoked is %v", when, !want)
		}
	}
	has(false, "empty")
	put(ca, entry)
	has(true, "revoked")
	other, err := NewCA("hub CA", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	put(other)
	has(true, "a list of another CA of the same name")
	has(true, "the same again")
	if len(told) != 1 {
		t.Errorf("told %d times: %v", len(told), told)
	}
	if err := os.WriteFile(path, []byte("-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	has(true, "no list")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	has(true, "gone")
	has(true, "still gone")
	if len(told) != 3 {
		t.Errorf("told %d times: %v", len(told), told)
	}
	put(ca)
	has(false, "a good one again")
	if r := (*Revocations)(nil); r.Has(id) {
		t.Error("no list revokes")
	}
}

func FuzzParseCRLs(f *testing.F) {
	ca, err := NewCA("CA", time.Hour)
	if err != nil {
		f.Fatal(err)
	}
	crl, err := ca.CRL(big.NewInt(1), []x509.RevocationListEntry{{SerialNumber: big.NewInt(7), RevocationTime: time.Now()}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(crl)
	f.Add(append(crl, crl...))
	f.Add([]byte("-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if lists, err := ParseCRLs(data, []*x509.Certificate{ca.Cert}); (err == nil) != (len(lists) > 0) {
			t.Fatalf("%d lists, %v", len(lists), err)
		}
	})
}

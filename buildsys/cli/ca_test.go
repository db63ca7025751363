package cli

import (
	"crypto/x509"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/privyseal/privyseal/internal/pki"
)

// TestCA makes the certificates of a site as README.md shows it, and holds what each
// attests and who vouches for it.
func TestCA(t *testing.T) {
	t.Chdir(t.TempDir())
	ok := func(args ...string) {
		t.Helper()
		if code, _, stderr := runCLI(t, "", args...); code != 0 {
			t.Fatalf("%s: exit %d\n%s", strings.Join(args, " "), code, stderr)
		}
	}
	ok("ca", "init", "outer", "--dir", "pki")
	ok("ca", "init", "hub", "--dir", "pki", "--name", "Example hub CA")
	for _, test := range []struct {
		args       []string
		file, ca   string
		uri        string
		dns, ip    string
		use        x509.ExtKeyUsage
		commonName string
	}{
		{[]string{"bridge", "bridge1", "--host", "bridge.example.org", "--host", "192.0.2.10", "--out", "bridge.pem"},
			"bridge.pem", "outer", "privyseal://bridge/bridge1", "bridge.example.org", "192.0.2.10", x509.ExtKeyUsageServerAuth, "bridge1"},
		{[]string{"signer", "signer1"}, "signer1.pem", "outer", "privyseal://signer/signer1", "", "", x509.ExtKeyUsageClientAuth, "signer1"},
		{[]string{"client", "alice", "--out", "outer.pem"}, "outer.pem", "outer", "privyseal://client/alice", "", "", x509.ExtKeyUsageClientAuth, "alice"},
		{[]string{"hub", "hub.example.org"}, "hub.example.org.pem", "hub", "", "hub.example.org", "", x509.ExtKeyUsageServerAuth, "hub.example.org"},
		{[]string{"user", "alice", "--days", "30"}, "alice.pem", "hub", "", "", "", x509.ExtKeyUsageClientAuth, "alice"},
		{[]string{"builder", "builder1"}, "builder1.pem", "hub", "", "", "", x509.ExtKeyUsageClientAuth, "builder1"},
	} {
		t.Run(strings.Join(test.args[:2], " "), func(t *testing.T) {
			ok(append([]string{"ca", "issue", "--dir", "pki"}, test.args...)...)
			data, err := os.ReadFile(test.file)
			if err != nil {
				t.Fatal(err)
			}
			cert, err := pki.ParseCertificate(data)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := pki.ParseKey(data); err != nil {
				t.Errorf("no key in the file: %v", err)
			}
			roots := x509.NewCertPool()
			ca, err := os.ReadFile(filepath.Join("pki", test.ca+"-ca.pem"))
			if err != nil || !roots.AppendCertsFromPEM(ca) {
				t.Fatal("no CA certificate", err)
			}
			if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{test.use}}); err != nil {
				t.Error(err)
			}
			var uri, dns, ip string
			if len(cert.URIs) > 0 {
				uri = cert.URIs[0].String()
			}
			dns = strings.Join(cert.DNSNames, " ")
			if len(cert.IPAddresses) > 0 {
				ip = cert.IPAddresses[0].String()
			}
			if uri != test.uri || dns != test.dns || ip != test.ip || cert.Subject.CommonName != test.commonName {
				t.Errorf("it attests %q %q %q %q", uri, dns, ip, cert.Subject.CommonName)
			}
			if info, _ := os.Stat(test.file); info.Mode().Perm()&0o077 != 0 {
				t.Errorf("%s can be read by others: %v", test.file, info.Mode())
			}
		})
	}

	ok("ca", "request", "alice")
	csr, err := os.ReadFile("alice-inner.csr")
	if err != nil {
		t.Fatal(err)
	}
	if request, err := pki.ParseCSR(csr); err != nil || request.URIs[0].String() != "privyseal://client/alice" {
		t.Errorf("the request: %v", err)
	}
	if info, err := os.Stat("alice-inner.key"); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the inner key: %v", err)
	}
}

func TestCARefuses(t *testing.T) {
	t.Chdir(t.TempDir())
	if code, _, stderr := runCLI(t, "", "ca", "init", "outer"); code != 0 {
		t.Fatal(stderr)
	}
	for _, test := range []struct {
		args string
		code int
		want string
	}{
		{"ca", 2, "init, issue, list"},
		{"ca init inner", 2, "privyseal-signer init"},
		{"ca init outer", 1, "already there"},
		{"ca issue user alice", 1, "ca init hub"},
		{"ca issue root alice", 2, "no role"},
		{"ca issue bridge bridge1", 2, "--host"},
		{"ca issue client alice --host x", 2, "listens nowhere"},
		{"ca issue client a/lice", 2, "only letters"},
		{"ca issue client alice --days 0", 2, "1 to 3650"},
		{"ca issue client alice --out outer-ca.key", 1, "already there"},
		{"ca request a/b", 2, "only letters"},
	} {
		before, err := os.ReadFile("outer-ca.key")
		if err != nil {
			t.Fatal(err)
		}
		code, _, stderr := runCLI(t, "", strings.Fields(test.args)...)
		if code != test.code || !strings.Contains(stderr, test.want) {
			t.Errorf("%s: exit %d, want %d and %q\n%s", test.args, code, test.code, test.want, stderr)
		}
		if after, _ := os.ReadFile("outer-ca.key"); string(after) != string(before) {
			t.Fatalf("%s changed the CA's key", test.args)
		}
	}
}

// TestCALife renews, revokes and exports what the hub's CA gave, and holds what openssl and the hub's own reader make of it.
func TestCALife(t *testing.T) {
	t.Chdir(t.TempDir())
	cli := func(want int, args ...string) string {
		t.Helper()
		code, out, stderr := runCLI(t, "correct horse\x00", args...)
		if code != want {
			t.Fatalf("%s: exit %d, want %d\n%s%s", strings.Join(args, " "), code, want, out, stderr)
		}
		return out + stderr
	}
	openssl := func(want string, args ...string) {
		t.Helper()
		out, err := exec.Command("openssl", args...).CombinedOutput()
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("openssl %s: %v, want %q in\n%s", strings.Join(args, " "), err, want, out)
		}
	}
	cli(0, "ca", "init", "hub")
	cli(0, "ca", "hub", "hub", "--san", "hub.example.org", "--san", "koji.example.com", "--san", "2001:db8::1", "--host", "192.0.2.7")
	openssl("DNS:hub.example.org, DNS:koji.example.com, IP Address:2001:DB8:0:0:0:0:0:1, IP Address:192.0.2.7", "x509", "-in", "hub.pem", "-noout", "-ext", "subjectAltName")
	cli(0, "ca", "user", "alice", "--days", "5")
	cli(0, "ca", "builder", "b1", "--out", "b1.pem")
	if out := cli(0, "ca", "list", "--quiet"); strings.Count(out, "\n") != 3 || !strings.Contains(out, "builder  b1") {
		t.Errorf("list:\n%s", out)
	}

	read := func(file string) *x509.Certificate {
		t.Helper()
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := pki.ParseCertificate(data)
		if err != nil {
			t.Fatal(err)
		}
		return cert
	}
	old := read("alice.pem")
	cli(0, "ca", "renew", "alice.pem", "--days", "50")
	renewed := read("alice.pem")
	if pki.Pin(old) != pki.Pin(renewed) || old.SerialNumber.Cmp(renewed.SerialNumber) == 0 || renewed.NotAfter.Before(old.NotAfter) {
		t.Error("renewing did not keep the key and prolong the certificate")
	}
	cli(0, "ca", "renew", "hub.pem", "--new-key", "--out", "hub2.pem")
	if hub := read("hub2.pem"); pki.Pin(hub) == pki.Pin(read("hub.pem")) || strings.Join(hub.DNSNames, " ") != "hub.example.org koji.example.com" {
		t.Error("renewing with a new key kept the old one, or lost names")
	}

	ca := read("hub-ca.pem")
	revoked, err := pki.OpenRevocations("hub-ca.crl", []*x509.Certificate{ca})
	if err != nil || revoked.Has(pki.SerialID(old)) {
		t.Fatalf("the CA's first list: %v", err)
	}
	out := cli(0, "ca", "revoke", "alice", "--reason", "keyCompromise")
	if !strings.Contains(out, "revoked 2") || !strings.Contains(out, "hub-ca.crl has to get to the hub") {
		t.Errorf("revoke said:\n%s", out)
	}
	if out := cli(0, "ca", "revoke", "alice"); !strings.Contains(out, "already revoked") {
		t.Errorf("once more:\n%s", out)
	}
	openssl("Key Compromise", "crl", "-in", "hub-ca.crl", "-noout", "-text", "-CAfile", "hub-ca.pem")
	if err := os.WriteFile("all.pem", slices.Concat(pki.EncodeCertificate(ca), readFile(t, "hub-ca.crl")), 0o600); err != nil {
		t.Fatal(err)
	}
	checked, err := exec.Command("openssl", "verify", "-crl_check", "-CAfile", "all.pem", "alice.pem").CombinedOutput()
	if err == nil || !strings.Contains(string(checked), "revoked") {
		t.Errorf("openssl verify: %v\n%s", err, checked)
	}
	if out := cli(0, "ca", "show", "alice", "--json"); strings.Count(out, `"state": "revoked"`) != 2 {
		t.Errorf("show:\n%s", out)
	}
	cli(1, "ca", "renew", "alice.pem")

	if err := os.WriteFile("own.csr", []byte("no request"), 0o600); err != nil {
		t.Fatal(err)
	}
	cli(1, "ca", "user", "carol", "--csr", "own.csr")
	if out, err := exec.Command("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "own.key", "-out", "own.csr",
		"-subj", "/CN=somebody else").CombinedOutput(); err != nil {
		t.Fatalf("openssl req: %v\n%s", err, out)
	}
	cli(0, "ca", "user", "carol", "--csr", "own.csr")
	if text := string(readFile(t, "carol.pem")); strings.Contains(text, "PRIVATE") || read("carol.pem").Subject.CommonName != "carol" {
		t.Errorf("certified from a request:\n%s", text)
	}

	cli(0, "ca", "user", "dave")
	cli(0, "ca", "export", "dave.pem", "--batch")
	openssl("subject=CN = dave", "pkcs12", "-in", "dave.p12", "-nokeys", "-passin", "pass:correct horse")
	openssl("BEGIN PRIVATE KEY", "pkcs12", "-in", "dave.p12", "-nodes", "-passin", "pass:correct horse")
	if err := exec.Command("openssl", "pkcs12", "-in", "dave.p12", "-nokeys", "-passin", "pass:wrong horse").Run(); err == nil {
		t.Error("the exported key opens with a wrong passphrase")
	}
	cli(1, "ca", "export", "dave.pem", "--batch") // dave.p12 is there
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

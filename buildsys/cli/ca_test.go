package cli

import (
	"crypto/x509"
	"os"
	"path/filepath"
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
		{"ca", 2, "init, issue or request"},
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

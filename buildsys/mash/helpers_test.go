package mash_test

import (
	"bytes"
	"os"
	"os/exec"
	"slices"
	"testing"

	"github.com/privyseal/privyseal/internal/rpmhead"
)

// signatureOf returns the first signature of a file.
func signatureOf(t testing.TB, path string) rpmhead.Sig {
	t.Helper()
	pkg, err := rpmhead.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return pkg.Signatures()[0]
}

// transplant returns a file with the signature of another.
func transplant(t testing.TB, path string, sig rpmhead.Sig) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	pkg, err := rpmhead.Read(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	region, _, err := rpmhead.WithSignature(pkg.Signature, sig.Tag, sig.Packet)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Concat(pkg.Lead, region, b[pkg.HeaderStart:])
}

func rpmbuild(t testing.TB, top, spec string) {
	t.Helper()
	cmd := exec.Command("rpmbuild", "-ba", "--quiet", "--define", "_topdir "+top, spec)
	cmd.Env = append(os.Environ(), "HOME="+top)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("rpmbuild: %v\n%s", err, out)
	}
}

package lab

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// Root is the top of the source tree the test was compiled from.
func Root(t testing.TB) string {
	t.Helper()
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		t.Fatal("lab: no caller information; build tests without -trimpath")
	}
	root := filepath.Join(filepath.Dir(file), "..", "..")
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		t.Fatalf("lab: the source tree is not at %s: %v", root, err)
	}
	return root
}

// Testdata is the path of a file or directory under testdata/.
func Testdata(t testing.TB, elem ...string) string {
	t.Helper()
	path := filepath.Join(append([]string{Root(t), "testdata"}, elem...)...)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("lab: %v", err)
	}
	return path
}

// A Key is one of the throw-away OpenPGP keys of testdata/keys, whose secret half is
// committed: it protects nothing.
type Key struct {
	Name       string
	Secret     []byte // armored, no passphrase
	Public     []byte // armored
	SecretFile string
	PublicFile string
}

// The names of the keys, as testdata/keys/README.md describes them.
const (
	KeyRSA4096    = "rsa4096"
	KeyEdDSA      = "eddsa"
	KeyOtherEdDSA = "other-eddsa"
	KeyRSASubkey  = "rsa-subkey" // certify-only primary, signing subkey
)

// Keys returns all of them.
func Keys(t testing.TB) []Key {
	t.Helper()
	var keys []Key
	for _, name := range []string{KeyRSA4096, KeyEdDSA, KeyOtherEdDSA, KeyRSASubkey} {
		keys = append(keys, KeyNamed(t, name))
	}
	return keys
}

// KeyNamed returns one of them.
func KeyNamed(t testing.TB, name string) Key {
	t.Helper()
	k := Key{
		Name:       name,
		SecretFile: Testdata(t, "keys", name+".sec.asc"),
		PublicFile: Testdata(t, "keys", name+".pub.asc"),
	}
	k.Secret, k.Public = read(t, k.SecretFile), read(t, k.PublicFile)
	return k
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

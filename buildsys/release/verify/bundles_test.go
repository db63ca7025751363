package verify

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/privyseal/privyseal/internal/seal/bundle"
)

// TestBundlesAreReadOnce holds that the bundles of nested repositories are kept while packages below both are looked at, and not
// read anew for each.
func TestBundlesAreReadOnce(t *testing.T) {
	root := t.TempDir()
	inner := filepath.Join(root, "debug")
	headers := map[string][32]byte{root: {1}, inner: {2}}
	for dir, header := range headers {
		var b bytes.Buffer
		if err := bundle.Write(&b, []bundle.Item{{Name: "a.rpm", Header: header, Proof: []byte("x")}}); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, bundle.FileName), b.Bytes())
	}
	b := newBundles()
	packages := filepath.Join(inner, "Packages")
	for i := range 2 {
		for _, header := range [][32]byte{headers[inner], headers[root], headers[inner]} {
			if got, err := b.find(packages, header); err != nil || len(got) != 1 {
				t.Fatalf("round %d, %x: %d proofs: %v", i, header[0], len(got), err)
			}
		}
		for dir := range headers {
			if err := os.RemoveAll(filepath.Join(dir, bundle.FileName)); err != nil {
				t.Fatal(err)
			}
		}
	}
	// Those of another repository take their place.
	if _, err := b.find(t.TempDir(), [32]byte{9}); err != nil || len(b.read) != 2 {
		t.Errorf("%d bundles are held: %v", len(b.read), err)
	}
	other := t.TempDir()
	write(t, filepath.Join(other, bundle.FileName), []byte("privyseal.org/tlog-proofs@v1\n"))
	if _, err := b.find(other, [32]byte{9}); err != nil || len(b.read) != 1 {
		t.Errorf("%d bundles are held: %v", len(b.read), err)
	}
}

// TestHostileBundle holds that a bundle which has more proofs of one package than it can have signatures is not read into memory.
func TestHostileBundle(t *testing.T) {
	dir := t.TempDir()
	var items []bundle.Item
	for i := range maxOf + 2 {
		items = append(items, bundle.Item{Name: "a.rpm", Header: [32]byte{byte(i % 2)}, Proof: []byte{byte(i)}})
	}
	for _, more := range []bool{false, true} {
		if more {
			items = append(items, slices.Repeat(items, 2)...)
		}
		var b bytes.Buffer
		if err := bundle.Write(&b, items); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, bundle.FileName), b.Bytes())
		found := newBundles()
		defer found.close()
		got, err := found.find(dir, [32]byte{1})
		if more && (err == nil || len(got) > 0) || !more && (err != nil || len(got) != len(items)/2 || got[1][0] != 3) {
			t.Errorf("%d proofs of %d: %v", len(got), len(items)/2, err)
		}
	}
}

//go:build long

package rpmhead_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/privyseal/privyseal/internal/lab"
	"github.com/privyseal/privyseal/internal/rpmhead"
)

// TestHuge signs packages of 300 MB and of over 4 GiB, whose sizes need the
// 64-bit tags, and lets rpm judge them. Their payloads are holes.
func TestHuge(t *testing.T) {
	db := rpmDB(t)
	for _, c := range []struct {
		name    string
		payload int64
	}{{"big", 300 << 20}, {"huge", 4<<30 + 123}} {
		path := filepath.Join(t.TempDir(), c.name+".rpm")
		lab.HugeRPM(t, path, c.name, c.payload)
		pkg, err := rpmhead.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := pkg.Signature.Has(rpmhead.SigLongSize); got != (c.payload > 1<<32) {
			t.Errorf("%s: 64-bit size tag: %v", c.name, got)
		}
		packet := detach(t, lab.KeyEdDSA, pkg.Header.Bytes())
		if inPlace, err := rpmhead.SignInPlace(path, rpmhead.SigDSA, packet); err != nil || !inPlace {
			t.Fatalf("%s: in place %v, %v", c.name, inPlace, err)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		if err := rpmhead.VerifyDigests(f); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		rpmVerifies(t, db, path, "Header V4 EdDSA")

		// A wrong 64-bit size is noticed.
		if err := os.Truncate(path, pkg.HeaderEnd+c.payload-1); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Seek(0, 0); err != nil {
			t.Fatal(err)
		}
		if err := rpmhead.VerifyDigests(f); err == nil {
			t.Errorf("%s: a missing byte goes unnoticed", c.name)
		}
	}
}

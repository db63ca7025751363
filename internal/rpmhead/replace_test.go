package rpmhead_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/privyseal/privyseal/internal/lab"
	"github.com/privyseal/privyseal/internal/rpmhead"
)

// TestReplaceSignature gives a package a signature header that fits and one that does
// not, and has rpmkeys judge the file.
func TestReplaceSignature(t *testing.T) {
	path := lab.RPM{Name: "replace"}.Write(t, t.TempDir())
	for _, c := range []struct {
		extra  int
		placed bool
	}{{64, true}, {20000, false}} {
		pkg, err := rpmhead.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var fields []rpmhead.Field
		for _, f := range pkg.Signature.Fields() {
			switch f.Tag {
			case rpmhead.SigRegion:
			case rpmhead.SigReservedSpace:
				if c.placed {
					fields = append(fields, f)
				} else {
					fields = append(fields, rpmhead.BinField(f.Tag, make([]byte, c.extra)))
				}
			default:
				fields = append(fields, f)
			}
		}
		region, err := rpmhead.Marshal(rpmhead.SigRegion, fields)
		if err != nil {
			t.Fatal(err)
		}
		for len(region)%8 != 0 {
			region = append(region, 0)
		}
		inPlace, err := rpmhead.ReplaceSignature(path, pkg, region)
		if err != nil || inPlace != c.placed {
			t.Fatalf("in place %v: %v", inPlace, err)
		}
		if out, err := exec.Command("rpmkeys", "--dbpath", t.TempDir(), "-K", path).CombinedOutput(); err != nil || !strings.Contains(string(out), "digests OK") {
			t.Errorf("rpmkeys: %v: %s", err, out)
		}
		if _, err := rpmhead.ReplaceSignature(lab.RPM{Name: "other"}.Write(t, t.TempDir()), pkg, region); err == nil {
			t.Error("another package was given this one's signature header")
		}
		if _, err := rpmhead.ReplaceSignature(path, pkg, region[:len(region)-8]); err == nil {
			t.Error("half a signature header was written")
		}
	}
}

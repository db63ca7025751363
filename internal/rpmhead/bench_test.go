package rpmhead_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/privyseal/privyseal/internal/lab"
	"github.com/privyseal/privyseal/internal/rpmhead"
)

// BenchmarkStrict is what the signer does with each header before it decides, here one of a package of 100 files.
func BenchmarkStrict(b *testing.B) {
	files := map[string]string{}
	for i := range 100 {
		files[fmt.Sprintf("/usr/share/strict/some-directory/file-%03d.txt", i)] = "x"
	}
	pkg, err := rpmhead.Read(bytes.NewReader(lab.RPM{Name: "strict", Files: files}.Bytes(b)))
	if err != nil {
		b.Fatal(err)
	}
	raw := pkg.Header.Bytes()
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		h, err := rpmhead.Parse(raw, rpmhead.Limits{})
		if err == nil {
			err = h.CheckStrict()
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

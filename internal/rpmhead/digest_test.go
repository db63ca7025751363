package rpmhead_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/privyseal/privyseal/internal/lab"
	"github.com/privyseal/privyseal/internal/rpmhead"
)

func TestVerifyDigests(t *testing.T) {
	for _, path := range samples(t) {
		name := path[strings.LastIndexByte(path, '/')+1:]
		if err := rpmhead.VerifyDigests(bytes.NewReader(sample(t, name))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	bare := lab.RPM{Name: "bare", Bare: true}.Bytes(t)
	whole := lab.RPM{Name: "whole"}.Bytes(t)
	old := lab.RPM{Name: "old"}.Old(t)
	for _, b := range [][]byte{bare, whole, old} {
		if err := rpmhead.VerifyDigests(bytes.NewReader(b)); err != nil {
			t.Error(err)
		}
		pkg, err := rpmhead.Read(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			name   string
			change func([]byte) []byte
		}{
			{"payload altered", func(b []byte) []byte { b[len(b)-1] ^= 1; return b }},
			{"payload cut", func(b []byte) []byte { return b[:len(b)-1] }},
			{"bytes appended", func(b []byte) []byte { return append(b, 0) }},
			// The last byte of the strings before the region's trailer.
			{"header altered", func(b []byte) []byte { b[pkg.HeaderEnd-18] ^= 1; return b }},
		} {
			err := rpmhead.VerifyDigests(bytes.NewReader(c.change(slices.Clone(b))))
			var digest *rpmhead.DigestError
			if !errors.As(err, &digest) {
				t.Errorf("%s: %v", c.name, err)
			}
		}
	}
}

// TestDigestsOfOldPackages takes the digest tags away, as packages of EL5 and
// EL6 have them.
func TestDigestsOfOldPackages(t *testing.T) {
	old := func(md5, pinned bool) []byte {
		raw, err := rpmhead.Marshal(rpmhead.TagRegion, goodFields()[:map[bool]int{true: 6, false: 4}[pinned]])
		if err != nil {
			t.Fatal(err)
		}
		fields := []rpmhead.Field{rpmhead.Int32Field(rpmhead.SigSize, uint32(len(raw)))}
		if md5 {
			fields = append(fields, rpmhead.BinField(rpmhead.SigMD5, make([]byte, 16)))
		}
		sig, err := rpmhead.Marshal(rpmhead.SigRegion, fields)
		if err != nil {
			t.Fatal(err)
		}
		sig = append(sig, make([]byte, (8-len(sig)%8)%8)...)
		return slices.Concat(sample(t, "plain-1.0-1.noarch.rpm")[:96], sig, raw)
	}
	// The payload is empty: 5092 of goodFields is the digest of nothing.
	if err := rpmhead.VerifyDigests(bytes.NewReader(old(false, true))); err != nil {
		t.Errorf("payload digest alone: %v", err)
	}
	var digest *rpmhead.DigestError
	if err := rpmhead.VerifyDigests(bytes.NewReader(old(true, false))); !errors.As(err, &digest) {
		t.Errorf("wrong MD5: %v", err)
	}
	if err := rpmhead.VerifyDigests(bytes.NewReader(old(false, false))); err == nil {
		t.Error("a package without any digest of its payload is accepted")
	}
}

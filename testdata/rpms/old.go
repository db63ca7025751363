//go:build ignore

// This program gives a package that rpmbuild made the shape that rpm 4.4 (EL5) or
// rpm 4.8 (EL6) gave theirs:
//
//	go run old.go IN.rpm OUT.rpm el5|el6
//
// No digest of the payload in the header, and nothing else that came later: tags
// from 5000 on are gone (EL6 keeps the algorithm of file digests, EL5 has MD5 and
// no such tag). The signature header has sizes, MD5 and the header's SHA-1, no
// SHA-256 and no reserved space. The payload stays as it is.
package main

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"log"
	"os"
	"slices"

	"github.com/privyseal/privyseal/internal/rpmhead"
)

const tagRPMVersion = 1064

func main() {
	in, out, shape := os.Args[1], os.Args[2], os.Args[3]
	version := map[string]string{"el5": "4.4.2.3", "el6": "4.8.0"}[shape]
	b, err := os.ReadFile(in)
	if err != nil {
		log.Fatal(err)
	}
	old, err := rewrite(b, shape, version)
	if err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(out, old, 0o644); err != nil {
		log.Fatal(err)
	}
}

func rewrite(b []byte, shape, version string) ([]byte, error) {
	if version == "" {
		return nil, fmt.Errorf("unknown shape %q", shape)
	}
	pkg, err := rpmhead.Read(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	var fields []rpmhead.Field
	for _, f := range pkg.Header.Fields() {
		switch {
		case f.Tag == rpmhead.TagRegion:
		case f.Tag == tagRPMVersion:
			fields = append(fields, rpmhead.StringField(f.Tag, version))
		case f.Tag < 5000, f.Tag == rpmhead.TagFileDigestAlgo && shape == "el6":
			fields = append(fields, f)
		}
	}
	header, err := rpmhead.Marshal(rpmhead.TagRegion, fields)
	if err != nil {
		return nil, err
	}
	body := slices.Concat(header, b[pkg.HeaderEnd:])
	sum, sha := md5.Sum(body), sha1.Sum(header)
	unpacked, _ := pkg.Signature.Uint64(rpmhead.SigPayloadSize)
	sig, err := rpmhead.Marshal(rpmhead.SigRegion, []rpmhead.Field{
		rpmhead.StringField(rpmhead.SigSHA1, hex.EncodeToString(sha[:])),
		rpmhead.Int32Field(rpmhead.SigSize, uint32(len(body))),
		rpmhead.BinField(rpmhead.SigMD5, sum[:]),
		rpmhead.Int32Field(rpmhead.SigPayloadSize, uint32(unpacked)),
	})
	if err != nil {
		return nil, err
	}
	return slices.Concat(pkg.Lead, sig, make([]byte, (8-len(sig)%8)%8), body), nil
}

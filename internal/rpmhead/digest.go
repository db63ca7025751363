package rpmhead

import (
	"bufio"
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"strings"
)

// DigestError says which digest or size of a file differs from what its
// headers say.
type DigestError struct {
	What string
	Want string
	Got  string
}

func (e *DigestError) Error() string {
	return fmt.Sprintf("rpm: %s is %s, the headers say %s: the file is damaged or altered; fetch or build it again", e.What, e.Got, e.Want)
}

// VerifyDigests reads a whole RPM file and checks every digest and size that
// its headers state.
func VerifyDigests(r io.Reader) error {
	br := bufio.NewReaderSize(r, 64<<10)
	p, err := Read(br)
	if err != nil {
		return err
	}
	return p.CheckDigests(br)
}

// CheckHeaderDigests checks the digests of the main header alone (SHA-256 in
// tag 273, SHA-1 in tag 269).
func (p *Package) CheckHeaderDigests() error {
	sum256, sum1 := sha256.Sum256(p.Header.Bytes()), sha1.Sum(p.Header.Bytes())
	for _, d := range []struct {
		tag  int32
		what string
		got  []byte
	}{
		{SigSHA256, "header's SHA-256", sum256[:]},
		{SigSHA1, "header's SHA-1", sum1[:]},
	} {
		if !p.Signature.Has(d.tag) {
			continue
		}
		want, _ := p.Signature.String(d.tag)
		if got := hex.EncodeToString(d.got); !strings.EqualFold(got, want) {
			return &DigestError{What: d.what, Want: want, Got: got}
		}
	}
	return nil
}

// CheckDigests reads the payload to its end and checks the header's digests,
// the MD5 of header and payload (tag 1004), the digest of the payload (tag
// 5092) and the size of both (tags 1000 and 270). A file of which no digest
// covers the payload is refused.
func (p *Package) CheckDigests(payload io.Reader) error {
	if err := p.CheckHeaderDigests(); err != nil {
		return err
	}
	var md hash.Hash
	var sinks []io.Writer
	wantMD5 := p.Signature.Bin(SigMD5)
	if p.Signature.Has(SigMD5) {
		md = md5.New()
		md.Write(p.Header.Bytes())
		sinks = append(sinks, md)
	}
	var pd hash.Hash
	wantPayload, pinned := p.Header.String(TagPayloadDigest)
	if pinned {
		algo, _ := p.Header.Uint64(TagPayloadDigestAlgo)
		if pd = newHash(algo); pd == nil {
			return &FormatError{Part: "header", Detail: fmt.Sprintf("payload digest of unknown algorithm %d (tag 5093)", algo)}
		}
		sinks = append(sinks, pd)
	}
	if len(sinks) == 0 {
		return &FormatError{Part: "header", Detail: "no digest covers the payload (neither tag 5092 nor 1004)"}
	}
	n, err := io.CopyBuffer(io.MultiWriter(sinks...), struct{ io.Reader }{payload}, make([]byte, 256<<10))
	if err != nil {
		return fmt.Errorf("rpm payload: %w", err)
	}
	if want, ok := p.size(); ok && want != uint64(n)+uint64(len(p.Header.Bytes())) {
		return &DigestError{What: "size of header and payload", Want: fmt.Sprint(want), Got: fmt.Sprint(n + int64(len(p.Header.Bytes())))}
	}
	if md != nil && !bytes.Equal(md.Sum(nil), wantMD5) {
		return &DigestError{What: "MD5 of header and payload", Want: hex.EncodeToString(wantMD5), Got: hex.EncodeToString(md.Sum(nil))}
	}
	if pd != nil {
		if got := hex.EncodeToString(pd.Sum(nil)); !strings.EqualFold(got, wantPayload) {
			return &DigestError{What: "payload's digest", Want: wantPayload, Got: got}
		}
	}
	return nil
}

// size is what the signature header says header and payload measure. Files
// over 4 GiB have the 64-bit tag; some writers leave a wrapped 32-bit one
// beside it.
func (p *Package) size() (uint64, bool) {
	if n, ok := p.Signature.Uint64(SigLongSize); ok {
		return n, true
	}
	return p.Signature.Uint64(SigSize)
}

// newHash returns the digest with an OpenPGP number, nil if it is unknown.
func newHash(algo uint64) hash.Hash {
	switch algo {
	case 1:
		return md5.New()
	case 2:
		return sha1.New()
	case 8:
		return sha256.New()
	case 9:
		return sha512.New384()
	case 10:
		return sha512.New()
	case 11:
		return sha256.New224()
	case 12:
		return sha3.New256()
	case 14:
		return sha3.New512()
	}
	return nil
}

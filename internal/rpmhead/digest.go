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
	r, err := p.CheckedPayload(payload)
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{r}, make([]byte, 256<<10))
	return err
}

// CheckedPayload does what CheckDigests does for somebody who needs the payload:
// it hands on what it reads, and at the end of a payload that is not the one of
// the headers gives a [DigestError] in place of io.EOF.
func (p *Package) CheckedPayload(payload io.Reader) (io.Reader, error) {
	if err := p.CheckHeaderDigests(); err != nil {
		return nil, err
	}
	c := &checkedPayload{p: p, r: payload}
	if p.Signature.Has(SigMD5) {
		c.md = md5.New()
		c.md.Write(p.Header.Bytes())
	}
	if want, pinned := p.Header.String(TagPayloadDigest); pinned {
		algo, _ := p.Header.Uint64(TagPayloadDigestAlgo)
		if c.pd = newHash(algo); c.pd == nil {
			return nil, &FormatError{Part: "header", Detail: fmt.Sprintf("payload digest of unknown algorithm %d (tag 5093)", algo)}
		}
		c.want = want
	}
	if c.md == nil && c.pd == nil {
		return nil, &FormatError{Part: "header", Detail: "no digest covers the payload (neither tag 5092 nor 1004)"}
	}
	return c, nil
}

type checkedPayload struct {
	p      *Package
	r      io.Reader
	md, pd hash.Hash // nil where the headers have no such digest
	want   string    // of pd
	n      int64
}

func (c *checkedPayload) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	for _, h := range []hash.Hash{c.md, c.pd} {
		if h != nil {
			h.Write(b[:n])
		}
	}
	switch {
	case err == io.EOF:
		if bad := c.check(); bad != nil {
			err = bad
		}
	case err != nil:
		err = fmt.Errorf("rpm payload: %w", err)
	}
	return n, err
}

func (c *checkedPayload) check() error {
	got := uint64(c.n) + uint64(len(c.p.Header.Bytes()))
	if want, ok := c.p.size(); ok && want != got {
		return &DigestError{What: "size of header and payload", Want: fmt.Sprint(want), Got: fmt.Sprint(got)}
	}
	if c.md != nil {
		if got, want := c.md.Sum(nil), c.p.Signature.Bin(SigMD5); !bytes.Equal(got, want) {
			return &DigestError{What: "MD5 of header and payload", Want: hex.EncodeToString(want), Got: hex.EncodeToString(got)}
		}
	}
	if c.pd != nil {
		if got := hex.EncodeToString(c.pd.Sum(nil)); !strings.EqualFold(got, c.want) {
			return &DigestError{What: "payload's digest", Want: c.want, Got: got}
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

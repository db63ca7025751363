package rpmhead

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"

	"github.com/privyseal/privyseal/internal/durable"
)

// WriteSigned writes to dst a copy of the RPM file src, which pkg was read
// from, with another signature header (padding included) in its place. Where
// dst is a file the kernel copies. It moves the offset of src.
func WriteSigned(dst io.Writer, src *os.File, pkg *Package, region []byte) error {
	if err := checkRegion(region); err != nil {
		return err
	}
	st, err := src.Stat()
	if err != nil {
		return err
	}
	rest := st.Size() - pkg.HeaderStart
	if rest < int64(len(pkg.Header.raw)) {
		return fmt.Errorf("%s: file became shorter than its headers", src.Name())
	}
	if _, err := src.Seek(pkg.HeaderStart, io.SeekStart); err != nil {
		return err
	}
	for _, b := range [][]byte{pkg.Lead, region} {
		if _, err := dst.Write(b); err != nil {
			return err
		}
	}
	n, err := io.Copy(dst, io.LimitReader(src, rest))
	if err != nil {
		return err
	}
	if n != rest {
		return fmt.Errorf("%s: file became shorter while it was copied", src.Name())
	}
	return nil
}

// checkRegion refuses bytes that are no signature header with its padding.
func checkRegion(region []byte) error {
	if len(region) < introSize {
		return &FormatError{Part: "signature header", Detail: "cut off"}
	}
	_, err := ParseSignature(region)
	return err
}

// ParseSignature parses a signature header with its padding: what
// SigHeaderBytes returns and Koji calls sighdr.
func ParseSignature(region []byte) (*Header, error) {
	il, dl, err := claim(region, Limits{})
	if err != nil {
		return nil, inPart("signature header", err)
	}
	n := introSize + il*entrySize + dl
	if len(region) != n+padding(n) {
		return nil, &FormatError{Part: "signature header", Detail: fmt.Sprintf("%d bytes with padding, it has %d", n+padding(n), len(region))}
	}
	h, err := Parse(region[:n:n], Limits{})
	return h, inPart("signature header", err)
}

// SignInPlace puts a signature into an RPM file and returns when it is on
// disk. Where the signature fits into reserved space it is written into the
// file itself, hard links included, and inPlace is true; a crash within that
// one write can leave a torn signature header, as with rpmsign. Otherwise a
// whole copy takes the file's place by rename(2).
func SignInPlace(path string, tag int32, packet []byte) (inPlace bool, err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return false, err
	}
	defer f.Close()
	pkg, err := Read(bufio.NewReaderSize(f, 32<<10))
	if err != nil {
		return false, fmt.Errorf("%s: %w", path, err)
	}
	region, _, err := WithSignature(pkg.Signature, tag, packet)
	if err != nil {
		return false, fmt.Errorf("%s: %w", path, err)
	}
	return replace(f, pkg, region)
}

// ReplaceSignature gives an RPM file another signature header (padding included), as
// SignInPlace does. The file must be the one that pkg was read from.
func ReplaceSignature(path string, pkg *Package, region []byte) (inPlace bool, err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return false, err
	}
	defer f.Close()
	now, err := Read(bufio.NewReaderSize(f, 32<<10))
	if err != nil {
		return false, fmt.Errorf("%s: %w", path, err)
	}
	if !bytes.Equal(now.Header.raw, pkg.Header.raw) || len(now.sigRegion) != len(pkg.sigRegion) {
		return false, fmt.Errorf("%s: the file was changed meanwhile", path)
	}
	return replace(f, now, region)
}

func replace(f *os.File, pkg *Package, region []byte) (inPlace bool, err error) {
	if err := checkRegion(region); err != nil {
		return false, err
	}
	if len(region) == len(pkg.sigRegion) {
		if _, err := f.WriteAt(region, LeadSize); err != nil {
			return true, err
		}
		return true, f.Sync()
	}
	st, err := f.Stat()
	if err != nil {
		return false, err
	}
	out, err := durable.Create(f.Name(), st.Mode().Perm())
	if err != nil {
		return false, err
	}
	defer out.Close()
	if err := WriteSigned(out, f, pkg, region); err != nil {
		return false, err
	}
	return false, out.Commit()
}

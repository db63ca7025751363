package files

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/privyseal/privyseal/internal/durable"
	"github.com/privyseal/privyseal/internal/pgp"
	"github.com/privyseal/privyseal/internal/rpmhead"
	"github.com/privyseal/privyseal/internal/seal"
	"github.com/privyseal/privyseal/internal/wire"
)

const (
	// proofSuffix is what the name of a file's log proof ends with.
	proofSuffix = ".tlog-proof"
	maxProof    = 64 << 10
)

// file is a package on its way.
type file struct {
	Item
	pkg   *rpmhead.Package
	sig   *rpmhead.Header // signature header, with IMA signatures once they are made
	size  int64
	whole bool // header and payload are signed, for want of a payload digest

	packet []byte
	digest [sha256.Size]byte // of what is signed
	proof  []byte
	index  int64
	same   bool // the file had exactly this signature before
}

// fileError is a failure on this machine: of one file, not of the signer.
type fileError struct{ error }

func (e *fileError) Unwrap() error { return e.error }

func (f *file) name() string {
	if f.pkg == nil {
		stem, _ := rpmhead.CutSuffix(filepath.Base(f.Path))
		return stem
	}
	return f.pkg.Header.NEVRA().NVRA()
}

// read reads the headers, holds the file to its digests and the header to the rules
// that the signer applies.
func (f *file) read() error {
	src, err := durable.OpenRegular(f.Path)
	if err != nil {
		return err
	}
	defer src.Close()
	st, err := src.Stat()
	if err != nil {
		return err
	}
	if st.Size() == 0 {
		return fmt.Errorf("%s: a file of no length is no package", f.Path)
	}
	f.size = st.Size()
	br := bufio.NewReaderSize(src, 64<<10)
	pkg, err := rpmhead.Read(br)
	if err != nil {
		return fmt.Errorf("%s: %w", f.Path, err)
	}
	if err := pkg.CheckDigests(br); err != nil {
		return fmt.Errorf("%s: %w", f.Path, err)
	}
	f.pkg, f.sig = pkg, pkg.Signature
	if err := pkg.Header.CheckStrict(); rpmhead.NeedsPayload(err) {
		f.whole = true
	} else if err != nil {
		return fmt.Errorf("%s: %w", f.Path, err)
	}
	return nil
}

// signedBy says whether the file has a good signature of the kind that it needs by a
// key of the ring.
func (f *file) signedBy(ring *pgp.Keyring) bool {
	for _, s := range f.pkg.Signatures() {
		if s.CoversPayload() != f.whole {
			continue
		}
		res, sum, err := f.verify(ring, s.Packet)
		if err == nil && res.State == pgp.Verified {
			f.packet, f.digest = s.Packet, sum
			return true
		}
	}
	return false
}

// verify judges a signature over what is signed of the file.
func (f *file) verify(ring *pgp.Keyring, packet []byte) (res pgp.Result, sum [sha256.Size]byte, err error) {
	if !f.whole {
		res, err = ring.Verify(packet, f.pkg.Header.Bytes())
		return res, f.pkg.Header.SHA256(), err
	}
	src, err := durable.OpenRegular(f.Path)
	if err != nil {
		return res, sum, err
	}
	defer src.Close()
	if _, err := src.Seek(f.pkg.HeaderStart, io.SeekStart); err != nil {
		return res, sum, err
	}
	digest := sha256.New()
	res, err = ring.VerifyReader(packet, io.TeeReader(src, digest))
	return res, [sha256.Size]byte(digest.Sum(nil)), err
}

// op is how the signer signs the file.
func (f *file) op() wire.Op {
	if f.whole {
		return wire.OpRPMPayload
	}
	return wire.OpRPMHeader
}

func (f *file) hasFileSignatures() bool { return f.pkg.Signature.Has(rpmhead.SigFileSigs) }

func (f *file) takesFileSignatures() bool { return takesIMA(f.pkg.Header) }

// takesIMA says whether a package has files that are installed: a source package has
// none.
func takesIMA(h *rpmhead.Header) bool { return !h.IsSource() && h.Has(rpmhead.TagFileDigests) }

func (f *file) target() string {
	if f.Out != "" {
		return f.Out
	}
	return f.Path
}

// proven says whether the proof that lies beside the file holds, and takes the number of
// the log entry from it. Without the log's key any proof does.
func (f *file) proven(cert *pgp.Certificate, log seal.LogKey) bool {
	src, err := durable.OpenRegular(f.target() + proofSuffix)
	if err != nil || log.IsZero() {
		if err == nil {
			src.Close()
		}
		return err == nil
	}
	defer src.Close()
	text, err := io.ReadAll(io.LimitReader(src, maxProof+1)) // ParseProof refuses a longer one
	if err != nil {
		return false
	}
	p, err := seal.ParseProof(text)
	if err != nil {
		return false
	}
	entry, _, err := p.Verify(log)
	if err != nil || entry.Matches(f.op().String(), cert.Fingerprint(), f.digest, f.packet) != nil {
		return false
	}
	f.index = p.Index
	return true
}

// WithIMA has the files of a package signed for IMA, and gives its signature header
// (with padding, as sig has it) with those signatures. A source package, whose files
// are never installed, gets none, and neither does one without files.
func WithIMA(ctx context.Context, s FileSigner, header, sig, attestation []byte) (region []byte, err error) {
	h, err := rpmhead.Parse(header, rpmhead.Limits{})
	if err != nil {
		return nil, err
	}
	if !takesIMA(h) {
		return sig, nil
	}
	before, err := rpmhead.ParseSignature(sig)
	if err != nil {
		return nil, err
	}
	list, _, err := s.SignFiles(ctx, header, attestation)
	if err != nil {
		return nil, err
	}
	region, _, err = rpmhead.WithFileSignatures(before, list)
	return region, err
}

func (f *file) signFiles(ctx context.Context, s FileSigner) error {
	region, err := WithIMA(ctx, s, f.pkg.Header.Bytes(), f.pkg.SigHeaderBytes(), f.Attestation)
	if err != nil {
		return err
	}
	if f.sig, err = rpmhead.ParseSignature(region); err != nil {
		return &fileError{fmt.Errorf("%s: %w", f.Path, err)}
	}
	return nil
}

// signWhole has header and payload signed, which the signer reads once.
func (f *file) signWhole(ctx context.Context, s Signer) error {
	src, err := durable.OpenRegular(f.Path)
	if err != nil {
		return &fileError{err}
	}
	defer src.Close()
	if _, err := src.Seek(f.pkg.HeaderEnd, io.SeekStart); err != nil {
		return &fileError{err}
	}
	// The file was held to its digests before; it must still be that file.
	checked, err := f.pkg.CheckedPayload(src)
	if err != nil {
		return &fileError{fmt.Errorf("%s: %w", f.Path, err)}
	}
	done, err := s.SignPayload(ctx, f.pkg.Header.Bytes(), payload{checked}, f.Attestation)
	if err != nil {
		return err
	}
	f.packet, f.proof, f.index = done.Packet, done.Proof, done.LogIndex
	return nil
}

// payload is a reader whose failures are told from the signer's.
type payload struct{ io.Reader }

func (p payload) Read(b []byte) (int, error) {
	n, err := p.Reader.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		err = &fileError{err}
	}
	return n, err
}

// region is a signature header with the signature put into it.
func (f *file) region(sig *rpmhead.Header) ([]byte, error) {
	tag := rpmhead.SignatureTag(f.packet)
	if f.whole {
		tag = rpmhead.PayloadSignatureTag(f.packet)
	}
	region, _, err := rpmhead.WithSignature(sig, tag, f.packet)
	return region, err
}

// store writes the signed file, and its proof.
func (f *file) store(proofs bool) error {
	region, err := f.region(f.sig)
	if err != nil {
		return fmt.Errorf("%s: %w", f.Path, err)
	}
	f.same = bytes.Equal(region, f.pkg.SigHeaderBytes())
	switch {
	case f.Out != "" && !sameFile(f.Out, f.Path):
		err = f.write(region)
	case !f.same:
		// A link stays one: what it leads to is signed.
		var real string
		if real, err = filepath.EvalSymlinks(f.Path); err == nil {
			_, err = rpmhead.ReplaceSignature(real, f.pkg, region)
		}
	}
	if err == nil && proofs && f.proof != nil {
		err = durable.WriteFile(f.target()+proofSuffix, f.proof, 0o644)
	}
	return err
}

// copyOut gives a file that is signed already to where it was asked for.
func (f *file) copyOut() error {
	if f.Out == "" || sameFile(f.Out, f.Path) {
		return nil
	}
	return f.write(f.pkg.SigHeaderBytes())
}

// write writes a copy with another signature header to Out.
func (f *file) write(region []byte) error {
	src, err := durable.OpenRegular(f.Path)
	if err != nil {
		return err
	}
	defer src.Close()
	st, err := src.Stat()
	if err != nil {
		return err
	}
	if to, err := os.Lstat(f.Out); err == nil && !to.Mode().IsRegular() {
		return fmt.Errorf("%s: not a file, so the signed package is not written over it", f.Out)
	}
	out, err := durable.Create(f.Out, st.Mode().Perm())
	if err != nil {
		return err
	}
	defer out.Close()
	if err := rpmhead.WriteSigned(out, src, f.pkg, region); err != nil {
		return err
	}
	return out.Commit()
}

func sameFile(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

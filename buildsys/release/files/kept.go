package files

import (
	"bytes"
	"crypto/sha256"
	"io"
	"os"

	"github.com/privyseal/privyseal/internal/durable"
	"github.com/privyseal/privyseal/internal/pgp"
	"github.com/privyseal/privyseal/internal/rpmhead"
)

// kept says whether the place that the signed file goes to has it already, from a run
// before: undamaged, with the signature header that it would get now, and complete. So
// a run that is cut off again and again comes to an end. It takes the number of the log
// entry from the proof there.
func (j *Job) kept(f *file, ring *pgp.Keyring) bool {
	if f.Out == "" || sameFile(f.Out, f.Path) {
		return false
	}
	if to, err := os.Lstat(f.Out); err != nil || !to.Mode().IsRegular() {
		return false // nothing, or what is not written over
	}
	there := &file{Item: Item{Path: f.Out}, index: -1}
	if there.read() != nil || !bytes.Equal(there.pkg.Header.Bytes(), f.pkg.Header.Bytes()) || !bytes.Equal(there.pkg.Lead, f.pkg.Lead) {
		return false
	}
	if !there.signedBy(ring) || !j.complete(there) || !f.becomes(there, j.FileSigner != nil) {
		return false
	}
	f.index = there.index
	return true
}

// becomes says whether the file, signed, is the other one.
func (f *file) becomes(there *file, ima bool) bool {
	sig := f.sig
	if ima && f.takesFileSignatures() {
		region, _, err := rpmhead.WithFileSignatures(sig, there.pkg.Signature.Strings(rpmhead.SigFileSigs))
		if err != nil {
			return false
		}
		if sig, err = rpmhead.ParseSignature(region); err != nil {
			return false
		}
	}
	f.packet = there.packet
	region, err := f.region(sig)
	if err != nil || !bytes.Equal(region, there.pkg.SigHeaderBytes()) {
		return false
	}
	if !f.whole {
		return true // by the digests in the header, which both files were held to
	}
	src, err := durable.OpenRegular(f.Path)
	if err != nil {
		return false
	}
	defer src.Close()
	digest := sha256.New()
	if _, err := src.Seek(f.pkg.HeaderStart, io.SeekStart); err != nil {
		return false
	}
	if _, err := io.Copy(digest, src); err != nil {
		return false
	}
	return there.digest == [sha256.Size]byte(digest.Sum(nil))
}

package blob

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/privyseal/privyseal/internal/durable"
)

const (
	filePerm = 0o644
	dirPerm  = 0o755
	leadSize = 96
	// MaxSigHeader bounds a signature header: RPM itself stops at 64 MiB, and a
	// signature header with many signatures has some tens of kilobytes.
	MaxSigHeader = 1 << 20
)

// headerMagic starts every RPM header, version 1.
var headerMagic = []byte{0x8e, 0xad, 0xe8, 0x01}

// residue is how old a hidden file is that was left by a program that was killed. Whoever writes one, in another hub of the
// same topdir too, is done with it, or touches it, much sooner.
const residue = time.Hour

// removeResidue deletes what a killed program left behind hidden in dir. Who was cut off runs again and comes by the same
// directories. That a file cannot be deleted keeps nobody from writing.
func removeResidue(dir string) { _ = durable.RemoveStale(dir, residue) }

// Stage copies an upload to where r will be published, hidden. The caller
// checks the copy through ReadAt and calls Commit, or Close to drop it.
func (r RPM) Stage(src *os.File) (*durable.File, error) { return stage(src, r.Path()) }

// WriteSigHeader stores a signature header, replacing what is there.
func (r RPM) WriteSigHeader(k Key, sighdr []byte) error {
	if err := checkSigHeader(sighdr); err != nil {
		return fmt.Errorf("%s: %w", r.file, err)
	}
	p := r.SigHeader(k)
	if err := durable.MkdirAll(filepath.Dir(p), dirPerm); err != nil {
		return err
	}
	return durable.WriteFile(p, sighdr, filePerm)
}

// ReadSigHeader returns a stored signature header.
func (r RPM) ReadSigHeader(k Key) ([]byte, error) {
	f, err := os.Open(r.SigHeader(k))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, MaxSigHeader+1))
	if err != nil {
		return nil, err
	}
	if err := checkSigHeader(b); err != nil {
		return nil, fmt.Errorf("%s: %w", r.SigHeader(k), err)
	}
	return b, nil
}

// HasSigned says whether the signed copy is there.
func (r RPM) HasSigned(k Key) bool {
	fi, err := os.Lstat(r.Signed(k))
	return err == nil && fi.Mode().IsRegular()
}

// WriteSigned writes the copy of the RPM that has sighdr as its signature
// header. HeaderStart is where the main header of the imported file starts;
// everything from there on is copied unchanged, by the kernel.
func (r RPM) WriteSigned(k Key, sighdr []byte, headerStart int64) error {
	b := r.build.t.NewBatch()
	defer b.Abort()
	if err := b.AddSigned(r, k, sighdr, headerStart); err != nil {
		return err
	}
	if err := b.Sync(); err != nil {
		return err
	}
	return b.Publish()
}

// writeSigned writes lead, sighdr, and the rest of the file at src.
func writeSigned(dst io.Writer, src string, sighdr []byte, headerStart int64) error {
	if err := checkSigHeader(sighdr); err != nil {
		return err
	}
	f, err := os.Open(src)
	if err != nil {
		return err
	}
	defer f.Close()
	if headerStart < leadSize+16 || headerStart%8 != 0 {
		return fmt.Errorf("main header cannot start at byte %d", headerStart)
	}
	if fi, err := f.Stat(); err != nil {
		return err
	} else if fi.Size() <= smallFile && fi.Size() > headerStart {
		return writeSmall(dst, f, int(fi.Size()), sighdr, int(headerStart))
	}
	head := make([]byte, leadSize, leadSize+len(sighdr))
	if _, err := io.ReadFull(f, head); err != nil {
		return fmt.Errorf("read lead: %w", err)
	}
	magic := make([]byte, len(headerMagic))
	if _, err := f.ReadAt(magic, headerStart); err != nil || !bytes.Equal(magic, headerMagic) {
		return noHeader(headerStart)
	}
	if _, err := dst.Write(append(head, sighdr...)); err != nil {
		return err
	}
	if _, err := f.Seek(headerStart, io.SeekStart); err != nil {
		return err
	}
	_, err = io.Copy(dst, f)
	return err
}

// smallFile is up to where a package is read and written in one piece: more calls, and the kernel's way of copying, cost more than
// that saves.
const smallFile = 256 << 10

// writeSmall is writeSigned for a file of a size that is read whole.
func writeSmall(dst io.Writer, src io.Reader, size int, sighdr []byte, headerStart int) error {
	// The file is read behind room for the new signature header: lead and signature header then go before the main header.
	buf := make([]byte, len(sighdr)+size)
	file := buf[len(sighdr):]
	if _, err := io.ReadFull(src, file); err != nil {
		return fmt.Errorf("read package: %w", err)
	}
	if !bytes.HasPrefix(file[headerStart:], headerMagic) {
		return noHeader(int64(headerStart))
	}
	lead := [leadSize]byte(file)
	copy(buf[headerStart:], sighdr)
	start := headerStart - leadSize
	copy(buf[start:], lead[:])
	_, err := dst.Write(buf[start:])
	return err
}

func noHeader(at int64) error {
	return fmt.Errorf("no header at byte %d: the file is not the one that was imported", at)
}

// checkSigHeader refuses what would make a file that nobody can read.
func checkSigHeader(b []byte) error {
	switch {
	case len(b) > MaxSigHeader:
		return fmt.Errorf("signature header is larger than %d bytes", MaxSigHeader)
	case len(b) < 16 || !bytes.HasPrefix(b, headerMagic):
		return errors.New("not a signature header")
	case len(b)%8 != 0:
		return fmt.Errorf("signature header of %d bytes is not padded to 8", len(b))
	}
	return nil
}

// RemoveSigned deletes a signed copy. That it is not there is no error.
func (r RPM) RemoveSigned(k Key) error {
	p := r.Signed(k)
	if err := os.Remove(p); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	return durable.SyncDir(filepath.Dir(p))
}

// RetiredSigHeader is the name of a signature header that no longer counts.
func (r RPM) RetiredSigHeader(k Key, sighash string) string {
	return r.SigHeader(k) + "." + sighash + ".save"
}

// RetireSigHeader renames a stored signature header so that it no longer
// counts but can be put back by hand: FILE.rpm.sig.SIGHASH.save.
func (r RPM) RetireSigHeader(k Key, sighash string) error {
	if err := CheckName("signature hash", sighash); err != nil {
		return err
	}
	if err := durable.Rename(r.SigHeader(k), r.RetiredSigHeader(k, sighash)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Package durable writes files that are there whole and stay there, or are not
// there at all.
//
// A program that is killed, or a machine that loses power, must never leave a
// half-written artifact where a reader looks for a whole one. The recipe is the
// same everywhere: write under another name in the same directory, fsync the
// file, rename(2) it to its name, fsync the directory. This package is that
// recipe, so no room has its own variant of it.
//
//	err := durable.WriteFile("state.json", data, 0o640)
//
//	f, err := durable.Create("copy.rpm", 0o644)
//	if err != nil { ... }
//	defer f.Close() // removes the file unless it was committed
//	if _, err := io.Copy(f, src); err != nil { ... }
//	err = f.Commit()
//
// Permissions are those given less the process's umask, as open(2) has it, and
// directories with the set-group-id bit hand their group on: nothing here calls
// chmod or chown behind the caller's back.
//
// Names. A file being written is called ".NAME.RANDOM.tmp". Readers that list a
// directory skip names that start with a dot; RemoveStale clears what a killed
// process left.
//
// Links. Create replaces a link that stands at its path; Through gives the path for
// an output that a person named, which goes where the link leads.
//
// Not done here: locking between writers (the last rename wins) and atomic
// change of several files (publish a directory with ReplaceSymlink for that).
package durable

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const tmpSuffix = ".tmp"

// tempName gives a name in path's directory that no other writer has.
func tempName(path string) string {
	dir, base := filepath.Split(path)
	// NAME_MAX is 255: a long name gives up its tail, never the random part.
	if len(base) > 200 {
		base = base[:200]
	}
	var r [8]byte
	rand.Read(r[:])
	return dir + "." + base + "." + hex.EncodeToString(r[:]) + tmpSuffix
}

// WriteFile puts data at path, replacing what is there. Readers see the old
// content or the new, never a part. When it returns nil, a power cut keeps it.
func WriteFile(path string, data []byte, perm fs.FileMode) error {
	f, err := Create(path, perm)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Commit()
}

// File is a file that nobody sees before Commit.
type File struct {
	f    *os.File
	path string // where Commit puts it
	temp string
	done bool
}

// Create starts a file that will appear at path. The directory must exist. A device or socket that is there is
// refused: root would rename the file over /dev/null.
func Create(path string, perm fs.FileMode) (*File, error) {
	if err := replaceable(path); err != nil {
		return nil, fmt.Errorf("creating %s: %w", path, err)
	}
	for range 100 {
		temp := tempName(path)
		f, err := os.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, perm)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("creating %s: %w", path, err)
		}
		return &File{f: f, path: path, temp: temp}, nil
	}
	return nil, fmt.Errorf("creating %s: no free temporary name", path)
}

// Write appends to the file.
func (f *File) Write(p []byte) (int, error) { return f.f.Write(p) }

// WriteAt writes at an offset, for headers known only at the end.
func (f *File) WriteAt(p []byte, off int64) (int, error) { return f.f.WriteAt(p, off) }

// ReadAt reads back what was written, so that it can be checked before Commit.
func (f *File) ReadAt(p []byte, off int64) (int, error) { return f.f.ReadAt(p, off) }

// Seek moves the place of the next Write.
func (f *File) Seek(off int64, whence int) (int64, error) { return f.f.Seek(off, whence) }

// ReadFrom copies from r; from a file it lets the kernel copy
// (copy_file_range), which shares blocks where the file system can.
func (f *File) ReadFrom(r io.Reader) (int64, error) { return f.f.ReadFrom(r) }

// OS is the open file, for calls that need its descriptor. Do not close it.
func (f *File) OS() *os.File { return f.f }

// Path is where Commit will put the file.
func (f *File) Path() string { return f.path }

// TempPath is where the file is until then.
func (f *File) TempPath() string { return f.temp }

// Commit syncs the file and gives it its name. After an error the file is gone
// and what was at the path before is still there (unless syncing the directory
// was what failed: then the new file is there, though a power cut may undo it).
func (f *File) Commit() error { return f.commit(os.Rename) }

// CommitNew is Commit that refuses to replace: it fails with fs.ErrExist when
// the path is taken.
func (f *File) CommitNew() error {
	return f.commit(func(temp, path string) error {
		// link(2) is the rename that does not replace and works on NFS.
		if err := os.Link(temp, path); err != nil {
			return err
		}
		return os.Remove(temp)
	})
}

func (f *File) commit(publish func(temp, path string) error) error {
	if f.done {
		return fmt.Errorf("committing %s: %w", f.path, fs.ErrClosed)
	}
	f.done = true
	err := f.f.Sync()
	// close reports what a network file system could not store.
	if cerr := f.f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = publish(f.temp, f.path)
	}
	if err != nil {
		os.Remove(f.temp)
		return fmt.Errorf("writing %s: %w", f.path, err)
	}
	return SyncDir(filepath.Dir(f.path))
}

// Close drops the file if it was not committed; else it does nothing. Defer it.
func (f *File) Close() error {
	if f.done {
		return nil
	}
	f.done = true
	return errors.Join(f.f.Close(), os.Remove(f.temp))
}

// SyncDir makes the names in dir last.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("syncing directory %s: %w", dir, err)
	}
	defer d.Close()
	// Some network file systems cannot sync a directory and say EINVAL; there
	// the server keeps names on its own.
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) {
		return fmt.Errorf("syncing directory %s: %w", dir, err)
	}
	return nil
}

// MkdirAll makes path and its missing parents, and makes each of them last.
func MkdirAll(path string, perm fs.FileMode) error {
	path = filepath.Clean(path)
	if st, err := os.Stat(path); err == nil {
		if st.IsDir() {
			return nil
		}
		return &fs.PathError{Op: "mkdir", Path: path, Err: syscall.ENOTDIR}
	}
	parent := filepath.Dir(path)
	if parent != path {
		if err := MkdirAll(parent, perm); err != nil {
			return err
		}
	}
	if err := os.Mkdir(path, perm); err != nil {
		// Another process may have been first.
		if st, serr := os.Stat(path); serr == nil && st.IsDir() {
			return nil
		}
		return err
	}
	return SyncDir(parent)
}

// ReplaceSymlink makes link point at target by one rename(2): who opens link
// gets the old tree or the new one, never neither.
func ReplaceSymlink(target, link string) error {
	temp := tempName(link)
	if err := os.Symlink(target, temp); err != nil {
		return fmt.Errorf("linking %s: %w", link, err)
	}
	if err := os.Rename(temp, link); err != nil {
		os.Remove(temp)
		return fmt.Errorf("linking %s: %w", link, err)
	}
	return SyncDir(filepath.Dir(link))
}

// Rename moves oldpath to newpath and makes both directories remember it.
func Rename(oldpath, newpath string) error {
	if err := os.Rename(oldpath, newpath); err != nil {
		return err
	}
	from, to := filepath.Dir(oldpath), filepath.Dir(newpath)
	if err := SyncDir(to); err != nil || from == to {
		return err
	}
	return SyncDir(from)
}

// RemoveStale deletes from dir what writers that were killed left behind:
// temporary files untouched for longer than age.
func RemoveStale(dir string, age time.Duration) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		name := e.Name()
		if !strings.HasPrefix(name, ".") || !strings.HasSuffix(name, tmpSuffix) || e.IsDir() {
			continue
		}
		info, err := e.Info()
		if err != nil || time.Since(info.ModTime()) < age {
			continue
		}
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

package blob

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/privyseal/privyseal/internal/durable"
)

// Exists says whether there is anything where the build's files belong, be it a link.
func (b Build) Exists() bool {
	_, err := os.Lstat(b.dir)
	return err == nil
}

// Remove deletes everything of a build, in one step for those who look: its directory is renamed out of the way first. That
// there is none is no error.
func (b Build) Remove() error {
	if b.dir == "" {
		return errors.New("build without a place")
	}
	fi, err := os.Lstat(b.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	if fi.Mode()&fs.ModeSymlink != 0 {
		return b.RemoveLink()
	}
	aside := filepath.Join(filepath.Dir(b.dir), "."+filepath.Base(b.dir)+".gone."+random())
	if err := durable.Rename(b.dir, aside); err != nil {
		return err
	}
	if err := os.RemoveAll(aside); err != nil {
		return err
	}
	// Koji leaves empty directories of versions and packages behind; so do we, since another build may be coming in.
	return durable.SyncDir(filepath.Dir(b.dir))
}

// Prune deletes those of a build's directories that are empty, and leaves everything else alone.
func (b Build) Prune() error {
	if b.dir == "" {
		return nil
	}
	var dirs []string
	err := filepath.WalkDir(b.dir, func(p string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && d.IsDir() {
			dirs = append(dirs, p)
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, dir := range slices.Backward(dirs) {
		if err := unix.Rmdir(dir); err != nil && !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, unix.ENOENT) {
			return &fs.PathError{Op: "rmdir", Path: dir, Err: err}
		}
	}
	return nil
}

// RemoveLink deletes a link that stands where a build's files once were, and nothing but a link.
func (b Build) RemoveLink() error {
	fi, err := os.Lstat(b.dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && fi.Mode()&fs.ModeSymlink == 0 {
		return nil
	} else if err != nil {
		return err
	}
	if err := os.Remove(b.dir); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(b.dir))
}

// MoveTo gives a build's files another name on the same volume and leaves a link where they were. What was done before is
// not done again, so that who was cut off can try again.
func (b Build) MoveTo(to Build) error {
	fi, err := os.Lstat(b.dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if !to.Exists() {
			return nil // a build without files
		}
	case err != nil:
		return err
	case fi.Mode()&fs.ModeSymlink == 0:
		if to.Exists() {
			return fmt.Errorf("%s is in the way", to.dir)
		}
		if err := durable.MkdirAll(filepath.Dir(to.dir), dirPerm); err != nil {
			return err
		}
		if err := durable.Rename(b.dir, to.dir); err != nil {
			return err
		}
	}
	return b.LinkTo(to)
}

// LinkTo puts a link to another build's place where the build's files would be.
func (b Build) LinkTo(to Build) error {
	if err := durable.MkdirAll(filepath.Dir(b.dir), dirPerm); err != nil {
		return err
	}
	target, err := filepath.Rel(filepath.Dir(b.dir), to.dir)
	if err != nil {
		return err
	}
	return durable.ReplaceSymlink(target, b.dir)
}

// CopyTo copies a build's files to another volume: whole, or not at all for those who look. The caller removes the originals
// once the copy counts.
func (b Build) CopyTo(to Build) error {
	if fi, err := os.Lstat(b.dir); err != nil {
		return err
	} else if !fi.IsDir() {
		return fmt.Errorf("%s is not a directory", b.dir)
	}
	parent := filepath.Dir(to.dir)
	if err := durable.MkdirAll(parent, dirPerm); err != nil {
		return err
	}
	aside := filepath.Join(parent, "."+filepath.Base(to.dir)+".copy."+random())
	if err := copyTree(b.dir, aside); err != nil {
		return errors.Join(err, os.RemoveAll(aside))
	}
	if err := to.RemoveLink(); err != nil {
		return errors.Join(err, os.RemoveAll(aside))
	}
	if to.Exists() {
		return errors.Join(fmt.Errorf("%s is in the way", to.dir), os.RemoveAll(aside))
	}
	if err := durable.Rename(aside, to.dir); err != nil { // another copy may have been first
		return errors.Join(err, os.RemoveAll(aside))
	}
	return nil
}

// copyTree copies directories, files and links, with modes and times, and puts them on the disk.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, p)
		if err != nil {
			return err
		}
		dst := filepath.Join(to, rel)
		fi, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			return durable.MkdirAll(dst, fi.Mode().Perm())
		case fi.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(p)
			if err != nil {
				return err
			}
			return durable.ReplaceSymlink(target, dst)
		case fi.Mode().IsRegular():
			return copyFile(p, dst, fi)
		}
		return fmt.Errorf("%s is neither a file nor a directory nor a link", p)
	})
}

func copyFile(from, to string, fi fs.FileInfo) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := durable.Create(to, fi.Mode().Perm())
	if err != nil {
		return err
	}
	defer dst.Close()
	if _, err := dst.ReadFrom(src); err != nil {
		return fmt.Errorf("copy %s: %w", from, err)
	}
	if err := os.Chtimes(dst.TempPath(), fi.ModTime(), fi.ModTime()); err != nil { // before Commit, which puts them on the disk
		return err
	}
	return dst.Commit()
}

// StageFile copies an upload to a name below a directory of the build (its logs, its metadata), hidden until Commit.
func (b Build) StageFile(src *os.File, rel string) (*durable.File, error) {
	if !filepath.IsLocal(rel) {
		return nil, &NameError{"file", rel, "it leads out of the build"}
	}
	dst := filepath.Join(b.dir, rel)
	return stage(src, dst)
}

// stage copies an upload to dst, hidden, and puts its content on the disk.
func stage(src *os.File, dst string) (*durable.File, error) {
	if err := durable.MkdirAll(filepath.Dir(dst), dirPerm); err != nil {
		return nil, err
	}
	removeResidue(filepath.Dir(dst))
	f, err := durable.Create(dst, filePerm)
	if err != nil {
		return nil, err
	}
	if _, err = src.Seek(0, io.SeekStart); err == nil {
		_, err = f.ReadFrom(src)
	}
	if err == nil {
		err = f.OS().Sync() // here, and not while a database transaction waits
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("copy %s into the topdir: %w", filepath.Base(dst), err)
	}
	return f, nil
}

// ScratchDir is where the files of a scratch build go: scratch/USER/task_ID.
func (t *Topdir) ScratchDir(user string, task int64) (string, error) {
	if err := CheckName("user", user); err != nil {
		return "", err
	}
	return filepath.Join(t.root, "scratch", user, fmt.Sprintf("task_%d", task)), nil
}

// StageScratch copies task output to a name below a scratch build's directory, hidden until Commit.
func (t *Topdir) StageScratch(src *os.File, user string, task int64, rel string) (*durable.File, error) {
	dir, err := t.ScratchDir(user, task)
	if err != nil {
		return nil, err
	}
	if !filepath.IsLocal(rel) {
		return nil, &NameError{"file", rel, "it leads out of the scratch build"}
	}
	return stage(src, filepath.Join(dir, rel))
}

// LinkUpload puts a link to a file of the topdir where the upload was.
func (t *Topdir) LinkUpload(dir, name, path string) error {
	rel, err := WorkPath(dir, name)
	if err != nil {
		return err
	}
	link := filepath.Join(t.Work(), rel)
	target, err := filepath.Rel(filepath.Dir(link), path)
	if err != nil {
		return err
	}
	return durable.ReplaceSymlink(target, link)
}

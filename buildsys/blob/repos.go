package blob

import (
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/privyseal/privyseal/internal/durable"
)

// Repos is the directory of the repositories that build roots are filled from.
func (t *Topdir) Repos() string { return filepath.Join(t.root, "repos") }

// Repo is where a tag's repository is: repos/TAG/ID.
func (t *Topdir) Repo(tag string, id int64) (string, error) {
	if err := CheckName("tag", tag); err != nil {
		return "", err
	}
	return filepath.Join(t.Repos(), tag, strconv.FormatInt(id, 10)), nil
}

// DistRepo is where a tag's dist repository is: repos-dist/TAG/ID, on a volume.
func (t *Topdir) DistRepo(tag string, id int64, volume string) (string, error) {
	if err := CheckName("tag", tag); err != nil {
		return "", err
	}
	root, err := t.volume(volume)
	if err != nil {
		return "", err
	}
	return filepath.Join(root, "repos-dist", tag, strconv.FormatInt(id, 10)), nil
}

// PublishDir puts a directory in place that was filled under its staging name (see StageUnder). What is there already is the
// residue of a program that was killed before its database knew of it, and is removed.
func PublishDir(staged, dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return durable.Rename(staged, dir)
}

// StageUnder makes an empty hidden directory in parent, for one writer, to be filled and published. It deletes what killed
// writers left there.
func StageUnder(parent string) (string, error) {
	if err := durable.MkdirAll(parent, dirPerm); err != nil {
		return "", err
	}
	old, _ := filepath.Glob(filepath.Join(parent, ".new-*.tmp")) // none, where the tag's name is no pattern
	for _, dir := range old {
		if fi, err := os.Lstat(dir); err == nil && time.Since(fi.ModTime()) > 24*residue {
			_ = os.RemoveAll(dir) // that it cannot be deleted keeps nobody from writing
		}
	}
	staged, err := os.MkdirTemp(parent, ".new-*.tmp")
	if err != nil {
		return "", err
	}
	return staged, os.Chmod(staged, dirPerm)
}

// MoveUpload moves an uploaded file to path, which must be on the topdir's file system.
func (t *Topdir) MoveUpload(dir, name, path string) error {
	f, err := t.OpenWork(dir, name) // refuses links and what is no file
	if err != nil {
		return err
	}
	defer f.Close()
	rel, err := WorkPath(dir, name)
	if err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return durable.Rename(filepath.Join(t.Work(), rel), path)
}

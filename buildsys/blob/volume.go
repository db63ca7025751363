package blob

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/privyseal/privyseal/internal/durable"
)

// VolumeError says why a directory cannot be a volume.
type VolumeError struct{ Text string }

func (e *VolumeError) Error() string { return e.Text }

// HasVolume says whether a volume has its directory.
func (t *Topdir) HasVolume(name string) bool {
	dir, err := t.volume(name)
	if err != nil {
		return false
	}
	fi, err := os.Stat(dir)
	return err == nil && fi.IsDir()
}

// PrepareVolume makes the directory vol/NAME ready to hold builds: as in Koji, whoever runs the machine makes or mounts the
// directory, and its link toplink leads back to the topdir.
func (t *Topdir) PrepareVolume(name string) error {
	dir, err := t.volume(name)
	if err != nil {
		return &VolumeError{err.Error()}
	}
	if !t.HasVolume(name) {
		return &VolumeError{"please create the volume directory first"}
	}
	if dir == t.root {
		return nil
	}
	link := filepath.Join(dir, "toplink")
	fi, err := os.Lstat(link)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return durable.ReplaceSymlink(t.root, link)
	case err != nil:
		return err
	case fi.Mode()&fs.ModeSymlink == 0:
		return &VolumeError{"Not a symlink: " + link}
	}
	to, err := os.Stat(link)
	if err != nil {
		return &VolumeError{"Broken volume toplink: " + link}
	}
	top, err := os.Stat(t.root)
	if err != nil {
		return err
	}
	if !os.SameFile(to, top) {
		return &VolumeError{"Invalid volume toplink: " + link}
	}
	return nil
}

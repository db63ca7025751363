package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// maxLinks is how many links may lead to a file, as for the kernel.
const maxLinks = 40

// Through gives the path of the file that a person means who names path: the one that a link at path leads to, which need not be there yet. Create
// and WriteFile replace a link, which is right for names that a program made itself; an output that somebody named goes where the link leads:
//
//	path, err := durable.Through(output)
//	...
//	err = durable.WriteFile(path, data, 0o644)
//
// What Create refuses is refused here, too. So is a link that a stranger put into a directory where everybody may (/tmp), as the kernel refuses to
// open a file through it (fs.protected_symlinks).
func Through(path string) (string, error) {
	named := path
	for range maxLinks {
		if err := replaceable(path); err != nil {
			return "", fmt.Errorf("writing %s: %w", named, err)
		}
		link, err := os.Lstat(path)
		if err != nil || link.Mode()&fs.ModeSymlink == 0 {
			return path, nil // also where nothing can be made: whoever tries is told why
		}
		dir := filepath.Dir(path)
		if err := followable(link, dir); err != nil {
			return "", fmt.Errorf("writing %s: %w", named, err)
		}
		target, err := os.Readlink(path)
		if err != nil {
			return "", fmt.Errorf("writing %s: %w", named, err)
		}
		if !filepath.IsAbs(target) {
			// Not cleaned: what ".." means depends on where the directory itself is.
			target = dir + "/" + target
		}
		path = target
	}
	return "", fmt.Errorf("writing %s: %w", named, syscall.ELOOP)
}

// followable is the kernel's rule for links in directories with the sticky bit where everybody may write.
func followable(link fs.FileInfo, dir string) error {
	place, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if place.Mode()&fs.ModeSticky == 0 || place.Mode()&0o002 == 0 {
		return nil
	}
	theirs, ok := link.Sys().(*syscall.Stat_t)
	owner, okDir := place.Sys().(*syscall.Stat_t)
	if !ok || !okDir || int(theirs.Uid) != os.Geteuid() && theirs.Uid != owner.Uid {
		return errors.New("there is a link of another user, in a directory where everybody may write: name another file")
	}
	return nil
}

package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// OpenRegular opens a file for reading, also behind links, if it is a file indeed. To open a FIFO that somebody left
// where a file is looked for would wait for a writer, and a device may have no end.
func OpenRegular(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: path, Err: fmt.Errorf("not a regular file (%s)", st.Mode().Type())}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// replaceable refuses a path at which there is something that a file must not take the place of. A link is replaced, not
// followed, unless it is the name of a device, as /dev/stdout is, whatever stands behind it at the moment. A FIFO is
// replaced: it is somebody's leftover where a file belongs, and the system lives without it.
func replaceable(path string) error {
	link, err := os.Lstat(path)
	if err != nil {
		return nil // nothing is there, or making the file tells why it cannot be looked at
	}
	mode := link.Mode()
	if mode&fs.ModeSymlink != 0 {
		dir, err := filepath.Abs(filepath.Dir(path))
		if err == nil && (dir == "/dev" || strings.HasPrefix(dir+"/", "/dev/fd/") || strings.HasPrefix(dir, "/proc/")) {
			return errors.New("it is the name of a device, not of a file: name a file")
		}
		if target, err := os.Stat(path); err == nil {
			mode = target.Mode()
		}
	}
	if mode&(fs.ModeDevice|fs.ModeSocket) != 0 {
		return fmt.Errorf("what is there is no file (%s), and none is put in its place: name a file", mode.Type())
	}
	return nil
}

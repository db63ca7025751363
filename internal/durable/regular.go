package durable

import (
	"fmt"
	"io/fs"
	"os"
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

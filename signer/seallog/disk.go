package seallog

import (
	"os"

	"golang.org/x/sys/unix"
)

// disk is how the log's own file is written and synced. Tests put one in its place that fails.
var disk = struct {
	write func(f *os.File, b []byte, at int64) error
	sync  func(f *os.File) error
}{
	write: func(f *os.File, b []byte, at int64) error {
		_, err := f.WriteAt(b, at)
		return err
	},
	sync: func(f *os.File) error { return unix.Fdatasync(int(f.Fd())) },
}

package pki

import (
	"io/fs"
	"syscall"
)

// inodeOf tells a file that replaced another of the same size within one tick of the clock.
func inodeOf(fi fs.FileInfo) uint64 {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return st.Ino
	}
	return 0
}

package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// lockSetup keeps others, in this process too, out of making the database and its tables until its result is called.
// SQLite's own locks cannot: a connection that turns a new file to the write-ahead log reads it first, and of two that
// did, one is told that the database is locked, at once and whatever the busy timeout, since neither could wait for the
// other. The lock is of a file of its own beside the database, which stays: see create.
func lockSetup(ctx context.Context, path string) (unlock func(), err error) {
	dir, base := filepath.Split(path)
	f, err := os.OpenFile(filepath.Join(dir, "."+base+".lock"), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("lock %s, which another program has that brings the tables up to date: %w", f.Name(), context.Cause(ctx))
		}
	}
}

// create makes the database file if there is none. Nobody but its owner reads it; SQLite gives its -wal and -shm files
// the same mode. One that is there is not opened, not even to look: SQLite's locks on a file are the process's, and
// closing any descriptor of that file drops them all, also those of another Store over it.
func create(path string) error {
	_, err := os.Stat(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

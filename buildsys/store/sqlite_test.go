package store

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestSettings(t *testing.T) {
	s := openPath(t, filepath.Join(t.TempDir(), "hub.db"))
	for _, p := range []*pool{s.reader, s.writer} {
		c, err := p.begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "30000"} {
			var got string
			if err := c.(*sqliteConn).c.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
				t.Errorf("%s is %s, %v; want %s", pragma, got, err, want)
			}
		}
		if err := p.end(t.Context(), c, false); err != nil {
			t.Error(err)
		}
	}
}

// A second Store of the same process leaves the first one's locks alone. Without them another program that closes the
// database would take itself for its last user, and delete the log that the first one goes on writing to.
func TestAnotherStoreLeavesTheLocks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.db")
	var watch *os.File
	t.Cleanup(func() { watch.Close() }) // after the stores: closing it drops the locks
	locked := func() bool {
		shared := unix.Flock_t{Type: unix.F_WRLCK, Start: 1<<30 + 2, Len: 510} // see SQLite's file format
		if err := unix.FcntlFlock(watch.Fd(), unix.F_OFD_GETLK, &shared); err != nil {
			t.Fatal(err)
		}
		return shared.Type != unix.F_UNLCK
	}
	for i := range 3 {
		s, err := Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			if watch, err = os.OpenFile(path, os.O_RDWR, 0); err != nil {
				t.Fatal(err)
			}
		}
		if !locked() {
			t.Errorf("no lock when the database was opened %d times", i+1)
		}
		if i > 0 { // SQLite's connections to one file know of each other
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if !locked() {
				t.Error("no lock after another store has closed")
			}
			continue
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

package mash

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/privyseal/privyseal/internal/durable"
)

// store is where the composes of one name live:
//
//	DIR/NAME            link to .NAME/SERIAL, what readers use
//	DIR/.NAME/SERIAL    complete composes
//	DIR/.NAME/.new-N    one being made
//	DIR/.NAME/lock      held while a compose runs
type store struct {
	name string
	link string
	dir  string
	lock *os.File
}

// openStore takes the lock of a name and clears what a killed run left.
func openStore(output, name string) (*store, error) {
	s := &store{name: name, link: filepath.Join(output, name), dir: filepath.Join(output, "."+name)}
	if st, err := os.Lstat(s.link); err == nil && st.Mode()&fs.ModeSymlink == 0 {
		return nil, fmt.Errorf("%s is not a link, perhaps the tree of another tool: move it away once (mv %[1]s %[1]s.old), then run again", s.link)
	}
	if err := durable.MkdirAll(s.dir, 0o777); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(s.dir, "lock"), os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("another mash of %s is running", s.link)
		}
		return nil, fmt.Errorf("locking %s: %w", s.dir, err)
	}
	s.lock = lock
	if err := s.clear(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *store) close() { s.lock.Close() }

// live is the serial that the link points to, 0 if there is none.
func (s *store) live() (int64, error) {
	target, err := os.Readlink(s.link)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(filepath.Base(target), 10, 64)
	if err != nil || target != s.target(n) {
		return 0, fmt.Errorf("%s points to %s, which is no compose: remove the link, or point it to %s", s.link, target, s.target(1))
	}
	return n, nil
}

func (s *store) target(serial int64) string {
	return filepath.Join("."+s.name, strconv.FormatInt(serial, 10))
}

// path is where the compose with a serial is.
func (s *store) path(serial int64) string { return filepath.Join(s.dir, strconv.FormatInt(serial, 10)) }

// serials lists the composes on disk, oldest first.
func (s *store) serials() ([]int64, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	var out []int64
	for _, e := range entries {
		if n, err := strconv.ParseInt(e.Name(), 10, 64); err == nil && e.IsDir() && n > 0 {
			out = append(out, n)
		}
	}
	slices.SortFunc(out, cmp.Compare)
	return out, nil
}

const newPrefix = ".new-"

// clear removes trees that never were finished. Complete ones that never were
// published stay until prune: someone may have rolled back from them.
func (s *store) clear() error {
	stale, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	for _, e := range stale {
		if len(e.Name()) > len(newPrefix) && e.Name()[:len(newPrefix)] == newPrefix {
			if err := os.RemoveAll(filepath.Join(s.dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return durable.RemoveStale(filepath.Dir(s.dir), time.Hour)
}

// publish has a tree made, gives it the next serial and points the link at it.
// The time given to the metadata is above that of every compose on disk, and
// kept as the tree's own: clients refuse metadata that goes back in time.
func (s *store) publish(now time.Time, weave func(tree string, when time.Time) error) (serial int64, tree string, err error) {
	live, err := s.live()
	if err != nil {
		return 0, "", err
	}
	serials, err := s.serials()
	if err != nil {
		return 0, "", err
	}
	serial = live + 1
	if n := len(serials); n > 0 {
		serial = max(serial, serials[n-1]+1)
	}
	now = now.Truncate(time.Second)
	for _, n := range serials {
		if st, err := os.Stat(s.path(n)); err == nil && !now.After(st.ModTime()) {
			now = st.ModTime().Add(time.Second)
		}
	}
	next := filepath.Join(s.dir, newPrefix+strconv.FormatInt(serial, 10))
	if err := os.Mkdir(next, 0o777); err != nil {
		return 0, "", err
	}
	defer os.RemoveAll(next)
	if err := weave(next, now); err != nil {
		return 0, "", err
	}
	if err := os.Chtimes(next, now, now); err != nil {
		return 0, "", err
	}
	tree = s.path(serial)
	if err := durable.Rename(next, tree); err != nil {
		return 0, "", err
	}
	return serial, tree, durable.ReplaceSymlink(s.target(serial), s.link)
}

// prune removes all but the live compose and the newest few others.
func (s *store) prune(keep int) error {
	live, err := s.live()
	if err != nil {
		return err
	}
	serials, err := s.serials()
	if err != nil {
		return err
	}
	serials = slices.DeleteFunc(serials, func(n int64) bool { return n == live })
	for _, n := range serials[:max(0, len(serials)-keep)] {
		// Out of sight first: a tree must not be seen half removed.
		gone := filepath.Join(s.dir, newPrefix+"gone-"+strconv.FormatInt(n, 10))
		if err := os.Rename(s.path(n), gone); err != nil {
			return err
		}
		if err := os.RemoveAll(gone); err != nil {
			return fmt.Errorf("removing compose %d of %s: %w", n, s.link, err)
		}
	}
	return nil
}

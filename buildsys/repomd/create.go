package repomd

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/privyseal/privyseal/internal/durable"
)

// An Entry is an RPM file and what the metadata calls it.
type Entry struct {
	Path string
	Href string // relative to the directory that holds repodata

	// SHA256 is what the whole file must be, if set: a file that was verified
	// before and is another now fails.
	SHA256 *[sha256.Size]byte
}

// CreateRepo makes DIR/repodata for all RPM files below dir, whatever the
// depth. Directories whose names start with a dot and other repositories'
// repodata are passed over.
func CreateRepo(ctx context.Context, dir string, opts Options) error {
	entries, err := find(dir)
	if err != nil {
		return err
	}
	live := filepath.Join(dir, "repodata")
	if st, err := os.Lstat(live); err == nil && !st.IsDir() {
		return fmt.Errorf("%s: not a directory; move it away", live)
	}
	if err := removeStale(dir); err != nil {
		return err
	}
	next, err := os.MkdirTemp(dir, tempPrefix)
	if err != nil {
		return err
	}
	defer os.RemoveAll(next)
	// MkdirTemp ignores the umask; a new directory has what it leaves.
	final := filepath.Join(next, "repodata")
	if _, err := Write(ctx, final, entries, opts); err != nil {
		return err
	}
	return publish(final, live)
}

const tempPrefix = ".repodata-"

// removeStale clears what a killed run left. Two runs on one directory at the
// same time are a mistake: the second takes the first one's work away, and the
// first fails.
func removeStale(dir string) error {
	stale, err := filepath.Glob(filepath.Join(escapeGlob(dir), tempPrefix+"*"))
	if err != nil {
		return err
	}
	for _, path := range stale {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	return nil
}

func escapeGlob(s string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(s)
}

// publish puts next where live is in one step; the old one ends up at next.
func publish(next, live string) error {
	err := unix.Renameat2(unix.AT_FDCWD, next, unix.AT_FDCWD, live, unix.RENAME_EXCHANGE)
	if errors.Is(err, unix.ENOENT) { // the first time
		return durable.Rename(next, live)
	}
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		// A file system that cannot exchange: for an instant there is none.
		if err := os.Rename(live, next+".old"); err != nil {
			return err
		}
		return durable.Rename(next, live)
	}
	if err != nil {
		return fmt.Errorf("publishing %s: %w", live, err)
	}
	return durable.SyncDir(filepath.Dir(live))
}

// find lists the RPM files below dir in the order of their paths.
func find(dir string) ([]Entry, error) {
	var out []Entry
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != dir && (d.Name() == "repodata" || strings.HasPrefix(d.Name(), ".")):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".rpm"):
			return nil
		}
		href, err := filepath.Rel(dir, path)
		out = append(out, Entry{Path: path, Href: filepath.ToSlash(href)})
		return err
	})
	return out, err
}

// maxReported bounds how many unreadable packages one error names.
const maxReported = 20

// Write makes the directory dir, which must not exist, with the metadata of
// the entries, and returns repomd.xml as it stands there. Readers look for the
// metadata in a directory called repodata, so dir should be called that. Nothing
// of dir stays behind after an error.
func Write(ctx context.Context, dir string, entries []Entry, opts Options) (xml []byte, err error) {
	if opts.Checksum, err = ParseChecksum(string(opts.Checksum)); err != nil {
		return nil, err
	}
	if opts.Changelogs <= 0 {
		opts.Changelogs = 10
	}
	if opts.Workers <= 0 {
		opts.Workers = min(runtime.GOMAXPROCS(0), 4)
	}
	entries = slices.Clone(entries)
	slices.SortFunc(entries, func(a, b Entry) int { return cmp.Compare(a.Href, b.Href) })
	for i := 1; i < len(entries); i++ {
		if entries[i].Href == entries[i-1].Href {
			return nil, fmt.Errorf("%s and %s would both be %s", entries[i-1].Path, entries[i].Path, entries[i].Href)
		}
	}
	if err := os.Mkdir(dir, 0o777); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			os.RemoveAll(dir)
		}
	}()
	w, err := newWriter(dir, len(entries), opts)
	if err != nil {
		return nil, err
	}
	defer w.abort()
	if err := w.addAll(ctx, entries); err != nil {
		return nil, err
	}
	if xml, err = w.close(); err != nil {
		return nil, err
	}
	return xml, durable.WriteFile(filepath.Join(dir, "repomd.xml"), xml, 0o666)
}

// addAll reads packages with several goroutines and adds them in order.
func (w *writer) addAll(ctx context.Context, entries []Entry) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// Each slot of the queue is one package being read: the queue's length
	// bounds how many there are, its order is that of the entries.
	queue := make(chan chan fragments, w.opts.Workers-1)
	go func() {
		defer close(queue)
		for _, e := range entries {
			slot := make(chan fragments, 1)
			select {
			case queue <- slot:
			case <-ctx.Done():
				return
			}
			go func() { slot <- read(ctx, e, w.opts) }()
		}
	}()
	var errs []error
	failed := 0
	for slot := range queue {
		f := <-slot
		if f.err == nil && failed == 0 {
			f.err = w.add(f)
		}
		if f.err != nil {
			if failed++; failed <= maxReported {
				errs = append(errs, f.err)
			}
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if failed > maxReported {
		errs = append(errs, fmt.Errorf("and %d more", failed-maxReported))
	}
	return errors.Join(errs...)
}

func read(ctx context.Context, e Entry, opts Options) fragments {
	// Opening a FIFO would wait for its other end for ever.
	if st, err := os.Stat(e.Path); err != nil {
		return fragments{err: err}
	} else if !st.Mode().IsRegular() {
		return fragments{err: fmt.Errorf("%q is not a regular file", e.Path)}
	}
	p, sum, err := readPackage(ctx, e.Path, opts.Checksum, opts.Changelogs)
	if err != nil {
		return fragments{err: fmt.Errorf("%s: %w", e.Path, err)}
	}
	if e.SHA256 != nil && !bytes.Equal(sum, e.SHA256[:]) {
		return fragments{err: fmt.Errorf("%s: the file is not what it was when it was verified", e.Path)}
	}
	p.Href = e.Href
	return render(p, opts.Checksum)
}

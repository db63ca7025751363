package blob

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/privyseal/privyseal/internal/durable"
)

const (
	// syncers is how many files are synced at a time. Calls that wait together
	// share a journal commit, so more than the number of cores pays.
	syncers = 16
	// manyFiles is from where on Sync has the kernel write the whole file system
	// instead of each file. It then also waits for what others wrote.
	manyFiles = 256
	// manyDirs is from where on Publish does the same instead of syncing each
	// directory. It is called in the middle of a transaction, which must not wait
	// for what others wrote; so it does that only when Sync has just done it, and
	// little but the new names is left.
	manyDirs      = 32
	flushedLately = time.Second
)

// Batch publishes many files at the price of a few.
//
//	b := t.NewBatch()
//	defer b.Abort()
//	b.AddSigHeader(...); b.AddSigned(...)   // from any number of goroutines
//	b.Sync()                                // all content is on disk, hidden
//	b.Publish()                             // all names are there, and last
//
// Abort removes what was not published and ends the batch. A crash before Publish leaves hidden
// files only; a crash within it leaves some files published, each of them whole.
type Batch struct {
	mu     sync.Mutex
	files  []hidden
	dirs   map[string]bool // that files are renamed in: to sync after the renames
	grown  map[string]bool // that got new directories: to sync before
	synced bool
	// root was opened before anything was written, so that it learns of write
	// errors; spread says that files are on another file system than it.
	root    *os.File
	flushed time.Time // when Sync had the kernel write everything
	dev     uint64
	spread  bool

	dirLock sync.Mutex
	made    map[string]bool
}

type hidden struct{ tmp, path string }

// NewBatch starts a batch.
func (t *Topdir) NewBatch() *Batch {
	b := &Batch{dirs: make(map[string]bool), grown: make(map[string]bool), made: make(map[string]bool), spread: true}
	if f, err := os.Open(t.root); err == nil {
		b.root = f
		b.dev, b.spread = device(f)
	}
	return b
}

// device tells which file system a file is on; odd if that cannot be told.
func device(f *os.File) (dev uint64, odd bool) {
	fi, err := f.Stat()
	if err != nil {
		return 0, true
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, true
	}
	return st.Dev, false
}

// Len is how many files the batch holds.
func (b *Batch) Len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.files)
}

// AddSigHeader adds a signature header.
func (b *Batch) AddSigHeader(r RPM, k Key, sighdr []byte) error {
	if err := checkSigHeader(sighdr); err != nil {
		return fmt.Errorf("%s: %w", r.file, err)
	}
	return b.add(r.SigHeader(k), func(f *os.File) error {
		_, err := f.Write(sighdr)
		return err
	})
}

// AddSigned adds a signed copy; see [RPM.WriteSigned].
func (b *Batch) AddSigned(r RPM, k Key, sighdr []byte, headerStart int64) error {
	if k == (Key{}) {
		return fmt.Errorf("%s: there is no signed copy without a key", r.file)
	}
	return b.add(r.Signed(k), func(f *os.File) error {
		return writeSigned(f, r.Path(), sighdr, headerStart)
	})
}

// add writes one hidden file. What it could not finish it removes at once, so
// that a full disk gets its space back.
func (b *Batch) add(path string, write func(*os.File) error) error {
	if err := b.mkdir(filepath.Dir(path)); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	f, err := createHidden(path)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	dev, odd := device(f)
	err = write(f)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("write %s: %w", path, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.files = append(b.files, hidden{f.Name(), path})
	b.spread = b.spread || odd || dev != b.dev
	b.dirs[filepath.Dir(path)] = true
	return nil
}

// createHidden makes the file that will become path. Not os.CreateTemp, whose
// files are readable by their owner alone: a mirror must be able to read them.
func createHidden(path string) (*os.File, error) {
	dir, base := filepath.Split(path)
	for {
		f, err := os.OpenFile(dir+"."+base+"."+random()+".tmp", os.O_CREATE|os.O_EXCL|os.O_WRONLY, filePerm)
		if !errors.Is(err, os.ErrExist) {
			return f, err
		}
	}
}

// mkdir makes a directory, and notes which directories got a new name in them.
func (b *Batch) mkdir(dir string) error {
	b.dirLock.Lock()
	defer b.dirLock.Unlock()
	if b.made[dir] {
		return nil
	}
	isNew, err := b.makeDir(dir)
	if err != nil {
		return err
	}
	b.made[dir] = true
	if !isNew { // nobody can have left anything in a new one
		removeResidue(dir)
	}
	return nil
}

// makeDir makes a directory and the parents that are missing; isNew tells that it was not there. It tries before it looks: four
// directories are new for each package and key, and looking costs about as much as making.
func (b *Batch) makeDir(dir string) (isNew bool, err error) {
	parent := filepath.Dir(dir)
	err = os.Mkdir(dir, dirPerm)
	if errors.Is(err, os.ErrNotExist) && parent != dir {
		if _, err := b.makeDir(parent); err != nil {
			return false, err
		}
		err = os.Mkdir(dir, dirPerm)
	}
	switch {
	case errors.Is(err, os.ErrExist): // if it is a file, making one in it fails
		return false, nil
	case err != nil:
		return false, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.grown[parent] = true
	return true, nil
}

// Sync puts the content of all files on the disk, and the directories made for
// them.
func (b *Batch) Sync() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.files)+len(b.grown) >= manyFiles && !b.spread {
		if err := b.syncfs(); err != nil {
			return err
		}
		b.synced, b.flushed = true, time.Now()
		return nil
	}
	g := new(errgroup.Group)
	g.SetLimit(syncers)
	for _, h := range b.files {
		g.Go(func() error { return syncFile(h) })
	}
	for d := range b.grown {
		g.Go(func() error { return durable.SyncDir(d) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	b.synced = true
	return nil
}

// syncfs has the kernel write the whole file system.
func (b *Batch) syncfs() error {
	if err := unix.Syncfs(int(b.root.Fd())); err != nil {
		return fmt.Errorf("write to %s: %w", b.root.Name(), &os.SyscallError{Syscall: "syncfs", Err: err})
	}
	return nil
}

func syncFile(h hidden) error {
	f, err := os.Open(h.tmp)
	if err != nil {
		return err
	}
	err = f.Sync()
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", h.path, err)
	}
	return nil
}

// Publish gives all files their names and makes the names last. It replaces
// what was there. Call Sync first.
func (b *Batch) Publish() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.synced && len(b.files) > 0 {
		return errors.New("batch published before it was synced")
	}
	for i, h := range b.files {
		if err := os.Rename(h.tmp, h.path); err != nil {
			b.files = b.files[i:]
			return err
		}
	}
	b.files = nil
	if len(b.dirs) >= manyDirs && !b.spread && time.Since(b.flushed) < flushedLately {
		return b.syncfs()
	}
	g := new(errgroup.Group)
	g.SetLimit(syncers)
	for d := range b.dirs {
		g.Go(func() error { return durable.SyncDir(d) })
	}
	return g.Wait()
}

// Drop leaves the files of one RPM and key out of the batch.
func (b *Batch) Drop(r RPM, k Key) {
	b.mu.Lock()
	defer b.mu.Unlock()
	drop := map[string]bool{r.SigHeader(k): true, r.Signed(k): true}
	kept := b.files[:0]
	for _, h := range b.files {
		if drop[h.path] {
			os.Remove(h.tmp)
			continue
		}
		kept = append(kept, h)
	}
	b.files = kept
}

// Abort removes all files that were not published, and ends the batch. Defer it.
func (b *Batch) Abort() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, h := range b.files {
		os.Remove(h.tmp)
	}
	b.files = nil
	if b.root != nil {
		b.root.Close()
		b.root = nil
	}
}

// random is a part of a file name that no other writer will pick.
func random() string {
	return strconv.FormatUint(rand.Uint64(), 36)
}

package seallog

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/tlog"
	"golang.org/x/sys/unix"

	"github.com/privyseal/privyseal/internal/durable"
	"github.com/privyseal/privyseal/internal/seal"
)

// File is the name of the log in its directory. All the other files there can be made from it: a backup needs no more.
const File = "seal.log"

const (
	treeFile   = "tree"
	placesFile = "places"

	// firstOfFrame marks the place of an entry that begins a frame.
	firstOfFrame = 1 << 63
)

var (
	// ErrBusy means that another process has the log open.
	ErrBusy = errors.New("another process has the log open")
	// ErrNoIndex means that a log opened for reading lacks the files that say where its entries are.
	ErrNoIndex = errors.New("the index files of the log are missing or do not fit; they are made when the signer opens the log")
	// ErrReadOnly means that the log was opened without its key.
	ErrReadOnly = errors.New("seallog: the log is open for reading alone")
)

// CorruptError means that the log was damaged or changed in a place that was once durable. Nothing is repaired: a person must look.
type CorruptError struct {
	File   string
	Offset int64
	Entry  int64 // the first bad one
	Reason string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("%s: damaged at entry %d, offset %d: %s; restore the log from a backup; nothing was changed",
		e.File, e.Entry, e.Offset, e.Reason)
}

// Options are those of a log.
type Options struct {
	Origin string             // the log's name, "privyseal/SIGNER"; empty takes that of the log there is
	Key    ed25519.PrivateKey // signs checkpoints; nil opens the log for reading alone, also while another process has it open

	now     func() time.Time // for tests
	flushAt int64
}

// Log is an open log. It is safe for concurrent use; one process has it open for writing at a time.
type Log struct {
	dir    string
	path   string
	file   *os.File
	key    seal.LogKey
	priv   ed25519.PrivateKey // nil: for reading alone
	start  mark               // before the first frame
	notice string
	blind  bool // for reading alone, and without index files
	now    func() time.Time
	slots  chan struct{} // bounds the entries that wait for the disk
	done   chan struct{} // closed when the committer has ended
	tree   *array        // of hashes, in the order in which tlog numbers them
	places *array        // of entries: offset in the file, and whether it begins a frame
	index  *index
	keep   *keeper

	repairMu  sync.Mutex // one repair of tree and places at a time
	incurable error      // the log itself is damaged: there is nothing to repair them from

	failed chan struct{} // closed when broken is set

	mu       sync.Mutex
	wake     *sync.Cond
	closed   bool
	broken   error
	queue    []*item
	inFlight map[subjectKey]*item
	lastTime int64 // microseconds, of the last entry that is durable
	head     *seal.Checkpoint
	headSize int64 // of the file, at head

	// Of the committer alone, once it runs.
	at    mark
	edge  *seal.Tree
	frame []byte // memory for the next
}

// Open opens the log in dir, making it when there is none and the key is given.
func Open(dir string, o Options) (*Log, error) {
	l := &Log{
		dir:      dir,
		path:     filepath.Join(dir, File),
		priv:     o.Key,
		now:      o.now,
		slots:    make(chan struct{}, 4096),
		done:     make(chan struct{}),
		failed:   make(chan struct{}),
		inFlight: make(map[subjectKey]*item),
	}
	if l.now == nil {
		l.now = time.Now
	}
	if o.flushAt == 0 {
		o.flushAt = defaultFlushAt
	}
	l.wake = sync.NewCond(&l.mu)
	flags := os.O_RDONLY
	if l.priv != nil {
		flags = os.O_RDWR
		if err := durable.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
		if err := create(dir, o); err != nil {
			return nil, err
		}
	}
	var err error
	if l.file, err = os.OpenFile(l.path, flags|unix.O_NOFOLLOW, 0); err != nil {
		return nil, err
	}
	if err := l.open(o, flags); err != nil {
		l.closeFiles()
		return nil, err
	}
	if l.priv == nil {
		close(l.done)
		return l, nil
	}
	l.keep = startKeeper(l)
	go l.commitLoop()
	return l, nil
}

// create makes the log where there is none.
func create(dir string, o Options) error {
	path := filepath.Join(dir, File)
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if st, err := os.Stat(filepath.Join(dir, treeFile)); err == nil && st.Size() > 0 {
		return fmt.Errorf("%s is missing, but its index files are there: restore the log from a backup", path)
	}
	if o.Origin == "" {
		return fmt.Errorf("%s is missing, and a new log needs a name", path)
	}
	key, err := seal.NewLogKey(o.Origin, o.Key.Public().(ed25519.PublicKey))
	if err != nil {
		return err
	}
	return durable.WriteFile(path, encodePreamble(key), filePerm(dir))
}

// filePerm is the mode of new files in dir. A directory that gives its group to them (setgid) is a vault's that a group administers: its members
// read the log, which holds no secrets.
func filePerm(dir string) fs.FileMode {
	if st, err := os.Stat(dir); err == nil && st.Mode()&fs.ModeSetgid != 0 {
		return 0o640
	}
	return 0o600
}

func (l *Log) open(o Options, flags int) error {
	if l.priv != nil {
		if err := unix.Flock(int(l.file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
			if errors.Is(err, unix.EWOULDBLOCK) {
				return fmt.Errorf("%s: %w", l.path, ErrBusy)
			}
			return fmt.Errorf("locking %s: %w", l.path, err)
		}
		// Every time: whoever wrote may have been killed before it was durable, and what is read now counts from now on.
		if err := errors.Join(l.file.Sync(), durable.SyncDir(l.dir)); err != nil {
			return err
		}
	}
	key, size, sum, err := readPreamble(io.NewSectionReader(l.file, 0, maxPreamble))
	if err != nil {
		return &CorruptError{File: l.path, Reason: err.Error()}
	}
	l.key = key
	l.start = mark{offset: size, sum: sum, root: seal.NewTree().Root()}
	if o.Origin != "" && o.Origin != key.Name() {
		return fmt.Errorf("%s is the log of %s, not of %s", l.path, key.Name(), o.Origin)
	}
	if l.priv != nil {
		mine, err := seal.NewLogKey(key.Name(), l.priv.Public().(ed25519.PublicKey))
		if err != nil {
			return err
		}
		if mine.String() != key.String() {
			return fmt.Errorf("%s is the log of key %s, but the key given is %s", l.path, key, mine)
		}
		flags |= os.O_CREATE
	}
	l.index = newIndex(l.dir, o.flushAt)
	for _, f := range []struct {
		into  **array
		name  string
		width int
	}{{&l.tree, treeFile, tlog.HashSize}, {&l.places, placesFile, 8}} {
		*f.into, err = openArray(filepath.Join(l.dir, f.name), f.width, flags)
		if l.priv == nil && errors.Is(err, fs.ErrNotExist) {
			*f.into, err = &array{path: f.name, width: f.width}, nil
		}
		if err != nil {
			return err
		}
	}
	return l.load()
}

// Notice says what Open had to repair, or "".
func (l *Log) Notice() string { return l.notice }

// Key is the public key of the log.
func (l *Log) Key() seal.LogKey { return l.key }

// Size is the number of entries.
func (l *Log) Size() int64 { return l.checkpoint().Size }

// Checkpoint is the signed head of the log. That of an empty log opened for reading is not signed.
func (l *Log) Checkpoint() *seal.Checkpoint { c := *l.checkpoint(); return &c }

func (l *Log) checkpoint() *seal.Checkpoint {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.head
}

// Failed is closed when the log takes no more entries until it is opened anew; Err then says why. A full disk is no such failure.
func (l *Log) Failed() <-chan struct{} { return l.failed }

// Err is why the log takes no more entries, or nil.
func (l *Log) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.broken
}

// Totals is the number of signatures by a key that the log holds.
func (l *Log) Totals(keyFingerprint string) int64 { return l.index.total(keyFingerprint) }

func (l *Log) closeFiles() error {
	errs := []error{l.file.Close()}
	for _, a := range []*array{l.tree, l.places} {
		if a != nil && a.file != nil {
			errs = append(errs, a.file.Close())
		}
	}
	if l.index != nil {
		l.index.close()
	}
	return errors.Join(errs...)
}

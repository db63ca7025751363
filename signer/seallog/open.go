package seallog

import (
	"bufio"
	"crypto/ed25519"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/privyseal/privyseal/internal/durable"
	"github.com/privyseal/privyseal/internal/seal"
)

// ErrBusy means that another process has the log open.
var ErrBusy = errors.New("another process has the log open")

// CorruptError means that the log was damaged or changed in a place that was once durable. Nothing is repaired: a person must look.
type CorruptError struct {
	File   string
	Offset int64
	Reason string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("%s: damaged at offset %d (%s), and sound entries follow: restore the log from a backup; nothing was changed",
		e.File, e.Offset, e.Reason)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// place is where an entry stands in the file. The check sum guards against what happens to the file while it is open.
type place struct {
	offset int64
	index  int64
	size   uint32
	crc    uint32
}

// Options are those of a log.
type Options struct {
	Origin string             // the log's name, "privyseal/SIGNER"
	Key    ed25519.PrivateKey // signs checkpoints; nil opens the log for reading alone
}

// Log is an open record. It is safe for concurrent use; one process has it open at a time.
type Log struct {
	file   *os.File
	path   string
	key    seal.LogKey
	priv   ed25519.PrivateKey
	notice string
	slots  chan struct{} // bounds the entries that wait for the disk
	done   chan struct{} // closed when the committer has ended

	mu       sync.Mutex
	wake     *sync.Cond
	closed   bool
	broken   error
	queue    []*item
	bySubj   map[subjectKey]place
	inFlight map[subjectKey]*item
	events   map[string]place // last of each kind

	tree   *seal.Tree
	nodes  [][32]byte
	places map[int64]place

	// Of the committer alone, once it runs.
	size int64
	next int64
	last [32]byte
}

// Open opens the log in dir, making it when there is none, and reads it through.
func Open(dir string, o Options) (*Log, error) {
	if o.Key == nil {
		o.Key = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	}
	if o.Origin == "" {
		o.Origin = seal.OriginPrefix + "log"
	}
	key, err := seal.NewLogKey(o.Origin, o.Key.Public().(ed25519.PublicKey))
	if err != nil {
		return nil, err
	}
	if err := durable.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "seal.log")
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	l := &Log{
		key:      key,
		priv:     o.Key,
		tree:     seal.NewTree(),
		places:   map[int64]place{},
		file:     file,
		path:     path,
		slots:    make(chan struct{}, 4096),
		done:     make(chan struct{}),
		bySubj:   make(map[subjectKey]place),
		inFlight: make(map[subjectKey]*item),
		events:   make(map[string]place),
	}
	l.wake = sync.NewCond(&l.mu)
	if err := l.load(); err != nil {
		file.Close()
		return nil, err
	}
	go l.commitLoop()
	return l, nil
}

func (l *Log) load() error {
	if err := unix.Flock(int(l.file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			return fmt.Errorf("%s: %w", l.path, ErrBusy)
		}
		return fmt.Errorf("locking %s: %w", l.path, err)
	}
	// Every time: whoever made the file may have been killed before its name was durable.
	if err := durable.SyncDir(filepath.Dir(l.path)); err != nil {
		return err
	}
	st, err := l.file.Stat()
	if err != nil {
		return err
	}
	size := st.Size()
	r := bufio.NewReaderSize(io.NewSectionReader(l.file, 0, size), 1<<18)
	for l.size < size {
		h, body, err := readFrame(r)
		if err == nil {
			err = l.take(h, body)
		}
		if err != nil {
			return l.repair(size, err)
		}
	}
	return nil
}

// take adds a frame that was read to the index.
func (l *Log) take(h head, body []byte) error {
	if h.first != l.next || h.prev != l.last {
		return fmt.Errorf("frame of entry %d does not follow entry %d", h.first, l.next-1)
	}
	index, base := h.first, l.size+headSize
	// Everything is decoded before anything is indexed: a frame counts whole or not at all.
	type found struct {
		subject *Subject
		kind    string
		at      place
	}
	var all []found
	err := splitBody(body, h.count, func(offset int, entry []byte) error {
		rec, ev, err := decodeEntry(entry)
		if err != nil {
			return err
		}
		f := found{at: place{base + int64(offset), index, uint32(len(entry)), crc32.Checksum(entry, castagnoli)}}
		if rec != nil {
			f.subject = &rec.Subject
		} else {
			f.kind = ev.kind
		}
		all = append(all, f)
		l.nodes = l.tree.Append(seal.LeafHash(entry), l.nodes)
		l.places[index] = f.at
		index++
		return nil
	})
	if err != nil {
		return err
	}
	for _, f := range all {
		if f.subject != nil {
			l.bySubj[f.subject.key()] = f.at
		} else {
			l.events[f.kind] = f.at
		}
	}
	l.next, l.last = index, h.sum
	l.size = base + int64(len(body))
	return nil
}

// repair cuts a torn tail off, or refuses when what is broken cannot be the tail.
func (l *Log) repair(size int64, cause error) error {
	at, found, err := soundFrameAfter(l.file, l.size, size, l.next)
	if err != nil {
		return fmt.Errorf("reading %s: %w", l.path, err)
	}
	// A frame that is whole and sound but does not fit the chain was never written by us at this place.
	h, _, soundErr := readFrame(bufio.NewReader(io.NewSectionReader(l.file, l.size, size-l.size)))
	if found || soundErr == nil {
		reason := cause.Error()
		if found {
			reason = fmt.Sprintf("%s; next sound frame at offset %d", reason, at)
		} else {
			reason = fmt.Sprintf("%s; its own hash is right, for entry %d", reason, h.first)
		}
		return &CorruptError{File: l.path, Offset: l.size, Reason: reason}
	}
	torn := filepath.Join(filepath.Dir(l.path), fmt.Sprintf("torn-%d", l.size))
	out, err := durable.Create(torn, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := io.Copy(out, io.NewSectionReader(l.file, l.size, size-l.size)); err != nil {
		return fmt.Errorf("keeping the torn tail of %s: %w", l.path, err)
	}
	if err := out.Commit(); err != nil {
		return err
	}
	if err := l.file.Truncate(l.size); err != nil {
		return fmt.Errorf("cutting the torn tail of %s: %w", l.path, err)
	}
	if err := l.file.Sync(); err != nil {
		return fmt.Errorf("cutting the torn tail of %s: %w", l.path, err)
	}
	l.notice = fmt.Sprintf("%s: cut %d bytes of an unfinished commit at offset %d (%v); they are kept in %s",
		l.path, size-l.size, l.size, cause, torn)
	return nil
}

// Notice says what Open had to repair, or "".
func (l *Log) Notice() string { return l.notice }

// Size is the number of entries.
func (l *Log) Size() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.next
}

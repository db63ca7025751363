package seal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/privyseal/privyseal/internal/durable"
)

// ErrSeenMoved means that another process advanced the file since Highest was asked: ask for Highest again, and for the log's
// checkpoint and a consistency proof from there.
var ErrSeenMoved = errors.New("the highest checkpoint seen has moved meanwhile; ask the log for its checkpoint and a proof again")

// Seen keeps the highest checkpoint of one log in a file, for several processes at once. Without a file yet, the first checkpoint is
// believed: compare it with the hub's, or bring the file from elsewhere.
type Seen struct {
	path string
	mu   sync.Mutex
	high *Checkpoint
}

// OpenSeen reads the file, which need not exist; its directory must.
func OpenSeen(file string) (*Seen, error) {
	s := &Seen{path: file}
	var err error
	s.high, err = readSeen(file)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func readSeen(file string) (*Checkpoint, error) {
	f, err := durable.OpenRegular(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxCheckpoint+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	// The file is as good as its owner: the signature was checked when it was written.
	text := data
	if i := bytes.LastIndex(data, []byte("\n\n")); i >= 0 {
		text = data[:i+1]
	}
	c, err := parseCheckpoint(string(text))
	if err != nil || len(data) > maxCheckpoint {
		return nil, fmt.Errorf("%s: not a checkpoint (%v): bring it from a backup, or remove it and compare the log's next checkpoint "+
			"with the hub's", file, err)
	}
	c.Note = data
	return c, nil
}

// Highest is the highest checkpoint this Seen knows, or nil.
func (s *Seen) Highest() *Checkpoint {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.high
}

// Advance moves to a checkpoint that OpenCheckpoint gave, with the proof that it continues Highest. It refuses a log that went back
// (*RollbackError) or was rewritten (*ForkError), and keeps what it had. When it returns nil, the new checkpoint is durable.
func (s *Seen) Advance(new *Checkpoint, consistency [][32]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	unlock, err := s.lock()
	if err != nil {
		return err
	}
	defer unlock()
	disk, err := readSeen(s.path)
	if err != nil {
		return err
	}
	base := s.high
	if disk != nil && base != nil && disk.Origin == base.Origin && disk.Size <= base.Size {
		if disk.Size == base.Size && disk.Root != base.Root {
			return &ForkError{Origin: base.Origin, Seen: base.Size, Got: disk.Size, Reason: s.path + " holds another root hash than was seen before"}
		}
		// Somebody put an older file in place: what this program saw counts.
	} else if disk != nil {
		s.high = disk
		if new.Origin == disk.Origin && new.Size == disk.Size && new.Root == disk.Root {
			return nil
		}
		return ErrSeenMoved
	}
	if err := VerifyConsistency(base, new, consistency); err != nil {
		return err
	}
	if disk != nil && new.Size == disk.Size && new.Root == disk.Root {
		return nil
	}
	if err := durable.WriteFile(s.path, new.Note, 0o644); err != nil {
		return fmt.Errorf("keeping the highest checkpoint seen: %w", err)
	}
	s.high = new
	return nil
}

// lock keeps other processes out until its result is called.
func (s *Seen) lock() (unlock func(), err error) {
	dir, base := filepath.Split(s.path)
	f, err := os.OpenFile(filepath.Join(dir, "."+base+".lock"), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking %s: %w", s.path, err)
	}
	for {
		if err = unix.Flock(int(f.Fd()), unix.LOCK_EX); !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("locking %s: %w", s.path, err)
	}
	return func() { f.Close() }, nil
}

package seallog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/privyseal/privyseal/internal/seal"
)

// ErrClock means that the clock is behind the last entry. errors.As with *ClockError gives both times.
var ErrClock = errors.New("the clock is behind the last entry of the log")

// ClockError says by how much.
type ClockError struct{ Now, Last time.Time }

func (e *ClockError) Error() string {
	return fmt.Sprintf("the clock says %s, but the last entry of the log is of %s: set the clock; nothing is signed before it is right",
		e.Now.UTC().Format(time.RFC3339Nano), e.Last.UTC().Format(time.RFC3339Nano))
}

// Is makes it ErrClock.
func (e *ClockError) Is(target error) bool { return target == ErrClock }

// Key is the public key of the log.
func (l *Log) Key() seal.LogKey { return l.key }

// Checkpoint is the signed head of the log.
func (l *Log) Checkpoint() *seal.Checkpoint {
	l.mu.Lock()
	defer l.mu.Unlock()
	root := l.tree.Root()
	return &seal.Checkpoint{Origin: l.key.Name(), Size: l.next, Root: root,
		Note: l.key.Note(l.next, root, l.key.SignCheckpoint(l.priv, l.next, root))}
}

func (l *Log) reader() tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		out := make([]tlog.Hash, len(indexes))
		for i, x := range indexes {
			out[i] = l.nodes[x]
		}
		return out, nil
	})
}

// ProofOf proves that an entry is in the log.
func (l *Log) ProofOf(index int64) (*seal.Proof, error) {
	c := l.Checkpoint()
	path, err := tlog.ProveRecord(c.Size, index, l.reader())
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	at := l.places[index]
	l.mu.Unlock()
	b := make([]byte, at.size)
	if _, err := l.file.ReadAt(b, at.offset); err != nil {
		return nil, err
	}
	p := &seal.Proof{Entry: b, Index: index, Checkpoint: c.Note}
	for _, h := range path {
		p.Path = append(p.Path, h)
	}
	return p, nil
}

// Consistency proves that the log of the newest checkpoint continues that of the first old entries. It gives both, so that they fit.
func (l *Log) Consistency(old int64) (*seal.Checkpoint, [][32]byte, error) {
	c := l.Checkpoint()
	proof, err := l.ConsistencyTo(old, c.Size)
	return c, proof, err
}

// ConsistencyTo proves the same for a checkpoint of size entries.
func (l *Log) ConsistencyTo(old, size int64) ([][32]byte, error) {
	if old == 0 || old == size {
		return nil, nil
	}
	path, err := tlog.ProveTree(size, old, l.reader())
	if err != nil {
		return nil, err
	}
	var out [][32]byte
	for _, h := range path {
		out = append(out, h)
	}
	return out, nil
}

// Entry reads one entry.
func (l *Log) Entry(index int64) (*seal.Entry, error) {
	l.mu.Lock()
	at, ok := l.places[index]
	l.mu.Unlock()
	if !ok {
		return nil, fmt.Errorf("%s: no entry %d", l.path, index)
	}
	b := make([]byte, at.size)
	if _, err := l.file.ReadAt(b, at.offset); err != nil {
		return nil, err
	}
	return seal.DecodeEntry(b)
}

// Entries gives the entries from an index on, up to the last that is durable when it gets there.
func (l *Log) Entries(from int64) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		for i := from; i < l.Size(); i++ {
			e, err := l.Entry(i)
			if !yield(Item{i, e}, err) || err != nil {
				return
			}
		}
	}
}

// Item is an entry with its place.
type Item struct {
	Index int64
	Entry *seal.Entry
}

// Since is the index of the first entry at or after a time: Size if there is none.
func (l *Log) Since(t time.Time) (int64, error) {
	for i := range l.Size() {
		e, err := l.Entry(i)
		if err != nil || !e.Time.Before(t) {
			return i, err
		}
	}
	return l.Size(), nil
}

// Totals is the number of signatures by a key that the log holds.
func (l *Log) Totals(keyFingerprint string) int64 {
	n := int64(0)
	for it, err := range l.Entries(0) {
		if err == nil && it.Entry.Signature != nil && it.Entry.Signature.KeyFingerprint == keyFingerprint {
			n++
		}
	}
	return n
}

// AcceptClock records that a person takes the clock as right although it is behind the last entry; signing goes on from there.
func (l *Log) AcceptClock(ctx context.Context, by string) (index int64, err error) {
	return l.AppendEvent(ctx, "clock", fmt.Appendf(nil, `{"by":%q}`, by))
}

// Report is what Verify and VerifyExport found.
type Report struct {
	Entries    int64
	Signatures int64
	First      time.Time
	Last       time.Time
	Checkpoint *seal.Checkpoint // the newest; nil for an empty log
}

// Verify checks the whole log in dir: every frame, hash and checkpoint, and that it continues against, if that is not nil. The error
// names the first bad entry. Serve may be running.
func Verify(ctx context.Context, dir string, key seal.LogKey, against *seal.Checkpoint) (*Report, error) {
	return nil, errors.New("not yet")
}

// Export writes the entries from an index on and the checkpoint that covers them, for VerifyExport to check on another machine.
func (l *Log) Export(ctx context.Context, w io.Writer, from int64) (*seal.Checkpoint, error) {
	return nil, errors.New("not yet")
}

// VerifyExport checks a stream that Export wrote, and that it continues against, if that is not nil; each, if not nil, is called for
// every entry. An export that begins at entry N needs the checkpoint of N entries as against.
func VerifyExport(ctx context.Context, r io.Reader, key seal.LogKey, against *seal.Checkpoint, each func(Item) error) (*Report, error) {
	return nil, errors.New("not yet")
}

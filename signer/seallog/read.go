package seallog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"sort"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/privyseal/privyseal/internal/seal"
)

// Item is an entry with its place.
type Item struct {
	Index int64
	Entry *seal.Entry
}

// place is where an entry's length stands in the file.
func (l *Log) place(index int64) (offset int64, first bool, err error) {
	var b [8]byte
	if err := l.places.read(index, b[:]); err != nil {
		return 0, false, err
	}
	v := binary.BigEndian.Uint64(b[:])
	return int64(v &^ firstOfFrame), v&firstOfFrame != 0, nil
}

// entryBytes reads an entry and checks it against the tree.
func (l *Log) entryBytes(index int64) (entry []byte, err error) {
	if size := l.Size(); index < 0 || index >= size {
		return nil, fmt.Errorf("%s: no entry %d; it has %d", l.path, index, size)
	}
	err = l.healing(func() error {
		entry, err = l.readEntry(index)
		return err
	})
	return entry, err
}

func (l *Log) readEntry(index int64) ([]byte, error) {
	offset, _, err := l.place(index)
	if err != nil {
		return nil, err
	}
	b := make([]byte, 2048)
	n, err := l.file.ReadAt(b, offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading %s: %w", l.path, err)
	}
	b = b[:n]
	if n < 4 || binary.BigEndian.Uint32(b) > seal.MaxEntry {
		return nil, &damagedFileError{l.places.path, fmt.Errorf("entry %d is not where it says", index)}
	}
	size := int(binary.BigEndian.Uint32(b))
	entry := b[4:]
	if size > len(entry) {
		entry = make([]byte, size)
		if n, err := l.file.ReadAt(entry, offset+4); n < size {
			if err != nil && !errors.Is(err, io.EOF) {
				return nil, fmt.Errorf("reading %s: %w", l.path, err)
			}
			return nil, &damagedFileError{l.places.path, fmt.Errorf("entry %d is not where it says", index)}
		}
	}
	entry = entry[:size:size]
	var leaf [32]byte
	if err := l.tree.read(tlog.StoredHashIndex(0, index), leaf[:]); err != nil {
		return nil, err
	}
	if seal.LeafHash(entry) != leaf {
		return nil, &damagedFileError{l.tree.path, fmt.Errorf("entry %d in %s does not match its hash", index, l.path)}
	}
	return entry, nil
}

// Entry reads one entry.
func (l *Log) Entry(index int64) (*seal.Entry, error) {
	b, err := l.entryBytes(index)
	if err != nil {
		return nil, err
	}
	e, err := seal.DecodeEntry(b)
	if err != nil {
		return nil, fmt.Errorf("%s: entry %d: %w", l.path, index, err)
	}
	return e, nil
}

// Entries gives the entries from an index on, up to the last that is durable when it gets there. Each frame is checked as it is read; the
// first error is the last thing that it gives.
func (l *Log) Entries(from int64) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		err := l.frames(from, func(f *walked) error {
			for i, e := range f.entries {
				index := f.first + int64(i)
				if index < from {
					continue
				}
				entry, err := seal.DecodeEntry(e.bytes)
				if err != nil {
					return &CorruptError{l.path, e.offset, index, err.Error()}
				}
				if !yield(Item{index, entry}, nil) {
					return errStopped
				}
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStopped) {
			yield(Item{}, err)
		}
	}
}

// frames reads the frames from that with an entry on.
func (l *Log) frames(from int64, each func(f *walked) error) error {
	at, err := l.frameOf(from)
	if err != nil {
		return err
	}
	var f walked
	for {
		l.mu.Lock()
		closed, entries, end := l.closed, l.head.Size, l.headSize
		l.mu.Unlock()
		if closed {
			return ErrClosed
		}
		if at.entries >= entries {
			return nil
		}
		w := walk(l.file, at, nil, end)
		for w.entries < entries {
			if err := w.next(&f); err != nil {
				return l.badFrame(err, w.mark)
			}
			if err := each(&f); err != nil {
				return err
			}
		}
		at = w.mark
	}
}

// frameOf is the mark before the frame that an entry is in.
func (l *Log) frameOf(index int64) (mark, error) {
	if index < 0 || index > l.Size() {
		return mark{}, fmt.Errorf("%s: no entry %d; it has %d", l.path, index, l.Size())
	}
	if index == 0 || l.blind {
		return l.start, nil
	}
	if index == l.Size() {
		index--
	}
	var m mark
	err := l.healing(func() error {
		for i := index; i >= 0; i-- {
			offset, first, err := l.place(i)
			if err != nil {
				return err
			}
			if first {
				m = mark{entries: i, offset: offset - headSize}
				break
			}
		}
		w := walk(l.file, m, nil, m.offset+headSize+maxBody)
		h, _, err := w.frames.next()
		if err != nil || h.first != m.entries || h.first+int64(h.count) <= index {
			return &damagedFileError{l.places.path, fmt.Errorf("it does not lead to the frame of entry %d", index)}
		}
		m.sum = h.prev
		return nil
	})
	return m, err
}

// Since is the index of the first entry at or after a time; Size if there is none. It takes it that time never went back.
func (l *Log) Since(t time.Time) (int64, error) {
	var err error
	n := sort.Search(int(l.Size()), func(i int) bool {
		if err != nil {
			return true
		}
		e, eerr := l.Entry(int64(i))
		if eerr != nil {
			err = eerr
			return true
		}
		return !e.Time.Before(t)
	})
	return int64(n), err
}

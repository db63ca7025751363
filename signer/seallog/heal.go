package seallog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/privyseal/privyseal/internal/durable"
	"github.com/privyseal/privyseal/internal/seal"
)

// healDir holds pieces of an index file while it is made anew.
const healDir = ".heal"

// heal makes a damaged file anew from the log. It returns the cause if that is not possible.
func (l *Log) heal(cause error) error {
	if errors.Is(cause, os.ErrClosed) {
		return ErrClosed
	}
	var damaged *damagedFileError
	if l.priv == nil || !errors.As(cause, &damaged) {
		return cause
	}
	var err error
	if damaged.path == l.tree.path || damaged.path == l.places.path {
		err = l.healArrays()
	} else {
		err = l.healRun(damaged.path)
	}
	if err != nil {
		return fmt.Errorf("%w (making it anew: %w)", cause, err)
	}
	return nil
}

// healArrays goes through the log and writes what is not right in tree and places. Commits go on meanwhile.
func (l *Log) healArrays() error {
	l.repairMu.Lock()
	defer l.repairMu.Unlock()
	if l.incurable != nil {
		return l.incurable
	}
	l.mu.Lock()
	end, entries := l.headSize, l.head.Size
	l.mu.Unlock()
	w := walk(l.file, l.start, seal.NewTree(), end)
	var f walked
	changed := false
	for w.entries < entries {
		before := w.mark
		if err := w.next(&f); err != nil {
			err = l.badFrame(err, before)
			if corrupt := (*CorruptError)(nil); errors.As(err, &corrupt) {
				l.incurable = err
			}
			return err
		}
		var hashes, places []byte
		for i := range f.nodes {
			hashes = append(hashes, f.nodes[i][:]...)
		}
		for i, e := range f.entries {
			place := uint64(e.offset)
			if i == 0 {
				place |= firstOfFrame
			}
			places = binary.BigEndian.AppendUint64(places, place)
		}
		for _, fix := range []struct {
			a  *array
			at int64
			b  []byte
		}{{l.tree, tlog.StoredHashCount(before.entries), hashes}, {l.places, before.entries, places}} {
			wrote, err := fix.a.fix(fix.at, fix.b)
			if err != nil {
				return err
			}
			changed = changed || wrote
		}
	}
	if !changed {
		return errors.New("it is as the log has it")
	}
	return errors.Join(l.tree.sync(), l.places.sync())
}

// badFrame says what it means that a frame that counts could not be read.
func (l *Log) badFrame(err error, at mark) error {
	switch {
	case unreadable(err):
		return fmt.Errorf("reading %s: %w", l.path, err)
	case errors.Is(err, io.EOF):
		err = errCutShort
	}
	return &CorruptError{l.path, at.offset, at.entries, err.Error()}
}

// unreadable tells an error of the system from bytes that are wrong: it may pass, and no backup helps against it.
func unreadable(err error) bool {
	var perr *fs.PathError
	return errors.As(err, &perr)
}

// fix writes records where the file holds others. What is in memory alone is right.
func (a *array) fix(i int64, b []byte) (wrote bool, err error) {
	a.mu.RLock()
	n := max(0, min(int64(len(b)/a.width), a.count-i))
	a.mu.RUnlock()
	b = b[:n*int64(a.width)]
	have := make([]byte, len(b))
	if err := a.read(i, have); err == nil && bytes.Equal(have, b) {
		return false, nil
	}
	if _, err := a.file.WriteAt(b, i*int64(a.width)); err != nil {
		return false, fmt.Errorf("writing %s: %w", a.path, err)
	}
	return true, nil
}

// healRun makes a file of the index anew.
func (l *Log) healRun(path string) error {
	l.keep.maint.Lock()
	defer l.keep.maint.Unlock()
	l.index.mu.RLock()
	i := slices.IndexFunc(l.index.runs, func(r *run) bool { return r.path == path })
	var old *run
	from := l.start
	if i >= 0 {
		old = l.index.runs[i]
	}
	if i > 0 {
		from = l.index.runs[i-1].mark
	}
	l.index.mu.RUnlock()
	if old == nil {
		return nil // somebody else was faster
	}
	dir := filepath.Join(l.dir, healDir)
	if err := errors.Join(os.RemoveAll(dir), durable.MkdirAll(dir, 0o700)); err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	pieces, err := l.readRun(dir, from, old.mark)
	defer closeRuns(pieces)
	if err != nil {
		return err
	}
	r, err := mergeRuns(l.dir, pieces, l.index.stopped)
	if err != nil {
		return err
	}
	l.index.replace([]*run{old}, r)
	return nil
}

// readRun makes runs in dir of what the log has between two marks.
func (l *Log) readRun(dir string, from, to mark) (pieces []*run, err error) {
	w := walk(l.file, from, nil, to.offset)
	t := newTable(from.entries)
	var f walked
	for w.entries < to.entries {
		before := w.mark
		if err := w.next(&f); err != nil {
			return pieces, l.badFrame(err, before)
		}
		for i, e := range f.entries {
			entry, err := seal.DecodeEntry(e.bytes)
			if err != nil {
				return pieces, &CorruptError{l.path, e.offset, f.first + int64(i), err.Error()}
			}
			t.put(indexEntry(f.first+int64(i), entry))
		}
		t.mark = w.mark
		if w.entries-t.first >= l.index.flushAt || w.entries >= to.entries {
			r, err := writeTable(dir, t)
			if err != nil {
				return pieces, err
			}
			pieces = append(pieces, r)
			t = newTable(w.entries)
		}
	}
	if w.mark != to {
		return pieces, errors.New("the log does not fit the index")
	}
	return pieces, nil
}

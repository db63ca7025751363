package seallog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/privyseal/privyseal/internal/durable"
	"github.com/privyseal/privyseal/internal/seal"
)

// load finds the end of the log: from where the index files know it, frame by frame. What they lack is added.
func (l *Log) load() error {
	// In this order: another process may be writing, and the log is always ahead of what follows from it.
	witness, err := l.witness()
	if err != nil {
		return err
	}
	runs, rest, err := listRuns(l.dir)
	if err != nil {
		return err
	}
	st, err := l.file.Stat()
	if err != nil {
		return err
	}
	size := st.Size()
	if l.priv == nil {
		// Who writes may not have synced what is there already. It is shown to others as soon as it is read here.
		if err := disk.sync(l.file); err != nil {
			return fmt.Errorf("syncing %s: %w", l.path, err)
		}
	}
	from, last, runs, unfit := l.newestMark(runs, size)
	if unfit != nil {
		l.note("%s: its index files did not fit (%v) and were made anew", l.path, unfit)
		if errors.Is(unfit, errShorter) {
			witness = max(witness, runs[len(runs)-1].mark.entries)
		}
		for _, r := range runs {
			rest = append(rest, r.path)
		}
		closeRuns(runs)
		runs = nil
	}
	l.index.adopt(runs)
	l.tree.reset(tlog.StoredHashCount(from.entries))
	l.places.reset(from.entries)
	if l.edge, err = l.edgeAt(from); err != nil {
		return err
	}
	w := walk(l.file, from, l.edge, size)
	var frame walked
	for err == nil {
		if err = w.next(&frame); err == nil {
			if err = l.take(&frame, w.mark); err == nil {
				last = frame.head
				l.at, l.edge = w.mark, w.edge
			} else if bad := (*entryError)(nil); !errors.As(err, &bad) {
				return err
			}
		}
	}
	if l.at.offset == 0 {
		l.at = from
	}
	if unreadable(err) {
		return l.badFrame(err, l.at)
	}
	if !errors.Is(err, io.EOF) {
		if err := l.repair(size, witness, err); err != nil {
			return err
		}
	} else if witness > l.at.entries {
		return fmt.Errorf("%s: %w", l.path, &seal.RollbackError{Origin: l.key.Name(), Seen: witness, Got: l.at.entries})
	}
	if err := l.secure(); err != nil {
		return err
	}
	if err := l.settle(last); err != nil {
		return err
	}
	if l.priv == nil {
		return nil
	}
	// What a killed process left is cleared away.
	if err := errors.Join(durable.RemoveStale(l.dir, 0), os.RemoveAll(filepath.Join(l.dir, healDir))); err != nil {
		return err
	}
	for _, path := range rest {
		if l.index.byPath(path) == nil {
			os.Remove(path) // a run that another covers does no harm if it stays
		}
	}
	return errors.Join(l.tree.flush(), l.places.flush(), l.tree.truncate(), l.places.truncate())
}

// witness is the number of entries that the tree file knows of. A frame was durable before its hashes were written, so the log has as
// many, or somebody cut it.
func (l *Log) witness() (int64, error) {
	if l.tree.file == nil {
		return 0, nil
	}
	n, err := l.tree.records()
	if err != nil || n == 0 {
		return 0, err
	}
	return leaves(n), nil
}

// leaves is the number of entries whose hashes are among the first n of a tree file.
func leaves(n int64) int64 {
	low, high := n/2, n
	for low < high {
		mid := (low + high + 1) / 2
		if tlog.StoredHashCount(mid) <= n {
			low = mid
		} else {
			high = mid - 1
		}
	}
	return low
}

// newestMark is where the newest run ends, and the frame before. With an error the runs are not this log's, or the files they lean on
// are not whole; then everything is read from the start.
func (l *Log) newestMark(runs []*run, size int64) (m mark, last head, fit []*run, err error) {
	if len(runs) == 0 {
		return l.start, head{}, nil, nil
	}
	m = runs[len(runs)-1].mark
	last, err = l.checkMark(m, size)
	// An older one of another log would not know what was signed, and let it be signed again.
	for i := 0; err == nil && i < len(runs)-1; i++ {
		_, err = l.checkFrame(runs[i].mark, size)
	}
	if err != nil {
		return l.start, head{}, runs, err
	}
	return m, last, runs, nil
}

var errShorter = errors.New("the log is shorter than its index")

// checkFrame holds a mark against the frame that ends there.
func (l *Log) checkFrame(m mark, size int64) (head, error) {
	if m.offset > size || m.frame < l.start.offset || m.frame >= m.offset {
		return head{}, errShorter
	}
	w := walk(l.file, mark{offset: m.frame}, nil, size)
	h, _, err := w.frames.next()
	if err != nil {
		return head{}, err
	}
	if h.sum != m.sum || h.root != m.root || h.first+int64(h.count) != m.entries || m.frame+headSize+int64(h.body) != m.offset {
		return head{}, errors.New("the index is that of another log")
	}
	return h, nil
}

func (l *Log) checkMark(m mark, size int64) (head, error) {
	h, err := l.checkFrame(m, size)
	if err != nil {
		return head{}, err
	}
	hashes, err := l.tree.records()
	if err != nil {
		return head{}, err
	}
	places, err := l.places.records()
	if err != nil {
		return head{}, err
	}
	if hashes < tlog.StoredHashCount(m.entries) || places < m.entries {
		return head{}, errors.New("tree or places is shorter than the index")
	}
	l.tree.reset(hashes)
	edge, err := l.edgeAt(m)
	if err != nil {
		return head{}, err
	}
	if edge.Root() != m.root {
		return head{}, errors.New("the hashes in tree do not lead to the root")
	}
	return h, nil
}

// edgeAt reads the right edge of the tree at a mark.
func (l *Log) edgeAt(m mark) (*seal.Tree, error) {
	var peaks [][32]byte
	for rest := m.entries; rest > 0; {
		level := bits.Len64(uint64(rest)) - 1
		var h [32]byte
		first := m.entries - rest
		if err := l.tree.read(tlog.StoredHashIndex(level, first>>level), h[:]); err != nil {
			return nil, err
		}
		peaks = append(peaks, h)
		rest -= 1 << level
	}
	return seal.TreeFromPeaks(m.entries, peaks), nil
}

// entryError means that a frame is whole, but an entry in it is none.
type entryError struct{ err error }

func (e *entryError) Error() string { return e.err.Error() }

// take adds a frame that was read to tree, places and index.
func (l *Log) take(f *walked, m mark) error {
	found := make([]indexed, len(f.entries))
	for i, e := range f.entries {
		entry, err := seal.DecodeEntry(e.bytes)
		if err != nil {
			return &entryError{fmt.Errorf("entry %d: %w", f.first+int64(i), err)}
		}
		found[i] = indexEntry(f.first+int64(i), entry)
		l.lastTime = entry.Time.UnixMicro()
	}
	if l.blind {
		return nil
	}
	l.appendArrays(f.nodes, func(i int) int64 { return f.entries[i].offset }, len(f.entries))
	full := l.index.add(found, m)
	if l.priv == nil {
		// What is not in files is held in memory, as long as it is little.
		if m.entries-l.index.mem.first > 16*l.index.flushAt {
			l.blind = true
			l.index = newIndex(l.dir, l.index.flushAt)
			l.tree.reset(0)
			l.places.reset(0)
		}
		return nil
	}
	if l.tree.lag() > 1<<20 || full {
		if err := errors.Join(l.tree.flush(), l.places.flush()); err != nil {
			return err
		}
	}
	if !full {
		return nil
	}
	l.index.freeze()
	if err := errors.Join(l.tree.sync(), l.places.sync()); err != nil {
		return err
	}
	if _, err := l.index.flushOne(); err != nil {
		return err
	}
	for {
		if merged, err := l.index.mergeOnce(); err != nil || !merged {
			return err
		}
	}
}

// appendArrays adds a frame's hashes and places of entries to the files' tails.
func (l *Log) appendArrays(nodes [][32]byte, offset func(i int) int64, count int) {
	b := make([]byte, 0, len(nodes)*tlog.HashSize)
	for i := range nodes {
		b = append(b, nodes[i][:]...)
	}
	l.tree.append(b)
	b = b[:0]
	for i := range count {
		place := uint64(offset(i))
		if i == 0 {
			place |= firstOfFrame
		}
		b = binary.BigEndian.AppendUint64(b, place)
	}
	l.places.append(b)
}

// secure writes the last frame once more. After a sync that failed, perhaps in a process before this one, the kernel may show bytes that are
// not on the disk, and take them for clean: syncing them again does nothing. Only the last frame can be meant, as none is written before the
// one before is durable.
func (l *Log) secure() error {
	if l.priv == nil || l.at.entries == 0 {
		return nil
	}
	frame := make([]byte, l.at.offset-l.at.frame)
	if _, err := l.file.ReadAt(frame, l.at.frame); err != nil {
		return fmt.Errorf("reading %s: %w", l.path, err)
	}
	if err := errors.Join(disk.write(l.file, frame, l.at.frame), disk.sync(l.file)); err != nil {
		return fmt.Errorf("writing the last commit of %s once more: %w", l.path, err)
	}
	return nil
}

// settle checks the signature of the last checkpoint and makes it the head.
func (l *Log) settle(last head) error {
	if l.at.entries == 0 {
		var sig []byte
		if l.priv != nil {
			sig = l.key.SignCheckpoint(l.priv, 0, l.at.root)
		}
		l.setHead(l.at, sig, l.lastTime)
		return nil
	}
	if !l.key.VerifyCheckpoint(l.at.entries, l.at.root, last.sig[:]) {
		return &CorruptError{l.path, l.at.frame, last.first, "the checkpoint of the last frame is not signed by the log's key"}
	}
	if l.lastTime == 0 { // no frame was read since the newest run
		w := walk(l.file, mark{offset: l.at.frame, entries: last.first}, nil, l.at.offset)
		w.anyPrev = true
		var f walked
		if err := w.next(&f); err != nil {
			return &CorruptError{l.path, l.at.frame, last.first, err.Error()}
		}
		entry, err := seal.DecodeEntry(f.entries[len(f.entries)-1].bytes)
		if err != nil {
			return &CorruptError{l.path, l.at.frame, l.at.entries - 1, err.Error()}
		}
		l.lastTime = entry.Time.UnixMicro()
	}
	l.setHead(l.at, last.sig[:], l.lastTime)
	return nil
}

func (l *Log) setHead(m mark, sig []byte, lastTime int64) {
	c := &seal.Checkpoint{Origin: l.key.Name(), Size: m.entries, Root: m.root}
	if sig != nil {
		c.Note = l.key.Note(m.entries, m.root, sig)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.head, l.headSize, l.lastTime = c, m.offset, lastTime
}

// repair cuts a torn tail off, or refuses when what is broken cannot be the tail. A log open for reading only leaves it out.
func (l *Log) repair(size, witness int64, cause error) error {
	corrupt := func(format string, args ...any) error {
		return &CorruptError{l.path, l.at.offset, l.at.entries, fmt.Sprintf("%v; %s", cause, fmt.Sprintf(format, args...))}
	}
	at, found, err := soundFrameAfter(l.file, l.key, l.at.offset, size, l.at.entries)
	if err != nil {
		return fmt.Errorf("reading %s: %w", l.path, err)
	}
	// A frame that is whole and sound but does not fit the chain was never written by us at this place.
	w := walk(l.file, l.at, nil, size)
	h, _, soundErr := w.frames.next()
	switch {
	case found:
		return corrupt("the next sound frame is at offset %d", at)
	case soundErr == nil:
		return corrupt("its own hash is right, for entry %d", h.first)
	case witness > l.at.entries:
		return corrupt("it was whole once: %d entries were durable", witness)
	case l.priv == nil:
		return nil
	}
	torn := filepath.Join(l.dir, fmt.Sprintf("torn-%d", l.at.offset))
	out, err := durable.Create(torn, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := io.Copy(out, io.NewSectionReader(l.file, l.at.offset, size-l.at.offset)); err != nil {
		return fmt.Errorf("keeping the torn tail of %s: %w", l.path, err)
	}
	if err := out.Commit(); err != nil {
		return err
	}
	if err := l.file.Truncate(l.at.offset); err != nil {
		return fmt.Errorf("cutting the torn tail of %s: %w", l.path, err)
	}
	if err := l.file.Sync(); err != nil {
		return fmt.Errorf("cutting the torn tail of %s: %w", l.path, err)
	}
	l.note("%s: cut %d bytes of an unfinished commit at offset %d (%v); they are kept in %s", l.path, size-l.at.offset, l.at.offset, cause, torn)
	return nil
}

func (l *Log) note(format string, args ...any) {
	if l.notice != "" {
		l.notice += "\n"
	}
	l.notice += fmt.Sprintf(format, args...)
}

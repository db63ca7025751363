package seallog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/privyseal/privyseal/internal/seal"
)

// ErrClosed means that the log was closed.
var ErrClosed = errors.New("seallog: log is closed")

// maxLag bounds what tree and places may lag behind the log, in bytes each.
const maxLag = 4 << 20

// item is one entry on its way to the disk.
type item struct {
	entry   []byte
	key     subjectKey // of a signature
	found   indexed
	event   bool
	force   bool // the clock is right, whatever the last entry says
	sig     []byte
	index   int64
	batch   *batch // what its proof is made of; nil if it was there before
	existed bool
	err     error
	unmade  bool // make failed: nothing was queued
	done    chan struct{}
}

// batch is what the entries of one commit have in common. All that their proofs need is here: no file is read.
type batch struct {
	checkpoint *seal.Checkpoint
	oldSize    int64
	oldPeaks   [][32]byte
	base       int64 // number of the first of nodes
	nodes      [][32]byte
	partial    [][32]byte // by level: over the last entries, which do not fill a subtree of it
}

// enqueue hands an item to the committer.
func (l *Log) enqueue(it *item) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usable(); err != nil {
		return err
	}
	l.queue = append(l.queue, it)
	l.wake.Signal()
	return nil
}

// usable is called with mu held.
func (l *Log) usable() error {
	switch {
	case l.closed:
		return ErrClosed
	case l.priv == nil:
		return ErrReadOnly
	}
	return l.broken
}

// slot waits for room among the entries that wait for the disk.
func (l *Log) slot(ctx context.Context) error {
	select {
	case l.slots <- struct{}{}:
		return nil
	default:
	}
	select {
	case l.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// commitLoop writes what waits, one frame and one fsync at a time.
func (l *Log) commitLoop() {
	defer close(l.done)
	for {
		l.mu.Lock()
		for len(l.queue) == 0 && !l.closed {
			l.wake.Wait()
		}
		if len(l.queue) == 0 {
			l.mu.Unlock()
			return
		}
		n, size := 0, 0
		for n < len(l.queue) && (n == 0 || size+4+len(l.queue[n].entry) <= maxBody) {
			size += 4 + len(l.queue[n].entry)
			n++
		}
		items := l.queue[:n:n]
		l.queue = l.queue[n:]
		err, last := l.broken, l.lastTime
		l.mu.Unlock()
		now := l.now()
		late := 0
		if now.UnixMicro() < last {
			// A person may have said, in one of the items, that the clock is right; that holds from there on, if it gets to the disk.
			if late = slices.IndexFunc(items, func(it *item) bool { return it.force }); late < 0 {
				late = len(items)
			}
		}
		if late > 0 {
			l.finish(items[:late], &ClockError{now, time.UnixMicro(last)})
			items = items[late:]
		}
		if len(items) > 0 {
			if err == nil {
				err = l.commit(items, now)
			}
			l.finish(items, err)
		}
	}
}

// commit writes one frame and syncs it. Then tree, places and index follow, which need not be durable.
func (l *Log) commit(items []*item, now time.Time) error {
	if err := l.keep.room(); err != nil {
		return err
	}
	entries := make([][]byte, len(items))
	b := &batch{oldSize: l.edge.Size(), oldPeaks: l.edge.Peaks(), base: tlog.StoredHashCount(l.edge.Size())}
	edge := l.edge.Clone()
	b.nodes = make([][32]byte, 0, 2*len(items)+64)
	for i, it := range items {
		seal.SetTime(it.entry, now)
		entries[i] = it.entry
		b.nodes = edge.Append(seal.LeafHash(it.entry), b.nodes)
	}
	h := head{first: l.at.entries, prev: l.at.sum, root: edge.Root()}
	copy(h.sig[:], l.key.SignCheckpoint(l.priv, edge.Size(), h.root))
	frame := appendFrame(l.frame, entries, &h)
	if l.frame = frame; cap(frame) > 1<<18 {
		l.frame = nil
	}
	if err := disk.write(l.file, frame, l.at.offset); err != nil {
		// What was written of the frame is taken back, so that the next commit finds the file as the last one left it.
		if terr := l.file.Truncate(l.at.offset); terr != nil {
			return l.breakdown(fmt.Errorf("writing %s: %w (and cutting it back: %v); restart the signer", l.path, err, terr))
		}
		return fmt.Errorf("writing %s: %w; nothing was signed", l.path, err)
	}
	if err := disk.sync(l.file); err != nil {
		// Nobody who reads the file is to take for durable what may not be.
		err = fmt.Errorf("syncing %s: %w; what the disk holds is unknown: restart the signer", l.path, err)
		return l.breakdown(errors.Join(err, l.file.Truncate(l.at.offset)))
	}
	// In this order: what the index knows can be read and proven.
	m := mark{entries: edge.Size(), offset: l.at.offset + int64(len(frame)), frame: l.at.offset, sum: h.sum, root: h.root}
	found := l.written(items, b)
	l.setHead(m, h.sig[:], now.UnixMicro())
	b.checkpoint = l.checkpoint()
	b.fillPartial(edge)
	full := l.index.add(found, m)
	l.at, l.edge = m, edge
	l.keep.appended(full)
	return nil
}

// written adds the items of a frame that is durable to tree and places, and gives what the index will hold of them.
func (l *Log) written(items []*item, b *batch) []indexed {
	offset := l.at.offset + headSize
	offsets := make([]int64, len(items))
	found := make([]indexed, len(items))
	for i, it := range items {
		it.index, it.batch = l.at.entries+int64(i), b
		offsets[i] = offset
		offset += 4 + int64(len(it.entry))
		found[i] = it.found
		found[i].val = newValue(it.index, it.event)
	}
	l.appendArrays(b.nodes, func(i int) int64 { return offsets[i] }, len(items))
	return found
}

func (l *Log) breakdown(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken = err
	close(l.failed)
	return err
}

// finish wakes those who wait for the items.
func (l *Log) finish(items []*item, err error) {
	l.mu.Lock()
	for _, it := range items {
		it.err = err
		if !it.event {
			delete(l.inFlight, it.key)
		}
	}
	l.mu.Unlock()
	for _, it := range items {
		close(it.done)
		<-l.slots
	}
}

// AppendEvent records an act that is not a signature and returns when it is durable.
func (l *Log) AppendEvent(ctx context.Context, kind string, data []byte) (index int64, err error) {
	if err := l.clockReady(ctx); err != nil {
		return 0, err
	}
	return l.appendEvent(ctx, kind, data, false)
}

func (l *Log) appendEvent(ctx context.Context, kind string, data []byte, force bool) (index int64, err error) {
	e := &seal.Entry{Event: &seal.EventEntry{Kind: kind, Data: data}}
	b, err := seal.EncodeEntry(e)
	if err != nil {
		return 0, err
	}
	it := &item{entry: b, event: true, force: force, found: indexed{key: eventKey(kind)}, done: make(chan struct{})}
	if err := l.slot(ctx); err != nil {
		return 0, err
	}
	if err := l.enqueue(it); err != nil {
		<-l.slots
		return 0, err
	}
	select {
	case <-it.done:
		return it.index, it.err
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

// Close waits for what is under way and closes the files.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return ErrClosed
	}
	l.closed = true
	l.wake.Signal()
	l.mu.Unlock()
	<-l.done
	if l.keep != nil {
		l.keep.stop()
	}
	return l.closeFiles()
}

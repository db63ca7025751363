package seallog

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privyseal/privyseal/internal/seal"
)

// ErrClosed means that the log was closed.
var ErrClosed = errors.New("seallog: log is closed")

// item is one entry on its way to the disk.
type item struct {
	entry   []byte
	subject *Subject // nil for an event
	kind    string
	sig     []byte
	index   int64
	err     error
	unmade  bool // make failed: nothing was queued
	done    chan struct{}
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
	if l.closed {
		return ErrClosed
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
		batch := l.queue[:n:n]
		l.queue = l.queue[n:]
		broken := l.broken
		l.mu.Unlock()
		err := broken
		if err == nil {
			err = l.commit(batch)
		}
		l.finish(batch, err)
	}
}

// commit writes one frame and syncs it.
func (l *Log) commit(batch []*item) error {
	entries := make([][]byte, len(batch))
	for i, it := range batch {
		entries[i] = it.entry
	}
	frame, sum := encodeFrame(entries, l.next, l.last)
	if _, err := l.file.WriteAt(frame, l.size); err != nil {
		// What was written of the frame is taken back, so that the next commit finds the file as the last one left it.
		if terr := l.file.Truncate(l.size); terr != nil {
			return l.breakdown(fmt.Errorf("writing %s: %w (and cutting it back: %v); restart the signer", l.path, err, terr))
		}
		return fmt.Errorf("writing %s: %w; nothing was signed", l.path, err)
	}
	if err := unix.Fdatasync(int(l.file.Fd())); err != nil {
		return l.breakdown(fmt.Errorf("syncing %s: %w; what the disk holds is unknown: restart the signer", l.path, err))
	}
	offset := l.size + headSize
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, it := range batch {
		offset += 4
		at := place{offset, l.next, uint32(len(it.entry)), crc32.Checksum(it.entry, castagnoli)}
		if it.subject != nil {
			l.bySubj[it.subject.key()] = at
		} else {
			l.events[it.kind] = at
		}
		it.index = l.next
		l.nodes = l.tree.Append(seal.LeafHash(it.entry), l.nodes)
		l.places[l.next] = at
		l.next++
		offset += int64(len(it.entry))
	}
	l.size, l.last = offset, sum
	return nil
}

func (l *Log) breakdown(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken = err
	return err
}

// finish wakes those who wait for the batch.
func (l *Log) finish(batch []*item, err error) {
	l.mu.Lock()
	for _, it := range batch {
		it.err = err
		if it.subject != nil {
			delete(l.inFlight, it.subject.key())
		}
	}
	l.mu.Unlock()
	for _, it := range batch {
		close(it.done)
		<-l.slots
	}
}

// AppendEvent records an act that is not a signature and returns when it is durable.
func (l *Log) AppendEvent(ctx context.Context, kind string, data []byte) (index int64, err error) {
	if kind == "" || len(kind) > maxKind {
		return 0, fmt.Errorf("seallog: event kind %.40q must have 1 to %d bytes", kind, maxKind)
	}
	if len(data) > maxEvent {
		return 0, fmt.Errorf("seallog: event of %d bytes is longer than the limit of %d", len(data), maxEvent)
	}
	it := &item{entry: encodeEvent(time.Now(), kind, data), kind: kind, done: make(chan struct{})}
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

// Close waits for what is under way and closes the file.
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
	return l.file.Close()
}

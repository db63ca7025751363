package seallog

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// keeper writes what follows from the log: hashes, places and index. It runs beside the commits, which wait for it only when it is
// far behind.
type keeper struct {
	log     *Log
	flush   chan struct{} // a table waits to be written
	merge   chan struct{} // a run was added
	quit    chan struct{}
	stopped atomic.Bool
	wg      sync.WaitGroup
	maint   sync.Mutex // one merge or repair of the index at a time

	mu    sync.Mutex
	moved *sync.Cond
	err   error // of writing the index, until it works again
}

var errStopped = errors.New("seallog: closing")

func startKeeper(l *Log) *keeper {
	k := &keeper{log: l, flush: make(chan struct{}, 1), merge: make(chan struct{}, 1), quit: make(chan struct{})}
	k.moved = sync.NewCond(&k.mu)
	l.index.stopped = &k.stopped
	k.wg.Go(k.flushLoop)
	k.wg.Go(k.mergeLoop)
	return k
}

func (k *keeper) stop() {
	k.stopped.Store(true)
	close(k.quit)
	k.wg.Wait()
}

func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// appended is told by the committer that there is more; full, that the table in memory has its size.
func (k *keeper) appended(full bool) {
	l := k.log
	// A failure leaves the records in memory; room refuses commits when they become many.
	err := errors.Join(l.tree.flush(), l.places.flush())
	if full && err == nil && l.index.freeze() {
		nudge(k.flush)
	}
}

// room waits until what is in memory alone is little enough for another commit, or says why it is not.
func (k *keeper) room() error {
	l := k.log
	full := l.index.full()
	if full || l.tree.lag() > maxLag || l.places.lag() > maxLag {
		if err := errors.Join(l.tree.flush(), l.places.flush()); err != nil {
			return fmt.Errorf("%w; nothing was signed", err)
		}
	}
	if !full {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for !l.index.freeze() {
		if k.err != nil {
			return fmt.Errorf("%w; nothing was signed", k.err)
		}
		k.moved.Wait()
	}
	nudge(k.flush)
	return nil
}

func (k *keeper) flushLoop() {
	for {
		select {
		case <-k.flush:
		case <-k.quit:
			return
		}
		for more := true; more; {
			err := errors.Join(k.log.tree.sync(), k.log.places.sync())
			if err == nil {
				more, err = k.log.index.flushOne()
			}
			k.mu.Lock()
			k.err = err
			k.moved.Broadcast()
			k.mu.Unlock()
			if err != nil {
				select {
				case <-time.After(time.Second):
				case <-k.quit:
					return
				}
			}
		}
		nudge(k.merge)
	}
}

func (k *keeper) mergeLoop() {
	for {
		select {
		case <-k.merge:
		case <-k.quit:
			return
		}
		for more := true; more; {
			k.maint.Lock()
			var err error
			more, err = k.log.index.mergeOnce()
			k.maint.Unlock()
			if more = more && err == nil; isDamaged(err) {
				more = k.log.heal(err) == nil
			}
			// Another failure, of a full disk, is left: the runs that are there serve, and the next one tries again.
		}
	}
}

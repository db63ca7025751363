package hub

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/privyseal/privyseal/buildsys/store"
)

// touched gathers when sessions were last used by calls that only read: such a call does not wait for the writer just to
// say so.
type touched struct {
	mu sync.Mutex
	at map[int64]time.Time
}

// touchEvery is how often they are written down.
const touchEvery = time.Minute

func (h *Hub) touch(session int64, now time.Time) {
	h.touched.mu.Lock()
	defer h.touched.mu.Unlock()
	if h.touched.at == nil {
		h.touched.at = map[int64]time.Time{}
	}
	h.touched.at[session] = now
}

// sessionsKept is how long a session is on record after its last use; one that can still be used is longer.
const sessionsKept = 7 * 24 * time.Hour

// sweepSessions deletes old sessions, and what the scheduler said long ago, now and then until ctx ends.
func (h *Hub) sweepSessions(ctx context.Context) {
	t := time.NewTicker(time.Hour)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			if err := h.deleteOldSessions(ctx); err != nil && ctx.Err() == nil {
				h.log.Warn("old sessions not deleted", "err", err)
			}
			if err := h.pruneScheduler(ctx); err != nil && ctx.Err() == nil {
				h.log.Warn("the scheduler's old messages not deleted", "err", err)
			}
		}
	}
}

func (h *Hub) deleteOldSessions(ctx context.Context) error {
	return h.store.Write(ctx, 0, func(tx *store.Tx) error {
		life := h.cfg.SessionLife
		_, err := tx.DeleteSessions(tx.Now().Add(-max(sessionsKept, life)), life > 0)
		return err
	})
}

// schedulerKept is how long people can read what the scheduler did.
const schedulerKept = 30 * 24 * time.Hour

func (h *Hub) pruneScheduler(ctx context.Context) error {
	return h.store.Write(ctx, 0, func(tx *store.Tx) error { return tx.PruneScheduler(tx.Now().Add(-schedulerKept)) })
}

// writeTouched writes them down until ctx ends, and once more then.
func (h *Hub) writeTouched(ctx context.Context) {
	t := time.NewTicker(touchEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			h.flushTouched(context.WithoutCancel(ctx))
			return
		case <-t.C:
			h.flushTouched(ctx)
		}
	}
}

func (h *Hub) flushTouched(ctx context.Context) {
	h.touched.mu.Lock()
	at := maps.Clone(h.touched.at)
	clear(h.touched.at)
	h.touched.mu.Unlock()
	if len(at) == 0 {
		return
	}
	err := h.store.Write(ctx, 0, func(tx *store.Tx) error {
		for id, when := range at {
			if err := tx.TouchSession(id, when); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		h.log.Warn("times of use of sessions not written", "err", err)
	}
}

package hop

import (
	"context"
	"math/rand/v2"
	"time"
)

// Backoff spaces attempts: each wait is drawn from the upper half of a span that
// doubles from Min to Max, so that many who lost the same peer do not come back in
// step.
type Backoff struct {
	Min, Max time.Duration
	span     time.Duration
}

// Next gives the wait before the next attempt.
func (b *Backoff) Next() time.Duration {
	b.span = min(max(b.span*2, b.Min), b.Max)
	return b.span/2 + rand.N(b.span/2+1)
}

// Reset starts over, after a success.
func (b *Backoff) Reset() { b.span = 0 }

// Wait sleeps for Next, or until ctx ends; it tells whether to go on.
func (b *Backoff) Wait(ctx context.Context) bool {
	t := time.NewTimer(b.Next())
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

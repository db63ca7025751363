package signer

import (
	"context"

	"golang.org/x/sync/semaphore"
)

// smallInput is the size up to which an input counts as small. Headers of ordinary
// packages do.
const smallInput = 256 << 10

// budget bounds the memory of inputs that are being read or signed. The whole of an
// input is booked before its first byte is read, so nobody waits for more while
// holding some.
type budget struct{ small, large *semaphore.Weighted }

func newBudget(l Limits) *budget {
	return &budget{semaphore.NewWeighted(l.SmallBytes), semaphore.NewWeighted(l.LargeBytes)}
}

// book waits for room for n bytes; give it back by release.
func (b *budget) book(ctx context.Context, n int) error {
	return b.of(n).Acquire(ctx, int64(n))
}

func (b *budget) release(n int) { b.of(n).Release(int64(n)) }

func (b *budget) of(n int) *semaphore.Weighted {
	if n <= smallInput {
		return b.small
	}
	return b.large
}

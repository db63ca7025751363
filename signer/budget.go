package signer

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/privyseal/privyseal/internal/wire"
)

// smallInput is the size up to which an input counts as small. Headers of ordinary
// packages do.
const smallInput = 256 << 10

// budget bounds the memory of inputs that are being read or signed. The whole of an
// input is booked before its first byte is read, so nobody waits for more while
// holding some. Small and large inputs, and those of the urgent lane and of the
// others, are booked apart; and one user gets at most half of what the other lanes
// have, so that what fills the memory keeps nobody else waiting.
type budget struct {
	urgent, others pool
	userSmall      int64
	userLarge      int64

	mu    sync.Mutex
	users map[string]*share
}

type pool struct{ small, large *semaphore.Weighted }

// share is what one user may have.
type share struct {
	pool
	sessions int
}

func newBudget(l Limits) *budget {
	half := func(n, most int64) int64 { return max(n/2, min(n, most)) }
	return &budget{
		urgent:    pool{semaphore.NewWeighted(max(l.SmallBytes/4, smallInput)), semaphore.NewWeighted(wire.MaxSigned)},
		others:    pool{semaphore.NewWeighted(l.SmallBytes), semaphore.NewWeighted(l.LargeBytes)},
		userSmall: half(l.SmallBytes, smallInput),
		userLarge: half(l.LargeBytes, wire.MaxSigned),
		users:     map[string]*share{},
	}
}

// open makes sure that a user has a share while a session of his lasts.
func (b *budget) open(user string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.users[user]
	if s == nil {
		s = &share{pool: pool{semaphore.NewWeighted(b.userSmall), semaphore.NewWeighted(b.userLarge)}}
		b.users[user] = s
	}
	s.sessions++
}

func (b *budget) close(user string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.users[user]; s.sessions == 1 {
		delete(b.users, user)
	} else {
		s.sessions--
	}
}

// book waits for room for n bytes; give it back by what it returns.
func (b *budget) book(ctx context.Context, user string, lane wire.Lane, n int) (release func(), err error) {
	if lane == wire.LaneUrgent {
		return b.urgent.book(ctx, n)
	}
	b.mu.Lock()
	mine := b.users[user]
	b.mu.Unlock()
	// A user waits for his own share first: who waits for the others' room holds only what is his.
	own, err := mine.book(ctx, n)
	if err != nil {
		return nil, err
	}
	all, err := b.others.book(ctx, n)
	if err != nil {
		own()
		return nil, err
	}
	return func() { all(); own() }, nil
}

func (p *pool) book(ctx context.Context, n int) (release func(), err error) {
	sem := p.small
	if n > smallInput {
		sem = p.large
	}
	if err := sem.Acquire(ctx, int64(n)); err != nil {
		return nil, context.Cause(ctx)
	}
	return func() { sem.Release(int64(n)) }, nil
}

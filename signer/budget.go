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
// have, so that what fills the memory keeps nobody else waiting. Signatures of files are
// held in memory, too: of two packages, of which one user has one, and an urgent one.
type budget struct {
	urgent, others pool
	userSmall      int64
	userLarge      int64

	mu    sync.Mutex
	users map[string]*share
}

type pool struct{ small, large, files *semaphore.Weighted }

// share is what one user may have.
type share struct {
	pool
	sessions int
}

func newBudget(l Limits) *budget {
	half := func(n, most int64) int64 { return max(n/2, min(n, most)) }
	return &budget{
		urgent:    pool{semaphore.NewWeighted(max(l.SmallBytes/4, smallInput)), semaphore.NewWeighted(wire.MaxSigned), semaphore.NewWeighted(1)},
		others:    pool{semaphore.NewWeighted(l.SmallBytes), semaphore.NewWeighted(l.LargeBytes), semaphore.NewWeighted(2)},
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
		s = &share{pool: pool{semaphore.NewWeighted(b.userSmall), semaphore.NewWeighted(b.userLarge), semaphore.NewWeighted(1)}}
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

// book makes room for n bytes, where there is none for as long as the context that wait
// makes; give it back by what it returns.
func (b *budget) book(user string, lane wire.Lane, n int, wait func() (context.Context, context.CancelFunc)) (release func(), err error) {
	return acquire(b.of(user, lane, func(p *pool) *semaphore.Weighted { return p.of(n) }), n, wait)
}

// bookFiles waits for room for the signatures of one package's files.
func (b *budget) bookFiles(ctx context.Context, user string, lane wire.Lane) (release func(), err error) {
	return acquire(b.of(user, lane, func(p *pool) *semaphore.Weighted { return p.files }), 1,
		func() (context.Context, context.CancelFunc) { return ctx, func() {} })
}

func acquire(sems []*semaphore.Weighted, n int, wait func() (context.Context, context.CancelFunc)) (release func(), err error) {
	for i, sem := range sems {
		if sem.TryAcquire(int64(n)) {
			continue
		}
		ctx, end := wait()
		err := sem.Acquire(ctx, int64(n))
		if err != nil {
			err = context.Cause(ctx)
		}
		end()
		if err != nil {
			free(sems[:i], n)
			return nil, err
		}
	}
	return func() { free(sems, n) }, nil
}

func free(sems []*semaphore.Weighted, n int) {
	for _, sem := range sems {
		sem.Release(int64(n))
	}
}

// of gives what a request is booked of. A user waits for his own share first: who waits
// for the others' room holds only what is his.
func (b *budget) of(user string, lane wire.Lane, which func(*pool) *semaphore.Weighted) []*semaphore.Weighted {
	if lane == wire.LaneUrgent {
		return []*semaphore.Weighted{which(&b.urgent)}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return []*semaphore.Weighted{which(&b.users[user].pool), which(&b.others)}
}

func (p *pool) of(n int) *semaphore.Weighted {
	if n <= smallInput {
		return p.small
	}
	return p.large
}

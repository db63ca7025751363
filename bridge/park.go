package bridge

import (
	"context"
	"crypto/tls"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/privyseal/privyseal/internal/hop"
)

// hedge is how long the best parked connection has for itself before the next one
// is asked as well.
const hedge = 250 * time.Millisecond

// parked is one connection of a signer. The goroutine that accepted it owns it
// until a claim is won.
type parked struct {
	conn     *tls.Conn
	peer     hop.Peer
	claims   chan *claim
	gone     chan struct{} // closed when its goroutine is done with it
	released chan struct{} // closed when the pairing is over

	// Under the pool's lock.
	answered time.Time // when it last answered a ping
	reserved bool      // a claim is on its way to it
}

// claim is a client that wants a connection. Several parked connections may be
// asked on its behalf; the first to answer wins it.
type claim struct {
	won    atomic.Bool
	got    chan *parked  // the winner, at most one
	failed chan struct{} // somebody asked is gone
	asked  atomic.Int32
	closed atomic.Int32 // of those asked, how many turned out to be closed
}

// pool holds the parked connections by signer name.
type pool struct {
	mu      sync.Mutex
	parked  map[string]map[*parked]bool
	changed chan struct{} // closed and replaced whenever a connection becomes free
}

func newPool() *pool {
	return &pool{parked: map[string]map[*parked]bool{}, changed: make(chan struct{})}
}

func (p *pool) update(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *pool) add(c *parked) {
	p.update(func() {
		if p.parked[c.peer.Name] == nil {
			p.parked[c.peer.Name] = map[*parked]bool{}
		}
		c.answered = time.Now()
		p.parked[c.peer.Name][c] = true
	})
}

func (p *pool) remove(c *parked) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.parked[c.peer.Name], c)
	if len(p.parked[c.peer.Name]) == 0 {
		delete(p.parked, c.peer.Name)
	}
}

// answered notes a sign of life; free makes the connection available again.
func (p *pool) answered(c *parked, free bool) {
	if free {
		p.update(func() { c.answered = time.Now(); c.reserved = false })
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c.answered = time.Now()
}

// reserve picks the free connection of a signer that answered last, and gives the
// channel that tells when to look again if there is none.
func (p *pool) reserve(signer string) (*parked, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var best *parked
	for c := range p.parked[signer] {
		if !c.reserved && (best == nil || c.answered.After(best.answered)) {
			best = c
		}
	}
	if best != nil {
		best.reserved = true
	}
	return best, p.changed
}

// signer keeps one parked connection until a client gets it.
func (b *Bridge) signer(ctx context.Context, conn *tls.Conn, peer hop.Peer) {
	if !b.parked.add(peer.Fingerprint, b.cfg.MaxParked) {
		b.log.Warn("signer turned away", "signer", peer.Name, "reason", "too many connections of its certificate")
		return
	}
	defer b.parked.remove(peer.Fingerprint)
	c := &parked{conn: conn, peer: peer, claims: make(chan *claim),
		gone: make(chan struct{}), released: make(chan struct{})}
	defer close(c.gone)
	// The first ping tells the signer that it is parked, and us that it waits.
	if err := hop.Ping(conn, b.cfg.PingTimeout); err != nil {
		b.log.Warn("signer did not answer", "signer", peer.Name, "error", err)
		return
	}
	b.pool.add(c)
	defer b.pool.remove(c)
	b.log.Debug("signer parked", "signer", peer.Name, "address", conn.RemoteAddr().String())

	ping := time.NewTicker(b.cfg.PingEvery)
	defer ping.Stop()
	life := time.NewTimer(b.cfg.ParkLife)
	defer life.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-life.C:
			b.pool.remove(c)
			hop.Retire(conn)
			// Its close shall come from the signer, so that it never looks
			// to it as if the bridge had gone.
			conn.SetReadDeadline(time.Now().Add(b.cfg.PingTimeout))
			conn.Read(make([]byte, 1))
			return
		case <-ping.C:
			if err := hop.Ping(conn, b.cfg.PingTimeout); err != nil {
				b.log.Warn("signer lost", "signer", peer.Name, "error", err)
				return
			}
			b.pool.answered(c, false)
		case claim := <-c.claims:
			if err := hop.Ping(conn, b.cfg.PingTimeout); err != nil {
				b.log.Warn("signer lost", "signer", peer.Name, "error", err)
				var he *hop.Error
				claim.fail(errors.As(err, &he) && he.Cause == hop.Silent)
				return
			}
			if !claim.won.CompareAndSwap(false, true) {
				b.pool.answered(c, true)
				continue
			}
			b.pool.remove(c)
			claim.got <- c
			// The client's goroutine copies; this one keeps the connection open.
			<-c.released
			return
		}
	}
}

// fail tells of a connection that was asked and is gone, or did not answer in time.
func (c *claim) fail(silent bool) {
	if !silent {
		c.closed.Add(1)
	}
	select {
	case c.failed <- struct{}{}:
	default:
	}
}

// pair finds a live connection of a signer. nil comes with the reason.
func (b *Bridge) pair(ctx context.Context, signer string) (*parked, hop.Status) {
	ctx, cancel := context.WithTimeout(ctx, b.cfg.PairTimeout)
	defer cancel()
	claim := &claim{got: make(chan *parked, 1), failed: make(chan struct{}, 1)}
	for {
		c, changed := b.pool.reserve(signer)
		var next <-chan time.Time // nil: nobody else to ask
		if c != nil {
			claim.asked.Add(1)
			go b.ask(ctx, c, claim)
			next = time.After(hedge)
		}
		select {
		case c := <-claim.got:
			return c, hop.StatusOK
		case <-claim.failed:
		case <-next:
		case <-changed:
		case <-ctx.Done():
			if !claim.won.CompareAndSwap(false, true) {
				return <-claim.got, hop.StatusOK
			}
			switch {
			case errors.Is(ctx.Err(), context.Canceled):
				return nil, hop.StatusStopping
			case claim.asked.Load() > claim.closed.Load():
				return nil, hop.StatusSilent
			}
			return nil, hop.StatusNotParked
		}
	}
}

// ask brings a claim to a connection, which may be in the middle of a ping.
func (b *Bridge) ask(ctx context.Context, c *parked, claim *claim) {
	select {
	case c.claims <- claim:
	case <-c.gone:
		claim.fail(false)
	case <-ctx.Done():
		b.pool.update(func() { c.reserved = false })
	}
}

package bridge

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/privyseal/privyseal/internal/hop"
)

// parked is one connection of a signer. The goroutine that accepted it owns it
// until a claim is won.
type parked struct {
	conn     net.Conn
	peer     hop.Peer
	claims   chan *claim
	gone     chan struct{} // closed when its goroutine is done with it
	released chan struct{} // closed when the pairing is over

	// Under the pool's lock.
	answered time.Time // when it last answered a ping
	taken    bool      // offered to a claim
}

// claim is a client that wants a connection. Several parked connections may be
// asked on its behalf; the first to answer wins it.
type claim struct {
	client net.Conn
	cert   [32]byte
	offers chan *parked // one at a time, from the queue
	won    atomic.Bool
	got    chan *parked            // the winner, at most one
	failed chan struct{}           // somebody asked is gone
	drop   context.CancelCauseFunc // ends the wait
	asked  atomic.Int32
	closed atomic.Int32 // of those asked, how many turned out to be closed
}

// pool holds the parked connections and the waiting clients, by signer name.
type pool struct {
	mu      sync.Mutex
	signers map[string]*station
	waiting int // claims in all queues
}

// station is one signer's. Clients are served in turns by certificate: one that
// comes a hundred times waits for itself and holds up no other.
type station struct {
	parked map[*parked]bool
	paired int
	lost   bool       // the last that changed: a parked connection that was lost
	turns  [][32]byte // certificates that wait, the next one first
	claims map[[32]byte][]*claim
}

func newPool() *pool { return &pool{signers: map[string]*station{}} }

func (p *pool) station(signer string) *station {
	s := p.signers[signer]
	if s == nil {
		s = &station{parked: map[*parked]bool{}, claims: map[[32]byte][]*claim{}}
		p.signers[signer] = s
	}
	return s
}

// settle offers free connections to those who wait, and forgets a station that has
// nothing: names are what clients say.
func (p *pool) settle(signer string, s *station) {
	for len(s.turns) > 0 {
		var best *parked // the one that answered last
		for c := range s.parked {
			if !c.taken && (best == nil || c.answered.After(best.answered)) {
				best = c
			}
		}
		if best == nil {
			break
		}
		cert := s.turns[0]
		s.turns = s.turns[1:]
		cl := s.claims[cert][0]
		if s.claims[cert] = s.claims[cert][1:]; len(s.claims[cert]) > 0 {
			s.turns = append(s.turns, cert)
		} else {
			delete(s.claims, cert)
		}
		p.waiting--
		best.taken = true
		cl.offers <- best
	}
	if len(s.parked) == 0 && s.paired == 0 && len(s.turns) == 0 {
		delete(p.signers, signer)
	}
}

// add makes a connection available.
func (p *pool) add(c *parked) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.station(c.peer.Name)
	c.answered = time.Now()
	s.parked[c] = true
	s.lost = false
	p.settle(c.peer.Name, s)
}

// Why a parked connection leaves the pool.
type reason int

const (
	left   reason = iota // the bridge's own wish
	lost                 // it does not answer any more
	paired               // a client has it
)

// remove takes a connection out.
func (p *pool) remove(c *parked, why reason) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.station(c.peer.Name)
	if s.parked[c] {
		delete(s.parked, c)
		if why != left {
			s.lost = why == lost
		}
	}
	if why == paired {
		s.paired++
	}
	p.settle(c.peer.Name, s)
}

// unpair books the end of a pairing.
func (p *pool) unpair(signer string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.station(signer)
	s.paired--
	p.settle(signer, s)
}

// answered notes a sign of life; free makes the connection available again.
func (p *pool) answered(c *parked, free bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.answered = time.Now()
	if free {
		p.free(c)
	}
}

func (p *pool) free(c *parked) {
	c.taken = false
	if s := p.signers[c.peer.Name]; s != nil && s.parked[c] {
		p.settle(c.peer.Name, s)
	}
}

// giveBack undoes an offer that was not taken up.
func (p *pool) giveBack(c *parked) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free(c)
}

// want queues a claim; false if the queues are full. One that was promised a
// connection before, and did not get it, comes first.
func (p *pool) want(signer string, cl *claim, most int, first bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !first && p.waiting >= most {
		return false
	}
	s := p.station(signer)
	queue := s.claims[cl.cert]
	if first {
		s.claims[cl.cert] = append([]*claim{cl}, queue...)
	} else {
		s.claims[cl.cert] = append(queue, cl)
	}
	if len(queue) == 0 {
		if first {
			s.turns = append([][32]byte{cl.cert}, s.turns...)
		} else {
			s.turns = append(s.turns, cl.cert)
		}
	}
	p.waiting++
	p.settle(signer, s)
	return true
}

// leave ends a claim's wait and gives back what it was offered meanwhile.
func (p *pool) leave(signer string, cl *claim) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case c := <-cl.offers:
		p.free(c)
		return
	default:
	}
	s := p.signers[signer]
	if s == nil {
		return
	}
	for i, other := range s.claims[cl.cert] {
		if other != cl {
			continue
		}
		p.waiting--
		s.claims[cl.cert] = append(s.claims[cl.cert][:i:i], s.claims[cl.cert][i+1:]...)
		if len(s.claims[cl.cert]) == 0 {
			delete(s.claims, cl.cert)
			for j, cert := range s.turns {
				if cert == cl.cert {
					s.turns = append(s.turns[:j:j], s.turns[j+1:]...)
					break
				}
			}
		}
		break
	}
	p.settle(signer, s)
}

// inUse tells whether the signer is connected, as far as one knows, and all its
// connections are others'. A pairing alone does not say so: it may be as dead as the
// parked connections that were lost.
func (p *pool) inUse(signer string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.signers[signer]
	return s != nil && !s.lost && (s.paired > 0 || len(s.parked) > 0)
}

// census is what the counters show of a signer.
type census struct {
	Signer                  string
	Parked, Paired, Waiting int
}

func (p *pool) census() []census {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []census
	for name, s := range p.signers {
		n := census{Signer: name, Parked: len(s.parked), Paired: s.paired}
		for _, q := range s.claims {
			n.Waiting += len(q)
		}
		all = append(all, n)
	}
	return all
}

package hop

import (
	"math"
	"net/netip"
	"time"
)

// Addresses whose handshakes fail get slower: each failure adds one to a score that
// halves every halfLife, each success halves it, and above a few forgiven ones the
// next handshake from there waits before it begins. The wait is short enough for an
// honest client behind the same address to get through within its own deadline.
const (
	halfLife   = 10 * time.Second
	forgiven   = 8
	stepDelay  = 25 * time.Millisecond // for each failure above that
	mostDelay  = 500 * time.Millisecond
	mostScored = 4096 // addresses; a newcomer replaces any
)

type penalty struct {
	score float64
	at    time.Time
}

func (p penalty) now(now time.Time) float64 {
	return p.score * math.Exp2(-float64(now.Sub(p.at))/float64(halfLife))
}

// penalties are the scores by address. The server's lock guards them.
type penalties map[netip.Addr]penalty

func (ps penalties) failed(addr netip.Addr, now time.Time) {
	if _, known := ps[addr]; !known && len(ps) >= mostScored {
		ps.makeRoom(now)
	}
	ps[addr] = penalty{ps[addr].now(now) + 1, now}
}

func (ps penalties) worked(addr netip.Addr, now time.Time) {
	p, known := ps[addr]
	if !known {
		return
	}
	if p = (penalty{p.now(now) / 2, now}); p.score < 1 {
		delete(ps, addr)
		return
	}
	ps[addr] = p
}

func (ps penalties) delay(addr netip.Addr, now time.Time) time.Duration {
	over := ps[addr].now(now) - forgiven
	if over <= 0 {
		return 0
	}
	return min(time.Duration(over*float64(stepDelay)), mostDelay)
}

// makeRoom forgets those that have been good for long, or else any.
func (ps penalties) makeRoom(now time.Time) {
	for addr, p := range ps {
		if p.now(now) < 1 {
			delete(ps, addr)
		}
	}
	for addr := range ps {
		if len(ps) < mostScored {
			return
		}
		delete(ps, addr)
	}
}

// place is what caps and scores count by: an IPv4 address, or the /64 of an IPv6
// address, of which one host may have as many as it likes.
func place(addr netip.Addr) netip.Addr {
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		if p, err := addr.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return addr
}

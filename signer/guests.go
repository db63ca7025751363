package signer

import (
	"crypto/tls"
	"slices"
	"sync"
)

// maxGuests may be there at once who are no session: shaking hands, or being told why
// they are refused. An honest one is done in the time of a few round trips.
const maxGuests = 16

// guests are connections that a client has and that are no session yet, or will not be
// one. Whoever can reach the bridge can make them, so they have places of their own,
// and where there are too many the oldest has to go: who says nothing is in nobody's way.
type guests struct {
	mu    sync.Mutex
	conns []*tls.Conn // the oldest first
}

func (g *guests) come(conn *tls.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.conns) == maxGuests {
		g.conns[0].NetConn().Close()
		g.conns = slices.Delete(g.conns, 0, 1)
	}
	g.conns = append(g.conns, conn)
}

// leave is for whoever is a session now, or has ended, and may be called twice.
func (g *guests) leave(conn *tls.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.conns = slices.DeleteFunc(g.conns, func(c *tls.Conn) bool { return c == conn })
}

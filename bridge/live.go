package bridge

import (
	"crypto/tls"
	"sync"

	"github.com/privyseal/privyseal/internal/hop"
)

// live is every connection whose peer is known, and the revocation list in force.
type live struct {
	mu    sync.Mutex
	conns map[*tls.Conn]hop.Peer
	list  *revocations
}

func newLive(list *revocations) *live {
	return &live{conns: map[*tls.Conn]hop.Peer{}, list: list}
}

// add books a connection. It is false for one whose certificate was revoked since its
// handshake: the list is looked at under the lock that changes it.
func (l *live) add(conn *tls.Conn, peer hop.Peer) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.list.has(peer) {
		return false
	}
	l.conns[conn] = peer
	return true
}

func (l *live) remove(conn *tls.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, conn)
}

func (l *live) revoked() *revocations {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.list
}

// gone is a connection that was cut.
type gone struct{ peer, address string }

// setRevoked puts a list in force and closes the connections it hits. Closing the
// sockets wakes whoever works with them.
func (l *live) setRevoked(list *revocations) (cut []gone) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = list
	for conn, peer := range l.conns {
		if list.has(peer) {
			conn.NetConn().Close()
			cut = append(cut, gone{peer.String(), conn.RemoteAddr().String()})
		}
	}
	return cut
}

// tally counts connections by certificate.
type tally struct {
	mu sync.Mutex
	n  map[[32]byte]int
}

func newTally() *tally { return &tally{n: map[[32]byte]int{}} }

func (t *tally) add(cert [32]byte, most int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n[cert] >= most {
		return false
	}
	t.n[cert]++
	return true
}

func (t *tally) remove(cert [32]byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n[cert]--; t.n[cert] == 0 {
		delete(t.n, cert)
	}
}

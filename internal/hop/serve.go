package hop

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Limits of a listener. Zero fields take the defaults.
type Limits struct {
	Handshake              time.Duration // deadline of one handshake; 5 s
	HandshakesPerAddress   int           // unfinished, from one address; 64
	Handshakes             int           // unfinished, in all; 256
	ConnectionsPerAddress  int           // finished, from one address; 256
	Connections            int           // finished, in all; 1024
	evictAfter, lingerTime time.Duration // for tests
}

func (l Limits) withDefaults() Limits {
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&l.HandshakesPerAddress, 64)
	def(&l.Handshakes, 256)
	def(&l.ConnectionsPerAddress, 256)
	def(&l.Connections, 1024)
	if l.Handshake <= 0 {
		l.Handshake = 5 * time.Second
	}
	if l.evictAfter <= 0 {
		l.evictAfter = 500 * time.Millisecond
	}
	if l.lingerTime <= 0 {
		l.lingerTime = time.Second
	}
	return l
}

// Handler serves one connection whose peer is known. The connection is closed
// when it returns. When ctx ends it should finish soon.
type Handler func(ctx context.Context, conn *tls.Conn, peer Peer)

// Serve accepts connections until ctx ends, then closes the listener and returns
// when all handlers have.
func Serve(ctx context.Context, ln net.Listener, cfg *tls.Config, limits Limits, log *slog.Logger, handle Handler) error {
	s := &server{cfg: cfg, limits: limits.withDefaults(), log: log, handle: handle,
		pending: map[*pending]bool{}, perAddr: map[netip.Addr]*counts{}}
	stop := context.AfterFunc(ctx, func() { ln.Close() })
	defer stop()
	defer s.wg.Wait()
	for {
		conn, err := ln.Accept()
		if ctx.Err() != nil {
			if conn != nil {
				conn.Close()
			}
			return nil
		}
		if errors.Is(err, net.ErrClosed) {
			return err
		}
		if err != nil {
			// Out of descriptors, most likely: it will pass, and the loop must not.
			log.Warn("accepting a connection failed", "error", err)
			select {
			case <-time.After(50 * time.Millisecond):
			case <-ctx.Done():
			}
			continue
		}
		tcp, ok := conn.(*net.TCPConn)
		if !ok {
			conn.Close()
			continue
		}
		s.admit(ctx, tcp)
	}
}

type server struct {
	cfg    *tls.Config
	limits Limits
	log    *slog.Logger
	handle Handler
	wg     sync.WaitGroup

	mu      sync.Mutex
	pending map[*pending]bool
	open    int
	perAddr map[netip.Addr]*counts
}

type counts struct{ pending, open int }

// pending is a connection whose handshake is not finished.
type pending struct {
	conn  *net.TCPConn
	addr  netip.Addr
	since time.Time
}

func (s *server) admit(ctx context.Context, conn *net.TCPConn) {
	p := &pending{conn: conn, since: time.Now()}
	if ap, err := netip.ParseAddrPort(conn.RemoteAddr().String()); err == nil {
		p.addr = ap.Addr().Unmap().WithZone("")
	}
	if why := s.begin(p); why != "" {
		s.log.Warn("connection turned away", "address", p.addr, "reason", why)
		conn.Close()
		return
	}
	s.wg.Go(func() {
		defer conn.Close()
		s.serve(ctx, p)
	})
}

func (s *server) serve(ctx context.Context, p *pending) {
	conn, peer, err := s.shake(ctx, p)
	if !s.finish(p, err == nil) {
		if err == nil {
			s.log.Warn("connection turned away", "address", p.addr, "peer", peer, "reason", "too many connections")
			return
		}
		s.log.Warn("handshake failed", "address", p.addr, "error", Classify(err))
		s.linger(p.conn)
		return
	}
	defer s.end(p)
	s.handle(ctx, conn, peer)
}

func (s *server) shake(ctx context.Context, p *pending) (*tls.Conn, Peer, error) {
	ctx, cancel := context.WithTimeout(ctx, s.limits.Handshake)
	defer cancel()
	if err := tune(p.conn); err != nil {
		return nil, Peer{}, err
	}
	conn := tls.Server(p.conn, s.cfg)
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, Peer{}, err
	}
	peer, err := PeerOf(conn.ConnectionState())
	return conn, peer, err
}

// linger lets the other end read the alert that says why it was refused: closing
// with unread bytes in the buffer would reset the connection and lose it.
func (s *server) linger(conn *net.TCPConn) {
	conn.CloseWrite()
	conn.SetReadDeadline(time.Now().Add(s.limits.lingerTime))
	io.Copy(io.Discard, io.LimitReader(conn, 64<<10))
}

// begin books an unfinished handshake, or says why not.
func (s *server) begin(p *pending) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.perAddr[p.addr]
	if c != nil && c.pending >= s.limits.HandshakesPerAddress && !s.evict(p.since, p.addr, true) {
		return "too many unfinished handshakes from its address"
	}
	if len(s.pending) >= s.limits.Handshakes && !s.evict(p.since, p.addr, false) {
		return "too many unfinished handshakes"
	}
	// Only now: evicting may have dropped the address's counts, and one that is turned away shall leave none.
	if c = s.perAddr[p.addr]; c == nil {
		c = &counts{}
		s.perAddr[p.addr] = c
	}
	c.pending++
	s.pending[p] = true
	return ""
}

// evict closes the oldest unfinished handshake to make room, if it is old enough
// not to be an honest one that is just about to finish.
func (s *server) evict(now time.Time, addr netip.Addr, same bool) bool {
	var oldest *pending
	for p := range s.pending {
		if same && p.addr != addr {
			continue
		}
		if oldest == nil || p.since.Before(oldest.since) {
			oldest = p
		}
	}
	if oldest == nil || now.Sub(oldest.since) < s.limits.evictAfter {
		return false
	}
	s.forget(oldest)
	oldest.conn.Close()
	return true
}

// forget takes p out of the unfinished ones; false if it is out already.
func (s *server) forget(p *pending) bool {
	if !s.pending[p] {
		return false
	}
	delete(s.pending, p)
	s.perAddr[p.addr].pending--
	s.tidy(p.addr)
	return true
}

func (s *server) tidy(addr netip.Addr) {
	if c := s.perAddr[addr]; c.pending == 0 && c.open == 0 {
		delete(s.perAddr, addr)
	}
}

// finish books a finished handshake as a connection, if there is room.
func (s *server) finish(p *pending, ok bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.forget(p) || !ok {
		return false
	}
	c := s.perAddr[p.addr]
	if c == nil {
		c = &counts{}
	}
	if s.open >= s.limits.Connections || c.open >= s.limits.ConnectionsPerAddress {
		return false
	}
	s.perAddr[p.addr] = c
	c.open++
	s.open++
	return true
}

func (s *server) end(p *pending) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
	s.perAddr[p.addr].open--
	s.tidy(p.addr)
}

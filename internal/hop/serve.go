package hop

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Limits of a listener. Zero fields take the defaults.
type Limits struct {
	Handshake              time.Duration // deadline of one handshake; 5 s
	HandshakesPerAddress   int           // unfinished, from one address; 256
	Handshakes             int           // unfinished, in all; 1024
	ConnectionsPerAddress  int           // finished, from one address; 256
	Connections            int           // finished, in all; 1024
	Counters               *Counters     // of what happened; nil for nobody
	Quiet                  *Quiet        // for what strangers cause; nil for one of its own
	evictAfter, lingerTime time.Duration // for tests
}

// Counters tell what became of the connections of a listener.
type Counters struct {
	Accepted   atomic.Uint64 // by the kernel
	TurnedAway atomic.Uint64 // over a cap, before or after the handshake
	Evicted    atomic.Uint64 // unfinished handshakes that made room
	Failed     atomic.Uint64 // handshakes that failed or ran out of time
	Slowed     atomic.Uint64 // handshakes that waited for their address's failures
	Served     atomic.Uint64 // handed to the handler
	Unfinished atomic.Int64  // handshakes now
	Open       atomic.Int64  // connections now
}

// A span of the log of strangers, and how many lines of each message it may have.
const (
	quietBurst = 10
	quietSpan  = 10 * time.Second
	maxReason  = 300 // bytes of a failed handshake's error, which quotes the other end
)

func (l Limits) withDefaults() Limits {
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&l.HandshakesPerAddress, 256)
	def(&l.Handshakes, 1024)
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
	if l.Counters == nil {
		l.Counters = &Counters{}
	}
	return l
}

// Handler serves one connection whose peer is known. The connection is closed
// when it returns. When ctx ends it should finish soon.
type Handler func(ctx context.Context, conn *tls.Conn, peer Peer)

// Serve accepts connections until ctx ends, then closes the listener and returns
// when all handlers have.
func Serve(ctx context.Context, ln net.Listener, cfg *tls.Config, limits Limits, log *slog.Logger, handle Handler) error {
	s := newServer(cfg, limits, log, handle)
	if limits.Quiet == nil {
		defer s.quiet.Flush()
	}
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
			s.quiet.Warn("accepting a connection failed", "error", err)
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
	count  *Counters
	quiet  *Quiet
	handle Handler
	wg     sync.WaitGroup

	mu      sync.Mutex
	pending map[*pending]bool
	open    int
	perAddr map[netip.Addr]*counts
	bad     penalties
}

func newServer(cfg *tls.Config, limits Limits, log *slog.Logger, handle Handler) *server {
	limits = limits.withDefaults()
	s := &server{cfg: cfg, limits: limits, count: limits.Counters, quiet: limits.Quiet, handle: handle,
		pending: map[*pending]bool{}, perAddr: map[netip.Addr]*counts{}, bad: penalties{}}
	if s.quiet == nil {
		s.quiet = NewQuiet(log, quietBurst, quietSpan)
	}
	return s
}

type counts struct{ pending, open int }

// pending is a connection whose handshake is not finished.
type pending struct {
	conn  *net.TCPConn
	addr  netip.Addr // as caps count it
	delay time.Duration

	// Under the server's lock.
	since time.Time // when it came, or from when it may shake hands
	begun bool      // its hello has come, whole

	evicted bool // it had to make room; set by finish
}

func (s *server) admit(ctx context.Context, conn *net.TCPConn) {
	s.count.Accepted.Add(1)
	p := &pending{conn: conn, since: time.Now()}
	if ap, err := netip.ParseAddrPort(conn.RemoteAddr().String()); err == nil {
		p.addr = place(ap.Addr())
	}
	if why := s.begin(p); why != "" {
		s.count.TurnedAway.Add(1)
		s.quiet.Warn("connection turned away", "address", conn.RemoteAddr().String(), "reason", why)
		conn.Close()
		return
	}
	s.count.Unfinished.Add(1)
	s.wg.Go(func() {
		defer conn.Close()
		s.serve(ctx, p)
	})
}

func (s *server) serve(ctx context.Context, p *pending) {
	conn, peer, err := s.shake(ctx, p)
	s.count.Unfinished.Add(-1)
	if !s.finish(p, err == nil) {
		address := p.conn.RemoteAddr().String()
		if p.evicted {
			s.quiet.Warn("handshake given up", "address", address, "reason", "unfinished while others came")
			return
		}
		if err == nil {
			s.count.TurnedAway.Add(1)
			s.quiet.Warn("connection turned away", "address", address, "peer", peer, "reason", "too many connections")
			return
		}
		if ctx.Err() != nil {
			return // we are stopping: it is not its fault
		}
		s.count.Failed.Add(1)
		s.quiet.Warn("handshake failed", "address", address, "error", clip(Classify(err).Error(), maxReason))
		s.linger(p.conn)
		return
	}
	s.count.Served.Add(1)
	s.count.Open.Add(1)
	defer s.count.Open.Add(-1)
	defer s.end(p)
	s.handle(ctx, conn, peer)
}

func clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "..."
}

func (s *server) shake(ctx context.Context, p *pending) (*tls.Conn, Peer, error) {
	start := time.Now()
	if err := tune(p.conn); err != nil {
		return nil, Peer{}, err
	}
	// An honest client says hello with its first packet. Until that is there, whole,
	// a connection costs little, and is the first that has to make room.
	if err := awaitHello(ctx, p.conn, s.limits.Handshake); err != nil {
		return nil, Peer{}, err
	}
	s.noteHello(p)
	if p.delay > 0 {
		s.count.Slowed.Add(1)
		select {
		case <-time.After(p.delay):
		case <-ctx.Done():
		}
	}
	ctx, cancel := context.WithDeadline(ctx, start.Add(s.limits.Handshake+p.delay))
	defer cancel()
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
	if c != nil && c.pending >= s.limits.HandshakesPerAddress && !s.evict(p.since, p.addr, false) {
		return "too many unfinished handshakes from its address"
	}
	if len(s.pending) >= s.limits.Handshakes {
		// The address that has most of them makes room: at once for one that has
		// less than half as many.
		heavy, most := s.heaviest()
		own := 0
		if c != nil {
			own = c.pending
		}
		if !s.evict(p.since, heavy, 2*(own+1) < most) {
			return "too many unfinished handshakes"
		}
	}
	// Only now: evicting may have dropped the address's counts, and one that is turned away shall leave none.
	if c = s.perAddr[p.addr]; c == nil {
		c = &counts{}
		s.perAddr[p.addr] = c
	}
	c.pending++
	s.pending[p] = true
	p.delay = s.bad.delay(p.addr, p.since)
	return ""
}

// noteHello notes that a connection has begun its handshake, which it may go on with
// after its delay.
func (s *server) noteHello(p *pending) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.begin(time.Now())
}

func (p *pending) begin(now time.Time) {
	if !p.begun {
		p.begun, p.since = true, now.Add(p.delay)
	}
}

// heaviest is the address with the most unfinished handshakes.
func (s *server) heaviest() (addr netip.Addr, most int) {
	for a, c := range s.perAddr {
		if c.pending > most {
			addr, most = a, c.pending
		}
	}
	return addr, most
}

// evict closes an unfinished handshake of an address to make room, and its place is
// free when it returns: the oldest that has not said hello, however young it is, or
// else the oldest. Unless it is forced to, it spares one that has said hello, may be
// honest and just about to finish. What counts is the hello that the kernel has, not
// what the connection's goroutine has come to see: in a burst that lags behind.
func (s *server) evict(now time.Time, addr netip.Addr, forced bool) bool {
	victim := s.oldest(addr)
	for victim != nil && !victim.begun && saidHello(victim.conn) {
		victim.begin(now)
		victim = s.oldest(addr)
	}
	if victim == nil || victim.begun && !forced && now.Sub(victim.since) < s.limits.evictAfter {
		return false
	}
	s.forget(victim)
	s.bad.failed(victim.addr, now)
	s.count.Evicted.Add(1)
	victim.conn.Close()
	return true
}

// oldest is the unfinished handshake of an address that has to make room first.
func (s *server) oldest(addr netip.Addr) (first *pending) {
	for p := range s.pending {
		if p.addr != addr {
			continue
		}
		if first == nil || p.begun != first.begun && first.begun || p.begun == first.begun && p.since.Before(first.since) {
			first = p
		}
	}
	return first
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
	if !s.forget(p) {
		p.evicted = true
		return false
	}
	if !ok {
		s.bad.failed(p.addr, time.Now())
		return false
	}
	s.bad.worked(p.addr, time.Now())
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

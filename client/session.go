package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/privyseal/privyseal/internal/hop"
	"github.com/privyseal/privyseal/internal/pgp"
	"github.com/privyseal/privyseal/internal/seal"
	"github.com/privyseal/privyseal/internal/wire"
)

const (
	maxWindow = 4096
	pingEvery = time.Minute
)

// Session is an open session.
type Session struct {
	Signer string // the signer's name
	User   string // whom the signer takes us for

	w     *wire.Writer // of the writing goroutine; how much it sent may be asked
	conn  *tls.Conn    // to the signer
	outer *tls.Conn    // to the bridge
	r     *wire.Reader
	cfg   Config
	lane  wire.Lane
	skew  time.Duration

	logKey  seal.LogKey
	seen    *seal.Seen
	streams chan struct{} // a token per payload under way

	// Of the reading goroutine: how much the signer had heard, how much had been sent by then, and when.
	arrived, expected uint64
	progress          time.Time

	window chan struct{} // a token per request under way
	send   chan any      // to the writing goroutine
	done   chan struct{} // closed when the session has ended

	mu      sync.Mutex
	seq     uint64
	pending map[uint64]func(answer)
	err     error // why it ended

	checkpoints [8]*seal.Checkpoint // opened lately
	nextPoint   int
	highest     *seal.Checkpoint
}

// answer is what came for a request: one of the two.
type answer struct {
	sig   *wire.Signature
	reply *wire.Reply
}

// stall is the share of Silence within which what was sent has to make progress: with
// the second until the next beat it is told in time.
const stall = 0.6

func newSession(conn *tls.Conn, r *wire.Reader, g *wire.Greeting, cfg Config) *Session {
	lane, _ := wire.ParseLane(cfg.Lane) // checked by Dial
	return &Session{
		Signer:  g.Signer,
		User:    g.User,
		conn:    conn,
		w:       wire.NewWriter(conn),
		r:       r,
		cfg:     cfg,
		lane:    lane,
		skew:    time.Until(g.Time).Round(time.Millisecond),
		streams: make(chan struct{}, g.Streams),
		window:  make(chan struct{}, g.Window),
		send:    make(chan any, 16),
		done:    make(chan struct{}),
		pending: map[uint64]func(answer){},
	}
}

func (s *Session) start() {
	go s.read()
	go s.write()
}

// Close ends the session. Requests under way get ErrClosed. What the session saw of
// the signer's log is kept for the next one; the error may be that it does not
// continue what was seen before.
func (s *Session) Close() error {
	kept := s.keepCheckpoint()
	if !s.end(&SessionError{Kind: ErrClosed, Where: "signer"}) {
		return kept
	}
	// In order, inside and outside, so that the other ends see an end and not a
	// loss; a program may exit right after this.
	s.conn.SetDeadline(time.Now().Add(finishTime))
	s.conn.CloseWrite()
	return errors.Join(kept, hop.Finish(s.outer, finishTime))
}

// Err tells why the session has ended; nil while it lasts.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// end ends the session for a reason; the first one counts, and is told by true.
func (s *Session) end(why error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return false
	}
	s.err = why
	close(s.done)
	if !errors.Is(why, ErrClosed) {
		s.outer.NetConn().Close()
	}
	return true
}

// read hands answers to those who wait for them. It never waits for anybody else:
// whoever registers in pending has room for the answer.
func (s *Session) read() {
	var set time.Time
	for {
		if now := time.Now(); !s.r.Buffered() || now.Sub(set) > s.cfg.Silence/8 {
			set = now
			s.conn.SetReadDeadline(now.Add(s.cfg.Silence))
		}
		if err := s.readOne(); err != nil {
			s.end(signerError(context.Background(), err))
			return
		}
	}
}

func (s *Session) readOne() error {
	f, err := s.r.Next()
	if err != nil {
		return err
	}
	switch f.Type {
	case wire.TypeBeat:
		b, err := s.r.Beat(f)
		if err != nil {
			return err
		}
		return s.arrives(b)
	case wire.TypeSignature:
		sig, err := s.r.Signature(f)
		if err != nil {
			return err
		}
		return s.deliver(sig.Seq, answer{sig: sig})
	case wire.TypeReply:
		reply, err := s.r.Reply(f)
		if err != nil {
			return err
		}
		if reply.Seq == 0 {
			if reply.Fault == nil {
				return errors.New("the signer ended the session without a reason")
			}
			return reply.Fault
		}
		return s.deliver(reply.Seq, answer{reply: reply})
	}
	return &wire.ProtocolError{Msg: "a signer does not send a " + f.Type.String()}
}

// arrives judges whether what was sent reaches the signer: a path may be dead one way only, and the signer's beats come by the other.
func (s *Session) arrives(b wire.Beat) error {
	sent := s.w.Sent()
	now := time.Now()
	switch {
	case b.Arrived > sent:
		return &wire.ProtocolError{Msg: fmt.Sprintf("the signer heard %d bytes of %d that were sent", b.Arrived, sent)}
	case b.Arrived == sent, b.Arrived > s.arrived, b.Waiting, s.expected <= b.Arrived:
		s.arrived, s.expected, s.progress = b.Arrived, sent, now
	case now.Sub(s.progress) > time.Duration(stall*float64(s.cfg.Silence)):
		return &hop.Error{Cause: hop.Silent, Err: fmt.Errorf("nothing of what was sent for %s has come to the signer, although it can be heard", now.Sub(s.progress).Round(time.Second))}
	}
	return nil
}

func (s *Session) deliver(seq uint64, a answer) error {
	s.mu.Lock()
	got := s.pending[seq]
	delete(s.pending, seq)
	s.mu.Unlock()
	if got == nil {
		return &wire.ProtocolError{Msg: fmt.Sprintf("an answer to request %d, which is not under way", seq)}
	}
	got(a)
	return nil
}

// write sends requests, many to a flush.
func (s *Session) write() {
	w := s.w
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	for {
		var m any
		select {
		case <-s.done:
			return
		case <-ping.C:
			m = nil
		case m = <-s.send:
		}
		for more := true; more; {
			if err := put(w, m); err != nil {
				s.end(signerError(context.Background(), err))
				return
			}
			select {
			case m = <-s.send:
			default:
				runtime.Gosched()
				select {
				case m = <-s.send:
				default:
					more = false
				}
			}
		}
		if err := w.Flush(); err != nil {
			s.end(signerError(context.Background(), err))
			return
		}
	}
}

func put(w *wire.Writer, m any) error {
	switch m := m.(type) {
	case *wire.Sign:
		return w.Sign(m)
	case *wire.Call:
		err := w.Call(m)
		m.Clear()
		return err
	case *wire.Stream:
		return w.Stream(m)
	}
	return w.Ping()
}

// post sends a request, as soon as the window has room. got is called once, from the
// reading goroutine, unless the session ends; it must not wait. The request's token
// is given back by free.
func (s *Session) post(ctx context.Context, make func(seq uint64) any, got func(answer)) error {
	select {
	case s.window <- struct{}{}:
	case <-s.done:
		return s.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
	s.mu.Lock()
	s.seq++
	seq := s.seq
	s.pending[seq] = got
	s.mu.Unlock()
	select {
	case s.send <- make(seq):
		return nil
	case <-s.done:
		return s.Err()
	case <-ctx.Done():
		s.mu.Lock()
		delete(s.pending, seq)
		s.mu.Unlock()
		s.free()
		return ctx.Err()
	}
}

func (s *Session) free() { <-s.window }

// ask sends one request and waits for its answer.
func (s *Session) ask(ctx context.Context, make_ func(seq uint64) any) (answer, error) {
	ch := make(chan answer, 1)
	// An answer that comes after the caller has gone still frees its place.
	err := s.post(ctx, make_, func(a answer) { s.free(); ch <- a })
	if err != nil {
		return answer{}, err
	}
	select {
	case a := <-ch:
		if a.reply != nil && a.reply.Fault != nil {
			return a, refusal(a.reply.Fault)
		}
		return a, nil
	case <-s.done:
		return answer{}, s.Err()
	case <-ctx.Done():
		return answer{}, ctx.Err()
	}
}

func (s *Session) call(ctx context.Context, c *wire.Call) (*wire.Reply, error) {
	a, err := s.ask(ctx, func(seq uint64) any { c.Seq = seq; return c })
	if err != nil {
		return nil, err
	}
	if a.reply == nil {
		return nil, &wire.ProtocolError{Msg: "a signature where a reply was due"}
	}
	return a.reply, nil
}

// KeyInfo describes a key.
type KeyInfo = wire.KeyInfo

// ListKeys gives the keys that the user was granted.
func (s *Session) ListKeys(ctx context.Context) ([]KeyInfo, error) {
	r, err := s.call(ctx, &wire.Call{Verb: wire.VerbListKeys})
	if err != nil {
		return nil, err
	}
	return r.Keys, nil
}

// PublicKey gives a granted key's OpenPGP certificate, armored.
func (s *Session) PublicKey(ctx context.Context, name string) ([]byte, error) {
	r, err := s.call(ctx, &wire.Call{Verb: wire.VerbPublicKey, Key: name})
	if err != nil {
		return nil, err
	}
	return r.Certificate, nil
}

// Unlock opens a key for this session. An empty passphrase takes what the console has
// unlocked for the user.
func (s *Session) Unlock(ctx context.Context, name string, passphrase []byte) (*Key, error) {
	call := &wire.Call{Verb: wire.VerbUnlock, Key: name, Passphrase: append([]byte(nil), passphrase...)}
	r, err := s.call(ctx, call)
	if err != nil {
		return nil, err
	}
	if r.Key == nil || r.Handle == 0 {
		return nil, &wire.ProtocolError{Msg: "a reply to unlock without a key"}
	}
	cert, err := readCertificate(r.Certificate)
	if err != nil {
		return nil, fmt.Errorf("the signer's certificate of key %s: %w", name, err)
	}
	if cert.Fingerprint() != r.Key.Fingerprint {
		return nil, fmt.Errorf("the signer's certificate of key %s is of %s, not %s", name, cert.Fingerprint(), r.Key.Fingerprint)
	}
	return &Key{
		Name:        r.Key.Name,
		Fingerprint: r.Key.Fingerprint,
		Algorithm:   r.Key.Algorithm,
		Purposes:    r.Key.Purposes,
		Certificate: cert,
		Until:       r.Until,
		session:     s,
		handle:      r.Handle,
		ring:        pgp.NewKeyring(cert),
	}, nil
}

package client_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/privyseal/privyseal/client"
	"github.com/privyseal/privyseal/internal/hop"
)

// mangler is a bridge that handles the records of the inner TLS connections as it likes.
type mangler struct {
	// relay gives what is passed on in the place of a record; it is asked when armed. An error ends the connection.
	relay func(toSigner bool, record []byte) ([][]byte, error)
	armed atomic.Bool

	mu      sync.Mutex
	sent    [][]byte // records that clients sent, as they came
	signers chan *tls.Conn
}

var errCut = errors.New("cut")

// start runs the bridge in the place of the honest one.
func (m *mangler) start(s *site, pair func(ctx context.Context, client *tls.Conn)) {
	s.t.Helper()
	id, err := hop.LoadIdentity(s.path("bridge-outer.pem"), "", s.path("outer-ca.pem"))
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	m.signers = make(chan *tls.Conn)
	var wg sync.WaitGroup
	serve := func(addr, proto, role string, handle hop.Handler) {
		ln, err := hop.Listen(ctx, addr)
		if err != nil {
			s.t.Fatal(err)
		}
		wg.Go(func() {
			hop.Serve(ctx, ln, id.ServerConfig(hop.Expect{Proto: proto, Roles: []string{role}}), hop.Limits{}, s.logger(), handle)
		})
	}
	serve(s.bridgeCfg.SignerListen, hop.ProtoPark, hop.RoleSigner, func(ctx context.Context, c *tls.Conn, _ hop.Peer) {
		select {
		case m.signers <- c:
			<-ctx.Done()
		case <-ctx.Done():
		}
	})
	if pair == nil {
		pair = m.pair
	}
	serve(s.bridgeCfg.ClientListen, hop.ProtoCall, hop.RoleClient, func(ctx context.Context, c *tls.Conn, _ hop.Peer) {
		hop.ReadCall(c)
		pair(ctx, c)
	})
	s.t.Cleanup(func() { cancel(); wg.Wait() })
}

// take gives a parked signer, told to begin.
func (m *mangler) take(ctx context.Context) *tls.Conn {
	select {
	case sig := <-m.signers:
		hop.Start(sig)
		return sig
	case <-ctx.Done():
		return nil
	}
}

func (m *mangler) pair(ctx context.Context, c *tls.Conn) {
	sig := m.take(ctx)
	if sig == nil {
		return
	}
	hop.AnswerCall(c, hop.StatusOK, "")
	m.join(c, sig)
}

// join copies both ways until one way ends.
func (m *mangler) join(c, sig *tls.Conn) {
	done := make(chan struct{}, 2)
	copyTo := func(dst, src *tls.Conn, toSigner bool) {
		defer func() { done <- struct{}{} }()
		for {
			record, err := readRecord(src)
			if err != nil {
				return
			}
			out := [][]byte{record}
			if toSigner {
				m.mu.Lock()
				m.sent = append(m.sent, record)
				m.mu.Unlock()
			}
			if m.relay != nil && m.armed.Load() {
				if out, err = m.relay(toSigner, record); err != nil {
					return
				}
			}
			for _, r := range out {
				if _, err := dst.Write(r); err != nil {
					return
				}
			}
		}
	}
	go copyTo(sig, c, true)
	go copyTo(c, sig, false)
	<-done
	c.NetConn().Close()
	sig.NetConn().Close()
}

func readRecord(r io.Reader) ([]byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	record := append(head[:], make([]byte, binary.BigEndian.Uint16(head[3:]))...)
	_, err := io.ReadFull(r, record[5:])
	return record, err
}

// TestHostileBridge: what a bridge does to a session's bytes ends the session, is noticed within 5 s, and makes the signer sign nothing
// that was not asked for; what the client asks for again over an honest path it gets.
func TestHostileBridge(t *testing.T) {
	t.Parallel()
	type relay func(toSigner bool, record []byte) ([][]byte, error)
	// on does something to what goes one way.
	on := func(toSigner bool, do relay) func() relay {
		return func() relay {
			return func(to bool, r []byte) ([][]byte, error) {
				if to != toSigner {
					return [][]byte{r}, nil
				}
				return do(to, r)
			}
		}
	}
	twice := func(_ bool, r []byte) ([][]byte, error) { return [][]byte{r, r}, nil }
	half := func(_ bool, r []byte) ([][]byte, error) { return [][]byte{r[:len(r)/2]}, errCut }
	none := func(bool, []byte) ([][]byte, error) { return nil, nil }
	flip := func(_ bool, r []byte) ([][]byte, error) { r[len(r)-1] ^= 1; return [][]byte{r}, nil }
	reorder := func(toSigner bool) func() relay {
		return func() relay {
			var held []byte
			return on(toSigner, func(_ bool, r []byte) ([][]byte, error) {
				if held == nil {
					held = r
					return nil, nil
				}
				out := [][]byte{r, held}
				held = nil
				return out, nil
			})()
		}
	}
	reflect := func() relay {
		var mu sync.Mutex
		var held []byte
		return func(toSigner bool, r []byte) ([][]byte, error) {
			mu.Lock()
			defer mu.Unlock()
			if toSigner {
				held = r
			} else if held != nil {
				return [][]byte{held}, nil
			}
			return [][]byte{r}, nil
		}
	}
	for name, mangle := range map[string]func() relay{
		"replays what the client sends":        on(true, twice),
		"replays what the signer sends":        on(false, twice),
		"reorders what the client sends":       reorder(true),
		"reorders what the signer sends":       reorder(false),
		"truncates what the client sends":      on(true, half),
		"truncates what the signer sends":      on(false, half),
		"drops what the client sends":          on(true, none),
		"drops what the signer sends":          on(false, none),
		"flips a bit of the client's":          on(true, flip),
		"flips a bit of the signer's":          on(false, flip),
		"reflects to the client what it sends": reflect,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			m := &mangler{relay: mangle()}
			m.start(s, nil)
			s.startSigner()
			key := s.unlock(keyEdDSA)
			if r := signAll(t, key, [][]byte{sample(t)}); r[0].Err != nil {
				t.Fatal(r[0].Err)
			}
			before := s.signatures()
			m.armed.Store(true)
			start := time.Now()
			var headers [][]byte
			for i := range 3 {
				headers = append(headers, vary(t, sample(t), 1+i))
			}
			got := 0
			err := key.SignHeaders(context.Background(), feedUntil(t, headers), func(r client.HeaderResult) {
				if r.Err == nil {
					got++ // verified, so it is one that was asked for
				}
			})
			if took := time.Since(start); err == nil && got < len(headers) || took > 5*time.Second {
				t.Errorf("%d results, %v after %v: want the session lost within 5 s", got, err, took)
			}
			m.armed.Store(false)
			if n := s.signatures() - before; n > int64(len(headers)) {
				t.Errorf("%d signatures for %d requests", n, len(headers))
			}
			for i, r := range signAll(t, s.unlock(keyEdDSA), headers) {
				if r.Err != nil {
					t.Errorf("header %d over an honest path: %v", i, r.Err)
				}
			}
			if n := s.signatures() - before; n != int64(len(headers)) {
				t.Errorf("%d signatures for %d headers", n, len(headers))
			}
		})
	}
}

// signatures counts those in the log of the signer in this process.
func (s *site) signatures() int64 {
	s.t.Helper()
	n := int64(0)
	for item, err := range s.record.Entries(0) {
		if err != nil {
			s.t.Fatal(err)
		}
		if item.Entry.Signature != nil {
			n++
		}
	}
	return n
}

// A bridge that recorded a whole session plays the client's part of it to another parked connection: the keys are new for every session.
func TestRecordedSessionIsWorthNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	m := &mangler{}
	m.start(s, nil)
	s.startSigner()
	if r := signAll(t, s.unlock(keyEdDSA), [][]byte{sample(t)}); r[0].Err != nil {
		t.Fatal(r[0].Err)
	}
	before := s.signatures()
	m.mu.Lock()
	recorded := bytes.Join(m.sent, nil)
	m.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	sig := m.take(ctx)
	if sig == nil {
		t.Fatal("no signer parked")
	}
	sig.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := sig.Write(recorded); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, sig); errors.Is(err, context.DeadlineExceeded) {
		t.Error("the signer keeps the connection")
	}
	if n := s.signatures(); n != before {
		t.Errorf("%d signatures more", n-before)
	}
}

// A bridge that crosses two sessions in the middle gives neither client what is the other's.
func TestSwappedSessions(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	var mu sync.Mutex
	var pairs []*tls.Conn // signers
	var swapped atomic.Bool
	m := &mangler{}
	m.start(s, func(ctx context.Context, c *tls.Conn) {
		sig := m.take(ctx)
		if sig == nil {
			return
		}
		mu.Lock()
		pairs = append(pairs, sig)
		mine := len(pairs) - 1
		mu.Unlock()
		hop.AnswerCall(c, hop.StatusOK, "")
		done := make(chan struct{}, 2)
		go func() {
			defer func() { done <- struct{}{} }()
			for {
				r, err := readRecord(c)
				if err != nil {
					return
				}
				to := sig
				if swapped.Load() {
					mu.Lock()
					to = pairs[1-mine]
					mu.Unlock()
				}
				if _, err := to.Write(r); err != nil {
					return
				}
			}
		}()
		go func() { io.Copy(c, sig); done <- struct{}{} }()
		<-done
		c.NetConn().Close()
		sig.NetConn().Close()
	})
	s.startSigner()
	a, b := s.unlock(keyEdDSA), s.unlock(keyRSA)
	before := s.signatures()
	swapped.Store(true)
	for i, key := range []*client.Key{a, b} {
		start := time.Now()
		err := key.SignHeaders(context.Background(), feedUntil(t, [][]byte{vary(t, sample(t), i)}), func(r client.HeaderResult) {
			t.Errorf("a result came: %+v", r)
		})
		if err == nil || time.Since(start) > 5*time.Second {
			t.Errorf("%v after %v, want the session lost within 5 s", err, time.Since(start))
		}
	}
	if n := s.signatures(); n != before {
		t.Errorf("%d signatures were made", n-before)
	}
}

// A bridge that pairs two of a kind, or itself with a signer, gets nowhere, and the signer goes on.
func TestBridgePairsWithItself(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	m := &mangler{}
	waiting := make(chan *tls.Conn, 1)
	var crossed atomic.Bool
	m.start(s, func(ctx context.Context, c *tls.Conn) {
		if crossed.Load() {
			m.pair(ctx, c)
			return
		}
		select {
		case waiting <- c: // until another client comes
			hop.AnswerCall(c, hop.StatusOK, "")
			<-ctx.Done()
		default:
			hop.AnswerCall(c, hop.StatusOK, "")
			m.join(c, <-waiting)
		}
	})
	s.startSigner()
	errs := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := client.Dial(context.Background(), s.cfg)
			errs <- err
		}()
	}
	for range 2 {
		if err := <-errs; err == nil {
			t.Error("a client has a session with a client")
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	one, two := m.take(ctx), m.take(ctx)
	go m.join(one, two)
	// Itself: with the certificate of a bridge, of the outer CA.
	id, err := hop.LoadIdentity(s.path("bridge-outer.pem"), "", s.path("inner-ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	sig := m.take(ctx)
	inner := tls.Client(sig, id.ClientConfig(hop.Expect{Proto: hop.ProtoSign, Roles: []string{hop.RoleSigner}, Hybrid: true}))
	if err := inner.HandshakeContext(ctx); err == nil {
		if _, err := inner.Read(make([]byte, 1)); err == nil {
			t.Error("the signer greets a bridge")
		}
	}
	crossed.Store(true)
	s.mustHeal(5 * time.Second)
	if n := s.signatures(); n != 1 {
		t.Errorf("%d signatures, want that of the honest session", n)
	}
}

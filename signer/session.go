package signer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/privyseal/privyseal/internal/daemon"
	"github.com/privyseal/privyseal/internal/hop"
	"github.com/privyseal/privyseal/internal/pki"
	"github.com/privyseal/privyseal/internal/wire"
	"github.com/privyseal/privyseal/keys"
)

// finishTime is how long an ending session waits for the client to take its last
// words.
const finishTime = 2 * time.Second

// busySession is when one who found no room for a session is told to come again.
const busySession = 5 * time.Second

// session is one client's.
type session struct {
	*server
	log  *slog.Logger
	conn *tls.Conn // inner
	peer hop.Peer
	user string

	san string // the peer's URI

	queues     [wire.NumLanes]queue
	lineQueues [wire.NumLanes]queue
	window     chan struct{} // a token per request that is under way: read, not yet answered
	out        chan any      // answers; has room for all that can be under way
	wg         sync.WaitGroup

	reader  *wire.Reader
	vain    atomic.Int64 // urgent requests that came to nothing, less those that were signed
	waiting atomic.Bool  // the reader has no room or turn for what comes

	// Of the reader: payloads that are being taken, by the number of their Sign, and
	// how long it did not read.
	payloads map[uint64]*payload
	pauses   pauses

	mu      sync.Mutex
	handles []*opened // the handle is the index plus one
	signed  int
	refused int
}

// session serves the client that was paired with a parked connection.
func (s *server) session(ctx context.Context, outer *tls.Conn) {
	s.guests.come(outer)
	defer s.guests.leave(outer)
	defer hop.Finish(outer, finishTime)
	conn := tls.Server(outer, s.inner)
	hctx, cancel := context.WithTimeout(ctx, s.cfg.Limits.Handshake)
	err := conn.HandshakeContext(hctx)
	cancel()
	if err != nil {
		s.log.Warn("handshake with a client failed", "error", hop.Classify(err))
		return
	}
	peer, err := hop.PeerOf(conn.ConnectionState())
	if err != nil {
		s.log.Warn("client without a name", "error", err)
		return
	}
	ss := &session{
		server: s,
		log:    s.log.With("client", peer.Name),
		conn:   conn,
		peer:   peer,
		window: make(chan struct{}, s.cfg.Limits.Window),
		// Room for greeting, answers and last words: a sender never waits.
		out:      make(chan any, s.cfg.Limits.Window+2),
		payloads: map[uint64]*payload{},
		pauses:   pauses{limit: s.cfg.Limits.Pause},
		san:      pki.RoleURI(peer.Role, peer.Name),
		reader:   wire.NewReader(conn),
	}
	// Says good-bye inside; Finish then does outside. Close would close what is outside as well.
	defer conn.CloseWrite()
	user, err := s.keys.UserByPeer(peer.Fingerprint, ss.san)
	switch {
	case errors.Is(err, keys.ErrDisabled), errors.Is(err, keys.ErrFrozen), err == nil && (user.Disabled || user.Frozen):
		ss.log.Warn("client refused", "reason", "the user is disabled or frozen")
		ss.dismiss(disabled(peer.Name))
		return
	case err != nil:
		ss.log.Warn("client refused", "reason", err)
		ss.dismiss(&wire.Fault{Code: wire.CodeUnknownUser,
			Msg: "the signer knows no user with this certificate; have it issued or bound at the signer's console (privyseal-signer ca issue)"})
		return
	}
	ss.user = user.Name
	for i := range ss.queues {
		ss.queues[i].lane, ss.queues[i].user = wire.Lane(i), ss.user
		ss.lineQueues[i] = ss.queues[i]
	}
	ss.log = s.log.With("user", user.Name)
	if !s.begin(user.Name) {
		ss.log.Warn("session refused", "reason", "too many sessions")
		ss.dismiss(&wire.Fault{Code: wire.CodeBusy, RetryAfter: busySession,
			Msg: fmt.Sprintf("the signer has too many sessions; try again in %s, when some have ended", busySession)})
		return
	}
	defer s.end(user.Name)
	s.guests.leave(outer)
	start := time.Now()
	ss.log.Info("session begins")
	why := ss.run(ctx)
	ss.log.Info("session ended", "reason", why, "duration", time.Since(start).Round(time.Millisecond),
		"signed", ss.signed, "refused", ss.refused)
}

// dismiss sends a fault about a session that does not take place.
func (ss *session) dismiss(f *wire.Fault) {
	ss.conn.SetDeadline(time.Now().Add(finishTime))
	w := wire.NewWriter(ss.conn)
	w.Reply(&wire.Reply{Fault: f})
	w.Flush()
}

// run reads until the client ends, fails or the signer stops, then waits for what is
// under way, and says why it ended.
func (ss *session) run(ctx context.Context) string {
	// Requests under way outlive a stop of the signer, not a lost client.
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stopReading := context.AfterFunc(ctx, func() { ss.conn.SetReadDeadline(time.Now()) })
	defer stopReading()

	ss.out <- &wire.Greeting{
		Protocol: wire.Protocol,
		Signer:   ss.cfg.Name,
		Program:  daemon.Version,
		User:     ss.user,
		Window:   ss.cfg.Limits.Window,
		MaxBytes: wire.MaxSigned,
		Streams:  ss.cfg.Limits.Streams,
		Time:     time.Now(),
		LogKey:   ss.record.Key().String(),
		Lanes:    []string{wire.LaneUrgent.String(), wire.LaneNormal.String(), wire.LaneBulk.String()},
		// What is signed later is in a checkpoint that continues this one.
		Checkpoint: ss.record.Checkpoint().Note,
	}
	written := make(chan error, 1)
	go func() {
		err := ss.write()
		if err != nil {
			// Nobody reads: wake the reader, drop the work.
			ss.conn.NetConn().SetDeadline(time.Now())
			cancel()
		}
		written <- err
	}()

	err := ss.read(ctx, work)
	var last *wire.Fault
	var fault *wire.Fault
	var proto *wire.ProtocolError
	switch {
	case ctx.Err() != nil:
		t := time.AfterFunc(ss.cfg.Limits.Drain, cancel)
		defer t.Stop()
		last = &wire.Fault{Code: wire.CodeStopping, Msg: "the signer is being stopped; try again when it is back"}
	case errors.As(err, &fault):
		last = fault
	case errors.As(err, &proto):
		last = &wire.Fault{Code: wire.CodeProtocol, Msg: proto.Error()}
	default:
		cancel() // ended or lost: nobody waits for the answers
	}
	ss.wg.Wait()
	if last != nil {
		// All requests have answered, so there is room.
		ss.out <- &wire.Reply{Fault: last}
	}
	close(ss.out)
	werr := <-written
	switch {
	case last != nil:
		return last.Msg
	case errors.Is(err, io.EOF):
		return "client is done"
	case werr != nil:
		return "client does not read: " + hop.Classify(werr).Error()
	}
	return "client lost: " + hop.Classify(err).Error()
}

// read takes requests. It returns when there will be no more.
func (ss *session) read(ctx, work context.Context) error {
	r := ss.reader
	var set time.Time // when the deadline was
	for {
		if now := time.Now(); !r.Buffered() || now.Sub(set) > ss.cfg.Limits.Idle/8 {
			set = now
			ss.conn.SetReadDeadline(now.Add(ss.cfg.Limits.Idle))
			if ctx.Err() != nil { // the stop's deadline may just have been overwritten
				return ctx.Err()
			}
		}
		f, err := r.Next()
		if err != nil {
			return err
		}
		switch f.Type {
		case wire.TypePing:
			continue
		case wire.TypeStream:
			if err := ss.readStream(work, r, f); err != nil {
				return err
			}
			continue
		case wire.TypeCall, wire.TypeSign:
		default:
			return &wire.ProtocolError{Msg: "a client does not send a " + f.Type.String()}
		}
		// A token goes to the answer, and back when that has been written.
		ss.waiting.Store(true)
		select {
		case ss.window <- struct{}{}:
		case <-work.Done():
			return work.Err()
		}
		ss.waiting.Store(false)
		if f.Type == wire.TypeCall {
			c, err := r.Call(f)
			if err != nil {
				return err
			}
			ss.wg.Go(func() { ss.out <- ss.call(work, c) })
			continue
		}
		if err := ss.readSign(ctx, work, r, f); err != nil {
			return err
		}
	}
}

func (ss *session) readSign(ctx, work context.Context, r *wire.Reader, f wire.Frame) error {
	release := func() {}
	s, err := r.Sign(f, func(s *wire.Sign, n int) error {
		var err error
		release, err = ss.budget.book(ss.user, ss.turn(s.Lane), n, func() (context.Context, context.CancelFunc) {
			return ss.pause(work, "there was no room for what this request brings")
		})
		if err != nil {
			release = func() {}
			return err
		}
		if n > wire.MaxFrame-64 {
			// A large one gets its own deadline; a small one is as good as here.
			ss.conn.SetReadDeadline(time.Now().Add(ss.cfg.Limits.Message))
		}
		return ctx.Err() // the stop's deadline may just have been overwritten
	})
	var fault *wire.Fault
	if s != nil && errors.As(err, &fault) {
		ss.out <- ss.refuse(work, s, fault)
		return nil
	}
	if err != nil {
		release()
		return err
	}
	p := ss.expect(work, s)
	ss.wg.Go(func() {
		answer := ss.sign(work, s, p)
		if p != nil {
			close(p.gone)
			p.drop(nil)
		}
		release()
		ss.out <- answer
	})
	return nil
}

// expect makes room for the payload that a Sign announces. Nil is for one that has
// none, or for which there is no room.
func (ss *session) expect(work context.Context, s *wire.Sign) *payload {
	if s.Op != wire.OpRPMPayload || s.DryRun {
		return nil
	}
	for seq, p := range ss.payloads {
		select {
		case <-p.gone:
			delete(ss.payloads, seq)
		default:
		}
	}
	if len(ss.payloads) >= ss.cfg.Limits.Streams || ss.payloads[s.Seq] != nil {
		return nil
	}
	p := newPayload(work)
	ss.payloads[s.Seq] = p
	return p
}

// readStream takes a piece of a payload. Pieces of one that was refused meanwhile are
// read over.
func (ss *session) readStream(work context.Context, r *wire.Reader, f wire.Frame) error {
	piece, err := r.Stream(f, func(seq uint64) bool { return ss.payloads[seq] != nil })
	if err != nil {
		return err
	}
	p := ss.payloads[piece.Seq]
	if p == nil {
		return nil
	}
	given := p.give(piece)
	if !given {
		wait, end := ss.pause(work, "this payload waited too long for its turn")
		given = p.wait(wait, piece)
		end()
	}
	if !given || piece.End || piece.Drop {
		delete(ss.payloads, piece.Seq)
	}
	return nil
}

// write sends answers, many to a flush, and signs of life between them.
func (ss *session) write() error {
	w := wire.NewWriter(timed{ss.conn, ss.cfg.Limits.Write})
	beat := time.NewTicker(ss.cfg.Limits.Beat)
	defer beat.Stop()
	quiet := true // nothing written since the last tick
	for {
		select {
		case m, ok := <-ss.out:
			for more := true; more; {
				if !ok {
					return w.Flush()
				}
				if err := ss.put(w, m); err != nil {
					return err
				}
				select {
				case m, ok = <-ss.out:
				default:
					// Answers of one group commit come one after the other:
					// let those that are ready run before paying for a flush.
					runtime.Gosched()
					select {
					case m, ok = <-ss.out:
					default:
						more = false
					}
				}
			}
			quiet = false
			if err := w.Flush(); err != nil {
				return err
			}
		case <-beat.C:
			if quiet {
				if err := errors.Join(w.Beat(wire.Beat{Arrived: ss.reader.Arrived(), Waiting: ss.waiting.Load()}), w.Flush()); err != nil {
					return err
				}
			}
			quiet = true
		}
	}
}

// timed gives each write its time: many answers, or a long one, may take as long as the
// client's path needs, if only something is taken all the time.
type timed struct {
	conn  *tls.Conn
	limit time.Duration
}

func (t timed) Write(p []byte) (int, error) {
	t.conn.SetWriteDeadline(time.Now().Add(t.limit))
	return t.conn.Write(p)
}

func (ss *session) put(w *wire.Writer, m any) error {
	switch m := m.(type) {
	case *wire.Signature:
		ss.signed++
		<-ss.window
		return w.Signature(m)
	case *wire.Reply:
		if m.Seq != 0 {
			<-ss.window
		}
		return w.Reply(m)
	case *wire.Greeting:
		return w.Greeting(m)
	}
	return errors.New("signer: an answer that is no message")
}

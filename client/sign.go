package client

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/privyseal/privyseal/internal/pgp"
	"github.com/privyseal/privyseal/internal/wire"
)

// Key is a key that a session has unlocked.
type Key struct {
	Name        string
	Fingerprint string // of the primary key, 40 upper case hex digits
	Algorithm   string
	Purposes    []string
	Certificate *pgp.Certificate
	Until       time.Time // when what the console unlocked ends; zero otherwise

	session *Session
	handle  uint32
	ring    *pgp.Keyring
}

func readCertificate(armored []byte) (*pgp.Certificate, error) {
	certs, err := pgp.ReadCertificates(bytes.NewReader(armored))
	if err != nil {
		return nil, err
	}
	if len(certs) != 1 {
		return nil, fmt.Errorf("%d certificates instead of one", len(certs))
	}
	return certs[0], nil
}

// HeaderRequest is an RPM's main header to be signed, as it stands in the file. The
// header must not change before its result has come.
type HeaderRequest struct {
	ID          int64 // the caller's, to tell results apart
	Header      []byte
	Attestation []byte // the hub's word about it, where the signer's policy asks for one
}

// HeaderResult is what became of a HeaderRequest.
type HeaderResult struct {
	ID       int64
	Packet   []byte // OpenPGP signature packet, verified; nil with Err
	Proof    []byte // that it is in the signer's log, verified: C2SP tlog-proof
	LogIndex int64  // place in the signer's log
	Existed  bool   // the signer had made it before
	Err      error  // *RefusedError or *SignatureError
}

// SignHeaders signs every header that comes from in until it is closed, and calls
// out, from this goroutine, for each. An error means that the stream ended early:
// ctx ended or the session did. Requests that had no result by then may or may not
// have been signed; asking again gives the same bytes.
func (k *Key) SignHeaders(ctx context.Context, in <-chan HeaderRequest, out func(HeaderResult)) error {
	s := k.session
	st := &stream{key: k,
		answers: make(chan answered, cap(s.window)),
		results: make(chan HeaderResult, cap(s.window)),
		sent:    make(chan int, 1)}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer st.abandon()
	defer wg.Wait()
	defer cancel()
	wg.Go(func() { st.post(ctx, in) })
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() { st.verify(ctx) })
	}
	total := -1 // known when in has been closed
	for n := 0; n != total; {
		select {
		case r := <-st.results:
			n++
			out(r)
			// Only now is there room for another: so nothing in between ever
			// has to wait for room, and the reading goroutine least of all.
			s.free()
		case total = <-st.sent:
		case <-s.done:
			// What had come before the end counts.
			for ; n < int(st.came.Load()); n++ {
				select {
				case r := <-st.results:
					out(r)
					s.free()
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			select {
			case total = <-st.sent:
			default:
			}
			if n == total {
				return nil
			}
			return s.Err()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// stream is one call of SignHeaders. Its channels have room for all that the window
// lets be under way.
type stream struct {
	key     *Key
	answers chan answered
	results chan HeaderResult
	sent    chan int // how many requests there were

	came atomic.Int64 // answers
	gone atomic.Bool  // the caller does not wait any more
	held sync.Mutex   // makes "deliver, or see that it is gone" one step
}

type answered struct {
	answer
	req HeaderRequest
}

func (st *stream) post(ctx context.Context, in <-chan HeaderRequest) {
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-st.key.session.done:
			return
		case req, ok := <-in:
			if !ok {
				st.sent <- n
				return
			}
			if err := st.postOne(ctx, req); err != nil {
				return
			}
		}
	}
}

func (st *stream) postOne(ctx context.Context, req HeaderRequest) error {
	s := st.key.session
	if len(req.Header) > wire.MaxSigned || len(req.Attestation) > wire.MaxAttestation {
		// Refused here: it could not be sent.
		select {
		case s.window <- struct{}{}:
		case <-s.done:
			return s.Err()
		case <-ctx.Done():
			return ctx.Err()
		}
		st.came.Add(1)
		st.results <- HeaderResult{ID: req.ID, Err: tooLarge(len(req.Header), len(req.Attestation))}
		return nil
	}
	return s.post(ctx, func(seq uint64) any {
		return &wire.Sign{Seq: seq, Handle: st.key.handle, Op: wire.OpRPMHeader, Lane: s.lane,
			Attestation: req.Attestation, Data: req.Header}
	}, func(a answer) {
		st.held.Lock()
		defer st.held.Unlock()
		if st.gone.Load() {
			s.free()
			return
		}
		st.came.Add(1)
		st.answers <- answered{a, req}
	})
}

func tooLarge(data, attestation int) error {
	return &RefusedError{Code: string(wire.CodeTooLarge),
		Msg: fmt.Sprintf("%d bytes to sign with an attestation of %d: more than %d and %d", data, attestation, wire.MaxSigned, wire.MaxAttestation)}
}

// abandon gives back the places of answers that nobody will take.
func (st *stream) abandon() {
	st.held.Lock()
	defer st.held.Unlock()
	st.gone.Store(true)
	for {
		select {
		case <-st.answers:
			st.key.session.free()
		case <-st.results:
			st.key.session.free()
		default:
			return
		}
	}
}

func (st *stream) verify(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case a := <-st.answers:
			r := HeaderResult{ID: a.req.ID}
			if a.sig == nil {
				r.Err = replyError(a.reply)
			} else if r.Err = st.key.accept(wire.OpRPMHeader, a.sig, a.req.Header); r.Err == nil {
				r.Packet, r.Proof, r.LogIndex, r.Existed = a.sig.Packet, a.sig.Proof, a.sig.Index, a.sig.Existed
			}
			st.results <- r
		}
	}
}

func replyError(r *wire.Reply) error {
	if r.Fault == nil {
		return &wire.ProtocolError{Msg: "a reply without a fault where a signature was due"}
	}
	return refusal(r.Fault)
}

package signer

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/privyseal/privyseal/internal/rpmhead"
	"github.com/privyseal/privyseal/internal/wire"
)

// payload is what follows an RPM's header on its way to being hashed. The reader of the
// session hands over pieces; it waits when they come faster than they are hashed, and
// with it the client does. A payload that keeps the reader waiting for too long is
// dropped.
type payload struct {
	pieces chan *wire.Stream
	gone   chan struct{}   // closed when nobody takes pieces any more
	ctx    context.Context // as long as it may be taken; what ends it is the answer
	drop   context.CancelCauseFunc
}

func newPayload(ctx context.Context) *payload {
	p := &payload{pieces: make(chan *wire.Stream, 2), gone: make(chan struct{})}
	p.ctx, p.drop = context.WithCancelCause(ctx)
	return p
}

// give hands a piece over, if it need not wait for that.
func (p *payload) give(piece *wire.Stream) bool {
	select {
	case p.pieces <- piece:
	case <-p.gone:
	default:
		return false
	}
	return true
}

// wait hands a piece over, or drops the payload when ctx ends.
func (p *payload) wait(ctx context.Context, piece *wire.Stream) bool {
	select {
	case p.pieces <- piece:
	case <-p.gone:
	case <-ctx.Done():
		p.drop(context.Cause(ctx))
		return false
	}
	return true
}

// signPayload signs header and payload together. What can be decided from the header is
// decided before a byte of the payload is taken, and once more at its end, for it may
// have taken long.
func (ss *session) signPayload(s *wire.Sign, p *payload) (*wire.Signature, error) {
	if p == nil {
		return nil, &wire.Fault{Code: wire.CodeBusy, RetryAfter: time.Second,
			Msg: fmt.Sprintf("a session may send %d payloads at once", ss.cfg.Limits.Streams)}
	}
	ctx := p.ctx
	leave, err := ss.enter(ctx, s.Lane)
	if err != nil {
		return nil, err
	}
	r, err := ss.admit(s)
	if err == nil {
		err = ss.examine(r)
	}
	leave()
	if err != nil {
		return nil, err
	}
	d, err := ss.counts.explain(ss.keys.Policy(), r.facts)
	if err != nil {
		return nil, err
	}
	if !d.Allow {
		return nil, denied(d)
	}
	whole := rpmhead.NewWhole(r.content.header)
	if err := ss.take(ctx, s.Lane, p, whole); err != nil {
		return nil, err
	}
	digest, err := whole.SHA256()
	if err != nil {
		return nil, refused("payload", "%v", err)
	}
	if r, err = ss.again(r); err != nil {
		return nil, err
	}
	if leave, err = ss.enter(ctx, s.Lane); err != nil {
		return nil, err
	}
	defer leave()
	return ss.settle(ctx, r, [32]byte(digest.Sum(nil)), leave, func() ([]byte, error) {
		return r.opened.key.SignHash(digest, time.Now())
	})
}

// take hashes the payload to its end, each piece in a turn of its own.
func (ss *session) take(ctx context.Context, lane wire.Lane, p *payload, whole io.Writer) error {
	for {
		timer := time.NewTimer(ss.cfg.Limits.Message)
		var piece *wire.Stream
		select {
		case piece = <-p.pieces:
			timer.Stop()
		case <-timer.C:
			return &wire.Fault{Code: wire.CodeProtocol, Msg: fmt.Sprintf("no more of the payload came for %s", ss.cfg.Limits.Message)}
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
		if piece.Drop {
			return &wire.Fault{Code: wire.CodeContent, Rule: "payload", Msg: "the client gave up in the middle of the payload"}
		}
		if len(piece.Data) > 0 {
			leave, err := ss.enter(ctx, lane)
			if err != nil {
				return err
			}
			_, err = whole.Write(piece.Data)
			leave()
			if err != nil {
				return err
			}
		}
		if piece.End {
			return nil
		}
	}
}

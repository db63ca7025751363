package client

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"

	"github.com/privyseal/privyseal/internal/wire"
)

// stream sends a Sign and the payload that belongs to it, and hashes what it sends. The answer may come before the payload's end: a
// refusal does.
func (s *Session) stream(ctx context.Context, sign *wire.Sign, payload io.Reader) (*wire.Signature, hash.Hash, error) {
	select {
	case s.streams <- struct{}{}:
		defer func() { <-s.streams }()
	case <-s.done:
		return nil, nil, s.Err()
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	answers := make(chan answer, 1)
	err := s.post(ctx, func(seq uint64) any { sign.Seq = seq; return sign }, func(a answer) { s.free(); answers <- a })
	if err != nil {
		return nil, nil, err
	}
	digest := sha256.New()
	digest.Write(sign.Data)
	give := func(p *wire.Stream) (answer, bool, error) {
		p.Seq = sign.Seq
		select {
		case a := <-answers:
			return a, true, nil
		case s.send <- p:
			return answer{}, false, nil
		case <-s.done:
			return answer{}, false, s.Err()
		case <-ctx.Done():
			return answer{}, false, ctx.Err()
		}
	}
	var early answer
	for answered := false; !answered; {
		// Each piece gets bytes of its own: the writing goroutine still has the one before.
		buf := make([]byte, wire.MaxPiece)
		n, err := fill(buf, payload)
		digest.Write(buf[:n])
		end := err == io.EOF
		if err != nil && !end {
			give(&wire.Stream{Drop: true})
			return nil, nil, fmt.Errorf("reading the payload: %w", err)
		}
		var gerr error
		if early, answered, gerr = give(&wire.Stream{End: end, Data: buf[:n]}); gerr != nil {
			// The caller does not wait, but the signer is to know.
			go func() {
				select {
				case s.send <- &wire.Stream{Seq: sign.Seq, Drop: true}:
				case <-s.done:
				}
			}()
			return nil, nil, gerr
		}
		if end {
			break
		}
	}
	if early.sig == nil && early.reply == nil {
		select {
		case early = <-answers:
		case <-s.done:
			return nil, nil, s.Err()
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
	switch {
	case early.sig != nil:
		return early.sig, digest, nil
	case early.reply.Fault != nil:
		return nil, nil, refusal(early.reply.Fault)
	}
	return nil, nil, &wire.ProtocolError{Msg: "a reply without a fault where a signature was due"}
}

// fill reads until the buffer is full or the reader ends. io.ReadFull will not do: what it says of an end in the middle of the buffer a
// reader says, too, whose connection broke off, and half a payload is not to be signed.
func fill(buf []byte, r io.Reader) (n int, err error) {
	for n < len(buf) && err == nil {
		var m int
		m, err = r.Read(buf[n:])
		n += m
	}
	return n, err
}

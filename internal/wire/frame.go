package wire

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
)

// Type of a frame.
type Type byte

// The types there are.
const (
	TypeGreeting  Type = 1
	TypeCall      Type = 2
	TypeReply     Type = 3
	TypeSign      Type = 4
	TypeSignature Type = 5
	TypePing      Type = 6
	TypeBeat      Type = 7
	TypeStream    Type = 8
)

// Types are all types of frames, for tests that enumerate them.
func Types() []Type {
	var all []Type
	for t := TypeGreeting; t <= TypeStream; t++ {
		all = append(all, t)
	}
	return all
}

func (t Type) String() string {
	switch t {
	case TypeGreeting:
		return "greeting"
	case TypeCall:
		return "call"
	case TypeReply:
		return "reply"
	case TypeSign:
		return "sign"
	case TypeSignature:
		return "signature"
	case TypePing:
		return "ping"
	case TypeBeat:
		return "beat"
	case TypeStream:
		return "stream"
	}
	return fmt.Sprintf("type %d", byte(t))
}

const (
	flagMore = 1

	frameHead = 6

	// MaxFrame is the largest payload of a frame.
	MaxFrame = 1 << 20
	// MaxSigned is the most that one Sign may carry.
	MaxSigned = 64 << 20
	// maxCall bounds what a client may make a signer decode as JSON.
	maxCall = 64 << 10

	// record is what fits, with its own framing, into one TLS record of 16384
	// bytes: 5 bytes of header, 1 of content type, 16 of tag.
	record = 16384 - 22
)

// ProtocolError is a peer that does not keep to the protocol.
type ProtocolError struct{ Msg string }

func (e *ProtocolError) Error() string { return "signing protocol: " + e.Msg }

func protocolf(format string, args ...any) error {
	return &ProtocolError{fmt.Sprintf(format, args...)}
}

// Frame is the head of a frame whose payload has not been read.
type Frame struct {
	Type Type
	More bool
	Len  int
}

// Reader takes frames apart. It is for one goroutine.
type Reader struct {
	in   counter
	br   *bufio.Reader
	left int // unread payload of the current frame
}

// NewReader reads frames from r.
func NewReader(r io.Reader) *Reader {
	rd := &Reader{in: counter{r: r}}
	rd.br = bufio.NewReaderSize(&rd.in, 32<<10)
	return rd
}

// Arrived is how many bytes have come. It may be asked from any goroutine.
func (r *Reader) Arrived() uint64 { return r.in.n.Load() }

// counter counts what is read.
type counter struct {
	r io.Reader
	n atomic.Uint64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(uint64(n))
	return n, err
}

// Buffered tells whether bytes have arrived that were not asked for yet.
func (r *Reader) Buffered() bool { return r.br.Buffered() > 0 }

// Next reads the head of the next frame; what the last one still held is an
// error of the caller. io.EOF means that the peer ended the session cleanly.
func (r *Reader) Next() (Frame, error) {
	if r.left != 0 {
		return Frame{}, errors.New("wire: the last frame was not read to its end")
	}
	var h [frameHead]byte
	if _, err := io.ReadFull(r.br, h[:]); err != nil {
		return Frame{}, err
	}
	f := Frame{Type: Type(h[0]), More: h[1]&flagMore != 0}
	n := binary.BigEndian.Uint32(h[2:])
	switch {
	case f.Type < TypeGreeting || f.Type > TypeStream:
		return Frame{}, protocolf("unknown frame type %d", h[0])
	case h[1]&^flagMore != 0:
		return Frame{}, protocolf("unknown flags %#x on a %s frame", h[1], f.Type)
	case f.More && f.Type != TypeSign && f.Type != TypeSignature:
		return Frame{}, protocolf("a %s message cannot have several frames", f.Type)
	case n > MaxFrame:
		return Frame{}, protocolf("a %s frame of %d bytes, more than %d", f.Type, n, MaxFrame)
	case f.Type == TypeCall && n > maxCall:
		return Frame{}, protocolf("a call of %d bytes, more than %d", n, maxCall)
	case f.Type == TypePing && n != 0, f.Type == TypeBeat && n != beatSize:
		return Frame{}, protocolf("a %s frame with a payload of %d bytes", f.Type, n)
	}
	f.Len = int(n)
	r.left = f.Len
	return f, nil
}

// read fills p from the current frame.
func (r *Reader) read(p []byte) error {
	if len(p) > r.left {
		return protocolf("frame too short")
	}
	r.left -= len(p)
	_, err := io.ReadFull(r.br, p)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// rest reads what is left of the current frame.
func (r *Reader) rest() ([]byte, error) {
	p := make([]byte, r.left)
	return p, r.read(p)
}

// skip reads over what is left of the current frame.
func (r *Reader) skip() error {
	n := r.left
	r.left = 0
	_, err := r.br.Discard(n)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// Writer puts frames together. It is for one goroutine. After an error it keeps
// failing.
type Writer struct {
	w    io.Writer
	buf  []byte
	err  error
	sent atomic.Uint64
}

// Sent is how many bytes were handed to the connection. It may be asked from any
// goroutine.
func (w *Writer) Sent() uint64 { return w.sent.Load() }

// NewWriter writes frames to w, in pieces of at most one TLS record.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w, buf: make([]byte, 0, record)} }

// Flush sends what was gathered. Call it when there is nothing more to write for
// the moment, not after each message.
func (w *Writer) Flush() error {
	if w.err == nil && len(w.buf) > 0 {
		// Before they are: an answer must not be ahead of what it answers.
		w.sent.Add(uint64(len(w.buf)))
		_, w.err = w.w.Write(w.buf)
		w.buf = w.buf[:0]
	}
	return w.err
}

func (w *Writer) write(p []byte) {
	for len(p) > 0 && w.err == nil {
		n := min(cap(w.buf)-len(w.buf), len(p))
		w.buf = append(w.buf, p[:n]...)
		if p = p[n:]; len(w.buf) == cap(w.buf) {
			w.Flush()
		}
	}
}

func (w *Writer) head(t Type, more bool, n int) {
	h := [frameHead]byte{byte(t)}
	if more {
		h[1] = flagMore
	}
	binary.BigEndian.PutUint32(h[2:], uint32(n))
	w.write(h[:])
}

// frame writes a message that is one frame, in parts.
func (w *Writer) frame(t Type, parts ...[]byte) error {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	if n > MaxFrame || t == TypeCall && n > maxCall {
		return fmt.Errorf("wire: a %s of %d bytes is too large to send", t, n)
	}
	w.head(t, false, n)
	for _, p := range parts {
		w.write(p)
	}
	return w.err
}

// Ping tells the signer that the client is still there.
func (w *Writer) Ping() error { return w.frame(TypePing) }

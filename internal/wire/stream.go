package wire

import "encoding/binary"

// Stream is a piece of the payload that belongs to a Sign.
type Stream struct {
	Seq  uint64 // of the Sign
	End  bool   // the last piece
	Drop bool   // there will be no more, and nothing is to be signed
	Data []byte
}

const (
	streamHead = 8 + 1
	flagEnd    = 1
	flagDrop   = 2

	// MaxPiece is what one Stream carries at most.
	MaxPiece = 256 << 10
)

// Stream sends a piece.
func (w *Writer) Stream(s *Stream) error {
	if len(s.Data) > MaxPiece {
		return protocolf("a piece of %d bytes, more than %d", len(s.Data), MaxPiece)
	}
	var h [streamHead]byte
	binary.BigEndian.PutUint64(h[:], s.Seq)
	if s.End {
		h[8] |= flagEnd
	}
	if s.Drop {
		h[8] |= flagDrop
	}
	return w.frame(TypeStream, h[:], s.Data)
}

// Stream reads the payload of a stream frame. take is called with the piece's sequence number before its bytes are read and says
// whether they are wanted; those that are not are read over.
func (r *Reader) Stream(f Frame, take func(seq uint64) bool) (*Stream, error) {
	if f.Type != TypeStream {
		return nil, protocolf("expected a stream, got a %s", f.Type)
	}
	var h [streamHead]byte
	if err := r.read(h[:]); err != nil {
		return nil, err
	}
	s := &Stream{Seq: binary.BigEndian.Uint64(h[:]), End: h[8]&flagEnd != 0, Drop: h[8]&flagDrop != 0}
	switch {
	case h[8]&^(flagEnd|flagDrop) != 0:
		return nil, protocolf("unknown flags %#x on a stream", h[8])
	case r.left > MaxPiece:
		return nil, protocolf("a piece of %d bytes, more than %d", r.left, MaxPiece)
	case s.Drop && r.left > 0:
		return nil, protocolf("a dropped stream with a payload")
	case !take(s.Seq):
		return s, r.skip()
	}
	var err error
	s.Data, err = r.rest()
	return s, err
}

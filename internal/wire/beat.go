package wire

import "encoding/binary"

// Beat is the signer's sign of life. It tells how much of what the client sent has
// come, so that a client notices a path that carries only the other way.
type Beat struct {
	Arrived uint64 // bytes of the session
	// Waiting means that the signer does not read on for the moment, because there
	// is no room or no turn for what has come.
	Waiting bool
}

const (
	beatSize    = 8 + 1
	flagWaiting = 1
)

// Beat tells the client that the signer is still there.
func (w *Writer) Beat(b Beat) error {
	var p [beatSize]byte
	binary.BigEndian.PutUint64(p[:], b.Arrived)
	if b.Waiting {
		p[8] = flagWaiting
	}
	return w.frame(TypeBeat, p[:])
}

// Beat reads the payload of a beat frame.
func (r *Reader) Beat(f Frame) (Beat, error) {
	if f.Type != TypeBeat {
		return Beat{}, protocolf("expected a beat, got a %s", f.Type)
	}
	var p [beatSize]byte
	if err := r.read(p[:]); err != nil {
		return Beat{}, err
	}
	if p[8]&^flagWaiting != 0 {
		return Beat{}, protocolf("unknown flags %#x on a beat", p[8])
	}
	return Beat{Arrived: binary.BigEndian.Uint64(p[:]), Waiting: p[8] == flagWaiting}, nil
}

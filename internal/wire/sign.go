package wire

import (
	"encoding/binary"
	"errors"
)

// Sign asks for a signature.
type Sign struct {
	Seq         uint64
	Handle      uint32
	Op          Op
	Lane        Lane
	DryRun      bool   // decide and explain, sign nothing
	Param       []byte // what the operation needs beside the data
	Attestation []byte // DSSE envelope of a hub, about the header
	Data        []byte
}

const (
	signHead   = 8 + 4 + 1 + 1 + 1 + 2 + 2 + 4
	flagDryRun = 1

	// MaxParam bounds Sign.Param.
	MaxParam = 1 << 10
	// MaxAttestation bounds Sign.Attestation.
	MaxAttestation = 16 << 10
)

// Signature is what a Sign gets when it is granted.
type Signature struct {
	Seq     uint64
	Index   int64 // place in the signer's log
	Existed bool  // it had been made before
	Proof   []byte
	Packet  []byte
}

const (
	signatureHead = 8 + 8 + 1 + 4 + 4
	flagExisted   = 1

	// maxPacket bounds a Signature's packet: IMA signatures of all files of a package.
	maxPacket = 256 << 20
	maxProof  = 64 << 10
)

// Sign sends a Sign, in as many frames as it takes.
func (w *Writer) Sign(s *Sign) error {
	switch {
	case len(s.Data) > MaxSigned:
		return protocolf("%d bytes to sign, more than %d", len(s.Data), MaxSigned)
	case len(s.Param) > MaxParam:
		return protocolf("a parameter of %d bytes, more than %d", len(s.Param), MaxParam)
	case len(s.Attestation) > MaxAttestation:
		return protocolf("an attestation of %d bytes, more than %d", len(s.Attestation), MaxAttestation)
	}
	var h [signHead]byte
	binary.BigEndian.PutUint64(h[:], s.Seq)
	binary.BigEndian.PutUint32(h[8:], s.Handle)
	h[12], h[13] = byte(s.Op), byte(s.Lane)
	if s.DryRun {
		h[14] = flagDryRun
	}
	binary.BigEndian.PutUint16(h[15:], uint16(len(s.Param)))
	binary.BigEndian.PutUint16(h[17:], uint16(len(s.Attestation)))
	binary.BigEndian.PutUint32(h[19:], uint32(len(s.Data)))
	return w.frames(TypeSign, s.Data, h[:], s.Param, s.Attestation)
}

// frames writes a message whose data may take several frames; what stands before the data fits into the first.
func (w *Writer) frames(t Type, data []byte, before ...[]byte) error {
	size := 0
	for _, b := range before {
		size += len(b)
	}
	n := min(len(data), MaxFrame-size)
	w.head(t, n < len(data), size+n)
	for _, b := range before {
		w.write(b)
	}
	w.write(data[:n])
	for data = data[n:]; len(data) > 0; data = data[n:] {
		n = min(len(data), MaxFrame)
		w.head(t, n < len(data), n)
		w.write(data[:n])
	}
	return w.err
}

// Signature sends a Signature.
func (w *Writer) Signature(s *Signature) error {
	if len(s.Proof) > maxProof || len(s.Packet) > maxPacket {
		return protocolf("a signature of %d bytes with a proof of %d is too large to send", len(s.Packet), len(s.Proof))
	}
	var h [signatureHead]byte
	binary.BigEndian.PutUint64(h[:], s.Seq)
	binary.BigEndian.PutUint64(h[8:], uint64(s.Index))
	if s.Existed {
		h[16] = flagExisted
	}
	binary.BigEndian.PutUint32(h[17:], uint32(len(s.Proof)))
	binary.BigEndian.PutUint32(h[21:], uint32(len(s.Packet)))
	return w.frames(TypeSignature, s.Packet, h[:], s.Proof)
}

// Sign reads a sign message, continuation frames included. reserve is called with
// its length before any of its bytes are read: it may wait for room, or refuse.
// What reserve granted is the caller's to give back, also after an error. When
// reserve's error is a *Fault, the message is read over and returned, without its
// bytes, with that error: the session can go on.
func (r *Reader) Sign(f Frame, reserve func(s *Sign, n int) error) (*Sign, error) {
	if f.Type != TypeSign {
		return nil, protocolf("expected a sign, got a %s", f.Type)
	}
	var h [signHead]byte
	if err := r.read(h[:]); err != nil {
		return nil, err
	}
	s := &Sign{
		Seq:    binary.BigEndian.Uint64(h[:]),
		Handle: binary.BigEndian.Uint32(h[8:]),
		Op:     Op(h[12]),
		Lane:   Lane(h[13]),
		DryRun: h[14] == flagDryRun,
	}
	param, att := int(binary.BigEndian.Uint16(h[15:])), int(binary.BigEndian.Uint16(h[17:]))
	total := int64(binary.BigEndian.Uint32(h[19:]))
	switch {
	case h[14]&^flagDryRun != 0:
		return nil, protocolf("unknown flags %#x on a sign", h[14])
	case s.Lane >= NumLanes:
		return nil, protocolf("unknown lane %d", h[13])
	case param > MaxParam:
		return nil, protocolf("a parameter of %d bytes, more than %d", param, MaxParam)
	case att > MaxAttestation:
		return nil, protocolf("an attestation of %d bytes, more than %d", att, MaxAttestation)
	case total > MaxSigned:
		return nil, protocolf("%d bytes to sign, more than %d", total, MaxSigned)
	}
	var err error
	if s.Param, err = r.some(param); err != nil {
		return nil, err
	}
	if s.Attestation, err = r.some(att); err != nil {
		return nil, err
	}
	if err := reserve(s, int(total)); err != nil {
		var fault *Fault
		if !errors.As(err, &fault) {
			return nil, err
		}
		if derr := r.body(f, TypeSign, int(total), nil); derr != nil {
			return nil, derr
		}
		return s, err
	}
	s.Data = make([]byte, total)
	return s, r.body(f, TypeSign, int(total), s.Data)
}

// some reads the next n bytes of the current frame; none are nil.
func (r *Reader) some(n int) ([]byte, error) {
	if n == 0 {
		return nil, nil
	}
	if n > r.left {
		return nil, protocolf("frame too short")
	}
	p := make([]byte, n)
	return p, r.read(p)
}

// body reads the rest of a message of total bytes into data, or over it when data is nil.
func (r *Reader) body(f Frame, want Type, total int, data []byte) error {
	for rest := total; ; {
		n := r.left
		if n > rest || f.More && n == 0 {
			return protocolf("the frames of a %s message do not add up to its length", want)
		}
		var err error
		if data == nil {
			err = r.skip()
		} else {
			err = r.read(data[total-rest:][:n])
		}
		if err != nil {
			return err
		}
		rest -= n
		if !f.More {
			if rest > 0 {
				return protocolf("a %s message that ends %d bytes early", want, rest)
			}
			return nil
		}
		if f, err = r.Next(); err != nil {
			return err
		}
		if f.Type != want {
			return protocolf("a %s in the middle of a %s message", f.Type, want)
		}
	}
}

// Signature reads a signature message, continuation frames included.
func (r *Reader) Signature(f Frame) (*Signature, error) {
	if f.Type != TypeSignature {
		return nil, protocolf("expected a signature, got a %s", f.Type)
	}
	var h [signatureHead]byte
	if err := r.read(h[:]); err != nil {
		return nil, err
	}
	proof, packet := binary.BigEndian.Uint32(h[17:]), binary.BigEndian.Uint32(h[21:])
	switch {
	case h[16]&^flagExisted != 0:
		return nil, protocolf("unknown flags %#x on a signature", h[16])
	case proof > maxProof:
		return nil, protocolf("a proof of %d bytes, more than %d", proof, maxProof)
	case packet > maxPacket:
		return nil, protocolf("a signature of %d bytes, more than %d", packet, maxPacket)
	}
	s := &Signature{
		Seq:     binary.BigEndian.Uint64(h[:]),
		Index:   int64(binary.BigEndian.Uint64(h[8:])),
		Existed: h[16]&flagExisted != 0,
	}
	var err error
	if s.Proof, err = r.some(int(proof)); err != nil {
		return nil, err
	}
	if !f.More && int(packet) != r.left {
		return nil, protocolf("a signature frame that does not have its length")
	}
	s.Packet = make([]byte, packet)
	return s, r.body(f, TypeSignature, int(packet), s.Packet)
}

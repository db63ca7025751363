package wire

import (
	"encoding/binary"
	"encoding/json"
	"time"
)

// Protocol is the version spoken here.
const Protocol = 1

// Greeting is the first message of a session; the signer sends it.
type Greeting struct {
	Protocol int    `json:"protocol"`
	Signer   string `json:"signer"`
	Program  string `json:"program"` // version of the signer, for people
	User     string `json:"user"`    // whom the client's certificate belongs to
	Window   int    `json:"window"`  // Calls and Signs that may be under way at once
	MaxBytes int    `json:"max_bytes"`
}

// Verb of a Call.
type Verb string

// The verbs there are. None of them changes what the signer holds.
const (
	VerbUnlock    Verb = "unlock"
	VerbListKeys  Verb = "list-keys"
	VerbPublicKey Verb = "public-key"
)

// Call asks for something other than a signature.
type Call struct {
	Seq        uint64 `json:"seq"`
	Verb       Verb   `json:"verb"`
	Key        string `json:"key,omitempty"`
	Passphrase []byte `json:"passphrase,omitempty"`
}

// Reply answers a Call, or says why a Sign was refused.
type Reply struct {
	Seq         uint64    `json:"seq"` // 0: about the session, which ends
	Fault       *Fault    `json:"fault,omitempty"`
	Handle      uint32    `json:"handle,omitempty"` // unlock: names the key in Signs
	Key         *KeyInfo  `json:"key,omitempty"`
	Keys        []KeyInfo `json:"keys,omitempty"`
	Certificate []byte    `json:"certificate,omitempty"` // OpenPGP, armored
}

// KeyInfo is what may be told of a key to a user who holds a grant of it.
type KeyInfo struct {
	Name        string    `json:"name"`
	Fingerprint string    `json:"fingerprint"`
	KeyID       string    `json:"key_id"`
	Algorithm   string    `json:"algorithm"`
	Purposes    []string  `json:"purposes"`
	UserID      string    `json:"user_id"`
	Created     time.Time `json:"created"`
}

// Code of a Fault: what a program decides by.
type Code string

// The codes there are.
const (
	CodeUnknownUser   Code = "unknown-user"   // the client's certificate belongs to nobody
	CodeBusy          Code = "busy"           // too many sessions
	CodeStopping      Code = "stopping"       // the signer is being stopped
	CodeProtocol      Code = "protocol"       // the client does not keep to the protocol
	CodeNoKey         Code = "no-key"         // no such key, or no grant of it
	CodeBadPassphrase Code = "bad-passphrase" //
	CodeLocked        Code = "locked"         // the handle names no unlocked key
	CodePurpose       Code = "purpose"        // the key is not for this operation
	CodeContent       Code = "content"        // the bytes are not what the operation signs
	CodeTooLarge      Code = "too-large"      // more bytes than the operation takes
	CodeInternal      Code = "internal"       // the signer could not; its log says why
)

// Fault is a refusal.
type Fault struct {
	Code Code   `json:"code"`
	Msg  string `json:"msg"`            // what is wrong, and what to do
	Rule string `json:"rule,omitempty"` // the rule that was broken, where one has a name
}

func (f *Fault) Error() string { return f.Msg }

// Op says what is to be signed, and so which checks apply.
type Op byte

// The operations there are.
const (
	OpRPMHeader Op = 1 // an RPM's main header: a signature packet
	OpRepomd    Op = 2 // a repomd.xml: an armored signature
	OpData      Op = 3 // anything that is none of the others: a signature packet
)

func (op Op) String() string {
	switch op {
	case OpRPMHeader:
		return "rpm-header"
	case OpRepomd:
		return "repomd"
	case OpData:
		return "data"
	}
	return "unknown"
}

// Sign asks for a signature.
type Sign struct {
	Seq    uint64
	Handle uint32
	Op     Op
	Data   []byte
}

const signHead = 8 + 4 + 1 + 4

// Signature is what a Sign gets when it is granted.
type Signature struct {
	Seq     uint64
	Index   int64 // place in the signer's record
	Existed bool  // it had been made before
	Packet  []byte
}

const (
	signatureHead = 8 + 8 + 1
	flagExisted   = 1
)

// Greeting sends a Greeting.
func (w *Writer) Greeting(g *Greeting) error { return w.json(TypeGreeting, g) }

// Call sends a Call.
func (w *Writer) Call(c *Call) error { return w.json(TypeCall, c) }

// Reply sends a Reply.
func (w *Writer) Reply(r *Reply) error { return w.json(TypeReply, r) }

func (w *Writer) json(t Type, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	defer clear(data) // a call may hold a passphrase
	return w.frame(t, data)
}

// Sign sends a Sign, in as many frames as it takes.
func (w *Writer) Sign(s *Sign) error {
	if len(s.Data) > MaxSigned {
		return protocolf("%d bytes to sign, more than %d", len(s.Data), MaxSigned)
	}
	var h [signHead]byte
	binary.BigEndian.PutUint64(h[:], s.Seq)
	binary.BigEndian.PutUint32(h[8:], s.Handle)
	h[12] = byte(s.Op)
	binary.BigEndian.PutUint32(h[13:], uint32(len(s.Data)))
	data, n := s.Data, min(len(s.Data), MaxFrame-signHead)
	w.head(TypeSign, n < len(data), signHead+n)
	w.write(h[:])
	w.write(data[:n])
	for data = data[n:]; len(data) > 0; data = data[n:] {
		n = min(len(data), MaxFrame)
		w.head(TypeSign, n < len(data), n)
		w.write(data[:n])
	}
	return w.err
}

// Signature sends a Signature.
func (w *Writer) Signature(s *Signature) error {
	var h [signatureHead]byte
	binary.BigEndian.PutUint64(h[:], s.Seq)
	binary.BigEndian.PutUint64(h[8:], uint64(s.Index))
	if s.Existed {
		h[16] = flagExisted
	}
	return w.frame(TypeSignature, h[:], s.Packet)
}

// Greeting reads the payload of a greeting frame.
func (r *Reader) Greeting(f Frame) (*Greeting, error) { return decode[Greeting](r, f, TypeGreeting) }

// Call reads the payload of a call frame.
func (r *Reader) Call(f Frame) (*Call, error) { return decode[Call](r, f, TypeCall) }

// Reply reads the payload of a reply frame.
func (r *Reader) Reply(f Frame) (*Reply, error) { return decode[Reply](r, f, TypeReply) }

func decode[T any](r *Reader, f Frame, want Type) (*T, error) {
	if f.Type != want {
		return nil, protocolf("expected a %s, got a %s", want, f.Type)
	}
	data, err := r.rest()
	if err != nil {
		return nil, err
	}
	defer clear(data)
	// Fields that this version does not know are let through: the version
	// number says what may be added.
	v := new(T)
	if err := json.Unmarshal(data, v); err != nil {
		// The text of the error can quote the payload, which can be a passphrase.
		return nil, protocolf("a %s that is not the JSON it should be", want)
	}
	return v, nil
}

// Sign reads a sign message, continuation frames included. reserve is called with
// its length before any of its bytes are read: it may wait for room, or refuse.
// What reserve granted is the caller's to give back, also after an error.
func (r *Reader) Sign(f Frame, reserve func(n int) error) (*Sign, error) {
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
	}
	total := int64(binary.BigEndian.Uint32(h[13:]))
	if total > MaxSigned {
		return nil, protocolf("%d bytes to sign, more than %d", total, MaxSigned)
	}
	if err := reserve(int(total)); err != nil {
		return nil, err
	}
	s.Data = make([]byte, total)
	for rest := s.Data; ; {
		n := r.left
		if n > len(rest) || f.More && n == 0 {
			return nil, protocolf("the frames of a sign message do not add up to its length")
		}
		if err := r.read(rest[:n]); err != nil {
			return nil, err
		}
		rest = rest[n:]
		if !f.More {
			if len(rest) > 0 {
				return nil, protocolf("a sign message that ends %d bytes early", len(rest))
			}
			return s, nil
		}
		var err error
		if f, err = r.Next(); err != nil {
			return nil, err
		}
		if f.Type != TypeSign {
			return nil, protocolf("a %s in the middle of a sign message", f.Type)
		}
	}
}

// Signature reads the payload of a signature frame.
func (r *Reader) Signature(f Frame) (*Signature, error) {
	if f.Type != TypeSignature {
		return nil, protocolf("expected a signature, got a %s", f.Type)
	}
	var h [signatureHead]byte
	if err := r.read(h[:]); err != nil {
		return nil, err
	}
	if h[16]&^flagExisted != 0 {
		return nil, protocolf("unknown flags %#x on a signature", h[16])
	}
	packet, err := r.rest()
	return &Signature{
		Seq:     binary.BigEndian.Uint64(h[:]),
		Index:   int64(binary.BigEndian.Uint64(h[8:])),
		Existed: h[16]&flagExisted != 0,
		Packet:  packet,
	}, err
}

package seal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits of an entry's parts, in bytes.
const (
	MaxName      = 64 // key fingerprint, user
	MaxKind      = 32 // operation, kind of event
	MaxWhat      = 1024
	MaxSignature = 16 << 10
	MaxEvent     = 64 << 10

	// MaxEntry is more than the longest entry.
	MaxEntry = MaxEvent + 1024

	entrySignature = 1
	entryEvent     = 2
)

// Entry is one entry of the log: a signature or an event.
type Entry struct {
	Time      time.Time // microseconds, UTC
	Signature *SignatureEntry
	Event     *EventEntry
}

// SignatureEntry is a signature that was made.
type SignatureEntry struct {
	KeyFingerprint string   // of the primary key, upper case hex
	Op             string   // "rpm-header", "repomd", "data", ...
	SigType, Hash  byte     // OpenPGP numbers
	Digest         [32]byte // of exactly the bytes that were signed
	Generation     uint32
	User           string
	What           string // for people: the NEVRA of a package
	Signature      []byte
}

// EventEntry is an act that is not a signature.
type EventEntry struct {
	Kind string
	Data []byte // JSON
}

// Kind is "signature", or the kind of the event.
func (e *Entry) Kind() string {
	if e.Event != nil {
		return e.Event.Kind
	}
	return "signature"
}

// Matches checks that the entry records this signature, made by an operation with this key over bytes with this SHA-256.
func (e *Entry) Matches(op, fingerprint string, digest [32]byte, signature []byte) error {
	s := e.Signature
	switch {
	case s == nil:
		return fmt.Errorf("log entry is an event of kind %q, not a signature", e.Kind())
	case s.Op != op:
		return fmt.Errorf("log entry is of operation %.40q, not %s", s.Op, op)
	case !strings.EqualFold(s.KeyFingerprint, fingerprint):
		return fmt.Errorf("log entry is of key %s, the signature of key %s", s.KeyFingerprint, fingerprint)
	case s.Digest != digest:
		return fmt.Errorf("log entry is of other bytes: SHA-256 %x, not %x", s.Digest, digest)
	case string(s.Signature) != string(signature):
		return errors.New("log entry holds another signature")
	}
	return nil
}

// EncodeEntry gives the bytes that the log holds and the tree hashes.
func EncodeEntry(e *Entry) ([]byte, error) {
	if (e.Signature == nil) == (e.Event == nil) {
		return nil, errors.New("log entry must be either a signature or an event")
	}
	if err := e.check(); err != nil {
		return nil, err
	}
	if ev := e.Event; ev != nil {
		b := make([]byte, 0, 32+len(ev.Kind)+len(ev.Data))
		b = append(b, entryEvent)
		b = binary.BigEndian.AppendUint64(b, uint64(e.Time.UnixMicro()))
		b = appendText(b, ev.Kind)
		return appendText(b, ev.Data), nil
	}
	s := e.Signature
	b := make([]byte, 0, 160+len(s.User)+len(s.What)+len(s.Signature))
	b = append(b, entrySignature)
	b = binary.BigEndian.AppendUint64(b, uint64(e.Time.UnixMicro()))
	b = s.AppendSubject(b)
	b = appendText(b, s.User)
	b = appendText(b, s.What)
	return appendText(b, s.Signature), nil
}

// SetTime changes the time in the bytes of an entry.
func SetTime(entry []byte, t time.Time) {
	binary.BigEndian.PutUint64(entry[1:9], uint64(t.UnixMicro()))
}

// AppendSubject appends what makes a signature the same signature: key, operation, type and hash, digest, generation.
func (s *SignatureEntry) AppendSubject(b []byte) []byte {
	b = appendText(b, s.KeyFingerprint)
	b = appendText(b, s.Op)
	b = append(b, s.SigType, s.Hash)
	b = append(b, s.Digest[:]...)
	return binary.BigEndian.AppendUint32(b, s.Generation)
}

func (e *Entry) check() error {
	too := func(field string, n, most int) error {
		return fmt.Errorf("log entry: %s of %d bytes, where at most %d may stand", field, n, most)
	}
	if ev := e.Event; ev != nil {
		switch {
		case ev.Kind == "" || len(ev.Kind) > MaxKind:
			return fmt.Errorf("log entry: kind of event %.40q must have 1 to %d bytes", ev.Kind, MaxKind)
		case len(ev.Data) > MaxEvent:
			return too("event", len(ev.Data), MaxEvent)
		}
		return nil
	}
	s := e.Signature
	switch {
	case s.KeyFingerprint == "":
		return errors.New("log entry: no key fingerprint")
	case len(s.KeyFingerprint) > MaxName:
		return too("key fingerprint", len(s.KeyFingerprint), MaxName)
	case s.Op == "":
		return errors.New("log entry: no operation")
	case len(s.Op) > MaxKind:
		return too("operation", len(s.Op), MaxKind)
	case len(s.User) > MaxName:
		return too("user name", len(s.User), MaxName)
	case len(s.What) > MaxWhat:
		return too("description", len(s.What), MaxWhat)
	case len(s.Signature) == 0:
		return errors.New("log entry: no signature")
	case len(s.Signature) > MaxSignature:
		return too("signature", len(s.Signature), MaxSignature)
	}
	return nil
}

func appendText[T string | []byte](b []byte, s T) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
	return append(b, s...)
}

// decoder reads one entry; after its first error everything is zero.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) take(n int) []byte {
	if d.err == nil && n > len(d.b) {
		d.err = errors.New("it is cut short")
	}
	if d.err != nil {
		return make([]byte, min(n, 64))
	}
	out := d.b[:n]
	d.b = d.b[n:]
	return out
}

func (d *decoder) text(most int) []byte {
	n := binary.BigEndian.Uint32(d.take(4))
	if d.err == nil && n > uint32(most) {
		d.err = fmt.Errorf("field of %d bytes where at most %d may stand", n, most)
	}
	if d.err != nil {
		return nil
	}
	return d.take(int(n))
}

// DecodeEntry reads the bytes of one entry. What it takes, EncodeEntry gives back byte by byte.
func DecodeEntry(b []byte) (*Entry, error) {
	d := decoder{b: b}
	kind := d.take(1)[0]
	e := &Entry{Time: time.UnixMicro(int64(binary.BigEndian.Uint64(d.take(8)))).UTC()}
	switch {
	case d.err != nil:
	case kind == entrySignature:
		s := &SignatureEntry{}
		s.KeyFingerprint = string(d.text(MaxName))
		s.Op = string(d.text(MaxKind))
		s.SigType, s.Hash = d.take(1)[0], d.take(1)[0]
		copy(s.Digest[:], d.take(32))
		s.Generation = binary.BigEndian.Uint32(d.take(4))
		s.User = string(d.text(MaxName))
		s.What = string(d.text(MaxWhat))
		s.Signature = append([]byte{}, d.text(MaxSignature)...)
		e.Signature = s
	case kind == entryEvent:
		e.Event = &EventEntry{}
		e.Event.Kind = string(d.text(MaxKind))
		e.Event.Data = append([]byte{}, d.text(MaxEvent)...)
	default:
		d.err = fmt.Errorf("unknown kind %d", kind)
	}
	if d.err == nil && len(d.b) > 0 {
		d.err = fmt.Errorf("%d bytes follow it", len(d.b))
	}
	if d.err != nil {
		return nil, fmt.Errorf("log entry: %w", d.err)
	}
	if err := e.check(); err != nil {
		return nil, err
	}
	return e, nil
}

// Clip shortens s to at most n bytes of valid UTF-8.
func Clip(s string, n int) string {
	s = strings.ToValidUTF8(s, "?")
	if len(s) <= n {
		return s
	}
	s = s[:n]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s
}

package seallog

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	maxName      = 64
	maxKind      = 32
	maxWhat      = 1024
	maxSignature = 16 << 10
	maxEvent     = 64 << 10

	entrySignature = 1
	entryEvent     = 2
)

// Subject is what makes a signature the same signature.
type Subject struct {
	KeyFingerprint string // of the primary key, 40 upper case hex digits
	Op             string // "rpm-header", "repomd", "data"
	SigType, Hash  byte   // OpenPGP numbers
	Digest         [32]byte
	Generation     uint32
}

// Meta is recorded beside the signature and is not part of the subject.
type Meta struct {
	User string
	What string // for people: the NEVRA of a package
}

// Record is one recorded signature.
type Record struct {
	Index     int64
	Time      time.Time
	Subject   Subject
	Meta      Meta
	Signature []byte
}

// event is one recorded act that is not a signature.
type event struct {
	at   time.Time
	kind string
	data []byte
}

// subjectKey is the place of a subject in the index. What is found there is compared in full.
type subjectKey [16]byte

func (s *Subject) check() error {
	switch {
	case s.KeyFingerprint == "" || len(s.KeyFingerprint) > maxName:
		return errors.New("seallog: subject without a key fingerprint")
	case s.Op == "" || len(s.Op) > maxKind:
		return errors.New("seallog: subject without an operation")
	}
	return nil
}

func (s *Subject) append(b []byte) []byte {
	b = appendText(b, s.KeyFingerprint)
	b = appendText(b, s.Op)
	b = append(b, s.SigType, s.Hash)
	b = append(b, s.Digest[:]...)
	return binary.BigEndian.AppendUint32(b, s.Generation)
}

func (s *Subject) key() subjectKey {
	sum := sha256.Sum256(s.append(nil))
	return subjectKey(sum[:16])
}

func appendText(b []byte, s string) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
	return append(b, s...)
}

func encodeSignature(at time.Time, s *Subject, m Meta, sig []byte) []byte {
	b := make([]byte, 0, 160+len(m.User)+len(m.What)+len(sig))
	b = append(b, entrySignature)
	b = binary.BigEndian.AppendUint64(b, uint64(at.UnixMicro()))
	b = s.append(b)
	b = appendText(b, m.User)
	b = appendText(b, m.What)
	return appendText(b, string(sig))
}

func encodeEvent(at time.Time, kind string, data []byte) []byte {
	b := make([]byte, 0, 64+len(kind)+len(data))
	b = append(b, entryEvent)
	b = binary.BigEndian.AppendUint64(b, uint64(at.UnixMicro()))
	b = appendText(b, kind)
	return appendText(b, string(data))
}

// decoder reads one entry; after its first error everything is zero.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) take(n int) []byte {
	if d.err == nil && n > len(d.b) {
		d.err = errors.New("entry is cut short")
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

// decodeEntry reads one entry: either a signature or an event.
func decodeEntry(b []byte) (*Record, *event, error) {
	d := decoder{b: b}
	kind := d.take(1)[0]
	at := time.UnixMicro(int64(binary.BigEndian.Uint64(d.take(8)))).UTC()
	var rec *Record
	var ev *event
	switch {
	case d.err != nil:
	case kind == entrySignature:
		rec = &Record{Time: at}
		rec.Subject.KeyFingerprint = string(d.text(maxName))
		rec.Subject.Op = string(d.text(maxKind))
		rec.Subject.SigType, rec.Subject.Hash = d.take(1)[0], d.take(1)[0]
		copy(rec.Subject.Digest[:], d.take(32))
		rec.Subject.Generation = binary.BigEndian.Uint32(d.take(4))
		rec.Meta.User = string(d.text(maxName))
		rec.Meta.What = string(d.text(maxWhat))
		rec.Signature = append([]byte{}, d.text(maxSignature)...)
	case kind == entryEvent:
		ev = &event{at: at}
		ev.kind = string(d.text(maxKind))
		ev.data = append([]byte{}, d.text(maxEvent)...)
	default:
		d.err = fmt.Errorf("entry of unknown kind %d", kind)
	}
	if d.err == nil && len(d.b) > 0 {
		d.err = fmt.Errorf("%d bytes follow the entry", len(d.b))
	}
	if d.err != nil {
		return nil, nil, d.err
	}
	return rec, ev, nil
}

// clip shortens s to at most n bytes of valid UTF-8.
func clip(s string, n int) string {
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

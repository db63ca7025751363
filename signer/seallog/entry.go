package seallog

import (
	"crypto/sha256"
	"errors"
	"time"

	"github.com/privyseal/privyseal/internal/seal"
)

// Subject is what makes a signature the same signature.
type Subject struct {
	KeyFingerprint string // of the primary key, 40 upper case hex digits
	Op             string // "rpm-header", "repomd", "data", ...
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

// subjectKey is the place of an entry in the index. What is found there is compared in full.
type subjectKey [16]byte

func (s *Subject) check() error {
	switch {
	case s.KeyFingerprint == "" || len(s.KeyFingerprint) > seal.MaxName:
		return errors.New("seallog: subject without a key fingerprint")
	case s.Op == "" || len(s.Op) > seal.MaxKind:
		return errors.New("seallog: subject without an operation")
	}
	return nil
}

func (s *Subject) key() subjectKey {
	e := s.entry(Meta{}, nil)
	return signatureKey(e)
}

func (s *Subject) entry(m Meta, sig []byte) *seal.SignatureEntry {
	return &seal.SignatureEntry{KeyFingerprint: s.KeyFingerprint, Op: s.Op, SigType: s.SigType, Hash: s.Hash, Digest: s.Digest,
		Generation: s.Generation, User: m.User, What: m.What, Signature: sig}
}

func signatureKey(e *seal.SignatureEntry) subjectKey {
	var buf [192]byte
	sum := sha256.Sum256(e.AppendSubject(buf[:0]))
	return subjectKey(sum[:16])
}

// eventKey is the place of the newest event of a kind. No subject encodes to bytes that begin like this.
func eventKey(kind string) subjectKey {
	sum := sha256.Sum256(append([]byte{0xff, 0xff, 0xff, 0xff}, kind...))
	return subjectKey(sum[:16])
}

// indexEntry is what the index holds of an entry.
func indexEntry(index int64, e *seal.Entry) indexed {
	if e.Event != nil {
		return indexed{key: eventKey(e.Event.Kind), val: newValue(index, true)}
	}
	return indexed{signatureKey(e.Signature), newValue(index, false), e.Signature.KeyFingerprint}
}

func newRecord(index int64, e *seal.Entry) *Record {
	s := e.Signature
	return &Record{Index: index, Time: e.Time,
		Subject: Subject{KeyFingerprint: s.KeyFingerprint, Op: s.Op, SigType: s.SigType, Hash: s.Hash, Digest: s.Digest,
			Generation: s.Generation},
		Meta: Meta{User: s.User, What: s.What}, Signature: s.Signature}
}

// Package seallog is the record of signatures.
package seallog

import (
	"context"
	"errors"
	"time"
)

var errNotYet = errors.New("seallog: not yet")

// Subject is what makes a signature the same signature.
type Subject struct {
	KeyFingerprint string // of the primary key, 40 upper case hex digits
	Op             string // "rpm-header", "repomd", "data"
	SigType, Hash  byte   // OpenPGP numbers
	Digest         [32]byte
	Generation     uint32
}

// Meta is recorded beside the signature and is not part of the subject.
type Meta struct{ User, What string }

// Record is one recorded signature.
type Record struct {
	Index     int64
	Time      time.Time
	Subject   Subject
	Meta      Meta
	Signature []byte
}

// Log is an open record. It is safe for concurrent use.
type Log struct{}

func Open(dir string) (*Log, error) { return nil, errNotYet }
func (l *Log) Close() error         { return errNotYet }

// Sign returns when the entry is durable. Group commit needs company: have many Sign calls in flight (64 or more), and bound
// the CPU work inside make, not the calls.
func (l *Log) Sign(ctx context.Context, s Subject, m Meta, make func() ([]byte, error)) (sig []byte, index int64, existed bool, err error) {
	return nil, 0, false, errNotYet
}

// Pending is a signature on its way to the disk.
type Pending struct{}

// Start is the first half of Sign: it runs make in the caller and queues the entry, so a worker can go on with its next
// input while another goroutine waits.
func (l *Log) Start(ctx context.Context, s Subject, m Meta, make func() ([]byte, error)) (*Pending, error) {
	return nil, errNotYet
}

// Wait is the second half of Sign.
func (p *Pending) Wait(ctx context.Context) (sig []byte, index int64, existed bool, err error) {
	return nil, 0, false, errNotYet
}

func (l *Log) Find(s Subject) (Record, bool, error) { return Record{}, false, errNotYet }
func (l *Log) AppendEvent(ctx context.Context, kind string, data []byte) (index int64, err error) {
	return 0, errNotYet
}

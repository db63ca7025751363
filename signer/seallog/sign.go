package seallog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/privyseal/privyseal/internal/seal"
)

// Sign gives the recorded signature of the subject, or makes one and records it. It returns when the entry is durable, with its
// index and whether it was there before. However many callers ask for one subject at once, make runs for one of them only, and
// all get the same bytes. When it returns an error no signature left the log; the entry may still become durable when only ctx ended.
func (l *Log) Sign(ctx context.Context, s Subject, m Meta, make func() ([]byte, error)) (Signed, error) {
	p, err := l.Start(ctx, s, m, make)
	if err != nil {
		return Signed{}, err
	}
	return p.Wait(ctx)
}

// Signed is a signature with its place in the log.
type Signed struct {
	Signature []byte // belongs to the caller
	Index     int64
	Existed   bool        // it was there before
	Proof     *seal.Proof // that the entry is in the log
}

// Pending is a signature on its way to the disk, or one that is there already.
type Pending struct {
	log     *Log
	item    *item
	existed bool
	retry   func(ctx context.Context) (*Pending, error) // of one who joined another's maker, should that fail
}

// Start is the first half of Sign: it runs make in the caller's goroutine and queues the entry, so that a worker can go on with its
// next input while somebody else waits.
func (l *Log) Start(ctx context.Context, s Subject, m Meta, makeSig func() ([]byte, error)) (*Pending, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	if len(m.User) > maxName {
		return nil, fmt.Errorf("seallog: user name of %d bytes is longer than the limit of %d", len(m.User), maxName)
	}
	key := s.key()
	it := &item{subject: &s, done: make(chan struct{})}
	l.mu.Lock()
	if err := l.usable(); err != nil {
		l.mu.Unlock()
		return nil, err
	}
	if at, ok := l.bySubj[key]; ok {
		l.mu.Unlock()
		rec, err := l.read(at, &s)
		if err != nil {
			return nil, err
		}
		it.sig, it.index = rec.Signature, rec.Index
		close(it.done)
		return &Pending{log: l, item: it, existed: true}, nil
	}
	if other, ok := l.inFlight[key]; ok {
		l.mu.Unlock()
		retry := func(ctx context.Context) (*Pending, error) { return l.Start(ctx, s, m, makeSig) }
		return &Pending{l, other, true, retry}, nil
	}
	l.inFlight[key] = it
	l.mu.Unlock()

	queued := false
	defer func() {
		if queued {
			return
		}
		// make failed or panicked, perhaps only because its caller went away: whoever joined tries again on their own.
		l.mu.Lock()
		delete(l.inFlight, key)
		it.unmade = true
		if it.err == nil {
			it.err = errors.New("seallog: making the signature did not end")
		}
		l.mu.Unlock()
		close(it.done)
	}()
	sig, err := makeSig()
	if err == nil && (len(sig) == 0 || len(sig) > maxSignature) {
		err = fmt.Errorf("seallog: signature of %d bytes, where 1 to %d may stand", len(sig), maxSignature)
	}
	if err == nil {
		m.User, m.What = clip(m.User, maxName), clip(m.What, maxWhat)
		it.sig = bytes.Clone(sig)
		it.entry = encodeSignature(time.Now(), &s, m, it.sig)
		err = l.slot(ctx)
	}
	if err != nil {
		it.err = err
		return nil, err
	}
	if err := l.enqueue(it); err != nil {
		<-l.slots
		it.err = err
		return nil, err
	}
	queued = true
	return &Pending{log: l, item: it}, nil
}

// Wait is the second half of Sign: it returns when the entry is durable. The bytes belong to the caller. If another caller's make was
// joined and failed, Wait runs this caller's own.
func (p *Pending) Wait(ctx context.Context) (Signed, error) {
	select {
	case <-p.item.done:
	default:
		select {
		case <-p.item.done:
		case <-ctx.Done():
			return Signed{}, context.Cause(ctx)
		}
	}
	if p.item.unmade && p.retry != nil {
		again, err := p.retry(ctx)
		if err != nil {
			return Signed{}, err
		}
		return again.Wait(ctx)
	}
	if p.item.err != nil {
		return Signed{}, p.item.err
	}
	proof, err := p.log.ProofOf(p.item.index)
	if err != nil {
		return Signed{}, err
	}
	return Signed{bytes.Clone(p.item.sig), p.item.index, p.existed, proof}, nil
}

// Find gives the recorded signature of the subject, if there is one that is durable.
func (l *Log) Find(s Subject) (Record, bool, error) {
	l.mu.Lock()
	at, ok := l.bySubj[s.key()]
	l.mu.Unlock()
	if !ok {
		return Record{}, false, nil
	}
	rec, err := l.read(at, &s)
	if err != nil {
		return Record{}, false, err
	}
	return *rec, true, nil
}

// LastEvent gives the data and the index of the newest durable event of a kind.
func (l *Log) LastEvent(kind string) (data []byte, index int64, ok bool, err error) {
	l.mu.Lock()
	at, ok := l.events[kind]
	l.mu.Unlock()
	if !ok {
		return nil, 0, false, nil
	}
	_, ev, err := l.entry(at)
	if err == nil && (ev == nil || ev.kind != kind) {
		err = fmt.Errorf("%s: entry %d is not the event that was written there: the file was changed", l.path, at.index)
	}
	if err != nil {
		return nil, 0, false, err
	}
	return ev.data, at.index, true, nil
}

func (l *Log) read(at place, s *Subject) (*Record, error) {
	rec, _, err := l.entry(at)
	if err != nil {
		return nil, err
	}
	if rec == nil || rec.Subject != *s {
		return nil, fmt.Errorf("%s: entry %d is not about the subject that was asked for", l.path, at.index)
	}
	return rec, nil
}

// entry reads one entry back from the file.
func (l *Log) entry(at place) (*Record, *event, error) {
	b := make([]byte, at.size)
	if _, err := l.file.ReadAt(b, at.offset); err != nil {
		return nil, nil, fmt.Errorf("reading entry %d of %s: %w", at.index, l.path, err)
	}
	if crc32.Checksum(b, castagnoli) != at.crc {
		return nil, nil, fmt.Errorf("%s: entry %d at offset %d was changed while the log was open", l.path, at.index, at.offset)
	}
	rec, ev, err := decodeEntry(b)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: entry %d at offset %d: %w", l.path, at.index, at.offset, err)
	}
	if rec != nil {
		rec.Index = at.index
	}
	return rec, ev, nil
}

package seallog

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/privyseal/privyseal/internal/seal"
)

// Signed is a signature with its place in the log.
type Signed struct {
	Signature []byte // belongs to the caller
	Index     int64
	Existed   bool        // it was there before
	Proof     *seal.Proof // that the entry is in the log
}

// Sign gives the recorded signature of the subject, or makes one and records it. It returns when the entry is durable, with the proof
// that it is in the log. However many callers ask for one subject at once, make runs for one of them only, and all get the same bytes.
// When it returns an error no signature left the log; the entry may still become durable when only ctx ended.
func (l *Log) Sign(ctx context.Context, s Subject, m Meta, make func() ([]byte, error)) (Signed, error) {
	p, err := l.Start(ctx, s, m, make)
	if err != nil {
		return Signed{}, err
	}
	return p.Wait(ctx)
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
	if len(m.User) > seal.MaxName {
		return nil, fmt.Errorf("seallog: user name of %d bytes is longer than the limit of %d", len(m.User), seal.MaxName)
	}
	it := &item{key: s.key(), done: make(chan struct{})}
	it.found = indexed{key: it.key, fingerprint: s.KeyFingerprint}
	l.mu.Lock()
	if err := l.usable(); err != nil {
		l.mu.Unlock()
		return nil, err
	}
	if other, ok := l.inFlight[it.key]; ok {
		l.mu.Unlock()
		retry := func(ctx context.Context) (*Pending, error) { return l.Start(ctx, s, m, makeSig) }
		return &Pending{l, other, true, retry}, nil
	}
	l.inFlight[it.key] = it
	l.mu.Unlock()

	settled := false
	defer func() {
		if settled {
			return
		}
		// make failed or panicked, perhaps only because its caller went away: whoever joined tries again on their own.
		it.unmade = true
		if it.err == nil {
			it.err = errors.New("seallog: making the signature did not end")
		}
		l.leave(it)
	}()
	rec, err := l.find(it.key, &s)
	if err == nil && rec != nil {
		it.sig, it.index, it.existed = rec.Signature, rec.Index, true
		settled = true
		l.leave(it)
		return &Pending{log: l, item: it, existed: true}, nil
	}
	if err == nil {
		err = l.clockReady(ctx)
	}
	if err == nil {
		it.sig, it.entry, err = newEntry(&s, m, makeSig)
	}
	if err == nil {
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
	settled = true
	return &Pending{log: l, item: it}, nil
}

// leave ends the time in which others join.
func (l *Log) leave(it *item) {
	l.mu.Lock()
	delete(l.inFlight, it.key)
	l.mu.Unlock()
	close(it.done)
}

func newEntry(s *Subject, m Meta, makeSig func() ([]byte, error)) (sig, entry []byte, err error) {
	if sig, err = makeSig(); err != nil {
		return nil, nil, err
	}
	m.User, m.What = seal.Clip(m.User, seal.MaxName), seal.Clip(m.What, seal.MaxWhat)
	entry, err = seal.EncodeEntry(&seal.Entry{Signature: s.entry(m, sig)})
	return bytes.Clone(sig), entry, err
}

// Wait is the second half of Sign: it returns when the entry is durable. If another caller's make was joined and failed, Wait runs this
// caller's own.
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
	s := Signed{Signature: bytes.Clone(p.item.sig), Index: p.item.index, Existed: p.existed}
	if b := p.item.batch; b != nil {
		s.Proof = b.prove(s.Index, p.item.entry)
		return s, nil
	}
	var err error
	if s.Proof, err = p.log.ProofOf(s.Index); err != nil {
		return Signed{}, err
	}
	return s, nil
}

// Find gives the recorded signature of the subject, if there is one that is durable.
func (l *Log) Find(s Subject) (Record, bool, error) {
	rec, err := l.find(s.key(), &s)
	if err != nil || rec == nil {
		return Record{}, false, err
	}
	return *rec, true, nil
}

func (l *Log) find(key subjectKey, s *Subject) (*Record, error) {
	v, ok, err := l.lookUp(key)
	if err != nil || !ok {
		return nil, err
	}
	e, err := l.Entry(v.index())
	if err != nil {
		return nil, err
	}
	if e.Signature == nil || newRecord(0, e).Subject != *s {
		return nil, fmt.Errorf("%s: entry %d is not the signature that the index says it is: stop the signer and run log verify", l.path, v.index())
	}
	return newRecord(v.index(), e), nil
}

// lookUp asks the index, which is made anew where it is damaged.
func (l *Log) lookUp(key subjectKey) (value, bool, error) {
	if l.blind {
		return 0, false, ErrNoIndex
	}
	v, ok, err := l.index.find(key)
	for tries := 0; isDamaged(err) && tries < 3; tries++ {
		if err := l.heal(err); err != nil {
			return 0, false, err
		}
		v, ok, err = l.index.find(key)
	}
	return v, ok, err
}

// LastEvent gives the data and the index of the newest durable event of a kind.
func (l *Log) LastEvent(kind string) (data []byte, index int64, ok bool, err error) {
	v, ok, err := l.lookUp(eventKey(kind))
	if err != nil || !ok {
		return nil, 0, false, err
	}
	e, err := l.Entry(v.index())
	if err == nil && (e.Event == nil || e.Event.Kind != kind) {
		err = fmt.Errorf("%s: entry %d is not the event that the index says it is: stop the signer and run log verify", l.path, v.index())
	}
	if err != nil {
		return nil, 0, false, err
	}
	return e.Event.Data, v.index(), true, nil
}

package signertest

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"iter"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/privyseal/privyseal/internal/seal"
	"github.com/privyseal/privyseal/signer"
	"github.com/privyseal/privyseal/signer/seallog"
)

// Log is a signer.Log in memory.
type Log struct {
	key  seal.LogKey
	priv ed25519.PrivateKey

	mu      sync.Mutex
	entries map[seallog.Subject]*entry
	bytes   [][]byte // of the log's entries
	tree    *seal.Tree
	nodes   [][32]byte
	count   int64 // of signatures
	totals  map[string]int64
	head    *seal.Checkpoint // of all entries; nil when it has to be signed anew
}

type entry struct {
	mu    sync.Mutex // held by the one who makes it
	sig   []byte
	index int64
}

// LogOrigin is the name of the log that NewLog makes.
const LogOrigin = seal.OriginPrefix + "test"

// NewLog is empty, and named LogOrigin.
func NewLog() *Log { return NewLogNamed(LogOrigin) }

// NewLogNamed is empty. Its key depends on the name alone: LogKey gives the public half.
func NewLogNamed(origin string) *Log {
	return &Log{key: LogKey(origin), priv: logSecret(origin), entries: map[seallog.Subject]*entry{}, totals: map[string]int64{}, tree: seal.NewTree()}
}

func logSecret(origin string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte(origin))
	return ed25519.NewKeyFromSeed(seed[:])
}

// LogKey is the public key of the log that NewLogNamed makes.
func LogKey(origin string) seal.LogKey {
	key, err := seal.NewLogKey(origin, logSecret(origin).Public().(ed25519.PublicKey))
	if err != nil {
		panic(err)
	}
	return key
}

// Start implements signer.Log; it does all of Sign at once.
func (l *Log) Start(ctx context.Context, s seallog.Subject, m seallog.Meta, make func() ([]byte, error)) (signer.Pending, error) {
	done, err := l.Sign(ctx, s, m, make)
	if err != nil {
		return nil, err
	}
	return finished(done), nil
}

type finished seallog.Signed

func (f finished) Wait(context.Context) (seallog.Signed, error) { return seallog.Signed(f), nil }

// Find implements signer.Log.
func (l *Log) Find(s seallog.Subject) (seallog.Record, bool, error) {
	l.mu.Lock()
	e := l.entries[s]
	l.mu.Unlock()
	if e == nil {
		return seallog.Record{}, false, nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return seallog.Record{Index: e.index, Subject: s, Signature: e.sig}, e.sig != nil, nil
}

// Entry reads one entry.
func (l *Log) Entry(index int64) (*seal.Entry, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if index < 0 || index >= int64(len(l.bytes)) {
		return nil, fmt.Errorf("no entry %d", index)
	}
	return seal.DecodeEntry(l.bytes[index])
}

// Entries implements signer.Log.
func (l *Log) Entries(from int64) iter.Seq2[seallog.Item, error] {
	return func(yield func(seallog.Item, error) bool) {
		for i := from; i < l.Size(); i++ {
			e, err := l.Entry(i)
			if !yield(seallog.Item{Index: i, Entry: e}, err) || err != nil {
				return
			}
		}
	}
}

// Since implements signer.Log.
func (l *Log) Since(t time.Time) (int64, error) {
	for item, err := range l.Entries(0) {
		if err != nil || !item.Entry.Time.Before(t) {
			return item.Index, err
		}
	}
	return l.Size(), nil
}

// Totals implements signer.Log.
func (l *Log) Totals(fingerprint string) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.totals[fingerprint]
}

// Sign is Start and Wait in one.
func (l *Log) Sign(ctx context.Context, s seallog.Subject, m seallog.Meta, make func() ([]byte, error)) (seallog.Signed, error) {
	l.mu.Lock()
	e := l.entries[s]
	if e == nil {
		e = &entry{}
		l.entries[s] = e
	}
	l.mu.Unlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	existed := e.sig != nil
	if !existed {
		if err := ctx.Err(); err != nil {
			return seallog.Signed{}, err
		}
		sig, err := make()
		if err != nil {
			return seallog.Signed{}, err
		}
		index, err := l.append(&seal.Entry{Time: time.Now(), Signature: &seal.SignatureEntry{
			KeyFingerprint: s.KeyFingerprint, Op: s.Op, SigType: s.SigType, Hash: s.Hash, Digest: s.Digest, Generation: s.Generation,
			User: m.User, What: m.What, Signature: sig,
		}})
		if err != nil {
			return seallog.Signed{}, err
		}
		e.sig, e.index = sig, index
	}
	proof, err := l.ProofOf(e.index)
	return seallog.Signed{Signature: e.sig, Index: e.index, Existed: existed, Proof: proof}, err
}

func (l *Log) append(e *seal.Entry) (int64, error) {
	b, err := seal.EncodeEntry(e)
	if err != nil {
		return 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.nodes = l.tree.Append(seal.LeafHash(b), l.nodes)
	l.bytes = append(l.bytes, b)
	l.head = nil
	if e.Signature != nil {
		l.count++
		l.totals[e.Signature.KeyFingerprint]++
	}
	return int64(len(l.bytes)) - 1, nil
}

// AppendEvent records an event.
func (l *Log) AppendEvent(_ context.Context, kind string, data []byte) (index int64, err error) {
	return l.append(&seal.Entry{Time: time.Now(), Event: &seal.EventEntry{Kind: kind, Data: data}})
}

// LastEvent gives the newest event of a kind.
func (l *Log) LastEvent(kind string) (data []byte, index int64, ok bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := len(l.bytes) - 1; i >= 0; i-- {
		e, err := seal.DecodeEntry(l.bytes[i])
		if err != nil {
			return nil, 0, false, err
		}
		if e.Event != nil && e.Event.Kind == kind {
			return e.Event.Data, int64(i), true, nil
		}
	}
	return nil, 0, false, nil
}

// Len is the number of signatures recorded.
func (l *Log) Len() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count
}

// Size is the number of entries.
func (l *Log) Size() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int64(len(l.bytes))
}

// Key is the log's public key.
func (l *Log) Key() seal.LogKey { return l.key }

// Checkpoint is the signed head.
func (l *Log) Checkpoint() *seal.Checkpoint {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.checkpoint()
}

func (l *Log) checkpoint() *seal.Checkpoint {
	if l.head != nil {
		return l.head
	}
	size, root := l.tree.Size(), l.tree.Root()
	l.head = &seal.Checkpoint{Origin: l.key.Name(), Size: size, Root: root,
		Note: l.key.Note(size, root, l.key.SignCheckpoint(l.priv, size, root))}
	return l.head
}

// ProofOf proves that an entry is in the log.
func (l *Log) ProofOf(index int64) (*seal.Proof, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	path, err := tlog.ProveRecord(l.tree.Size(), index, tlog.HashReaderFunc(l.read))
	if err != nil {
		return nil, err
	}
	return &seal.Proof{Entry: l.bytes[index], Index: index, Path: hashes(path), Checkpoint: l.checkpoint().Note}, nil
}

// Consistency proves that the newest checkpoint continues the first old entries.
func (l *Log) Consistency(old int64) (*seal.Checkpoint, [][32]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.checkpoint()
	if old == 0 || old == c.Size {
		return c, nil, nil
	}
	path, err := tlog.ProveTree(c.Size, old, tlog.HashReaderFunc(l.read))
	return c, hashes(path), err
}

func (l *Log) read(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		out[i] = l.nodes[x]
	}
	return out, nil
}

func hashes(in []tlog.Hash) [][32]byte {
	out := make([][32]byte, len(in))
	for i, h := range in {
		out[i] = h
	}
	return out
}

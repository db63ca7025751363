package releasetest

import (
	"crypto/ed25519"
	"fmt"
	"sync"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/privyseal/privyseal/internal/seal"
)

// Log is a signer's log in memory.
type Log struct {
	Key seal.LogKey

	private ed25519.PrivateKey
	mu      sync.Mutex
	tree    *seal.Tree
	nodes   [][32]byte // in the order in which tlog numbers them
	entries [][]byte
}

// NewLog makes an empty log of a signer's name.
func NewLog(signer string) (*Log, error) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, err
	}
	key, err := seal.NewLogKey(seal.OriginPrefix+signer, public)
	return &Log{Key: key, private: private, tree: seal.NewTree()}, err
}

// Fork is another log that begins with the first entries of this one and is signed
// with the same key.
func (l *Log) Fork(entries int) *Log {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := &Log{Key: l.Key, private: l.private, tree: seal.NewTree()}
	for _, e := range l.entries[:entries] {
		f.append(e)
	}
	return f
}

func (l *Log) append(entry []byte) int64 {
	l.entries = append(l.entries, entry)
	l.nodes = l.tree.Append(seal.LeafHash(entry), l.nodes)
	return l.tree.Size() - 1
}

// Add appends an entry and returns its index.
func (l *Log) Add(e *seal.Entry) (int64, error) {
	b, err := seal.EncodeEntry(e)
	if err != nil {
		return 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.append(b), nil
}

func (l *Log) read(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, n := range indexes {
		if n >= int64(len(l.nodes)) {
			return nil, fmt.Errorf("no hash %d", n)
		}
		out[i] = l.nodes[n]
	}
	return out, nil
}

func plain(hashes []tlog.Hash) [][32]byte {
	out := make([][32]byte, len(hashes))
	for i, h := range hashes {
		out[i] = h
	}
	return out
}

// Size is the number of entries.
func (l *Log) Size() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tree.Size()
}

// Checkpoint is the signed head.
func (l *Log) Checkpoint() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.checkpoint()
}

func (l *Log) checkpoint() []byte {
	size, root := l.tree.Size(), l.tree.Root()
	return l.Key.Note(size, root, l.Key.SignCheckpoint(l.private, size, root))
}

// Proof shows that an entry is in the log as it is now.
func (l *Log) Proof(index int64) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	path, err := tlog.ProveRecord(l.tree.Size(), index, tlog.HashReaderFunc(l.read))
	if err != nil {
		return nil, err
	}
	p := seal.Proof{Entry: l.entries[index], Index: index, Path: plain(path), Checkpoint: l.checkpoint()}
	return p.Marshal(), nil
}

// Consistency shows that the log still holds its first entries as they were.
func (l *Log) Consistency(old int64) ([][32]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if old == 0 || old >= l.tree.Size() {
		return nil, nil
	}
	proof, err := tlog.ProveTree(l.tree.Size(), old, tlog.HashReaderFunc(l.read))
	return plain(proof), err
}

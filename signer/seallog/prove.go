package seallog

import (
	"errors"
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/privyseal/privyseal/internal/seal"
)

// prove makes the proof of an entry of the batch, against the checkpoint of its commit. All that it takes are the hashes that the batch
// added, and the roots of the complete subtrees before it: the path up from a new entry meets no others.
func (b *batch) prove(index int64, entry []byte) *seal.Proof {
	size := b.checkpoint.Size
	path := make([][32]byte, 0, bits.Len64(uint64(size)))
	for level := 0; (size-1)>>level > 0; level++ {
		sibling := index>>level ^ 1
		switch complete := size >> level; {
		case sibling < complete:
			path = append(path, b.node(level, sibling))
		case sibling == complete && size&(1<<level-1) != 0:
			path = append(path, b.partial[level])
		}
	}
	return &seal.Proof{Entry: entry, Index: index, Path: path, Checkpoint: b.checkpoint.Note}
}

// node is the root of the complete subtree with a number on its level.
func (b *batch) node(level int, number int64) [32]byte {
	if number < b.oldSize>>level {
		// It was complete before, so it is the last of its level: its right neighbour holds a new entry.
		return b.oldPeaks[bits.OnesCount64(uint64(b.oldSize>>(level+1)))]
	}
	return b.nodes[tlog.StoredHashIndex(level, number)-b.base]
}

// fillPartial computes, for each level, the hash over the last entries that do not fill a subtree of that level.
func (b *batch) fillPartial(edge *seal.Tree) {
	peaks, size := edge.Peaks(), edge.Size()
	b.partial = make([][32]byte, bits.Len64(uint64(size)))
	var rest [32]byte
	for level, next := 0, len(peaks)-1; level < len(b.partial); level++ {
		b.partial[level] = rest // over size mod 1<<level entries
		if size&(1<<level) == 0 {
			continue
		}
		if size&(1<<level-1) == 0 {
			rest = peaks[next]
		} else {
			rest = tlog.NodeHash(peaks[next], rest)
		}
		next--
	}
}

func fromHashes(in []tlog.Hash) [][32]byte {
	out := make([][32]byte, len(in))
	for i, h := range in {
		out[i] = h
	}
	return out
}

// hashes reads the tree file.
func (l *Log) hashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		if err := l.tree.read(x, out[i][:]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// ProofOf proves that an entry is in the log, against the newest checkpoint.
func (l *Log) ProofOf(index int64) (*seal.Proof, error) {
	c := l.checkpoint()
	if index < 0 || index >= c.Size {
		return nil, fmt.Errorf("%s: no entry %d; it has %d", l.path, index, c.Size)
	}
	entry, err := l.entryBytes(index)
	if err != nil {
		return nil, err
	}
	p := &seal.Proof{Entry: entry, Index: index, Checkpoint: c.Note}
	err = l.healing(func() error {
		path, err := tlog.ProveRecord(c.Size, index, tlog.HashReaderFunc(l.hashes))
		if err != nil {
			return err
		}
		p.Path = fromHashes(path)
		if err := seal.CheckInclusion(c.Size, c.Root, index, seal.LeafHash(entry), p.Path); err != nil {
			return &damagedFileError{l.tree.path, err}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// healing runs read, and once more after what it found damaged was made anew.
func (l *Log) healing(read func() error) error {
	if l.blind {
		return ErrNoIndex
	}
	err := read()
	if isDamaged(err) {
		if err := l.heal(err); err != nil {
			return err
		}
		err = read()
	}
	return err
}

// Consistency proves that the newest checkpoint continues that of the first old entries. It gives both, so that they fit.
func (l *Log) Consistency(old int64) (*seal.Checkpoint, [][32]byte, error) {
	c := l.Checkpoint()
	proof, err := l.ConsistencyTo(old, c.Size)
	return c, proof, err
}

// ConsistencyTo proves that the checkpoint of size entries continues that of the first old. When the log has fewer than old entries, the
// error is a *seal.RollbackError.
func (l *Log) ConsistencyTo(old, size int64) ([][32]byte, error) {
	c := l.checkpoint()
	switch {
	case old < 0 || size < 0 || size > c.Size:
		return nil, fmt.Errorf("%s: no consistency proof from %d to %d entries; it has %d", l.path, old, size, c.Size)
	case old > size:
		return nil, &seal.RollbackError{Origin: l.key.Name(), Seen: old, Got: size}
	case old == 0 || old == size:
		return nil, nil
	}
	var proof [][32]byte
	err := l.healing(func() error {
		var err error
		proof, _, err = l.consistency(old, size, c)
		return err
	})
	return proof, err
}

// consistency gives a proof that is checked, and the root of the old tree.
func (l *Log) consistency(old, size int64, c *seal.Checkpoint) (proof [][32]byte, root [32]byte, err error) {
	reader := tlog.HashReaderFunc(l.hashes)
	// The newest root is signed. That of size, in between, is proven to be its past.
	roots := []int64{old, size}
	hashes := make([]tlog.Hash, 2)
	for i, n := range roots {
		if hashes[i], err = tlog.TreeHash(n, reader); err != nil {
			return nil, root, err
		}
		path, err := proveTree(c.Size, n, reader)
		if err != nil {
			return nil, root, err
		}
		if n == c.Size && hashes[i] != c.Root || n < c.Size && tlog.CheckTree(path, c.Size, c.Root, n, hashes[i]) != nil {
			return nil, root, &damagedFileError{l.tree.path, errors.New("its hashes do not lead to the root of the checkpoint")}
		}
	}
	path, err := proveTree(size, old, reader)
	if err != nil {
		return nil, root, err
	}
	if old < size && tlog.CheckTree(path, size, hashes[1], old, hashes[0]) != nil {
		return nil, root, &damagedFileError{l.tree.path, errors.New("its hashes do not lead from one root to the other")}
	}
	return fromHashes(path), hashes[0], nil
}

func proveTree(size, old int64, r tlog.HashReader) (tlog.TreeProof, error) {
	if old == size {
		return nil, nil
	}
	return tlog.ProveTree(size, old, r)
}

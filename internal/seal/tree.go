package seal

import (
	"crypto/sha256"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// LeafHash is the hash of an entry as a leaf of the tree.
func LeafHash(entry []byte) [32]byte { return tlog.RecordHash(entry) }

// Tree is the right edge of a Merkle tree: the roots of its complete subtrees, all that is needed to add leaves and to name the root.
type Tree struct {
	size  int64
	peaks [][32]byte // of the largest subtree first
}

// NewTree is empty.
func NewTree() *Tree { return &Tree{} }

// TreeFromPeaks gives a tree of a size from the roots of its complete subtrees, largest first, or nil if their number is wrong.
func TreeFromPeaks(size int64, peaks [][32]byte) *Tree {
	if size < 0 || size > maxTree || bits.OnesCount64(uint64(size)) != len(peaks) {
		return nil
	}
	return &Tree{size, append([][32]byte(nil), peaks...)}
}

// Size is the number of leaves.
func (t *Tree) Size() int64 { return t.size }

// Peaks are the roots of the complete subtrees, largest first. They are shared with the tree.
func (t *Tree) Peaks() [][32]byte { return t.peaks }

// Clone copies the tree.
func (t *Tree) Clone() *Tree { return &Tree{t.size, append([][32]byte(nil), t.peaks...)} }

// Append adds a leaf. Each node that it completes, the leaf first, is appended to nodes: the order in which tlog numbers stored hashes.
func (t *Tree) Append(leaf [32]byte, nodes [][32]byte) [][32]byte {
	nodes = append(nodes, leaf)
	for range bits.TrailingZeros64(^uint64(t.size)) {
		last := len(t.peaks) - 1
		leaf = nodeHash(t.peaks[last], leaf)
		t.peaks = t.peaks[:last]
		nodes = append(nodes, leaf)
	}
	t.peaks = append(t.peaks, leaf)
	t.size++
	return nodes
}

// Root is the hash of the whole tree.
func (t *Tree) Root() [32]byte {
	if t.size == 0 {
		return sha256.Sum256(nil)
	}
	h := t.peaks[len(t.peaks)-1]
	for i := len(t.peaks) - 2; i >= 0; i-- {
		h = nodeHash(t.peaks[i], h)
	}
	return h
}

func nodeHash(left, right [32]byte) [32]byte { return tlog.NodeHash(left, right) }

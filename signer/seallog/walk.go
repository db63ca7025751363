package seallog

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/privyseal/privyseal/internal/seal"
)

// walker goes through the frames of a file, one after the other, and checks that each continues the one before: chain, numbers, and
// the root of the tree.
type walker struct {
	mark               // before the next frame
	edge    *seal.Tree // nil: roots are not checked
	anyPrev bool       // of the first frame only: what was before is not known
	frames  frameReader
}

// walked is a frame that was read. It is valid until the next.
type walked struct {
	head
	entries []walkedEntry
	nodes   [][32]byte // that the frame adds to the tree
}

type walkedEntry struct {
	offset int64 // of its length
	bytes  []byte
}

// walk begins at a mark; end is how much of the file counts.
func walk(f *os.File, from mark, edge *seal.Tree, end int64) *walker {
	return &walker{mark: from, edge: edge,
		frames: frameReader{r: bufio.NewReaderSize(io.NewSectionReader(f, from.offset, max(0, end-from.offset)), 1<<18)}}
}

// next reads a frame into w. The error is io.EOF at a clean end; after any error the walker stands before what is broken.
func (w *walker) next(into *walked) error {
	h, body, err := w.frames.next()
	if err != nil {
		return err
	}
	if h.first != w.entries || h.prev != w.sum && !w.anyPrev {
		return fmt.Errorf("frame of entry %d does not follow entry %d", h.first, w.entries-1)
	}
	into.head = h
	into.entries, into.nodes = into.entries[:0], into.nodes[:0]
	base := w.offset + headSize
	err = splitBody(body, h.count, func(offset int, entry []byte) error {
		into.entries = append(into.entries, walkedEntry{base + int64(offset), entry})
		return nil
	})
	if err != nil {
		return err
	}
	if w.edge != nil {
		edge := w.edge.Clone()
		for _, e := range into.entries {
			into.nodes = edge.Append(seal.LeafHash(e.bytes), into.nodes)
		}
		if edge.Root() != h.root {
			return errors.New("its entries do not lead to the root hash in its header")
		}
		w.edge = edge
	}
	w.anyPrev = false
	w.mark = mark{entries: h.first + int64(h.count), offset: base + int64(len(body)), frame: w.offset, sum: h.sum, root: h.root}
	return nil
}

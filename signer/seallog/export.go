package seallog

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"

	"github.com/privyseal/privyseal/internal/seal"
)

const maxNote = 16 << 10

var exportMagic = [8]byte{'s', 'e', 'a', 'l', 'e', 'x', 'p', 1}

// Export writes the entries from an index on, and the checkpoint that covers them, for VerifyExport to check on another machine. What
// starts at entry N is checked there with the checkpoint of N entries, so that one export continues another.
//
// The stream is: 8 octets of magic; the log's key, with its length; N; the number of the roots of complete subtrees of the first N
// entries, and these; the checkpoint, with its length; the entries, each with its length. Lengths are 4 octets, N has 8, big endian.
func (l *Log) Export(ctx context.Context, out io.Writer, from int64) (*seal.Checkpoint, error) {
	c := l.Checkpoint()
	switch {
	case from < 0:
		return nil, fmt.Errorf("%s: no export from entry %d on", l.path, from)
	case from > c.Size:
		return nil, &seal.RollbackError{Origin: c.Origin, Seen: from, Got: c.Size}
	}
	if c.Note == nil {
		return nil, fmt.Errorf("%s: the log is empty", l.path)
	}
	edge, err := l.edgeProven(from, c)
	if err != nil {
		return nil, err
	}
	w := bufio.NewWriterSize(out, 1<<16)
	text := func(b []byte) {
		_, _ = w.Write(binary.BigEndian.AppendUint32(nil, uint32(len(b))))
		_, _ = w.Write(b) // Flush tells
	}
	_, _ = w.Write(exportMagic[:])
	text([]byte(l.key.String()))
	_, _ = w.Write(binary.BigEndian.AppendUint64(nil, uint64(from)))
	_ = w.WriteByte(byte(len(edge.Peaks())))
	for _, p := range edge.Peaks() {
		_, _ = w.Write(p[:])
	}
	text(c.Note)
	if from < c.Size {
		err = l.frames(from, func(f *walked) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			for i, e := range f.entries {
				switch index := f.first + int64(i); {
				case index >= c.Size:
					return errStopped
				case index >= from:
					text(e.bytes)
				}
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStopped) {
			return nil, err
		}
	}
	if err := w.Flush(); err != nil {
		return nil, fmt.Errorf("writing the export: %w", err)
	}
	return c, nil
}

// edgeProven is the right edge of the tree of the first entries, proven to be the past of a checkpoint.
func (l *Log) edgeProven(entries int64, c *seal.Checkpoint) (edge *seal.Tree, err error) {
	if entries == 0 {
		return seal.NewTree(), nil
	}
	err = l.healing(func() error {
		_, root, err := l.consistency(entries, c.Size, c)
		if err != nil {
			return err
		}
		if edge, err = l.edgeAt(mark{entries: entries}); err != nil {
			return err
		}
		if edge.Root() != root {
			return &damagedFileError{l.tree.path, errors.New("its hashes do not lead to the root")}
		}
		return nil
	})
	return edge, err
}

// VerifyExport checks a stream that Export wrote, as it comes, with memory for one entry: every entry, that they lead to the root of the
// checkpoint, that key signed that, and that the log continues against, if that is not nil. An export that begins at entry N needs a
// checkpoint of N entries or more as against. For every entry, each is called if it is not nil: before the end nothing is proven
// of it.
func VerifyExport(ctx context.Context, in io.Reader, key seal.LogKey, against *seal.Checkpoint, each func(Item) error) (*Report, error) {
	x := &exportReader{r: bufio.NewReaderSize(in, 1<<16)}
	var a audit
	edge, c, err := x.header(key, against)
	if err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	a.Key, a.From, a.Entries, a.Checkpoint = key, edge.Size(), edge.Size(), c
	for {
		if against != nil && edge.Size() == against.Size && edge.Root() != against.Root {
			return nil, fmt.Errorf("export: %w", &seal.ForkError{Origin: c.Origin, Seen: against.Size, Got: c.Size,
				Reason: "another root hash at the checkpoint"})
		}
		if edge.Size() == c.Size {
			break
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		index := edge.Size()
		b, err := x.text(seal.MaxEntry)
		if err != nil {
			return nil, fmt.Errorf("export: entry %d: %w", index, err)
		}
		e, err := a.entry(b)
		if err != nil {
			return nil, fmt.Errorf("export: entry %d: %w", index, err)
		}
		edge.Append(seal.LeafHash(b), nil)
		if each != nil {
			if err := each(Item{index, e}); err != nil {
				return nil, err
			}
		}
	}
	if _, err := x.r.ReadByte(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("export: bytes follow the last of %d entries", c.Size)
	}
	if edge.Root() != c.Root {
		return nil, fmt.Errorf("export: the entries from %d on do not lead to the root of the checkpoint of %d: one of them was changed", a.From, c.Size)
	}
	return &a.Report, nil
}

type exportReader struct{ r *bufio.Reader }

func (x *exportReader) bytes(n int) ([]byte, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(x.r, b); err != nil {
		return nil, errors.New("cut short")
	}
	return b, nil
}

func (x *exportReader) text(most int) ([]byte, error) {
	b, err := x.bytes(4)
	if err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(b)
	if n > uint32(most) {
		return nil, fmt.Errorf("%d bytes where at most %d may stand", n, most)
	}
	return x.bytes(int(n))
}

// header reads all that stands before the entries.
func (x *exportReader) header(key seal.LogKey, against *seal.Checkpoint) (*seal.Tree, *seal.Checkpoint, error) {
	fail := func(err error) (*seal.Tree, *seal.Checkpoint, error) { return nil, nil, err }
	b, err := x.bytes(len(exportMagic))
	if err != nil || !bytes.Equal(b, exportMagic[:]) {
		return fail(errors.New("not an export of a log"))
	}
	name, err := x.text(maxPreamble)
	if err != nil {
		return fail(fmt.Errorf("key: %w", err))
	}
	if string(name) != key.String() {
		return fail(fmt.Errorf("it is of the log with key %.200q, not %s", name, key))
	}
	if b, err = x.bytes(8 + 1); err != nil {
		return fail(err)
	}
	from, count := binary.BigEndian.Uint64(b), int(b[8])
	if from > 1<<48 || bits.OnesCount64(from) != count {
		return fail(fmt.Errorf("it begins at entry %d with %d hashes, which do not fit", from, count))
	}
	if b, err = x.bytes(32 * count); err != nil {
		return fail(err)
	}
	var peaks [][32]byte
	for i := range count {
		peaks = append(peaks, [32]byte(b[32*i:]))
	}
	edge := seal.TreeFromPeaks(int64(from), peaks)
	note, err := x.text(maxNote)
	if err != nil {
		return fail(fmt.Errorf("checkpoint: %w", err))
	}
	c, err := seal.OpenCheckpoint(note, key)
	if err != nil {
		return fail(err)
	}
	switch {
	case c.Size < edge.Size():
		return fail(fmt.Errorf("it begins at entry %d, but its checkpoint has %d", from, c.Size))
	case against == nil && from > 0, against != nil && against.Size < edge.Size():
		return fail(fmt.Errorf("it begins at entry %d: give the checkpoint of the export before it", from))
	case against != nil && against.Origin != c.Origin:
		return fail(fmt.Errorf("it is of the log %s, the checkpoint of %s", c.Origin, against.Origin))
	case against != nil && against.Size > c.Size:
		return fail(&seal.RollbackError{Origin: c.Origin, Seen: against.Size, Got: c.Size})
	}
	return edge, c, nil
}

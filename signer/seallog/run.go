package seallog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"sort"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/privyseal/privyseal/internal/durable"
)

const (
	runBlock    = 4096
	runItem     = 16 + 8
	runPerBlock = (runBlock - 6) / runItem
	maxTotals   = 16 << 20
	maxRunItems = 1 << 40
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	runMagic   = [8]byte{'s', 'e', 'a', 'l', 'r', 'u', 'n', 1}
)

// value is what the index holds for a key: the index of an entry, and whether it is an event.
type value uint64

func newValue(index int64, event bool) value {
	v := value(index) << 1
	if event {
		v |= 1
	}
	return v
}

func (v value) index() int64 { return int64(v >> 1) }
func (v value) event() bool  { return v&1 != 0 }

// mark is a place between two frames: what must hold of the log for the index files up to there to be its.
type mark struct {
	entries int64    // before it
	offset  int64    // in the file
	frame   int64    // offset of the frame before
	sum     [32]byte // of the frame before
	root    [32]byte // of the tree of the entries before
}

// runHead describes a run.
type runHead struct {
	first  int64 // entry
	mark   mark  // after the last entry
	items  int64
	totals map[string]int64 // signatures by key fingerprint
}

func (h *runHead) blocks() int64 { return (h.items + runPerBlock - 1) / runPerBlock }

// run is an immutable file of the index: the keys of the entries of a range, sorted, in blocks with check sums. It has a header of one
// block, the blocks, the first key of each (8 octets; they are kept in memory), and the totals.
type run struct {
	runHead
	path   string
	file   *os.File
	fences []uint64
}

func runName(first, end int64) string { return fmt.Sprintf("index-%012x-%012x", first, end) }

// parseRunName is the reverse of runName.
func parseRunName(name string) (first, end int64, ok bool) {
	n, err := fmt.Sscanf(name, "index-%012x-%012x", &first, &end)
	return first, end, err == nil && n == 2 && name == runName(first, end) && first < end
}

// item is a key with its value.
type runEntry struct {
	key subjectKey
	val value
}

// writeRun makes a run of the items that next gives in order, and opens it.
func writeRun(dir string, h runHead, next func() (runEntry, bool, error)) (*run, error) {
	out, err := durable.Create(filepath.Join(dir, runName(h.first, h.mark.entries)), filePerm(dir))
	if err != nil {
		return nil, err
	}
	defer out.Close()
	r := &run{path: out.Path()}
	h.items = 0
	buf := make([]byte, 0, 64*runBlock)
	at := int64(runBlock)
	write := func() error {
		_, err := out.WriteAt(buf, at)
		at += int64(len(buf))
		buf = buf[:0]
		return err
	}
	block := make([]byte, 0, runBlock)
	seal := func() error {
		if len(block) == 0 {
			return nil
		}
		r.fences = append(r.fences, binary.BigEndian.Uint64(block))
		buf = append(buf, sealBlock(block, h.first, h.mark.entries, int64(len(r.fences))-1)...)
		block = block[:0]
		if len(buf) == cap(buf) {
			return write()
		}
		return nil
	}
	for {
		it, ok, err := next()
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		block = append(block, it.key[:]...)
		block = binary.BigEndian.AppendUint64(block, uint64(it.val))
		h.items++
		if len(block) == runPerBlock*runItem {
			if err := seal(); err != nil {
				return nil, err
			}
		}
	}
	if err := seal(); err != nil {
		return nil, err
	}
	tail := h.encodeTail(r.fences)
	buf = append(buf, tail...)
	if err := write(); err != nil {
		return nil, err
	}
	if _, err := out.WriteAt(h.encode(len(tail)), 0); err != nil {
		return nil, err
	}
	if err := out.Commit(); err != nil {
		return nil, err
	}
	r.runHead = h
	if r.file, err = os.OpenFile(r.path, os.O_RDONLY|unix.O_NOFOLLOW, 0); err != nil {
		return nil, err
	}
	return r, nil
}

// block is one block of a run, with room to compute its check sum.
type block struct {
	data  [runBlock]byte
	place [24]byte
}

var blocks = sync.Pool{New: func() any { return new(block) }}

// sealBlock fills a block up and adds the number of items and the check sum, which also covers which run and block this is.
func sealBlock(items []byte, first, end, number int64) []byte {
	var b block
	copy(b.data[:], items)
	binary.BigEndian.PutUint16(b.data[runBlock-6:], uint16(len(items)/runItem))
	binary.BigEndian.PutUint32(b.data[runBlock-4:], b.sum(first, end, number))
	return b.data[:]
}

func (b *block) sum(first, end, number int64) uint32 {
	binary.BigEndian.PutUint64(b.place[:], uint64(first))
	binary.BigEndian.PutUint64(b.place[8:], uint64(end))
	binary.BigEndian.PutUint64(b.place[16:], uint64(number))
	return crc32.Update(crc32.Checksum(b.place[:], castagnoli), castagnoli, b.data[:runBlock-4])
}

func (h *runHead) encode(tail int) []byte {
	b := make([]byte, runBlock)
	w := append(b[:0], runMagic[:]...)
	for _, n := range []int64{h.first, h.mark.entries, h.mark.offset, h.mark.frame, h.items, int64(tail)} {
		w = binary.BigEndian.AppendUint64(w, uint64(n))
	}
	w = append(w, h.mark.sum[:]...)
	_ = append(w, h.mark.root[:]...)
	binary.BigEndian.PutUint32(b[runBlock-4:], crc32.Checksum(b[:runBlock-4], castagnoli))
	return b
}

func (h *runHead) encodeTail(fences []uint64) []byte {
	b := make([]byte, 0, 8*len(fences)+64*len(h.totals)+16)
	for _, f := range fences {
		b = binary.BigEndian.AppendUint64(b, f)
	}
	names := make([]string, 0, len(h.totals))
	for name := range h.totals {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		b = append(b, byte(len(name)))
		b = append(b, name...)
		b = binary.BigEndian.AppendUint64(b, uint64(h.totals[name]))
	}
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// openRun opens a run and checks everything but its blocks, which are checked when they are read.
func openRun(path string) (*run, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	r := &run{path: path, file: f}
	if err := r.load(); err != nil {
		f.Close()
		return nil, &damagedFileError{path, err}
	}
	return r, nil
}

func (r *run) load() error {
	st, err := r.file.Stat()
	if err != nil {
		return err
	}
	var b [runBlock]byte
	if _, err := r.file.ReadAt(b[:], 0); err != nil {
		return err
	}
	if !bytes.Equal(b[:8], runMagic[:]) || binary.BigEndian.Uint32(b[runBlock-4:]) != crc32.Checksum(b[:runBlock-4], castagnoli) {
		return errors.New("its header does not match its check sum")
	}
	number := func(i int) int64 { return int64(binary.BigEndian.Uint64(b[8+8*i:])) }
	r.first, r.items = number(0), number(4)
	r.mark = mark{entries: number(1), offset: number(2), frame: number(3), sum: [32]byte(b[56:88]), root: [32]byte(b[88:120])}
	tail := number(5)
	if name := runName(r.first, r.mark.entries); name != filepath.Base(r.path) {
		return fmt.Errorf("it is %s by its header", name)
	}
	fences := 8 * r.blocks()
	if r.items < 0 || r.items > maxRunItems || tail < fences+4 || tail > fences+maxTotals || st.Size() != runBlock*(1+r.blocks())+tail {
		return errors.New("its length is not what its header says")
	}
	t := make([]byte, tail)
	if _, err := r.file.ReadAt(t, runBlock*(1+r.blocks())); err != nil {
		return err
	}
	t, sum := t[:tail-4], t[tail-4:]
	if binary.BigEndian.Uint32(sum) != crc32.Checksum(t, castagnoli) {
		return errors.New("the table of its blocks does not match its check sum")
	}
	r.fences = make([]uint64, r.blocks())
	for i := range r.fences {
		r.fences[i] = binary.BigEndian.Uint64(t[8*i:])
	}
	r.totals = map[string]int64{}
	for t = t[fences:]; len(t) > 0; {
		n := int(t[0])
		if len(t) < 1+n+8 {
			return errors.New("its totals are cut short")
		}
		r.totals[string(t[1:1+n])] = int64(binary.BigEndian.Uint64(t[1+n:]))
		t = t[1+n+8:]
	}
	return nil
}

// block reads a block and checks it: its items.
func (r *run) block(number int64, b *block) ([]byte, error) {
	if _, err := r.file.ReadAt(b.data[:], runBlock*(1+number)); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, &damagedFileError{r.path, err}
	}
	n := int(binary.BigEndian.Uint16(b.data[runBlock-6:]))
	if binary.BigEndian.Uint32(b.data[runBlock-4:]) != b.sum(r.first, r.mark.entries, number) || n > runPerBlock {
		return nil, &damagedFileError{r.path, fmt.Errorf("block %d does not match its check sum", number)}
	}
	return b.data[:n*runItem], nil
}

// find looks a key up: one read, as keys are spread evenly.
func (r *run) find(key subjectKey) (value, bool, error) {
	prefix := binary.BigEndian.Uint64(key[:])
	n := sort.Search(len(r.fences), func(i int) bool { return r.fences[i] > prefix }) - 1
	b := blocks.Get().(*block)
	defer blocks.Put(b)
	for ; n >= 0; n-- {
		items, err := r.block(int64(n), b)
		if err != nil {
			return 0, false, err
		}
		i := sort.Search(len(items)/runItem, func(i int) bool { return bytes.Compare(items[i*runItem:i*runItem+16], key[:]) >= 0 })
		if i*runItem < len(items) && bytes.Equal(items[i*runItem:i*runItem+16], key[:]) {
			return value(binary.BigEndian.Uint64(items[i*runItem+16:])), true, nil
		}
		// A key that begins with the same 8 octets as this block may stand at the end of the block before.
		if r.fences[n] != prefix {
			break
		}
	}
	return 0, false, nil
}

// scanner gives a run's items in order.
func (r *run) scanner() func() (runEntry, bool, error) {
	var b block
	var items []byte
	number := int64(0)
	return func() (it runEntry, ok bool, err error) {
		for len(items) == 0 {
			if number == r.blocks() {
				return it, false, nil
			}
			if items, err = r.block(number, &b); err != nil {
				return it, false, err
			}
			number++
		}
		it.key = subjectKey(items[:16])
		it.val = value(binary.BigEndian.Uint64(items[16:]))
		items = items[runItem:]
		return it, true, nil
	}
}

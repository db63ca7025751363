package rpmhead

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// The default limits; the package comment gives the reasons.
const (
	MaxEntries = 65536
	MaxData    = 64 << 20
)

const (
	introSize = 16 // magic, reserved bytes, number of entries, length of data
	entrySize = 16
)

// magic opens every header: three bytes, version 1, four reserved zeros.
var magic = []byte{0x8e, 0xad, 0xe8, 0x01, 0, 0, 0, 0}

// Limits bounds what a header may claim. The zero value means MaxEntries and
// MaxData; a caller may ask for less, never for more.
type Limits struct {
	Entries int
	Data    int
}

func (l Limits) entries() int {
	if l.Entries <= 0 || l.Entries > MaxEntries {
		return MaxEntries
	}
	return l.Entries
}

func (l Limits) data() int {
	if l.Data <= 0 || l.Data > MaxData {
		return MaxData
	}
	return l.Data
}

// FormatError says why bytes are no acceptable header or RPM file.
type FormatError struct {
	Part   string // "lead", "signature header", "header"
	Detail string
}

func (e *FormatError) Error() string { return "rpm " + e.Part + ": " + e.Detail }

func malformed(format string, args ...any) error {
	return &FormatError{Part: "header", Detail: fmt.Sprintf(format, args...)}
}

// Entry is one line of a header's index.
type Entry struct {
	Tag    int32
	Type   Type
	Offset uint32 // into the header's data
	Count  uint32
	length uint32 // of its values in the data, computed by Parse
}

// Header is a parsed header. It is read-only and may be shared.
type Header struct {
	raw     []byte
	data    []byte
	entries []Entry
}

// claim reads the number of entries and the length of data from an intro.
func claim(intro []byte, lim Limits) (entries, data int, err error) {
	if len(intro) < introSize {
		return 0, 0, malformed("cut off after %d bytes", len(intro))
	}
	if !bytes.Equal(intro[:8], magic) {
		return 0, 0, malformed("bad magic %x", intro[:8])
	}
	il, dl := binary.BigEndian.Uint32(intro[8:]), binary.BigEndian.Uint32(intro[12:])
	if il == 0 {
		return 0, 0, malformed("no index entries")
	}
	if uint64(il) > uint64(lim.entries()) {
		return 0, 0, malformed("claims %d index entries, at most %d are accepted", il, lim.entries())
	}
	if uint64(dl) > uint64(lim.data()) {
		return 0, 0, malformed("claims %d bytes of data, at most %d are accepted", dl, lim.data())
	}
	return int(il), int(dl), nil
}

// Parse reads a header that fills raw exactly. The header keeps raw: the
// caller must not change it afterwards.
func Parse(raw []byte, lim Limits) (*Header, error) {
	il, dl, err := claim(raw, lim)
	if err != nil {
		return nil, err
	}
	if want := introSize + il*entrySize + dl; len(raw) != want {
		return nil, malformed("claims %d bytes and has %d", want, len(raw))
	}
	h := &Header{raw: raw, data: raw[introSize+il*entrySize:], entries: make([]Entry, il)}
	end := uint64(0)
	for i := range h.entries {
		b := raw[introSize+i*entrySize:]
		e := &h.entries[i]
		e.Tag = int32(binary.BigEndian.Uint32(b))
		e.Type = Type(binary.BigEndian.Uint32(b[4:]))
		e.Offset = binary.BigEndian.Uint32(b[8:])
		e.Count = binary.BigEndian.Uint32(b[12:])
		n, err := h.measure(e)
		if err != nil {
			return nil, malformed("entry %d (tag %d): %v", i, e.Tag, err)
		}
		e.length = n
		// A region tag's value is the trailer at the end of the region; every
		// other entry's values follow those of the entry before it.
		if i == 0 && (e.Tag == SigRegion || e.Tag == TagRegion) {
			continue
		}
		if uint64(e.Offset) < end {
			return nil, malformed("entry %d (tag %d): data overlaps the entry before it", i, e.Tag)
		}
		end = uint64(e.Offset) + uint64(n)
	}
	return h, nil
}

// measure returns the length of an entry's values, having checked that they
// lie inside the data.
func (h *Header) measure(e *Entry) (uint32, error) {
	if e.Type < Char || e.Type > I18NString {
		return 0, fmt.Errorf("unknown type %d", e.Type)
	}
	if e.Count == 0 {
		return 0, fmt.Errorf("no values")
	}
	if uint64(e.Offset) >= uint64(len(h.data)) {
		return 0, fmt.Errorf("offset %d is outside %d bytes of data", e.Offset, len(h.data))
	}
	rest := h.data[e.Offset:]
	if size := e.Type.size(); size > 0 {
		if int(e.Offset)%size != 0 {
			return 0, fmt.Errorf("offset %d is not a multiple of %d", e.Offset, size)
		}
		n := uint64(e.Count) * uint64(size)
		if n > uint64(len(rest)) {
			return 0, fmt.Errorf("claims %d bytes, %d are left", n, len(rest))
		}
		return uint32(n), nil
	}
	if e.Type == String && e.Count != 1 {
		return 0, fmt.Errorf("a string with count %d", e.Count)
	}
	if uint64(e.Count) > uint64(len(rest)) {
		return 0, fmt.Errorf("claims %d strings in %d bytes", e.Count, len(rest))
	}
	n := 0
	for range e.Count {
		i := bytes.IndexByte(rest[n:], 0)
		if i < 0 {
			return 0, fmt.Errorf("a string does not end inside the data")
		}
		n += i + 1
	}
	return uint32(n), nil
}

// Bytes returns the header as it stands in the file, from its magic to the
// end of its data, without padding. It must not be changed.
func (h *Header) Bytes() []byte { return h.raw }

// SHA256 is the digest of Bytes.
func (h *Header) SHA256() [sha256.Size]byte { return sha256.Sum256(h.raw) }

// Entries returns a copy of the index.
func (h *Header) Entries() []Entry { return append([]Entry(nil), h.entries...) }

// find returns the first entry with a tag, or nil. Headers have some hundred
// entries at most, and callers ask for a fixed number of tags.
func (h *Header) find(tag int32) *Entry {
	for i := range h.entries {
		if h.entries[i].Tag == tag {
			return &h.entries[i]
		}
	}
	return nil
}

// count returns how many entries have a tag.
func (h *Header) count(tag int32) int {
	n := 0
	for i := range h.entries {
		if h.entries[i].Tag == tag {
			n++
		}
	}
	return n
}

// value returns the bytes of an entry's values.
func (h *Header) value(e *Entry) []byte { return h.data[e.Offset : e.Offset+e.length] }

// Has reports whether the header has a tag.
func (h *Header) Has(tag int32) bool { return h.find(tag) != nil }

// String returns the first string of a tag; false if it is absent or no string.
func (h *Header) String(tag int32) (string, bool) {
	e := h.find(tag)
	if e == nil || e.Type != String && e.Type != StringArray && e.Type != I18NString {
		return "", false
	}
	v := h.value(e)
	return string(v[:bytes.IndexByte(v, 0)]), true
}

// Strings returns all strings of a tag, nil if it is absent or no string.
func (h *Header) Strings(tag int32) []string {
	e := h.find(tag)
	if e == nil {
		return nil
	}
	return h.field(e).strings()
}

// Bin returns the bytes of a tag of type Bin (or Char, Int8), nil if there is
// none. They must not be changed.
func (h *Header) Bin(tag int32) []byte {
	e := h.find(tag)
	if e == nil || e.Type.size() != 1 {
		return nil
	}
	return h.value(e)
}

// Uint32s returns the integers of up to 32 bits of a tag, nil if there are none.
func (h *Header) Uint32s(tag int32) []uint32 {
	e := h.find(tag)
	if e == nil || e.Type > Int32 {
		return nil
	}
	out := make([]uint32, e.Count)
	for i := range out {
		out[i] = uint32(h.integer(e, i))
	}
	return out
}

// Uint64s returns the integers of any width of a tag, nil if there are none.
func (h *Header) Uint64s(tag int32) []uint64 {
	e := h.find(tag)
	if e == nil || e.Type > Int64 {
		return nil
	}
	out := make([]uint64, e.Count)
	for i := range out {
		out[i] = h.integer(e, i)
	}
	return out
}

// Uint64 returns the first integer of a tag.
func (h *Header) Uint64(tag int32) (uint64, bool) {
	e := h.find(tag)
	if e == nil || e.Type > Int64 {
		return 0, false
	}
	return h.integer(e, 0), true
}

// integer returns value i of an entry whose type is an integer.
func (h *Header) integer(e *Entry, i int) uint64 {
	v := h.value(e)[i*e.Type.size():]
	switch e.Type {
	case Int16:
		return uint64(binary.BigEndian.Uint16(v))
	case Int32:
		return uint64(binary.BigEndian.Uint32(v))
	case Int64:
		return binary.BigEndian.Uint64(v)
	}
	return uint64(v[0])
}

package rpmhead

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
)

// Field is one tag with its values as they stand in a header's data.
type Field struct {
	Tag   int32
	Type  Type
	Count uint32
	Data  []byte
}

// StringField makes a Field of type String.
func StringField(tag int32, s string) Field {
	return Field{Tag: tag, Type: String, Count: 1, Data: append([]byte(s), 0)}
}

// StringArrayField makes a Field of type StringArray.
func StringArrayField(tag int32, list ...string) Field {
	f := Field{Tag: tag, Type: StringArray, Count: uint32(len(list))}
	for _, s := range list {
		f.Data = append(append(f.Data, s...), 0)
	}
	return f
}

// Int32Field makes a Field of type Int32.
func Int32Field(tag int32, list ...uint32) Field {
	f := Field{Tag: tag, Type: Int32, Count: uint32(len(list))}
	for _, v := range list {
		f.Data = binary.BigEndian.AppendUint32(f.Data, v)
	}
	return f
}

// Int64Field makes a Field of type Int64.
func Int64Field(tag int32, list ...uint64) Field {
	f := Field{Tag: tag, Type: Int64, Count: uint32(len(list))}
	for _, v := range list {
		f.Data = binary.BigEndian.AppendUint64(f.Data, v)
	}
	return f
}

// BinField makes a Field of type Bin.
func BinField(tag int32, b []byte) Field {
	return Field{Tag: tag, Type: Bin, Count: uint32(len(b)), Data: b}
}

// strings returns a field's strings, nil if its type is another.
func (f Field) strings() []string {
	if f.Type != String && f.Type != StringArray && f.Type != I18NString {
		return nil
	}
	// One conversion for the whole array: the strings share its memory.
	v := string(f.Data)
	out := make([]string, 0, f.Count)
	for start, i := 0, 0; i < len(v); i++ {
		if v[i] == 0 {
			out = append(out, v[start:i])
			start = i + 1
		}
	}
	return out
}

// Fields returns all entries as fields, the region tag's included. Their data
// must not be changed.
func (h *Header) Fields() []Field {
	out := make([]Field, len(h.entries))
	for i := range h.entries {
		out[i] = h.field(&h.entries[i])
	}
	return out
}

// field returns an entry of a header as a Field.
func (h *Header) field(e *Entry) Field {
	return Field{Tag: e.Tag, Type: e.Type, Count: e.Count, Data: h.value(e)}
}

// Marshal makes a header whose region (SigRegion or TagRegion) covers all
// fields. Fields are ordered by tag, as rpm does.
func Marshal(region int32, fields []Field) ([]byte, error) {
	fields = slices.Clone(fields)
	slices.SortStableFunc(fields, func(a, b Field) int { return cmp.Compare(a.Tag, b.Tag) })
	il := len(fields) + 1
	var index, data bytes.Buffer
	for _, f := range fields {
		if f.Count == 0 || len(f.Data) == 0 {
			return nil, fmt.Errorf("rpm header: tag %d has no values", f.Tag)
		}
		if size := f.Type.size(); size > 1 {
			for data.Len()%size != 0 {
				data.WriteByte(0)
			}
		}
		putEntry(&index, f.Tag, f.Type, uint32(data.Len()), f.Count)
		data.Write(f.Data)
	}
	if il > MaxEntries || data.Len() > MaxData-entrySize {
		return nil, fmt.Errorf("rpm header: %d entries with %d bytes are too large to write", il, data.Len())
	}
	trailer := uint32(data.Len())
	putEntry(&data, region, Bin, uint32(-int32(il*entrySize)), entrySize)

	out := bytes.NewBuffer(make([]byte, 0, introSize+il*entrySize+data.Len()))
	out.Write(magic)
	out.Write(binary.BigEndian.AppendUint32(nil, uint32(il)))
	out.Write(binary.BigEndian.AppendUint32(nil, uint32(data.Len())))
	putEntry(out, region, Bin, trailer, entrySize)
	out.Write(index.Bytes())
	out.Write(data.Bytes())
	return out.Bytes(), nil
}

func putEntry(w *bytes.Buffer, tag int32, t Type, offset, count uint32) {
	var b [entrySize]byte
	binary.BigEndian.PutUint32(b[0:], uint32(tag))
	binary.BigEndian.PutUint32(b[4:], uint32(t))
	binary.BigEndian.PutUint32(b[8:], offset)
	binary.BigEndian.PutUint32(b[12:], count)
	w.Write(b[:])
}

// padding is the number of zeros after a signature header of n bytes.
func padding(n int) int { return (8 - n%8) % 8 }

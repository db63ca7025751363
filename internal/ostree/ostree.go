// Package ostree reads and writes the detached metadata of ostree commits, where their
// OpenPGP signatures stand.
//
// A repository keeps a commit in objects/XX/REST.commit and what is said about it
// besides in objects/XX/REST.commitmeta: a GVariant of type a{sv}, in which
// "ostree.gpgsigs" (aay) lists binary signature packets over the commit's bytes.
// AddSignature puts one more in and leaves everything else as it was.
//
//	meta, err = ostree.AddSignature(meta, packet) // meta may be empty
//
// It knows no more of GVariant than this takes: arrays, dictionary entries and variants
// of variable size, whose framing offsets are little-endian and as wide as the
// container's size asks for.
//
// Limits: 16 MiB of metadata, 4096 entries, 4096 signatures.
package ostree

import (
	"bytes"
	"errors"
	"fmt"
)

const (
	maxMeta  = 16 << 20
	maxItems = 4096

	signaturesKey = "ostree.gpgsigs"
	typeAAY       = "aay"
)

// AddSignature gives the metadata with a signature packet more. One that is there
// already is not added again.
func AddSignature(meta, packet []byte) ([]byte, error) {
	entries, err := parse(meta)
	if err != nil {
		return nil, err
	}
	at := -1
	for i, e := range entries {
		if e.key == signaturesKey {
			at = i
		}
	}
	var sigs [][]byte
	if at < 0 {
		at = len(entries)
		entries = append(entries, entry{key: signaturesKey})
	} else if sigs, err = entries[at].signatures(); err != nil {
		return nil, err
	}
	for _, s := range sigs {
		if bytes.Equal(s, packet) {
			return meta, nil
		}
	}
	entries[at].variant = append(array(append(sigs, packet), 1), "\x00"+typeAAY...)
	return marshal(entries), nil
}

// Signatures lists the signature packets of a commit's metadata.
func Signatures(meta []byte) ([][]byte, error) {
	entries, err := parse(meta)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.key == signaturesKey {
			return e.signatures()
		}
	}
	return nil, nil
}

// entry is one of a{sv}; the variant is kept as it stands: value, NUL, type.
type entry struct {
	key     string
	variant []byte
}

func (e entry) signatures() ([][]byte, error) {
	value, kind, ok := cutLast(e.variant)
	if !ok || kind != typeAAY {
		return nil, fmt.Errorf("ostree metadata: %s is of type %.20q, not %s", signaturesKey, kind, typeAAY)
	}
	return elements(value, 1)
}

// cutLast takes a variant apart.
func cutLast(v []byte) (value []byte, kind string, ok bool) {
	i := bytes.LastIndexByte(v, 0)
	if i < 0 {
		return nil, "", false
	}
	return v[:i], string(v[i+1:]), true
}

func parse(meta []byte) ([]entry, error) {
	if len(meta) > maxMeta {
		return nil, fmt.Errorf("ostree metadata: %d bytes, more than %d", len(meta), maxMeta)
	}
	raw, err := elements(meta, 8)
	if err != nil {
		return nil, err
	}
	entries := make([]entry, len(raw))
	seen := make(map[string]bool, len(raw))
	for i, b := range raw {
		// One framing offset, of the key's end; the variant fills the rest.
		n := width(len(b))
		if len(b) < n {
			return nil, errors.New("ostree metadata: an entry without its offset")
		}
		end, body := offset(b[len(b)-n:]), len(b)-n
		if end < 1 || end > uint64(body) || b[end-1] != 0 || bytes.IndexByte(b[:end-1], 0) >= 0 {
			return nil, errors.New("ostree metadata: a key that does not end where it should")
		}
		key := string(b[:end-1])
		if seen[key] {
			return nil, fmt.Errorf("ostree metadata: key %.60q stands twice, and readers would see different values", key)
		}
		seen[key] = true
		start := align(int(end), 8)
		if start > body {
			return nil, errors.New("ostree metadata: an entry without a value")
		}
		entries[i] = entry{key, b[start:body]}
	}
	return entries, nil
}

// elements takes an array of elements of variable size apart.
func elements(b []byte, alignment int) ([][]byte, error) {
	if len(b) == 0 {
		return nil, nil
	}
	n := width(len(b))
	if len(b) < n {
		return nil, errors.New("ostree metadata: an array without offsets")
	}
	last := offset(b[len(b)-n:])
	if last > uint64(len(b)-n) || (len(b)-int(last))%n != 0 {
		return nil, errors.New("ostree metadata: an array's offsets lead out of it")
	}
	table := b[last:]
	count := len(table) / n
	if count > maxItems {
		return nil, fmt.Errorf("ostree metadata: %d elements, more than %d", count, maxItems)
	}
	out := make([][]byte, count)
	start := 0
	for i := range out {
		end := offset(table[i*n : (i+1)*n])
		start = align(start, alignment)
		if end < uint64(start) || end > last {
			return nil, errors.New("ostree metadata: an array's elements overlap")
		}
		out[i] = b[start:end]
		start = int(end)
	}
	return out, nil
}

func marshal(entries []entry) []byte {
	raw := make([][]byte, len(entries))
	for i, e := range entries {
		b := append([]byte(e.key), 0)
		end := len(b)
		b = append(pad(b, 8), e.variant...)
		raw[i] = frame(b, []int{end})
	}
	return array(raw, 8)
}

func array(items [][]byte, alignment int) []byte {
	var b []byte
	ends := make([]int, len(items))
	for i, it := range items {
		b = append(pad(b, alignment), it...)
		ends[i] = len(b)
	}
	return frame(b, ends)
}

// frame appends the offsets, in the width that the whole then asks for.
func frame(b []byte, ends []int) []byte {
	n := 1
	for n < 8 && width(len(b)+n*len(ends)) > n {
		n *= 2
	}
	for _, end := range ends {
		for i := range n {
			b = append(b, byte(uint64(end)>>(8*i)))
		}
	}
	return b
}

// width is that of the offsets of a container of size bytes.
func width(size int) int {
	switch {
	case size <= 0xff:
		return 1
	case size <= 0xffff:
		return 2
	case uint64(size) <= 0xffffffff:
		return 4
	}
	return 8
}

func offset(b []byte) uint64 {
	var v uint64
	for i, c := range b {
		v |= uint64(c) << (8 * i)
	}
	return v
}

func align(n, to int) int { return (n + to - 1) / to * to }

func pad(b []byte, to int) []byte {
	return append(b, make([]byte, align(len(b), to)-len(b))...)
}

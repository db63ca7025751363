package seal

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

const (
	maxProof    = 64 << 10
	proofHeader = "c2sp.org/tlog-proof@v1"
)

// Proof shows that an entry is in the tree of a checkpoint.
type Proof struct {
	Entry      []byte // as EncodeEntry gives it
	Index      int64
	Path       [][32]byte // from the leaf's sibling up
	Checkpoint []byte     // a signed note
}

// Marshal gives the proof's text: C2SP tlog-proof, the entry as its extra data.
func (p *Proof) Marshal() []byte {
	b := make([]byte, 0, 128+len(p.Entry)*4/3+len(p.Path)*45+len(p.Checkpoint))
	b = append(b, proofHeader+"\nextra "...)
	b = base64.StdEncoding.AppendEncode(b, p.Entry)
	b = fmt.Appendf(b, "\nindex %d\n", p.Index)
	for _, h := range p.Path {
		b = base64.StdEncoding.AppendEncode(b, h[:])
		b = append(b, '\n')
	}
	b = append(b, '\n')
	return append(b, p.Checkpoint...)
}

// ParseProof reads a proof's text. Nothing is checked but the form: Verify does the rest.
func ParseProof(text []byte) (*Proof, error) {
	p, err := parseProof(text)
	if err != nil {
		return nil, fmt.Errorf("log proof: %w", err)
	}
	return p, nil
}

func parseProof(text []byte) (*Proof, error) {
	if len(text) > maxProof {
		return nil, fmt.Errorf("%d bytes, longer than the limit of %d", len(text), maxProof)
	}
	head, checkpoint, found := bytes.Cut(text, []byte("\n\n"))
	if !found {
		return nil, errors.New("no empty line before a checkpoint")
	}
	lines := strings.Split(string(head), "\n")
	if lines[0] != proofHeader {
		return nil, fmt.Errorf("line 1 is %.40q, not %q", lines[0], proofHeader)
	}
	if len(lines) < 3 {
		return nil, errors.New("want a line extra and a line index")
	}
	extra, ok := strings.CutPrefix(lines[1], "extra ")
	if !ok {
		return nil, errors.New("line 2: want extra and the base64 of the entry")
	}
	p := &Proof{Checkpoint: bytes.Clone(checkpoint)}
	var err error
	p.Entry, err = base64.StdEncoding.Strict().DecodeString(extra)
	if err != nil || strings.ContainsRune(extra, '\r') {
		return nil, errors.New("line 2: extra is not base64")
	}
	if len(p.Entry) > MaxEntry {
		return nil, fmt.Errorf("line 2: entry of %d bytes, longer than the limit of %d", len(p.Entry), MaxEntry)
	}
	index, ok := strings.CutPrefix(lines[2], "index ")
	if !ok {
		return nil, errors.New("line 3: want index and a number")
	}
	if p.Index, err = parseSize(index); err != nil {
		return nil, fmt.Errorf("line 3: index %w", err)
	}
	path := lines[3:]
	if len(path) > maxPath {
		return nil, fmt.Errorf("%d hashes, more than the limit of %d", len(path), maxPath)
	}
	for i, l := range path {
		h, err := parseHash(l)
		if err != nil {
			return nil, fmt.Errorf("line %d: hash %w", i+4, err)
		}
		p.Path = append(p.Path, h)
	}
	return p, nil
}

// Verify checks the whole proof: the checkpoint's signature, and that the entry stands at its index in that tree.
func (p *Proof) Verify(key LogKey) (*Entry, *Checkpoint, error) {
	c, err := OpenCheckpoint(p.Checkpoint, key)
	if err != nil {
		return nil, nil, fmt.Errorf("log proof: %w", err)
	}
	if err := CheckInclusion(c.Size, c.Root, p.Index, LeafHash(p.Entry), p.Path); err != nil {
		return nil, nil, fmt.Errorf("log proof: %w", err)
	}
	e, err := DecodeEntry(p.Entry)
	if err != nil {
		return nil, nil, fmt.Errorf("log proof: %w", err)
	}
	return e, c, nil
}

// CheckInclusion checks that a leaf stands at index in the tree of a size and root.
func CheckInclusion(size int64, root [32]byte, index int64, leaf [32]byte, path [][32]byte) error {
	if size < 0 || size > maxTree || index < 0 || index >= size {
		return fmt.Errorf("entry %d is not within the checkpoint's %d entries", index, size)
	}
	if err := tlog.CheckRecord(toHashes(path), size, root, index, leaf); err != nil {
		return fmt.Errorf("the hashes do not lead from entry %d to the root of the checkpoint's %d entries", index, size)
	}
	return nil
}

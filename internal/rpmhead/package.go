package rpmhead

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// LeadSize is the length of the lead, and so the offset of the signature header.
const LeadSize = 96

var leadMagic = []byte{0xed, 0xab, 0xee, 0xdb}

// Package is what stands before the payload of an RPM file.
type Package struct {
	Lead        []byte // LeadSize bytes
	Signature   *Header
	Header      *Header
	HeaderStart int64 // offset of the main header
	HeaderEnd   int64 // offset of the payload

	sigRegion []byte // signature header with its padding
}

// SigHeaderBytes returns the bytes from offset 96 to the main header, padding
// included. Koji calls them sighdr. They must not be changed.
func (p *Package) SigHeaderBytes() []byte { return p.sigRegion }

// Read reads the lead and both headers and stops at the first byte of the
// payload. It asks r for no more bytes than that.
func Read(r io.Reader) (*Package, error) {
	p := &Package{Lead: make([]byte, LeadSize)}
	if _, err := io.ReadFull(r, p.Lead); err != nil {
		return nil, cutOff("lead", err)
	}
	if !bytes.Equal(p.Lead[:4], leadMagic) {
		return nil, &FormatError{Part: "lead", Detail: "not an RPM file: bad magic"}
	}
	if v := p.Lead[4]; v != 3 && v != 4 {
		return nil, &FormatError{Part: "lead", Detail: fmt.Sprintf("format version %d is not supported", v)}
	}
	if t := binary.BigEndian.Uint16(p.Lead[78:]); t != 5 {
		return nil, &FormatError{Part: "lead", Detail: fmt.Sprintf("signature type %d is not a header", t)}
	}
	raw, err := readHeader(r, "signature header", true)
	if err != nil {
		return nil, err
	}
	pad := padding(headerLen(raw))
	p.sigRegion = raw
	if p.Signature, err = Parse(raw[:len(raw)-pad:len(raw)-pad], Limits{}); err != nil {
		return nil, inPart("signature header", err)
	}
	if raw, err = readHeader(r, "header", false); err != nil {
		return nil, err
	}
	if p.Header, err = Parse(raw, Limits{}); err != nil {
		return nil, err
	}
	p.HeaderStart = LeadSize + int64(len(p.sigRegion))
	p.HeaderEnd = p.HeaderStart + int64(len(raw))
	return p, nil
}

// ReadFile reads what stands before the payload of a file.
func ReadFile(path string) (*Package, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	p, err := Read(bufio.NewReaderSize(f, 32<<10))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}

// headerLen returns the length without padding of a header from its intro.
func headerLen(raw []byte) int {
	il, dl := binary.BigEndian.Uint32(raw[8:]), binary.BigEndian.Uint32(raw[12:])
	return introSize + int(il)*entrySize + int(dl)
}

// readHeader reads one header, with its padding where padded is set.
func readHeader(r io.Reader, part string, padded bool) ([]byte, error) {
	intro := make([]byte, introSize)
	if _, err := io.ReadFull(r, intro); err != nil {
		return nil, cutOff(part, err)
	}
	il, dl, err := claim(intro, Limits{})
	if err != nil {
		return nil, inPart(part, err)
	}
	total := introSize + il*entrySize + dl
	if padded {
		total += padding(total)
	}
	// The claim is not believed: the buffer grows with what arrives.
	const piece = 64 << 10
	raw := make([]byte, introSize, min(total, piece))
	copy(raw, intro)
	for len(raw) < total {
		if len(raw) == cap(raw) {
			raw = append(make([]byte, 0, min(total, 2*cap(raw))), raw...)
		}
		have := len(raw)
		raw = raw[:min(cap(raw), total)]
		if _, err := io.ReadFull(r, raw[have:]); err != nil {
			return nil, cutOff(part, err)
		}
	}
	return raw, nil
}

func inPart(part string, err error) error {
	var f *FormatError
	if errors.As(err, &f) {
		return &FormatError{Part: part, Detail: f.Detail}
	}
	return err
}

func cutOff(part string, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &FormatError{Part: part, Detail: "the file ends inside it; fetch or copy it again"}
	}
	return fmt.Errorf("rpm %s: %w", part, err)
}

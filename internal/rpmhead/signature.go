package rpmhead

import (
	"encoding/base64"
	"fmt"
	"slices"
)

// MaxPacket is the longest OpenPGP signature packet that is accepted.
const MaxPacket = 64 << 10

// Sig is one OpenPGP signature of an RPM file.
type Sig struct {
	Tag    int32
	Packet []byte
}

// CoversPayload reports whether the signature is over header and payload.
// Others are over the header alone.
func (s Sig) CoversPayload() bool { return s.Tag == SigPGP || s.Tag == SigGPG }

// Signatures returns the OpenPGP signatures of the file.
func (p *Package) Signatures() []Sig { return Signatures(p.Signature) }

// Signatures returns the OpenPGP signatures in a signature header: the header
// signatures (267, 268, 278) before those that cover the payload (1002, 1005).
// A value that is no signature is returned as it stands: it does not verify.
func Signatures(sig *Header) []Sig {
	var out []Sig
	for i := range sig.entries {
		e := &sig.entries[i]
		switch e.Tag {
		case SigDSA, SigRSA, SigPGP, SigGPG:
			out = append(out, Sig{e.Tag, sig.value(e)})
		case SigOpenPGP:
			for _, s := range sig.field(e).strings() {
				packet, err := base64.StdEncoding.DecodeString(s)
				if err != nil {
					packet = []byte(s)
				}
				out = append(out, Sig{e.Tag, packet})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Sig) int { return int(a.Tag) - int(b.Tag) })
	return out
}

// SignatureTag returns the tag under which a header signature belongs: SigRSA,
// SigDSA for every other algorithm, 0 for what is no OpenPGP signature packet
// of version 3 or 4.
func SignatureTag(packet []byte) int32 {
	body := packetBody(packet)
	if len(body) < 4 {
		return 0
	}
	var algo byte
	switch body[0] {
	case 3:
		if len(body) < 17 {
			return 0
		}
		algo = body[15]
	case 4:
		algo = body[2]
	default:
		return 0
	}
	switch algo {
	case 1, 3:
		return SigRSA
	case 17, 19, 22, 27, 28:
		return SigDSA
	}
	return 0
}

// PayloadSignatureTag returns the tag under which a signature of header and
// payload belongs: SigPGP for RSA, SigGPG for every other algorithm, 0 for what is
// no OpenPGP signature packet of version 3 or 4.
func PayloadSignatureTag(packet []byte) int32 {
	switch SignatureTag(packet) {
	case SigRSA:
		return SigPGP
	case SigDSA:
		return SigGPG
	}
	return 0
}

// packetBody returns the body of a signature packet that fills b exactly.
func packetBody(b []byte) []byte {
	if len(b) < 2 || len(b) > MaxPacket || b[0]&0x80 == 0 {
		return nil
	}
	if b[0]&0x40 == 0 { // old format
		if b[0]>>2&0xf != 2 {
			return nil
		}
		switch b[0] & 3 {
		case 0:
			return exactly(b[2:], uint64(b[1]))
		case 1:
			if len(b) < 3 {
				return nil
			}
			return exactly(b[3:], uint64(b[1])<<8|uint64(b[2]))
		case 2:
			if len(b) < 5 {
				return nil
			}
			return exactly(b[5:], uint64(b[1])<<24|uint64(b[2])<<16|uint64(b[3])<<8|uint64(b[4]))
		}
		return nil
	}
	if b[0]&0x3f != 2 {
		return nil
	}
	switch n := b[1]; {
	case n < 192:
		return exactly(b[2:], uint64(n))
	case n < 224 && len(b) > 3:
		return exactly(b[3:], uint64(n-192)<<8+uint64(b[2])+192)
	case n == 255 && len(b) > 6:
		return exactly(b[6:], uint64(b[2])<<24|uint64(b[3])<<16|uint64(b[4])<<8|uint64(b[5]))
	}
	return nil
}

func exactly(b []byte, n uint64) []byte {
	if uint64(len(b)) != n {
		return nil
	}
	return b
}

// replaced lists the tags that a new signature under a tag takes the place of.
var replaced = map[int32][]int32{
	SigDSA:     {SigDSA, SigRSA, SigOpenPGP, SigPGP, SigGPG},
	SigRSA:     {SigDSA, SigRSA, SigOpenPGP, SigPGP, SigGPG},
	SigPGP:     {SigPGP, SigGPG}, // and what strangers left
	SigGPG:     {SigPGP, SigGPG},
	SigOpenPGP: {SigOpenPGP}, // put back with one more
}

// WithSignature returns a signature header, padding included, that holds the
// signature packet under a tag beside everything but the signatures that it
// replaces (the package comment says which). fits tells that it is as long as
// the one it came from, so that no offset in the file changes.
func WithSignature(sig *Header, tag int32, packet []byte) (region []byte, fits bool, err error) {
	drop, ok := replaced[tag]
	if !ok {
		return nil, false, fmt.Errorf("rpm signature: tag %d holds no signature", tag)
	}
	switch want := SignatureTag(packet); {
	case tag == SigOpenPGP && packetBody(packet) != nil:
	case want == 0:
		return nil, false, fmt.Errorf("rpm signature: %d bytes are no OpenPGP signature packet of version 3 or 4", len(packet))
	case want == SigRSA && tag != SigRSA && tag != SigPGP,
		want == SigDSA && tag != SigDSA && tag != SigGPG:
		return nil, false, fmt.Errorf("rpm signature: a signature of this algorithm does not belong under tag %d", tag)
	}
	if tag == SigPGP || tag == SigGPG {
		drop = append(strangers(sig, packet), drop...)
	}
	fields, reserve := without(sig, drop)
	if tag == SigOpenPGP {
		list := append(sig.Strings(SigOpenPGP), base64.StdEncoding.EncodeToString(packet))
		fields = append(fields, StringArrayField(tag, list...))
	} else {
		fields = append(fields, BinField(tag, packet))
	}
	return fill(fields, reserve, len(sig.raw))
}

// without returns the fields of a signature header but for those with the tags of
// drop, the region and reserved space, and the tag that the latter has there.
func without(sig *Header, drop []int32) (fields []Field, reserve int32) {
	fields = make([]Field, 0, len(sig.entries)+2)
	reserve = SigReservedSpace
	for i := range sig.entries {
		e := &sig.entries[i]
		switch {
		case e.Tag == SigRegion, slices.Contains(drop, e.Tag), e.Tag == SigReservedSpace:
		case e.Tag == SigReserved:
			reserve = SigReserved
		default:
			fields = append(fields, sig.field(e))
		}
	}
	return fields, reserve
}

// strangers returns the tags of header signatures that are not by the key that
// made packet.
func strangers(sig *Header, packet []byte) []int32 {
	var tags []int32
	by, known := issuer(packet)
	for _, s := range Signatures(sig) {
		if other, ok := issuer(s.Packet); !s.CoversPayload() && (!known || !ok || other != by) {
			tags = append(tags, s.Tag)
		}
	}
	return tags
}

// fill lays out a signature header, with reserved space to make it size bytes
// long if that is possible.
func fill(fields []Field, reserve int32, size int) (region []byte, fits bool, err error) {
	bare, err := Marshal(SigRegion, fields)
	if err != nil {
		return nil, false, err
	}
	raw := bare
	// An entry more in the index, and at least one byte of data.
	if n := size - len(bare) - entrySize; n > 0 {
		if raw, err = Marshal(SigRegion, append(slices.Clone(fields), BinField(reserve, make([]byte, n)))); err != nil {
			return nil, false, err
		}
		// Reserved space that does not stand last (999 in a header that has
		// tags above it) moves the alignment of what follows.
		if d := len(raw) - size; d > 0 && d < n {
			if raw, err = Marshal(SigRegion, append(slices.Clone(fields), BinField(reserve, make([]byte, n-d)))); err != nil {
				return nil, false, err
			}
		}
	}
	region = append(raw, make([]byte, padding(len(raw)))...)
	return region, len(region) == size+padding(size), nil
}

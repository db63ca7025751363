package rpmhead

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
)

// MaxFiles is the number of files beyond which a package gets no file signatures.
const MaxFiles = 1 << 18

// FileDigests are the digests of a package's files, in the order of its file names.
type FileDigests struct {
	Algo    byte     // OpenPGP number of the digest
	Digests [][]byte // nil for what has none: directories, links, devices
}

// imaHash gives IMA's number of a digest (pkey_hash_algo of the kernel) by the
// OpenPGP one. What is weaker than SHA-224 is signed no more.
var imaHash = map[byte]byte{8: 4, 9: 5, 10: 6, 11: 7}

// digestLen is the length of those digests.
var digestLen = map[byte]int{8: 32, 9: 48, 10: 64, 11: 28}

// FileDigests returns the digests (tag 1035) that a binary package's header has of
// its files, for IMA signatures. The header must have kept the strict rules.
func (h *Header) FileDigests() (FileDigests, error) {
	var f FileDigests
	if h.IsSource() {
		return f, errors.New("rpm header: files of a source package get no signatures: sign the binary packages")
	}
	e := h.find(TagFileDigests)
	if e == nil {
		return f, nil // no files
	}
	if e.Type != StringArray {
		return f, malformed("file digests (tag 1035) are no list of strings")
	}
	if e.Count > MaxFiles {
		return f, malformed("digests of %d files (tag 1035), more than %d", e.Count, MaxFiles)
	}
	for _, tag := range []int32{TagBaseNames, TagOldFilenames} {
		if names := h.find(tag); names != nil && names.Count != e.Count {
			return f, malformed("%d file names (tag %d) and %d file digests (tag 1035)", names.Count, tag, e.Count)
		}
	}
	algo := h.find(TagFileDigestAlgo)
	if algo == nil {
		return f, malformed("file digests are MD5 (no tag 5011), which IMA does not take: rebuild the package with SHA-256")
	}
	if algo.Type != Int32 || algo.Count != 1 {
		return f, malformed("the algorithm of file digests (tag 5011) is not one number")
	}
	n := h.integer(algo, 0)
	if n > 255 || imaHash[byte(n)] == 0 {
		return f, malformed("file digests of algorithm %d (tag 5011), which IMA does not take: rebuild the package with SHA-256", n)
	}
	f.Algo = byte(n)
	f.Digests = make([][]byte, 0, e.Count)
	for i, s := range h.field(e).strings() {
		if s == "" {
			f.Digests = append(f.Digests, nil)
			continue
		}
		d, err := hex.DecodeString(s)
		if err != nil || len(d) != digestLen[f.Algo] {
			return f, malformed("digest of file %d (tag 1035) is not %d hex digits", i, 2*digestLen[f.Algo])
		}
		f.Digests = append(f.Digests, d)
	}
	return f, nil
}

// A FileSignature is what the kernel finds in a file's attribute security.ima.
type FileSignature struct {
	Algo      byte    // OpenPGP number of the digest that was signed
	KeyID     [4]byte // the end of the certificate's subject key identifier
	Signature []byte
}

const (
	imaDigSig   = 0x03 // EVM_IMA_XATTR_DIGSIG
	imaVersion  = 0x02 // of the signature's header
	imaHeader   = 9    // both, the digest's number, the key ID and the signature's length
	maxFileSign = 1024 // RSA of 8192 bits
)

// String is the form that an RPM's signature header holds: hex digits.
func (s FileSignature) String() string {
	b := append(make([]byte, 0, imaHeader+len(s.Signature)), imaDigSig, imaVersion, imaHash[s.Algo])
	b = append(b, s.KeyID[:]...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(s.Signature)))
	return hex.EncodeToString(append(b, s.Signature...))
}

// ParseFileSignature reads what String gives.
func ParseFileSignature(text string) (FileSignature, error) {
	var s FileSignature
	if len(text) > 2*(imaHeader+maxFileSign) {
		return s, fmt.Errorf("file signature: %d hex digits are too many", len(text))
	}
	b, err := hex.DecodeString(text)
	if err != nil || len(b) <= imaHeader || b[0] != imaDigSig || b[1] != imaVersion || int(binary.BigEndian.Uint16(b[7:])) != len(b)-imaHeader {
		return s, errors.New("file signature: not an IMA signature of version 2")
	}
	for pgp, ima := range imaHash {
		if ima == b[2] {
			s.Algo = pgp
		}
	}
	if s.Algo == 0 {
		return s, fmt.Errorf("file signature: unknown digest %d", b[2])
	}
	copy(s.KeyID[:], b[3:])
	s.Signature = b[imaHeader:]
	return s, nil
}

// WithFileSignatures returns a signature header, padding included, that holds one
// IMA signature for each file of the package ("" where a file has none) in place of
// those that were there. OpenPGP signatures do not cover them and stay. fits is as
// for WithSignature.
func WithFileSignatures(sig *Header, signatures []string) (region []byte, fits bool, err error) {
	if len(signatures) == 0 || len(signatures) > MaxFiles {
		return nil, false, fmt.Errorf("rpm signature: signatures of %d files, 1 to %d are accepted", len(signatures), MaxFiles)
	}
	longest := 0
	for i, s := range signatures {
		if s == "" {
			continue
		}
		if _, err := ParseFileSignature(s); err != nil {
			return nil, false, fmt.Errorf("rpm signature: file %d: %w", i, err)
		}
		longest = max(longest, len(s)/2)
	}
	fields, reserve := without(sig, []int32{SigFileSigs, SigFileSigLength})
	fields = append(fields, StringArrayField(SigFileSigs, signatures...), Int32Field(SigFileSigLength, uint32(longest)))
	return fill(fields, reserve, len(sig.raw))
}

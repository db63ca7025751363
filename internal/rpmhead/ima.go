package rpmhead

import (
	"crypto"
	"crypto/rsa"
	_ "crypto/sha512" // SHA-384 and SHA-512 of files
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
)

// MaxIMAFiles bounds the files of one package that are signed for IMA.
const MaxIMAFiles = 200_000

// imaHashes gives, for FILEDIGESTALGO, the hash and the number by which the kernel's IMA knows it.
var imaHashes = map[uint64]struct {
	hash crypto.Hash
	ima  byte
}{8: {crypto.SHA256, 4}, 9: {crypto.SHA384, 5}, 10: {crypto.SHA512, 6}, 11: {crypto.SHA224, 7}}

// IMADigests gives the digests of a package's files as IMA signs them, and FILEDIGESTALGO's number of their hash: one for each file, nil
// for directories and links, which have none. Digests of MD5, or of other lengths than the hash has, are refused, and source packages,
// whose files are never installed, and packages without files.
func IMADigests(h *Header) (algo byte, digests [][]byte, err error) {
	if h.IsSource() {
		return 0, nil, errors.New("a source package: its files are not installed, so IMA never measures them")
	}
	if h.count(TagFileDigests) > 1 || h.count(TagFileDigestAlgo) > 1 {
		return 0, nil, errors.New("file digests stand twice in the header")
	}
	e := h.find(TagFileDigests)
	if e == nil {
		return 0, nil, errors.New("the header has no file digests")
	}
	if e.Type != StringArray || e.Count > MaxIMAFiles {
		return 0, nil, fmt.Errorf("file digests are no list of at most %d", MaxIMAFiles)
	}
	for _, tag := range []int32{TagBaseNames, TagOldFilenames} {
		if names := h.find(tag); names != nil && names.Count != e.Count {
			return 0, nil, fmt.Errorf("%d file names (tag %d) and %d file digests", names.Count, tag, e.Count)
		}
	}
	a := h.find(TagFileDigestAlgo)
	if a == nil {
		return 0, nil, errors.New("the files' digests are MD5, which proves nothing: rebuild the package with a current rpm")
	}
	// One number, or as google/rpmpack writes it one for each file.
	numbers := h.Uint32s(TagFileDigestAlgo)
	if a.Type != Int32 || len(slices.Compact(numbers)) != 1 {
		return 0, nil, errors.New("the algorithm of the files' digests is not one number")
	}
	n := uint64(numbers[0])
	kind, ok := imaHashes[n]
	if !ok {
		return 0, nil, fmt.Errorf("the files' digests are of algorithm %d, which is not SHA-224, 256, 384 or 512", n)
	}
	list := h.Strings(TagFileDigests)
	digests = make([][]byte, len(list))
	for i, s := range list {
		if s == "" {
			continue
		}
		d, err := hex.DecodeString(s)
		if err != nil || len(d) != kind.hash.Size() {
			return 0, nil, fmt.Errorf("file %d: digest %.80q is not %d hex digits", i, s, 2*kind.hash.Size())
		}
		digests[i] = d
	}
	return byte(n), digests, nil
}

const (
	imaHeader = 9    // of a signature's bytes
	maxIMASig = 1024 // RSA of 8192 bits
)

// parseIMA takes a signature of version 2 of the kernel's format apart: its number of the hash, and what the key made.
func parseIMA(signature string) (hash byte, value []byte, err error) {
	if len(signature) > 2*(imaHeader+maxIMASig) {
		return 0, nil, fmt.Errorf("not an IMA signature: %d hex digits are too many", len(signature))
	}
	// 3: a digital signature; 2: the version; the hash; four bytes of the key's id; the length.
	b, err := hex.DecodeString(signature)
	if err != nil || len(b) <= imaHeader || b[0] != 3 || b[1] != 2 || int(binary.BigEndian.Uint16(b[7:])) != len(b)-imaHeader {
		return 0, nil, errors.New("not an IMA signature of version 2")
	}
	return b[2], b[imaHeader:], nil
}

// VerifyIMA checks an IMA signature (hex, as FILESIGNATURES holds it: version 2 of the kernel's format) over a digest.
func VerifyIMA(signature string, algo byte, digest []byte, keys []*rsa.PublicKey) error {
	kind, ok := imaHashes[uint64(algo)]
	if !ok {
		return fmt.Errorf("digest of unknown algorithm %d", algo)
	}
	hash, value, err := parseIMA(signature)
	if err != nil {
		return err
	}
	if hash != kind.ima {
		return errors.New("the IMA signature is over another hash")
	}
	for _, k := range keys {
		if rsa.VerifyPKCS1v15(k, kind.hash, digest, value) == nil {
			return nil
		}
	}
	return errors.New("the IMA signature does not verify")
}

// WithFileSignatures returns a signature header, padding included, that holds IMA signatures of the package's files (hex, "" for a file
// that has none, in the order of IMADigests) in the place of those that were there. OpenPGP signatures do not cover them and stay. fits
// is as for WithSignature.
func WithFileSignatures(sig *Header, signatures []string) (region []byte, fits bool, err error) {
	if len(signatures) == 0 || len(signatures) > MaxIMAFiles {
		return nil, false, fmt.Errorf("rpm signature: IMA signatures of %d files, 1 to %d are accepted", len(signatures), MaxIMAFiles)
	}
	longest := 0
	for i, s := range signatures {
		if s == "" {
			continue
		}
		if _, _, err := parseIMA(s); err != nil {
			return nil, false, fmt.Errorf("rpm signature: file %d: %w", i, err)
		}
		longest = max(longest, len(s)/2)
	}
	fields, reserve := without(sig, []int32{SigFileSigs, SigFileSigLength})
	fields = append(fields, StringArrayField(SigFileSigs, signatures...), Int32Field(SigFileSigLength, uint32(longest)))
	return fill(fields, reserve, len(sig.raw))
}

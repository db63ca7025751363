package rpmhead

import (
	"crypto"
	"crypto/rsa"
	_ "crypto/sha512" // SHA-384 and SHA-512 of files
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
)

// maxIMAFiles bounds the files of one package that are signed for IMA.
const maxIMAFiles = 200_000

// imaHashes gives, for FILEDIGESTALGO, the hash and the number by which the kernel's IMA knows it.
var imaHashes = map[uint64]struct {
	hash crypto.Hash
	ima  byte
}{8: {crypto.SHA256, 4}, 9: {crypto.SHA384, 5}, 10: {crypto.SHA512, 6}, 11: {crypto.SHA224, 7}}

// IMADigests gives the digests of a package's files as IMA signs them, and FILEDIGESTALGO's number of their hash: one for each file, nil
// for directories and links, which have none. Digests of MD5, or of other lengths than the hash has, are refused, and source packages,
// whose files are never installed.
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
	if e.Type != StringArray || e.Count > maxIMAFiles {
		return 0, nil, fmt.Errorf("file digests are no list of at most %d", maxIMAFiles)
	}
	a := h.find(TagFileDigestAlgo)
	if a == nil {
		return 0, nil, errors.New("the files' digests are MD5, which proves nothing: rebuild the package with a current rpm")
	}
	if a.Type != Int32 || a.Count != 1 {
		return 0, nil, errors.New("the algorithm of the files' digests is not one number")
	}
	n := h.integer(a, 0)
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

// VerifyIMA checks an IMA signature (hex, as FILESIGNATURES holds it: version 2 of the kernel's format) over a digest.
func VerifyIMA(signature string, algo byte, digest []byte, keys []*rsa.PublicKey) error {
	kind, ok := imaHashes[uint64(algo)]
	if !ok {
		return fmt.Errorf("digest of unknown algorithm %d", algo)
	}
	b, err := hex.DecodeString(signature)
	if err != nil || len(b) < 9 {
		return errors.New("not an IMA signature")
	}
	// 3: a digital signature; 2: the version; the hash; four bytes of the key's id; the length.
	if b[0] != 3 || b[1] != 2 || b[2] != kind.ima || int(binary.BigEndian.Uint16(b[7:])) != len(b)-9 {
		return errors.New("not an IMA signature of version 2 over this hash")
	}
	for _, k := range keys {
		if rsa.VerifyPKCS1v15(k, kind.hash, digest, b[9:]) == nil {
			return nil
		}
	}
	return errors.New("the IMA signature does not verify")
}

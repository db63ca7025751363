package verify

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/privyseal/privyseal/internal/durable"
	"github.com/privyseal/privyseal/internal/ostree"
	"github.com/privyseal/privyseal/internal/pgp"
	"github.com/privyseal/privyseal/internal/seal"
	"github.com/privyseal/privyseal/internal/wire"
)

// maxDocument bounds a file that holds its own signature, and a file of signatures.
const maxDocument = 16 << 20

// The operations whose signatures stand in each form.
var (
	detachedOps  = []wire.Op{wire.OpData, wire.OpRepomd, wire.OpGitTag, wire.OpOstree}
	cleartextOps = []wire.Op{wire.OpText}
	inlineOps    = []wire.Op{wire.OpContainer}
	tagOps       = []wire.Op{wire.OpGitTag}
)

// document is what was signed, and how.
type document struct {
	name string // what it calls itself, where it does
	data []byte // where it stands beside its signature
	sigs [][]byte
	ops  []wire.Op
	// verify judges a signature, and gives the digest of the signed bytes.
	verify func(k *pgp.Keyring, sig []byte) (pgp.Result, [sha256.Size]byte, error)
}

// Signed verifies what is no package: data, a text, a git tag, a container's signature
// or an ostree commit, as the package comment lists them. The signature is in the file
// sig, or with "" in the file itself or in one beside it; the proof is in the file proof,
// or with "" in the signature's or the file's name with .tlog-proof.
func (v *Verifier) Signed(path, sig, proof string) Report {
	r := Report{File: path, NVRA: filepath.Base(path), LogIndex: -1}
	if sig == "" {
		sig = sigBeside(path)
	}
	doc, err := openSigned(path, sig)
	if err != nil {
		return r.end(Bad, err)
	}
	if doc.name != "" {
		r.NVRA = doc.name
	}
	switch n := len(doc.sigs); {
	case n == 0:
		return r.end(Unsigned, fmt.Errorf("%s: no signature in it", sig))
	case n > maxOf: // the file would be read for each
		return r.end(Bad, fmt.Errorf("%s: more than %d signatures", sig, maxOf))
	}
	var made []good
	unknown := ""
	for _, packet := range doc.sigs {
		res, digest, err := doc.verify(v.Keys, packet)
		switch {
		case err != nil:
			return r.end(Bad, err)
		case res.State == pgp.UnknownKey:
			unknown = strings.ToUpper(res.Signature.KeyID)
			continue
		case res.State != pgp.Verified:
			r.name(res.Certificate)
			return r.end(Bad, errors.New(res.Reason))
		}
		made = append(made, good{res.Certificate, doc.ops[0], packet, digest})
	}
	if len(made) == 0 {
		r.Key, r.Fingerprint = unknown, unknown
		return r.end(UnknownKey, fmt.Errorf("it is signed by key %s, which is not known here", unknown))
	}
	r.name(made[0].cert)
	if v.Log.IsZero() {
		r.Outcome = Verified
		return r
	}
	text, err := findProof(proof, path, sig)
	switch {
	case errors.Is(err, fs.ErrNotExist) && proof == "":
		return r.end(NoProof, errors.New("no proof that the signer's log has its signature: name the file of it"))
	case err != nil:
		return r.end(BadProof, err)
	}
	for i := range made {
		made[i].op = recorded(text, doc.ops)
	}
	return v.prove(r, made, [sha256.Size]byte{}, func([sha256.Size]byte) ([][]byte, error) { return [][]byte{text}, nil })
}

// findProof reads the proof, which lies beside the signature or the file when it has no
// name.
func findProof(proof, path, sig string) (text []byte, err error) {
	if proof != "" {
		return readProof(proof)
	}
	err = fs.ErrNotExist
	if sig != "" {
		text, err = readProof(sig + proofSuffix)
	}
	if errors.Is(err, fs.ErrNotExist) {
		text, err = readProof(path + proofSuffix)
	}
	return text, err
}

// recorded is the operation that a proof is of, if it is one of those that make such
// signatures; else the first of them, which the proof will not match.
func recorded(text []byte, ops []wire.Op) wire.Op {
	if p, err := seal.ParseProof(text); err == nil {
		if e, err := seal.DecodeEntry(p.Entry); err == nil && e.Signature != nil {
			if op, ok := wire.ParseOp(e.Signature.Op); ok && slices.Contains(ops, op) {
				return op
			}
		}
	}
	return ops[0]
}

// sigBeside is the file with the signature of another, where there is one.
func sigBeside(path string) string {
	names := []string{path + ".sig", path + ".asc"}
	if strings.HasSuffix(path, ".commit") {
		names = []string{path + "meta"}
	}
	for _, name := range names {
		if _, err := os.Stat(name); err == nil {
			return name
		}
	}
	return ""
}

// openSigned finds out in which form a file is signed.
func openSigned(path, sig string) (*document, error) {
	if sig == "" {
		return attached(path)
	}
	b, err := readShort(sig, maxDocument)
	if err != nil {
		return nil, err
	}
	doc := &document{ops: detachedOps, verify: func(k *pgp.Keyring, packet []byte) (pgp.Result, [sha256.Size]byte, error) {
		return overFile(k, packet, path)
	}}
	switch {
	case strings.HasSuffix(sig, ".commitmeta"), len(b) > 0 && b[0] < 0x80 && !bytes.Contains(b, []byte("-----BEGIN ")): // no packet, no armor
		doc.ops = []wire.Op{wire.OpOstree}
		doc.sigs, err = ostree.Signatures(b)
	case bytes.HasPrefix(b, cleartextBegin):
		return copyOf(b, sig, path, func(doc *document, f []byte) error {
			if !bytes.Equal(pgp.CleartextBytes(doc.data), pgp.CleartextBytes(f)) {
				return fmt.Errorf("it is a clear-signed text, and that of %s is another", path)
			}
			return nil
		})
	case isMessage(b):
		return copyOf(b, sig, path, func(doc *document, f []byte) error {
			image, err := wire.ParseSimpleSigning(doc.data)
			if sum := sha256.Sum256(f); err == nil && image.Digest != "sha256:"+hex.EncodeToString(sum[:]) {
				err = fmt.Errorf("it is of the image with the manifest %s, and %s is another", image.Digest, path)
			}
			return err
		})
	default:
		var packet []byte
		packet, err = pgp.Dearmor(b)
		doc.sigs = [][]byte{packet}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", sig, err)
	}
	return doc, nil
}

// copyOf is a signature that has what is signed in it, which the file has to fit.
func copyOf(b []byte, sig, path string, fits func(*document, []byte) error) (*document, error) {
	doc, err := attachedTo(b, sig)
	if err != nil {
		return nil, err
	}
	f, err := readShort(path, maxDocument)
	if err != nil {
		return nil, err
	}
	if err := fits(doc, f); err != nil {
		return nil, fmt.Errorf("%s: %w", sig, err)
	}
	return doc, nil
}

var cleartextBegin = []byte("-----BEGIN PGP SIGNED MESSAGE-----")

func isMessage(b []byte) bool {
	_, _, err := pgp.DecodeInline(b)
	return err == nil
}

// attached takes a file apart that holds its signature itself.
func attached(path string) (*document, error) {
	b, err := readShort(path, maxDocument)
	if err != nil {
		return nil, err
	}
	return attachedTo(b, path)
}

func attachedTo(b []byte, path string) (_ *document, err error) {
	var doc document
	var data, packet []byte
	over := func(k *pgp.Keyring, sig []byte) (pgp.Result, [sha256.Size]byte, error) {
		res, err := k.Verify(sig, data)
		return res, sha256.Sum256(data), err
	}
	at := bytes.LastIndex(b, []byte("\n-----BEGIN PGP SIGNATURE-----\n"))
	switch {
	case bytes.HasPrefix(b, cleartextBegin):
		data, packet, err = pgp.DecodeCleartext(b)
		doc.ops = cleartextOps
		over = func(k *pgp.Keyring, sig []byte) (pgp.Result, [sha256.Size]byte, error) {
			res, err := k.VerifyText(sig, data)
			return res, sha256.Sum256(pgp.CleartextBytes(data)), err
		}
	case bytes.HasPrefix(b, []byte("object ")) && at > 0:
		data = b[:at+1]
		packet, err = pgp.Dearmor(b[at+1:])
		doc.ops = tagOps
	case len(b) > 0 && b[0] >= 0x80:
		data, packet, err = pgp.DecodeInline(b)
		doc.ops = inlineOps
		if image, err := wire.ParseSimpleSigning(data); err == nil {
			doc.name = image.Reference + " " + image.Digest
		}
	default:
		err = errors.New("it holds no signature: name the file that has it")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	doc.data, doc.sigs, doc.verify = data, [][]byte{packet}, over
	return &doc, nil
}

// overFile judges a signature over a file of any length.
func overFile(k *pgp.Keyring, packet []byte, path string) (res pgp.Result, digest [sha256.Size]byte, err error) {
	f, err := durable.OpenRegular(path)
	if err != nil {
		return res, digest, err
	}
	defer f.Close()
	sum := sha256.New()
	res, err = k.VerifyReader(packet, io.TeeReader(f, sum))
	return res, [sha256.Size]byte(sum.Sum(nil)), err
}

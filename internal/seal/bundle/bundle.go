// Package bundle keeps the log proofs of many packages in one file, beside the
// packages that they are about, so that a tree can be verified where there is no
// hub and no signer.
//
// A repository of a compose holds its bundle as FileName in the directory that
// holds repodata/. dnf and mirrors take it for what it is to them: one more file.
// One file, since a proof for each package would double the number of files of a
// tree and of the syncs it takes to write it.
//
//	privyseal.org/tlog-proofs@v1
//	rpm hello-1.0-1.x86_64.rpm 9f86d081...0a08 1789
//	c2sp.org/tlog-proof@v1
//	... (1789 bytes of it)
//	rpm ...
//
// After the first line comes, for each proof, a line with the file's name, the
// SHA-256 of its main header and the size of the proof, then the proof itself in
// C2SP's tlog-proof form, as package seal reads it. A package with signatures by
// several keys stands there once for each. Names are for people: a proof belongs to
// the package whose header has the digest.
//
// The bundle itself is not signed, and need not be: each proof carries a checkpoint
// that its log signed. What somebody leaves out of it is missed when the package is
// verified.
//
// Limits: a name of 512 bytes, a proof of 64 KiB, and MaxProofs of them, of which Read
// holds one at a time and Places none.
package bundle

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// FileName is the name of a bundle in a tree.
const FileName = "tlog-proofs"

// MaxProofs is how many proofs a bundle may have, so that whoever keeps something of
// each knows how much that will be. A repository has a tenth as many packages.
const MaxProofs = 1 << 20

const (
	magic    = "privyseal.org/tlog-proofs@v1"
	kindRPM  = "rpm"
	maxName  = 512
	maxProof = 64 << 10
)

// Item is the proof of one signature.
type Item struct {
	Name   string            // of the package's file
	Header [sha256.Size]byte // digest of its main header
	Proof  []byte            // C2SP tlog-proof
}

// Write writes a bundle.
func Write(w io.Writer, items []Item) error {
	if len(items) > MaxProofs {
		return fmt.Errorf("%d proofs: a bundle has at most %d", len(items), MaxProofs)
	}
	b := bufio.NewWriter(w)
	fmt.Fprintln(b, magic)
	for _, it := range items {
		if err := checkName(it.Name); err != nil {
			return err
		}
		if len(it.Proof) == 0 || len(it.Proof) > maxProof {
			return fmt.Errorf("proof of %s: %d bytes, expected 1 to %d", it.Name, len(it.Proof), maxProof)
		}
		fmt.Fprintf(b, "%s %s %x %d\n", kindRPM, it.Name, it.Header, len(it.Proof))
		b.Write(it.Proof)
	}
	return b.Flush()
}

func checkName(name string) error {
	if name == "" || len(name) > maxName || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == '/' || r == 0x7f || r == 0xfffd }) {
		return fmt.Errorf("%q is no name of a package's file", name)
	}
	return nil
}

// Place is where in a bundle a proof lies.
type Place struct {
	Name   string            // of the package's file
	Header [sha256.Size]byte // digest of its main header
	At     int64             // of the proof's first byte
	Size   int
}

// Read calls each for every proof of a bundle, in order. An error names the line's
// number among the proofs.
func Read(r io.Reader, each func(Item) error) error {
	return scan(r, func(b *bufio.Reader, p Place) (func() error, error) {
		it := Item{Name: p.Name, Header: p.Header, Proof: make([]byte, p.Size)}
		_, err := io.ReadFull(b, it.Proof)
		return func() error { return each(it) }, err
	})
}

// Places calls each with the place of every proof of a bundle, in order.
func Places(r io.Reader, each func(Place) error) error {
	return scan(r, func(b *bufio.Reader, p Place) (func() error, error) {
		_, err := b.Discard(p.Size)
		return func() error { return each(p) }, err
	})
}

// scan reads a bundle; take passes over a proof and gives what is to be done then.
func scan(r io.Reader, take func(*bufio.Reader, Place) (func() error, error)) error {
	b := bufio.NewReader(r)
	line, err := readLine(b)
	if err != nil || line != magic {
		return fmt.Errorf("not a bundle of proofs: it does not begin with %q", magic)
	}
	at := int64(len(line) + 1)
	for n := 1; ; n++ {
		line, err := readLine(b)
		if errors.Is(err, io.EOF) {
			return nil
		}
		bad := func(err error) error { return fmt.Errorf("proof %d of the bundle: %w", n, err) }
		if err != nil {
			return bad(err)
		}
		p, err := parsePlace(line)
		switch {
		case err != nil:
			return bad(err)
		case n > MaxProofs:
			return bad(fmt.Errorf("a bundle has at most %d", MaxProofs))
		}
		p.At = at + int64(len(line)+1)
		at = p.At + int64(p.Size)
		do, err := take(b, p)
		if err != nil {
			return bad(fmt.Errorf("%s: the bundle is cut off", p.Name))
		}
		if err := do(); err != nil {
			return err
		}
	}
}

// parsePlace reads the line above a proof.
func parsePlace(line string) (Place, error) {
	var p Place
	words := strings.Split(line, " ")
	if len(words) != 4 || words[0] != kindRPM {
		return p, fmt.Errorf("%q is not %q, name, digest and size", shown(line), kindRPM)
	}
	if p.Name = words[1]; checkName(p.Name) != nil {
		return p, checkName(p.Name)
	}
	if n, err := hex.Decode(p.Header[:], []byte(words[2][:min(len(words[2]), 2*sha256.Size)])); err != nil || n != sha256.Size || len(words[2]) != 2*sha256.Size {
		return p, fmt.Errorf("%s: %q is no SHA-256 digest", p.Name, shown(words[2]))
	}
	size, err := strconv.Atoi(words[3])
	if err != nil || size < 1 || size > maxProof {
		return p, fmt.Errorf("%s: size %q, expected 1 to %d", p.Name, shown(words[3]), maxProof)
	}
	p.Size = size
	return p, nil
}

// readLine reads a line without its end; io.EOF only where none begins.
func readLine(b *bufio.Reader) (string, error) {
	var line []byte
	for {
		c, err := b.ReadByte()
		switch {
		case errors.Is(err, io.EOF) && len(line) > 0:
			return "", errors.New("the bundle is cut off")
		case err != nil:
			return "", err
		case c == '\n':
			return string(line), nil
		case len(line) == maxName+128:
			return "", errors.New("a line is too long")
		}
		line = append(line, c)
	}
}

func shown(s string) string { return s[:min(len(s), 80)] }

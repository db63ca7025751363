package verify

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/privyseal/privyseal/internal/durable"
	"github.com/privyseal/privyseal/internal/seal/bundle"
)

const (
	proofSuffix = ".tlog-proof"
	proofDir    = "proofs"
	maxProof    = 64 << 10
	// maxUp is how many directories above a package are searched for a bundle:
	// Packages/h/ below that of the repository, and one more.
	maxUp = 4
)

// beside gives the proofs of the package at path.
func beside(path string, b *bundles) Proofs {
	return func(header [sha256.Size]byte) ([][]byte, error) {
		dir, name := filepath.Split(path)
		for _, file := range []string{path + proofSuffix, filepath.Join(dir, proofDir, name+proofSuffix)} {
			text, err := readProof(file)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			return [][]byte{text}, err
		}
		return b.find(filepath.Dir(path), header)
	}
}

func readProof(path string) ([]byte, error) { return readShort(path, maxProof) }

// readShort reads a file of at most so many bytes.
func readShort(path string, most int64) ([]byte, error) {
	f, err := durable.OpenRegular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(text)) > most {
		err = fmt.Errorf("%s: longer than %d bytes", path, most)
	}
	return text, err
}

// bundles remembers the bundles that were read for the repository at hand, and for
// those around it: packages of a tree come one repository after the other.
type bundles struct {
	read map[string]*proofs // by directory
	none map[string]bool    // directories without one
}

// maxOf is how many proofs of one package count in a bundle: a few keys sign it, and
// each signature has one.
const maxOf = 32

// proofs are where those of a bundle lie in it, by the digest of the header: 48 bytes
// for each, while all of them are 2 KB for each.
type proofs struct {
	path   string
	file   *os.File
	places []place // sorted
	err    error
}

type place struct {
	header [sha256.Size]byte
	at     int64
	size   int32
}

func (p place) compare(header [sha256.Size]byte) int { return bytes.Compare(p.header[:], header[:]) }

func newBundles() *bundles { return &bundles{read: map[string]*proofs{}, none: map[string]bool{}} }

func (b *bundles) close() {
	for _, p := range b.read {
		p.close()
	}
}

func (b *bundles) find(dir string, header [sha256.Size]byte) ([][]byte, error) {
	for range maxUp {
		if p := b.in(dir); p != nil {
			if texts, err := p.of(header); len(texts) > 0 || err != nil {
				return texts, err
			}
		}
		up := filepath.Dir(dir)
		if up == dir {
			break
		}
		dir = up
	}
	return nil, nil
}

// in gives the bundle of a directory, nil when it has none.
func (b *bundles) in(dir string) *proofs {
	if p := b.read[dir]; p != nil || b.none[dir] {
		return p
	}
	path := filepath.Join(dir, bundle.FileName)
	f, err := durable.OpenRegular(path)
	if errors.Is(err, fs.ErrNotExist) {
		b.none[dir] = true
		return nil
	}
	for other, p := range b.read {
		if !within(dir, other) && !within(other, dir) {
			p.close()
			delete(b.read, other)
		}
	}
	p := &proofs{path: path, file: f, err: err}
	b.read[dir] = p
	if err != nil {
		return p
	}
	err = bundle.Places(f, func(l bundle.Place) error {
		p.places = append(p.places, place{l.Header, l.At, int32(l.Size)})
		return nil
	})
	if err != nil {
		p.err = fmt.Errorf("%s: %w", path, err)
	}
	slices.SortStableFunc(p.places, func(a, b place) int { return a.compare(b.header) })
	return p
}

func (p *proofs) close() {
	if p.file != nil {
		p.file.Close()
	}
}

// of reads the proofs of a header. A bundle that is wrong somewhere says so, with those
// that came before.
func (p *proofs) of(header [sha256.Size]byte) (texts [][]byte, err error) {
	i, _ := slices.BinarySearchFunc(p.places, header, place.compare)
	for ; i < len(p.places) && p.places[i].header == header; i++ {
		if len(texts) == maxOf {
			return nil, fmt.Errorf("%s: more than %d proofs of one package", p.path, maxOf)
		}
		text := make([]byte, p.places[i].size)
		if _, err := p.file.ReadAt(text, p.places[i].at); err != nil {
			return nil, fmt.Errorf("%s: %w", p.path, err)
		}
		texts = append(texts, text)
	}
	return texts, p.err
}

// within tells whether a directory is below another.
func within(dir, above string) bool {
	rel, err := filepath.Rel(above, dir)
	return err == nil && filepath.IsLocal(rel)
}

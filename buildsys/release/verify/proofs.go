package verify

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

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

// proofs are those of a bundle, by the digest of the header.
type proofs struct {
	of  map[[sha256.Size]byte][][]byte
	err error
}

func newBundles() *bundles { return &bundles{read: map[string]*proofs{}, none: map[string]bool{}} }

func (b *bundles) find(dir string, header [sha256.Size]byte) ([][]byte, error) {
	for range maxUp {
		if p := b.in(dir); p != nil && (len(p.of[header]) > 0 || p.err != nil) {
			return p.of[header], p.err
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
	for other := range b.read {
		if !within(dir, other) && !within(other, dir) {
			delete(b.read, other)
		}
	}
	p := &proofs{of: map[[sha256.Size]byte][][]byte{}, err: err}
	b.read[dir] = p
	if err != nil {
		return p
	}
	defer f.Close()
	err = bundle.Read(f, func(it bundle.Item) error {
		p.of[it.Header] = append(p.of[it.Header], it.Proof)
		return nil
	})
	if err != nil {
		p.err = fmt.Errorf("%s: %w", path, err)
	}
	return p
}

// within tells whether a directory is below another.
func within(dir, above string) bool {
	rel, err := filepath.Rel(above, dir)
	return err == nil && filepath.IsLocal(rel)
}

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

// bundles remembers the bundle that was read last: packages of a tree come one
// repository after the other.
type bundles struct {
	path   string
	proofs map[[sha256.Size]byte][][]byte
	err    error
	none   map[string]bool // directories without one
}

func newBundles() *bundles { return &bundles{none: map[string]bool{}} }

func (b *bundles) find(dir string, header [sha256.Size]byte) ([][]byte, error) {
	for range maxUp {
		path := filepath.Join(dir, bundle.FileName)
		if path == b.path || !b.none[dir] && b.read(path) {
			if len(b.proofs[header]) > 0 || b.err != nil {
				return b.proofs[header], b.err
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

// read takes a bundle in; false when there is none.
func (b *bundles) read(path string) bool {
	f, err := durable.OpenRegular(path)
	if errors.Is(err, fs.ErrNotExist) {
		b.none[filepath.Dir(path)] = true
		return false
	}
	*b = bundles{path: path, proofs: map[[sha256.Size]byte][][]byte{}, none: b.none}
	if err != nil {
		b.err = err
		return true
	}
	defer f.Close()
	err = bundle.Read(f, func(it bundle.Item) error {
		b.proofs[it.Header] = append(b.proofs[it.Header], it.Proof)
		return nil
	})
	if err != nil {
		b.err = fmt.Errorf("%s: %w", path, err)
	}
	return true
}

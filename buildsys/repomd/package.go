package repomd

import (
	"bufio"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"
	"strings"

	"github.com/privyseal/privyseal/internal/rpmhead"
)

// Checksum names a digest as repository metadata spells it.
type Checksum string

// The digests that readers know. SHA1 in both spellings is for EL5.
const (
	SHA    Checksum = "sha"
	SHA1   Checksum = "sha1"
	SHA256 Checksum = "sha256"
	SHA384 Checksum = "sha384"
	SHA512 Checksum = "sha512"
)

// ParseChecksum accepts a checksum's name; "" is SHA256.
func ParseChecksum(s string) (Checksum, error) {
	c := Checksum(s)
	if s == "" {
		c = SHA256
	}
	if c.new() == nil {
		return "", fmt.Errorf("unknown checksum %q: use sha256, sha384, sha512, or sha for EL5", s)
	}
	return c, nil
}

func (c Checksum) new() hash.Hash {
	switch c {
	case SHA, SHA1:
		return sha1.New()
	case SHA256:
		return sha256.New()
	case SHA384:
		return sha512.New384()
	case SHA512:
		return sha512.New()
	}
	return nil
}

// Package is what the metadata says about one RPM file.
type Package struct {
	rpmhead.NEVRA
	Href                              string
	Checksum                          string // hex, of the whole file
	Size                              int64
	HeaderStart, HeaderEnd            int64
	FileTime                          int64 // of the file on disk
	BuildTime                         uint64
	InstalledSize, ArchiveSize        uint64
	Summary, Description              string
	Packager, URL                     string
	License, Vendor, Group, BuildHost string
	SourceRPM                         string
	Provides, Requires                []Dependency
	Conflicts, Obsoletes              []Dependency
	Suggests, Enhances                []Dependency
	Recommends, Supplements           []Dependency
	Files                             []File
	Changelogs                        []Changelog // oldest first
}

// A File is one path of a package.
type File struct {
	Path string
	Type FileType
}

// FileType is how metadata marks a path.
type FileType string

// The types of paths. A directory that is a ghost is a directory.
const (
	Plain FileType = ""
	Dir   FileType = "dir"
	Ghost FileType = "ghost"
)

// A Changelog is one entry of a package's changelog.
type Changelog struct {
	Author string
	Date   uint64
	Text   string
}

// ReadPackage reads an RPM file: its headers, and the rest for the checksum.
func ReadPackage(ctx context.Context, path string, sum Checksum, changelogs int) (*Package, error) {
	p, _, err := readPackage(ctx, path, sum, changelogs)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}

// readPackage also returns the SHA-256 of the whole file.
func readPackage(ctx context.Context, path string, sum Checksum, changelogs int) (*Package, []byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("%s: not a regular file", path)
	}
	h := sum.new()
	if h == nil {
		return nil, nil, fmt.Errorf("unknown checksum %q", sum)
	}
	// Everything read from the file passes through the hashes on its way.
	whole, hashes := h, io.Writer(h)
	if sum != SHA256 {
		whole = sha256.New()
		hashes = io.MultiWriter(h, whole)
	}
	src := &contextReader{ctx: ctx, r: io.TeeReader(f, hashes)}
	pkg, err := rpmhead.Read(bufio.NewReaderSize(src, 32<<10))
	if err != nil {
		return nil, nil, err
	}
	if err := pkg.CheckHeaderDigests(); err != nil {
		return nil, nil, err
	}
	if _, err := io.CopyBuffer(io.Discard, struct{ io.Reader }{src}, make([]byte, 256<<10)); err != nil {
		return nil, nil, err
	}
	if src.n != st.Size() {
		return nil, nil, fmt.Errorf("the file changed while it was read")
	}
	p, err := fromHeaders(pkg, changelogs)
	if err != nil {
		return nil, nil, err
	}
	p.Checksum = hex.EncodeToString(h.Sum(nil))
	p.Size = st.Size()
	p.FileTime = st.ModTime().Unix()
	return p, whole.Sum(nil), nil
}

// contextReader counts, and stops when its context does.
type contextReader struct {
	ctx context.Context
	r   io.Reader
	n   int64
}

func (c *contextReader) Read(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}

const (
	modeType  = 0o170000
	modeDir   = 0o040000
	flagGhost = 1 << 6
)

func fromHeaders(pkg *rpmhead.Package, changelogs int) (*Package, error) {
	h := pkg.Header
	str := func(tag int32) string { s, _ := h.String(tag); return s }
	first := func(h *rpmhead.Header, tags ...int32) uint64 {
		for _, tag := range tags {
			if n, ok := h.Uint64(tag); ok {
				return n
			}
		}
		return 0
	}
	p := &Package{
		NEVRA:         h.NEVRA(),
		HeaderStart:   pkg.HeaderStart,
		HeaderEnd:     pkg.HeaderEnd,
		BuildTime:     first(h, rpmhead.TagBuildTime),
		InstalledSize: first(h, rpmhead.TagLongSize, rpmhead.TagSize),
		Summary:       str(rpmhead.TagSummary),
		Description:   str(rpmhead.TagDescription),
		Packager:      str(rpmhead.TagPackager),
		URL:           str(rpmhead.TagURL),
		License:       str(rpmhead.TagLicense),
		Vendor:        str(rpmhead.TagVendor),
		Group:         str(rpmhead.TagGroup),
		BuildHost:     str(rpmhead.TagBuildHost),
		SourceRPM:     str(rpmhead.TagSourceRPM),
	}
	if p.Name == "" || p.Version == "" || p.Release == "" || p.Arch == "" {
		return nil, fmt.Errorf("the header lacks a name, version, release or arch")
	}
	if p.ArchiveSize = first(pkg.Signature, rpmhead.SigLongArchive, rpmhead.SigPayloadSize); p.ArchiveSize == 0 {
		p.ArchiveSize = first(h, rpmhead.TagArchiveSize)
	}
	var err error
	if p.Files, err = files(h); err != nil {
		return nil, err
	}
	if err := p.dependencies(h); err != nil {
		return nil, err
	}
	if err := p.checkNames(); err != nil {
		return nil, err
	}
	p.Changelogs, err = changelog(h, changelogs)
	return p, err
}

// checkNames refuses a package whose names and paths XML cannot hold: with a
// character left out they would name something else. In prose it is left out.
func (p *Package) checkNames() error {
	names := []string{p.Name, p.Version, p.Release, p.Arch, p.SourceRPM}
	for _, f := range p.Files {
		names = append(names, f.Path)
	}
	for _, list := range [][]Dependency{p.Provides, p.Requires, p.Conflicts, p.Obsoletes, p.Suggests, p.Enhances, p.Recommends, p.Supplements} {
		for _, d := range list {
			names = append(names, d.Name, d.Version, d.Release)
		}
	}
	for _, name := range names {
		if strings.ContainsFunc(name, unwritable) {
			return fmt.Errorf("%q has a character that XML cannot hold; rename it in the package", name)
		}
	}
	return nil
}

func files(h *rpmhead.Header) ([]File, error) {
	modes, flags := h.Uint32s(rpmhead.TagFileModes), h.Uint32s(rpmhead.TagFileFlags)
	paths := h.Strings(rpmhead.TagOldFilenames)
	if bases := h.Strings(rpmhead.TagBaseNames); len(bases) > 0 {
		dirs, index := h.Strings(rpmhead.TagDirNames), h.Uint32s(rpmhead.TagDirIndexes)
		if len(index) != len(bases) {
			return nil, fmt.Errorf("the header has %d file names and %d directories for them", len(bases), len(index))
		}
		paths = make([]string, len(bases))
		for i, base := range bases {
			if uint64(index[i]) >= uint64(len(dirs)) {
				return nil, fmt.Errorf("file %q is in directory %d of %d", base, index[i], len(dirs))
			}
			paths[i] = dirs[index[i]] + base
		}
	}
	out := make([]File, len(paths))
	for i, path := range paths {
		out[i].Path = path
		switch {
		case i < len(modes) && modes[i]&modeType == modeDir:
			out[i].Type = Dir
		case i < len(flags) && flags[i]&flagGhost != 0:
			out[i].Type = Ghost
		}
	}
	return out, nil
}

// changelog returns the newest entries, oldest first. Entries of one day get
// dates a second apart, so that readers that sort by date keep their order.
func changelog(h *rpmhead.Header, limit int) ([]Changelog, error) {
	times, names, texts := h.Uint32s(rpmhead.TagChangelogTime), h.Strings(rpmhead.TagChangelogName), h.Strings(rpmhead.TagChangelogText)
	if len(names) != len(times) || len(texts) != len(times) {
		return nil, fmt.Errorf("the header has %d changelog times, %d authors and %d texts", len(times), len(names), len(texts))
	}
	n := min(len(times), limit)
	out := make([]Changelog, n)
	for i := range n { // the header has the newest first
		out[n-1-i] = Changelog{Author: names[i], Date: uint64(times[i]), Text: texts[i]}
	}
	for i := 1; i < n; i++ {
		if uint64(times[n-1-i]) == uint64(times[n-i]) {
			out[i].Date = out[i-1].Date + 1
		}
	}
	return out, nil
}

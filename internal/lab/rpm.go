package lab

import (
	"bytes"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/rpmpack"

	"github.com/privyseal/privyseal/internal/rpmhead"
)

// BuildTime is the build time of every RPM made here.
var BuildTime = time.Unix(1781500000, 0).UTC()

// An RPM describes a throw-away package. The zero value, but for a name, is a
// noarch 1.0-1 with one file, laid out as rpmbuild does: with an MD5 and with
// reserved space in the signature header.
type RPM struct {
	Name, Version, Release, Arch string
	Epoch                        *uint32
	Requires, Provides           []string // as in a spec file: "foo >= 1.0"
	Files                        map[string]string
	Filler                       int // bytes of a file that does not compress
	Compressor                   string
	Bare                         bool // as google/rpmpack makes it: no MD5, no reserved space
}

// Filename is the package's file name.
func (r RPM) Filename() string {
	r = r.withDefaults()
	return fmt.Sprintf("%s-%s-%s.%s.rpm", r.Name, r.Version, r.Release, r.Arch)
}

func (r RPM) withDefaults() RPM {
	for _, d := range []struct {
		field *string
		value string
	}{{&r.Name, "throwaway"}, {&r.Version, "1.0"}, {&r.Release, "1"}, {&r.Arch, "noarch"}, {&r.Compressor, "gzip"}} {
		if *d.field == "" {
			*d.field = d.value
		}
	}
	if r.Files == nil {
		r.Files = map[string]string{"/usr/share/" + r.Name + "/file": r.Name + "\n"}
	}
	return r
}

// Bytes makes the package in memory.
func (r RPM) Bytes(t testing.TB) []byte {
	t.Helper()
	b, err := r.build()
	if err != nil {
		t.Fatalf("lab: making %s: %v", r.Filename(), err)
	}
	return b
}

// Write makes the package as a file in dir and returns its path.
func (r RPM) Write(t testing.TB, dir string) string {
	t.Helper()
	path := filepath.Join(dir, r.Filename())
	if err := os.WriteFile(path, r.Bytes(t), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// WriteRPMs makes n packages named prefix-0001 and so on in dir, and returns
// their paths.
func WriteRPMs(t testing.TB, dir, prefix string, n int) []string {
	t.Helper()
	paths := make([]string, n)
	for i := range paths {
		paths[i] = RPM{Name: fmt.Sprintf("%s-%04d", prefix, i+1)}.Write(t, dir)
	}
	return paths
}

func (r RPM) build() ([]byte, error) {
	r = r.withDefaults()
	meta := rpmpack.RPMMetaData{
		Name: r.Name, Version: r.Version, Release: r.Release, Arch: r.Arch, Epoch: rpmpack.NoEpoch,
		Summary: "Throw-away package " + r.Name, Description: "Made by a test.", Licence: "Apache-2.0",
		Vendor: "Example", BuildHost: "builder.example.org", BuildTime: BuildTime, Compressor: r.Compressor,
	}
	if r.Epoch != nil {
		meta.Epoch = *r.Epoch
	}
	for list, names := range map[*rpmpack.Relations][]string{&meta.Requires: r.Requires, &meta.Provides: r.Provides} {
		for _, name := range names {
			if err := list.Set(name); err != nil {
				return nil, err
			}
		}
	}
	p, err := rpmpack.NewRPM(meta)
	if err != nil {
		return nil, err
	}
	for name, body := range r.Files {
		p.AddFile(rpmpack.RPMFile{Name: name, Body: []byte(body), Mode: 0o644, Owner: "root", Group: "root", MTime: uint32(BuildTime.Unix())})
	}
	if r.Filler > 0 {
		body := make([]byte, r.Filler)
		rand.Read(body)
		p.AddFile(rpmpack.RPMFile{Name: "/usr/share/" + r.Name + "/filler", Body: body, Mode: 0o644, Owner: "root", Group: "root", MTime: uint32(BuildTime.Unix())})
	}
	var out bytes.Buffer
	if err := p.Write(&out); err != nil {
		return nil, err
	}
	if r.Bare {
		return out.Bytes(), nil
	}
	return asRPMBuild(out.Bytes())
}

// asRPMBuild gives a package of google/rpmpack the signature header that
// rpmbuild would have written.
func asRPMBuild(b []byte) ([]byte, error) {
	pkg, err := rpmhead.Read(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	body := b[pkg.HeaderStart:]
	sum := md5.Sum(body)
	hdr := pkg.Header.SHA256()
	sig, err := signatureHeader(uint64(len(body)), hdr, sum[:])
	if err != nil {
		return nil, err
	}
	return slices.Concat(pkg.Lead, sig, body), nil
}

// Old makes the package as rpm 4.4 and 4.8 did (EL5, EL6): no digest of the
// payload in the header, so that a signature of the header does not cover it;
// MD5 and SHA-1 in the signature header.
func (r RPM) Old(t testing.TB) []byte {
	t.Helper()
	b := r.Bytes(t)
	pkg, err := rpmhead.Read(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	var fields []rpmhead.Field
	for _, f := range pkg.Header.Fields() {
		if f.Tag != rpmhead.TagRegion && f.Tag != rpmhead.TagPayloadDigest && f.Tag != rpmhead.TagPayloadDigestAlgo {
			fields = append(fields, f)
		}
	}
	raw, err := rpmhead.Marshal(rpmhead.TagRegion, fields)
	if err != nil {
		t.Fatal(err)
	}
	body := append(raw, b[pkg.HeaderEnd:]...)
	sum, sha := md5.Sum(body), sha1.Sum(raw)
	sig, err := rpmhead.Marshal(rpmhead.SigRegion, []rpmhead.Field{
		rpmhead.StringField(rpmhead.SigSHA1, hex.EncodeToString(sha[:])),
		rpmhead.Int32Field(rpmhead.SigSize, uint32(len(body))),
		rpmhead.BinField(rpmhead.SigMD5, sum[:]),
	})
	if err != nil {
		t.Fatal(err)
	}
	return slices.Concat(pkg.Lead, sig, make([]byte, (8-len(sig)%8)%8), body)
}

// signatureHeader makes an unsigned signature header with its padding.
func signatureHeader(size uint64, headerSum [sha256.Size]byte, md []byte) ([]byte, error) {
	fields := []rpmhead.Field{
		rpmhead.StringField(rpmhead.SigSHA256, hex.EncodeToString(headerSum[:])),
		rpmhead.BinField(rpmhead.SigMD5, md),
		rpmhead.BinField(rpmhead.SigReservedSpace, make([]byte, 4128)),
	}
	if size >= 1<<32 {
		fields = append(fields, rpmhead.Int64Field(rpmhead.SigLongSize, size), rpmhead.Int64Field(rpmhead.SigLongArchive, size))
	} else {
		fields = append(fields, rpmhead.Int32Field(rpmhead.SigSize, uint32(size)), rpmhead.Int32Field(rpmhead.SigPayloadSize, uint32(size)))
	}
	raw, err := rpmhead.Marshal(rpmhead.SigRegion, fields)
	if err != nil {
		return nil, err
	}
	return append(raw, make([]byte, (8-len(raw)%8)%8)...), nil
}

// HugeRPM writes a noarch package whose payload is a hole of so many bytes:
// it takes no room on disk, and all its digests are right. It cannot be
// installed. Hashing costs about three seconds a gigabyte.
func HugeRPM(t testing.TB, path, name string, payload int64) {
	t.Helper()
	if err := hugeRPM(path, name, payload); err != nil {
		t.Fatalf("lab: making %s: %v", path, err)
	}
}

func hugeRPM(path, name string, payload int64) error {
	small, err := RPM{Name: name}.build()
	if err != nil {
		return err
	}
	pkg, err := rpmhead.Read(bytes.NewReader(small))
	if err != nil {
		return err
	}
	sum := sha256.New()
	if _, err := io.CopyN(sum, zeros{}, payload); err != nil {
		return err
	}
	fields := []rpmhead.Field{
		rpmhead.Int64Field(rpmhead.TagLongSize, uint64(payload)),
		rpmhead.StringArrayField(rpmhead.TagPayloadDigest, hex.EncodeToString(sum.Sum(nil))),
		rpmhead.Int32Field(rpmhead.TagPayloadDigestAlgo, 8),
	}
	for _, tag := range []int32{
		rpmhead.TagI18NTable, rpmhead.TagName, rpmhead.TagVersion, rpmhead.TagRelease, rpmhead.TagSummary, rpmhead.TagDescription,
		rpmhead.TagLicense, rpmhead.TagOS, rpmhead.TagArch, rpmhead.TagSourceRPM, rpmhead.TagPayloadFormat, rpmhead.TagPayloadCompressor, rpmhead.TagPayloadFlags,
	} {
		if s, ok := pkg.Header.String(tag); ok {
			fields = append(fields, rpmhead.StringField(tag, s))
		}
	}
	raw, err := rpmhead.Marshal(rpmhead.TagRegion, fields)
	if err != nil {
		return err
	}
	md := md5.New()
	md.Write(raw)
	if _, err := io.CopyN(md, zeros{}, payload); err != nil {
		return err
	}
	sig, err := signatureHeader(uint64(len(raw))+uint64(payload), sha256.Sum256(raw), md.Sum(nil))
	if err != nil {
		return err
	}
	head := slices.Concat(pkg.Lead, sig, raw)
	if err := os.WriteFile(path, head, 0o644); err != nil {
		return err
	}
	return os.Truncate(path, int64(len(head))+payload)
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

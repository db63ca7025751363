package rpmhead_test

import (
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/privyseal/privyseal/internal/lab"
	"github.com/privyseal/privyseal/internal/rpmhead"
)

// samples are the committed packages.
func samples(t testing.TB) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(lab.Testdata(t, "rpms"), "*.rpm"))
	if err != nil || len(paths) < 20 {
		t.Fatalf("testdata/rpms has %d packages: %v", len(paths), err)
	}
	return paths
}

func sample(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(lab.Testdata(t, "rpms", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A golden is one line of a query: how rpm spells it, and how we do.
var goldens = []struct {
	format string
	ours   func(*rpmhead.Package) string
}{
	{"%{NEVRA}", func(p *rpmhead.Package) string {
		n := p.Header.NEVRA()
		// rpm gives the arch a source package was made on.
		return n.Name + "-" + n.EVR() + "." + n.Arch
	}},
	{"%{NVR}", func(p *rpmhead.Package) string { return p.Header.NEVRA().NVR() }},
	{"%{EPOCH}", func(p *rpmhead.Package) string { return none(p.Header.NEVRA().Epoch) }},
	{"%{SOURCERPM}", str(rpmhead.TagSourceRPM)},
	{"%{SUMMARY}", str(rpmhead.TagSummary)},
	{"%{DESCRIPTION}", str(rpmhead.TagDescription)},
	{"%{LICENSE}", str(rpmhead.TagLicense)},
	{"%{URL}", str(rpmhead.TagURL)},
	{"%{BUILDHOST}", str(rpmhead.TagBuildHost)},
	{"%{BUILDTIME}", num(rpmhead.TagBuildTime)},
	{"%{SIZE}", num(rpmhead.TagSize)},
	{"%{PAYLOADDIGEST}", str(rpmhead.TagPayloadDigest)},
	{"%{PAYLOADDIGESTALGO}", num(rpmhead.TagPayloadDigestAlgo)},
	{"%{PAYLOADCOMPRESSOR}", str(rpmhead.TagPayloadCompressor)},
	{"%{SHA256HEADER}", func(p *rpmhead.Package) string { s, _ := p.Signature.String(rpmhead.SigSHA256); return none(s) }},
	{"%{SHA256HEADER}", func(p *rpmhead.Package) string {
		s := p.Header.SHA256()
		if !p.Signature.Has(rpmhead.SigSHA256) {
			return "(none)"
		}
		return hex.EncodeToString(s[:])
	}},
	{"%{SIGMD5}", func(p *rpmhead.Package) string { return none(hex.EncodeToString(p.Signature.Bin(rpmhead.SigMD5))) }},
	{"%{SIGSIZE}", func(p *rpmhead.Package) string {
		n, _ := p.Signature.Uint64(rpmhead.SigSize)
		return strconv.FormatUint(n, 10)
	}},
	{"[%{REQUIRENAME} %{REQUIREVERSION} %{REQUIREFLAGS:hex};]", deps(rpmhead.TagRequireName, rpmhead.TagRequireVersion, rpmhead.TagRequireFlags)},
	{"[%{PROVIDENAME} %{PROVIDEVERSION} %{PROVIDEFLAGS:hex};]", deps(rpmhead.TagProvideName, rpmhead.TagProvideVersion, rpmhead.TagProvideFlags)},
	{"[%{BASENAMES};]", list(rpmhead.TagBaseNames)},
	{"[%{DIRNAMES};]", list(rpmhead.TagDirNames)},
	{"[%{FILEDIGESTS};]", list(rpmhead.TagFileDigests)},
	{"[%{DIRINDEXES};]", nums(rpmhead.TagDirIndexes)},
	{"[%{FILESIZES};]", nums(rpmhead.TagFileSizes)},
	{"[%{FILEMODES};]", nums(rpmhead.TagFileModes)},
	{"[%{FILEMTIMES};]", nums(rpmhead.TagFileMTimes)},
	{"[%{FILEFLAGS};]", nums(rpmhead.TagFileFlags)},
	{"[%{CHANGELOGTIME};]", nums(rpmhead.TagChangelogTime)},
	{"[%{CHANGELOGNAME};]", list(rpmhead.TagChangelogName)},
	{"[%{CHANGELOGTEXT};]", list(rpmhead.TagChangelogText)},
}

// TestGolden asks rpm about every committed package.
func TestGolden(t *testing.T) {
	const sep = "\x1e"
	var format strings.Builder
	for _, g := range goldens {
		format.WriteString(g.format + sep)
	}
	for _, path := range samples(t) {
		out, err := exec.Command("rpm", "-qp", "--nosignature", "--nodigest", "--qf", format.String(), path).Output()
		if err != nil {
			t.Fatalf("rpm -qp %s: %v", path, err)
		}
		pkg, err := rpmhead.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		want := strings.Split(string(out), sep)
		for i, g := range goldens {
			if diff := cmp.Diff(want[i], g.ours(pkg)); diff != "" {
				t.Errorf("%s: %s: rpm -, ours +\n%s", filepath.Base(path), g.format, diff)
			}
		}
		if err := pkg.Header.CheckStrict(); err != nil && !(strings.HasPrefix(filepath.Base(path), "old-") && rpmhead.NeedsPayload(err)) {
			t.Errorf("%s: %v", path, err)
		}
		if got := filepath.Base(path); got != pkg.Header.NEVRA().NVRA()+".rpm" {
			t.Errorf("%s: named %s", got, pkg.Header.NEVRA().NVRA())
		}
	}
}

func none(s string) string {
	if s == "" {
		return "(none)"
	}
	return s
}

func str(tag int32) func(*rpmhead.Package) string {
	return func(p *rpmhead.Package) string {
		s, ok := p.Header.String(tag)
		if !ok {
			return "(none)"
		}
		return s
	}
}

func num(tag int32) func(*rpmhead.Package) string {
	return func(p *rpmhead.Package) string {
		n, ok := p.Header.Uint64(tag)
		if !ok {
			return "(none)"
		}
		return strconv.FormatUint(n, 10)
	}
}

func list(tag int32) func(*rpmhead.Package) string {
	return func(p *rpmhead.Package) string {
		return empty(p, tag, strings.Join(p.Header.Strings(tag), ";"))
	}
}

func nums(tag int32) func(*rpmhead.Package) string {
	return func(p *rpmhead.Package) string {
		s := strings.Trim(fmt.Sprint(p.Header.Uint32s(tag)), "[]")
		return empty(p, tag, strings.ReplaceAll(s, " ", ";"))
	}
}

// empty is what rpm prints for an array: nothing where it is not there.
func empty(p *rpmhead.Package, tag int32, s string) string {
	if !p.Header.Has(tag) {
		return ""
	}
	return s + ";"
}

func deps(name, version, flags int32) func(*rpmhead.Package) string {
	return func(p *rpmhead.Package) string {
		n, v, f := p.Header.Strings(name), p.Header.Strings(version), p.Header.Uint32s(flags)
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "%s %s %x;", n[i], v[i], f[i])
		}
		return b.String()
	}
}

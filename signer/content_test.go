package signer

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/privyseal/privyseal/internal/lab"
	"github.com/privyseal/privyseal/internal/rpmhead"
	"github.com/privyseal/privyseal/internal/seal"
	"github.com/privyseal/privyseal/internal/wire"
	"github.com/privyseal/privyseal/signer/decide"
)

const sampleRepomd = `<?xml version="1.0"?><repomd xmlns="http://linux.duke.edu/metadata/repo"><revision>1</revision><data type="primary">` +
	`<checksum type="sha">da39a3ee5e6b4b0d3255bfef95601890afd80709</checksum><location href="x"/></data></repomd>`

const sampleTag = "object 0123456789012345678901234567890123456789\ntype commit\ntag v1.2\ntagger A U Thor <a@example.org> 1700000000 +0100\n\nRelease 1.2\n"

// What ostree itself writes: a first commit, and one with a parent and metadata.
const (
	ostreeFirst  = "b3N0cmVlLnJlZi1iaW5kaW5nAAAAAAAAeAACAGFzEx9GaXJzdCBzdWJqZWN0AEEgYm9keQAAAAAAAAAAZZIAgE1FuPEMqMSFyYXO8gU9t7It7JwF9AGnk3ETI3tckkqpRGoO8Rt8wWfztgPlhcfu7rZ1+qQS1exz9imI6wtsVIhgNS4gICA="
	ostreeSecond = "dmVyc2lvbgAyAABzCAAAAG9zdHJlZS5yZWYtYmluZGluZwAAAAAAAHgAAgBhcxMNLyZU/YdoUBTy6Uhz8NbIi6BA37JZsowsBwjoeqeDtuSQU2Vjb25kAAAAAAAAAAAAAAAAAGWTUgBNRbjxDKjEhcmFzvIFPbeyLeycBfQBp5NxEyN7XJJKqURqDvEbfMFn87YD5YXH7u62dfqkEtXsc/YpiOsLbFSIiFlYUVEx"
)

// sampleCommit is an ostree commit object.
func sampleCommit(parent []byte, subject string) []byte {
	var b []byte
	var ends []int
	end := func() { ends = append(ends, len(b)) }
	end() // no metadata
	b = append(b, parent...)
	end()
	end() // nothing related
	b = append(b, subject+"\x00"...)
	end()
	b = append(b, "body\x00"...)
	end()
	for len(b)%8 != 0 {
		b = append(b, 0)
	}
	b = binary.BigEndian.AppendUint64(b, 1700000000)
	b = append(b, bytes.Repeat([]byte{7}, 32)...)
	end()
	b = append(b, bytes.Repeat([]byte{8}, 32)...)
	size := 1
	switch {
	case len(b)+12 > 0xffff:
		size = 4
	case len(b)+6 > 0xff:
		size = 2
	}
	for i := len(ends) - 1; i >= 0; i-- {
		for n := range size {
			b = append(b, byte(ends[i]>>(8*n)))
		}
	}
	return b
}

// What the signer says of what it read has room in an answer, whatever it read.
func TestWhatWasReadIsToldInBrief(t *testing.T) {
	r := &request{Sign: commitSign(sampleCommit(nil, strings.Repeat("long ", 1<<19))), op: operations[wire.OpOstree], facts: &decide.Facts{}}
	if err := (&session{}).examine(r); err != nil {
		t.Fatal(err)
	}
	if n := len(r.content.what); n > seal.MaxWhat {
		t.Errorf("%d bytes", n)
	}
}

func commitSign(data []byte) *wire.Sign {
	return &wire.Sign{Data: data, Param: fmt.Appendf(nil, "%x", sha256.Sum256(data))}
}

func sampleHeader(t testing.TB) []byte {
	t.Helper()
	pkg, err := rpmhead.ReadFile(lab.Testdata(t, "rpms", "plain-1.0-1.noarch.rpm"))
	if err != nil {
		t.Fatal(err)
	}
	return pkg.Header.Bytes()
}

func sampleContainer(t testing.TB) []byte {
	t.Helper()
	doc, err := wire.SimpleSigning{Reference: "registry.example.org/fedora/base:40", Digest: "sha256:" + strings.Repeat("ab", 32)}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// What one operation takes, no other does: RPM header bytes least of all. rpm-header, rpm-payload and ima all take headers, and each
// says so in what it signs: a header, a header with its payload, digests of files.
func TestNoBytesPassForTwoOperations(t *testing.T) {
	samples := map[wire.Op]*wire.Sign{
		wire.OpRPMHeader: {Data: sampleHeader(t)},
		wire.OpRepomd:    {Data: []byte(sampleRepomd)},
		wire.OpData:      {Data: []byte("data\x00\x01")},
		wire.OpText:      {Data: []byte("Text for people.\n")},
		wire.OpGitTag:    {Data: []byte(sampleTag)},
		wire.OpContainer: {Data: sampleContainer(t)},
		wire.OpOstree:    commitSign(sampleCommit(nil, "subject")),
	}
	for op, s := range samples {
		if s.Param == nil {
			s.Param = fmt.Appendf(nil, "%x", sha256.Sum256(s.Data))
		}
		for other, o := range operations {
			_, err := o.check(s)
			same := op == other || op == wire.OpText && other == wire.OpData ||
				op == wire.OpRPMHeader && (other == wire.OpRPMPayload || other == wire.OpIMA)
			switch {
			case op == other && err != nil:
				t.Errorf("%s refuses its own: %v", op, err)
			case !same && err == nil:
				t.Errorf("operation %s takes what %s is for", other, op)
			}
			var fault *wire.Fault
			if err != nil && (!errors.As(err, &fault) || fault.Code != wire.CodeContent || fault.Msg == "") {
				t.Errorf("%s on %s: %v is not a refusal with a reason", other, op, err)
			}
		}
	}
	for op := range operations {
		if !strings.Contains("rpm-header rpm-payload repomd data text git-tag container ostree ima", op.String()) {
			t.Errorf("operation %s is not in the test", op)
		}
	}
}

// RPM header bytes, and whole packages, through every operation that is not for them.
func TestHeaderBytesNeverPassForSomethingElse(t *testing.T) {
	header := sampleHeader(t)
	for _, op := range []wire.Op{wire.OpData, wire.OpText, wire.OpGitTag, wire.OpContainer, wire.OpOstree, wire.OpRepomd} {
		for what, data := range map[string][]byte{
			"header":          header,
			"padded header":   append(make([]byte, 8), header...),
			"package":         append([]byte{0xed, 0xab, 0xee, 0xdb, 3, 0}, header...),
			"header and text": append(bytes.Clone(header), "\nobject 0123456789012345678901234567890123456789\n"...),
		} {
			s := commitSign(data)
			if _, err := operations[op].check(s); err == nil {
				t.Errorf("%s takes a %s", op, what)
			}
		}
	}
}

func TestGitTagRefusals(t *testing.T) {
	change := func(old, new string) string {
		out := strings.Replace(sampleTag, old, new, 1)
		if out == sampleTag {
			t.Fatalf("%q is not in the sample", old)
		}
		return out
	}
	for name, data := range map[string]string{
		"empty":              "",
		"commit":             "tree 0123456789012345678901234567890123456789\nauthor A <a@b> 1 +0000\n\nx\n",
		"no tagger":          change("tagger A U Thor <a@example.org> 1700000000 +0100\n", ""),
		"other order":        change("type commit\ntag v1.2\n", "tag v1.2\ntype commit\n"),
		"second object":      change("type commit", "object 0123456789012345678901234567890123456789\ntype commit"),
		"upper case object":  change("0123456789012345678901234567890123456789", "ABCDEF6789012345678901234567890123456789"),
		"short object":       change("0123456789012345678901234567890123456789", "0123456789"),
		"unknown type":       change("commit", "note"),
		"name with a space":  change("v1.2", "v1 2"),
		"name going up":      change("v1.2", "../v1"),
		"name as an option":  change("v1.2", "-f"),
		"name of a lock":     change("v1.2", "v1.lock"),
		"tagger without a <": change("<a@example.org>", "a@example.org"),
		"two mails":          change("<a@example.org>", "<a@b> <c@d>"),
		"no time":            change("1700000000 ", ""),
		"header after":       change("+0100\n", "+0100\nencoding x\n"),
		"NUL":                change("Release", "Rel\x00ease"),
		"signed already":     sampleTag + "-----BEGIN PGP SIGNATURE-----\n",
		"no line end":        strings.TrimSuffix(sampleTag, "\n"),
		"too long":           sampleTag + strings.Repeat("x\n", maxGitTag/2),
		"loose object":       fmt.Sprintf("tag %d\x00%s", len(sampleTag), sampleTag),
	} {
		if _, err := checkGitTag(&wire.Sign{Data: []byte(data)}); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	sha256 := strings.Replace(sampleTag, "0123456789012345678901234567890123456789", strings.Repeat("0a", 32), 1)
	for _, data := range []string{sampleTag, sha256} {
		got, err := checkGitTag(&wire.Sign{Data: []byte(data)})
		if err != nil || !strings.HasPrefix(got.what, "tag v1.2 of commit 0") {
			t.Errorf("%+v, %v", got, err)
		}
	}
}

func TestTextRefusals(t *testing.T) {
	for name, data := range map[string]string{
		"NUL":                   "a\x00b",
		"Latin-1":               "caf\xe9",
		"lone carriage return":  "a\rb\n",
		"line too long for gpg": "a\n" + strings.Repeat("b", 16<<10) + "\n",
		"git tag":               sampleTag,
		"git commit":            "tree 0123456789012345678901234567890123456789\n",
		"git tag, CR LF":        strings.ReplaceAll(sampleTag, "\n", "\r\n"),
		"repomd":                sampleRepomd,
		"repomd with spaces":    strings.ReplaceAll(sampleRepomd, ">", ">  \n"),
		"container":             `{"critical":{"type":"x"}}`,
		"container with spaces": "{  \n\"critical\" : {} }\n",
	} {
		if _, err := checkText(&wire.Sign{Data: []byte(data)}); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	got, err := checkText(&wire.Sign{Data: []byte("line one  \nline two\t\n\n")})
	if err != nil || string(got.signed) != "line one\r\nline two\r\n" {
		t.Errorf("canonical form %q, %v", got.signed, err)
	}
}

// Inputs that are made to cost much cost little: no operation needs many times the memory of what it looks at.
func TestCostlyInputs(t *testing.T) {
	const size = 8 << 20
	for name, data := range map[string][]byte{
		"line ends":      bytes.Repeat([]byte("\n"), size),
		"nested arrays":  append([]byte(`{"a":`), bytes.Repeat([]byte("["), size)...),
		"nested objects": bytes.Repeat([]byte(`{"a":`), size/5),
		"one string":     append([]byte(`{"a":"`), bytes.Repeat([]byte("x"), size)...),
		"comments":       bytes.Repeat([]byte("<!---->"), size/7),
		"open comments":  bytes.Repeat([]byte("<!--"), size/4),
		"instructions":   bytes.Repeat([]byte("<?x?>"), size/5),
		"spaces":         bytes.Repeat([]byte(" "), size),
		"UTF-16 zeros":   append([]byte("\xff\xfe"), make([]byte, size)...),
	} {
		s := commitSign(data)
		for _, op := range []wire.Op{wire.OpData, wire.OpText, wire.OpGitTag, wire.OpRepomd, wire.OpOstree, wire.OpContainer, wire.OpRPMHeader} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			operations[op].check(s)
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			if used := after.TotalAlloc - before.TotalAlloc; used > 8*size || took > 20*time.Second { // what grows with the square would take hours
				t.Errorf("%s as %s: %d MiB and %v for %d MiB", name, op, used>>20, took, size>>20)
			}
		}
	}
}

func TestContainerRefusals(t *testing.T) {
	good := string(sampleContainer(t))
	if _, err := checkContainer(&wire.Sign{Data: []byte(good)}); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]string{
		"space":              strings.Replace(good, ":", ": ", 1),
		"another type":       strings.Replace(good, "atomic", "nuclear", 1),
		"member twice":       strings.Replace(good, `{"identity"`, `{"image":{"docker-manifest-digest":"sha256:`+strings.Repeat("cd", 32)+`"},"identity"`, 1),
		"unknown member":     strings.Replace(good, `"optional":{}`, `"optional":{"x":1}`, 1),
		"escaped":            strings.Replace(good, "fedora", `\u0066edora`, 1),
		"SHA-1":              strings.Replace(good, "sha256:"+strings.Repeat("ab", 32), "sha1:"+strings.Repeat("ab", 20), 1),
		"upper case":         strings.Replace(good, strings.Repeat("ab", 32), strings.Repeat("AB", 32), 1),
		"trailing line":      good + "\n",
		"reference":          strings.Replace(good, "registry.example.org/fedora/base:40", "../../etc/passwd", 1),
		"another's digest":   strings.Replace(good, "base:40", "base@sha256:"+strings.Repeat("00", 32), 1),
		"not JSON":           "x",
		"RPM header in JSON": strings.Replace(good, "fedora", "\x8e\xad\xe8", 1),
	} {
		if _, err := checkContainer(&wire.Sign{Data: []byte(data)}); err == nil {
			t.Errorf("%s is taken: %s", name, data)
		}
	}
}

func TestOstreeRefusals(t *testing.T) {
	for name, data := range map[string][]byte{
		"first":  sampleCommit(nil, "Initial"),
		"parent": sampleCommit(bytes.Repeat([]byte{1}, 32), strings.Repeat("long subject ", 40)),
	} {
		if _, err := checkOstree(commitSign(data)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for i := range data {
			if _, err := checkOstree(commitSign(data[:i])); err == nil {
				t.Errorf("%s cut to %d bytes is taken", name, i)
			}
		}
	}
	for _, text := range []string{ostreeFirst, ostreeSecond} {
		data, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := checkOstree(commitSign(data)); err != nil || !strings.Contains(got.what, "ostree commit ") {
			t.Errorf("what ostree made: %+v, %v", got, err)
		}
	}
	good := sampleCommit(nil, "Initial")
	if _, err := checkOstree(&wire.Sign{Data: good, Param: []byte(strings.Repeat("0", 64))}); err == nil {
		t.Error("another checksum is taken")
	}
	for name, data := range map[string][]byte{
		"parent of 20 bytes": sampleCommit(make([]byte, 20), "x"),
		"subject with NUL":   sampleCommit(nil, "a\x00b"),
		"subject not UTF-8":  sampleCommit(nil, "\xff"),
		"empty":              nil,
		"zeros":              make([]byte, 200),
	} {
		if _, err := checkOstree(commitSign(data)); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func FuzzContent(f *testing.F) {
	f.Add([]byte(sampleRepomd))
	f.Add([]byte(sampleTag))
	f.Add(sampleCommit(nil, "s"))
	f.Add([]byte(`{"critical":{"a":[1,"b",{}]}}`))
	f.Add(sampleContainer(f))
	f.Add([]byte("tree 0123456789012345678901234567890123456789\n"))
	f.Add([]byte{0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0})
	f.Add([]byte("<?xml version='1.0' encoding='UTF-7'?><r+AGU-pomd/>"))
	f.Add([]byte("\xff\xfe<\x00r\x00e\x00p\x00o\x00m\x00d\x00>\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := commitSign(data)
		taken := map[wire.Op]bool{}
		for op, o := range operations {
			_, err := o.check(s)
			taken[op] = err == nil
		}
		// What one operation signs, the operations for everything else and for text do not, and no third does.
		special := 0
		for _, op := range []wire.Op{wire.OpRPMPayload, wire.OpRepomd, wire.OpGitTag, wire.OpContainer, wire.OpOstree} {
			if taken[op] {
				special++
			}
		}
		if special > 1 || special == 1 && (taken[wire.OpData] || taken[wire.OpText]) || taken[wire.OpRPMHeader] && !taken[wire.OpRPMPayload] {
			t.Fatalf("signed as several things: %v", taken)
		}
	})
}

package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/privyseal/privyseal/internal/lab"
)

// tagSize is how many packages the tag holds.
const tagSize = 1000

// BenchmarkSignTagRSA4096 is the whole of `privyseal sign-tag`, started as a program:
// headers fetched, signed, verified, signature headers and signed copies durable.
func BenchmarkSignTagRSA4096(b *testing.B) {
	s := start(b)
	t := newTag(b, s)
	key := rsaKey(b)
	var ours, theirs []float64
	var where map[string]float64
	for range rounds {
		name := s.newKey(b, "rsa4096")
		theirs = append(theirs, rawRSA(b, key, 3*time.Second))
		rate, w := t.sign(b, name)
		ours, where = append(ours, rate), w
	}
	record(row{Name: "sign-tag-rsa4096", Unit: "packages/s", Ours: median(ours), Theirs: median(theirs),
		Peer: "crypto/rsa, bare operation", Goal: "0.70,0.80", Where: where})
}

// BenchmarkSignTagEdDSA is the same against one batch call of rpmsign on the same files.
func BenchmarkSignTagEdDSA(b *testing.B) {
	s := start(b)
	t := newTag(b, s)
	r := newRPMSign(b, lab.KeyEdDSA)
	var ours, theirs []float64
	var where map[string]float64
	for range rounds {
		name := s.newKey(b, "eddsa")
		theirs = append(theirs, r.sign(b, copies(b, t.files)))
		rate, w := t.sign(b, name)
		ours, where = append(ours, rate), w
	}
	record(row{Name: "sign-tag-eddsa", Unit: "packages/s", Ours: median(ours), Theirs: median(theirs),
		Peer: "rpmsign --addsign, one call", Goal: "4,8", Where: where})
}

// tag is a tag that holds tagSize small packages.
type tag struct {
	site  *site
	name  string
	files []string
}

var theTag *tag

func newTag(b *testing.B, s *site) *tag {
	b.Helper()
	if theTag != nil {
		return theTag
	}
	t := &tag{site: s, name: "bench"}
	dir := filepath.Join(s.dir, "rpms")
	if err := os.Mkdir(dir, 0o755); err != nil {
		b.Fatal(err)
	}
	var nvrs []string
	for i := range tagSize {
		r := lab.RPM{Name: fmt.Sprintf("bench-%04d", i), Filler: 20000}
		t.files = append(t.files, r.Write(b, dir))
		nvrs = append(nvrs, r.Name+"-1.0-1")
	}
	conf := s.env["KOJI_CONF"]
	s.run(b, "privyseal", "-c", conf, "add-tag", t.name, "--arches", "x86_64")
	var names []string
	for _, n := range nvrs {
		names = append(names, strings.TrimSuffix(n, "-1.0-1"))
	}
	s.run(b, "privyseal", append([]string{"-c", conf, "add-pkg", "--owner", "kojiadmin", t.name}, names...)...)
	s.run(b, "privyseal", append([]string{"-c", conf, "import", "--create-build"}, t.files...)...)
	for chunk := range slices.Chunk(nvrs, 100) {
		s.run(b, "privyseal", append([]string{"-c", conf, "tag-build", "--wait", t.name}, chunk...)...)
	}
	theTag = t
	return t
}

// sign signs the tag with a key that has signed nothing of it, and gives packages a
// second of the whole program's time.
func (t *tag) sign(b *testing.B, key string) (float64, map[string]float64) {
	b.Helper()
	s := t.site
	before, children := s.cpu(b), usage(syscall.RUSAGE_CHILDREN)
	start := time.Now()
	out := s.run(b, "privyseal", "-c", s.env["PRIVYSEAL_CONF"], "sign-tag", t.name, "--key", key, "--passphrase-file", s.env["SIGN_PASSPHRASE_FILE"])
	took := time.Since(start)
	if want := fmt.Sprintf("signed %d, already 0, refused 0", tagSize); !strings.Contains(out, want) {
		b.Fatalf("sign-tag printed %q, not %q", out, want)
	}
	where := each(before, s.cpu(b), tagSize)
	where["privyseal"] = float64((usage(syscall.RUSAGE_CHILDREN) - children).Microseconds()) / 1000 / tagSize
	return tagSize / took.Seconds(), where
}

package bench

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/privyseal/privyseal/client"
	"github.com/privyseal/privyseal/internal/lab"
	"github.com/privyseal/privyseal/internal/rpmhead"
)

const (
	rounds = 3
	// marker stands in the template header where each header gets its own number.
	marker = "@@@@@@@@"
)

// BenchmarkSignPathRSA4096 is client, bridge and signer in processes of their own, headers
// in memory, each signature verified once, against Go's bare operation.
func BenchmarkSignPathRSA4096(b *testing.B) {
	s := start(b)
	p := newPath(b, s, "rsa4096")
	key := rsaKey(b)
	var ours, theirs []float64
	for range rounds {
		theirs = append(theirs, rawRSA(b, key, 3*time.Second))
		ours = append(ours, p.sign(b, 1500))
	}
	record(row{Name: "sign-path-rsa4096", Unit: "signatures/s", Ours: median(ours), Theirs: median(theirs),
		Peer: "crypto/rsa, bare operation", Goal: "0.85,0.90", Where: p.where})
}

// BenchmarkSignPathEdDSA is the same against one batch call of rpmsign on packages with
// the same header; and the absolute figure.
func BenchmarkSignPathEdDSA(b *testing.B) {
	s := start(b)
	p := newPath(b, s, "eddsa")
	r := newRPMSign(b, lab.KeyEdDSA)
	files := p.source.packages(b, 200)
	var ours, theirs []float64
	for range rounds {
		theirs = append(theirs, r.sign(b, copies(b, files)))
		ours = append(ours, p.sign(b, 20000))
	}
	record(row{Name: "sign-path-eddsa", Unit: "signatures/s", Ours: median(ours), Theirs: median(theirs),
		Peer: "rpmsign --addsign, one call", Goal: "15,30", Where: p.where})
	record(row{Name: "sign-path-eddsa-absolute", Unit: "signatures/s", Ours: median(ours), Goal: "4000/s,8000/s"})
}

// headers is a source of headers that the signer has not seen, of about 15 kB, as a
// package of 100 files has.
type headers struct {
	template lab.RPM
	header   []byte
	at       int
	count    atomic.Uint32
}

func newHeaders(b *testing.B) *headers {
	b.Helper()
	h := &headers{template: lab.RPM{Name: "header", Release: marker, Files: map[string]string{}}}
	for i := range 100 {
		h.template.Files[fmt.Sprintf("/usr/share/header/some-directory/file-%03d.txt", i)] = "x"
	}
	pkg, err := rpmhead.Read(bytes.NewReader(h.template.Bytes(b)))
	if err != nil {
		b.Fatal(err)
	}
	h.header = pkg.Header.Bytes()
	h.at = bytes.Index(h.header, []byte(marker))
	if h.at < 0 {
		b.Fatal("no marker in the header")
	}
	return h
}

func (h *headers) next() []byte {
	out := bytes.Clone(h.header)
	copy(out[h.at:], fmt.Sprintf("%08x", h.count.Add(1)))
	return out
}

// packages writes packages whose headers are like those that next gives.
func (h *headers) packages(b *testing.B, n int) []string {
	dir := b.TempDir()
	out := make([]string, n)
	for i := range out {
		t := h.template
		t.Release = fmt.Sprintf("p%07d", i)
		out[i] = t.Write(b, dir)
	}
	return out
}

// path is an open session with an unlocked key.
type path struct {
	site    *site
	session *client.Session
	key     *client.Key
	source  *headers
	where   map[string]float64
}

func newPath(b *testing.B, s *site, algorithm string) *path {
	b.Helper()
	return openPath(b, s, s.newKey(b, algorithm), "", newHeaders(b))
}

func openPath(b *testing.B, s *site, key, lane string, source *headers) *path {
	b.Helper()
	cfg := s.signing(b)
	cfg.StateDir, cfg.Lane = s.dir, lane
	passphrase, err := os.ReadFile(s.env["SIGN_PASSPHRASE_FILE"])
	if err != nil {
		b.Fatal(err)
	}
	ctx := context.Background()
	session, err := client.Dial(ctx, cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { session.Close() })
	k, err := session.Unlock(ctx, key, bytes.TrimRight(passphrase, "\n"))
	if err != nil {
		b.Fatal(err)
	}
	return &path{site: s, session: session, key: k, source: source}
}

// sign signs n new headers and gives signatures a second.
func (p *path) sign(b *testing.B, n int) float64 {
	b.Helper()
	before, self := p.site.cpu(b), selfCPU()
	start := time.Now()
	p.stream(b, n)
	took := time.Since(start)
	p.where = each(before, p.site.cpu(b), n)
	p.where["client"] = float64((selfCPU() - self).Microseconds()) / 1000 / float64(n)
	return float64(n) / took.Seconds()
}

package bench

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/privyseal/privyseal/client"
	"github.com/privyseal/privyseal/internal/ini"
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
	files := p.packages(b, 200)
	var ours, theirs []float64
	for range rounds {
		theirs = append(theirs, r.sign(b, copies(b, files)))
		ours = append(ours, p.sign(b, 20000))
	}
	record(row{Name: "sign-path-eddsa", Unit: "signatures/s", Ours: median(ours), Theirs: median(theirs),
		Peer: "rpmsign --addsign, one call", Goal: "15,30", Where: p.where})
	record(row{Name: "sign-path-eddsa-absolute", Unit: "signatures/s", Ours: median(ours), Goal: "4000/s,8000/s"})
}

// path is an open session with an unlocked key, and a source of headers that the signer
// has not seen.
type path struct {
	site     *site
	key      *client.Key
	template lab.RPM
	header   []byte
	at       int
	next     uint32
	where    map[string]float64
}

func newPath(b *testing.B, s *site, algorithm string) *path {
	b.Helper()
	name := s.newKey(b, algorithm)
	f, err := ini.ParseFile(s.env["PRIVYSEAL_CONF"])
	if err != nil {
		b.Fatal(err)
	}
	cfg, err := client.ConfigFromINI(f.Section("signing"))
	if err != nil {
		b.Fatal(err)
	}
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
	key, err := session.Unlock(ctx, name, bytes.TrimRight(passphrase, "\n"))
	if err != nil {
		b.Fatal(err)
	}
	// About 15 kB, as a package of 100 files has.
	p := &path{site: s, key: key, template: lab.RPM{Name: "header", Release: marker, Files: map[string]string{}}}
	for i := range 100 {
		p.template.Files[fmt.Sprintf("/usr/share/header/some-directory/file-%03d.txt", i)] = "x"
	}
	pkg, err := rpmhead.Read(bytes.NewReader(p.template.Bytes(b)))
	if err != nil {
		b.Fatal(err)
	}
	p.header = pkg.Header.Bytes()
	p.at = bytes.Index(p.header, []byte(marker))
	if p.at < 0 {
		b.Fatal("no marker in the header")
	}
	return p
}

// packages writes packages whose headers are like those that sign signs.
func (p *path) packages(b *testing.B, n int) []string {
	dir := b.TempDir()
	out := make([]string, n)
	for i := range out {
		t := p.template
		t.Release = fmt.Sprintf("p%07d", i)
		out[i] = t.Write(b, dir)
	}
	return out
}

// sign signs n new headers and gives signatures a second.
func (p *path) sign(b *testing.B, n int) float64 {
	b.Helper()
	in := make(chan client.HeaderRequest, 64)
	go func() {
		defer close(in)
		for i := range n {
			h := bytes.Clone(p.header)
			p.next++
			copy(h[p.at:], fmt.Sprintf("%08x", binary.BigEndian.AppendUint32(nil, p.next)))
			in <- client.HeaderRequest{ID: int64(i), Header: h}
		}
	}()
	before, self := p.site.cpu(b), selfCPU()
	start := time.Now()
	signed := 0
	err := p.key.SignHeaders(context.Background(), in, func(r client.HeaderResult) {
		if r.Err != nil || r.Existed {
			b.Errorf("header %d: existed %v, %v", r.ID, r.Existed, r.Err)
			return
		}
		signed++
	})
	took := time.Since(start)
	if err != nil || signed != n {
		b.Fatalf("signed %d of %d: %v", signed, n, err)
	}
	p.where = each(before, p.site.cpu(b), n)
	p.where["client"] = float64((selfCPU() - self).Microseconds()) / 1000 / float64(n)
	return float64(n) / took.Seconds()
}

package bench

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/privyseal/privyseal/internal/lab"
	"github.com/privyseal/privyseal/internal/rpmhead"
)

// BenchmarkBytesToSigner counts what reaches the signer for a package of 1 GiB, by the
// kernel's count of the signer's TCP connection: both TLS handshakes and all.
func BenchmarkBytesToSigner(b *testing.B) {
	s := start(b)
	file := filepath.Join(s.dir, "huge-1.0-1.noarch.rpm")
	lab.HugeRPM(b, file, "huge", 1<<30)
	pkg, err := rpmhead.ReadFile(file)
	if err != nil {
		b.Fatal(err)
	}
	conf := s.env["KOJI_CONF"]
	s.run(b, "privyseal", "-c", conf, "add-tag", "huge", "--arches", "x86_64")
	s.run(b, "privyseal", "-c", conf, "add-pkg", "--owner", "kojiadmin", "huge", "huge")
	s.run(b, "privyseal", "-c", conf, "import", "--create-build", file)
	s.run(b, "privyseal", "-c", conf, "tag-build", "--wait", "huge", "huge-1.0-1")
	s.run(b, "privyseal", "-c", s.env["PRIVYSEAL_CONF"], "sign-tag", "huge", "--key", s.env["SIGN_KEY"], "--passphrase-file", s.env["SIGN_PASSPHRASE_FILE"])
	got := s.lastPairing(b)
	header := float64(len(pkg.Header.Bytes()))
	if got >= header+8192 {
		b.Errorf("%.0f bytes went to the signer, the header has %.0f", got, header)
	}
	record(row{Name: "bytes-to-signer-1GiB", Unit: "bytes", Ours: got, Theirs: header, Peer: "the package's header", Goal: "header+8192"})
}

var toSigner = regexp.MustCompile(`to_signer_bytes=(\d+)`)

// lastPairing reads the bridge's log: it notes the kernel's TCP_INFO when a pairing ends.
func (s *site) lastPairing(b *testing.B) float64 {
	b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for {
		data, err := os.ReadFile(filepath.Join(s.dir, "site", "log", "bridge.log"))
		if err != nil {
			b.Fatal(err)
		}
		if last := bytes.LastIndex(data, []byte("pairing ended")); last > bytes.LastIndex(data, []byte("msg=paired")) {
			if m := toSigner.FindSubmatch(data[last:]); m != nil {
				n, err := strconv.ParseFloat(string(m[1]), 64)
				if err != nil {
					b.Fatal(err)
				}
				return n
			}
		}
		select {
		case <-ctx.Done():
			b.Fatalf("the bridge did not log the end of the pairing:\n%s", data)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

package testbed_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/privyseal/privyseal/internal/lab"
	"github.com/privyseal/privyseal/internal/rpmhead"
)

// TestPayloadStaysHere signs a package of many megabytes, and holds that no more than its
// header and 8 KiB reach the signer, by the kernel's count of the signer's socket.
func TestPayloadStaysHere(t *testing.T) { testPayload(t, "payload", 64<<20) }

func testPayload(t *testing.T, name string, size int64) {
	s := site(t)
	path := filepath.Join(t.TempDir(), name+"-1.0-1.noarch.rpm")
	lab.HugeRPM(t, path, name, size)
	s.must(t, "KOJI_CONF", "add-tag", name, "--arches", "x86_64")
	s.must(t, "KOJI_CONF", "add-pkg", "--owner", "releng", name, name)
	s.must(t, "KOJI_CONF", "import", "--create-build", path)
	s.must(t, "KOJI_CONF", "tag-build", "--wait", name, name+"-1.0-1")
	pkg, err := rpmhead.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}

	before := s.pairings(t)
	if res := s.signTag(t, "PRIVYSEAL_CONF", name); res.code != 0 || res.last() != "signed 1, already 0, refused 0" {
		t.Fatalf("sign-tag: %v", res)
	}
	after := s.pairings(t)
	for deadline := time.Now().Add(5 * time.Second); len(after) == len(before) && time.Now().Before(deadline); after = s.pairings(t) {
		time.Sleep(20 * time.Millisecond)
	}
	var sent int64
	for _, n := range after[len(before):] {
		sent += n
	}
	header := pkg.HeaderEnd - pkg.HeaderStart
	t.Logf("%d bytes reached the signer for a package of %d bytes with a header of %d", sent, size, header)
	if sent == 0 || sent > header+8<<10 {
		t.Errorf("%d bytes reached the signer, more than its header of %d and 8 KiB", sent, header)
	}
}

// pairings reads from the bridge's log how many bytes each session sent to the signer.
func (r *rig) pairings(t *testing.T) (bytes []int64) {
	t.Helper()
	log, err := os.ReadFile(filepath.Join(r.dir, "log", "bridge.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`to_signer_bytes=(\d+)`).FindAllSubmatch(log, -1) {
		n, err := strconv.ParseInt(string(m[1]), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		bytes = append(bytes, n)
	}
	return bytes
}

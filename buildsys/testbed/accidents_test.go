package testbed_test

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privyseal/privyseal/buildsys/release"
	"github.com/privyseal/privyseal/buildsys/testbed"
	"github.com/privyseal/privyseal/internal/lab"
	"github.com/privyseal/privyseal/signer/seallog"
)

// TestHubKilledMidway kills the hub while sign-tag stores signatures, runs it again, and
// holds that it continues, that every copy on disk is whole, and that the signer made no
// signature twice.
func TestHubKilledMidway(t *testing.T) {
	const packages = 2*release.BatchItems + 40
	s := site(t)
	rpms := make([]lab.RPM, packages)
	for i := range rpms {
		rpms[i].Name = fmt.Sprintf("midway-%03d", i)
	}
	s.tag(t, "midway", rpms...)
	entries := s.logged(t)

	// A slow way to the hub keeps the run in its middle for long enough to be seen there.
	hub := strings.TrimSuffix(strings.TrimPrefix(s.env["HUB_URL"], "https://localhost:"), "/kojihub")
	valve := lab.NewValve(t, "127.0.0.1:"+hub)
	valve.Slow(4<<10, 5*time.Millisecond)
	_, port, _ := strings.Cut(valve.Addr(), ":")
	conf := s.config(t, "PRIVYSEAL_CONF", "koji.server", "https://localhost:"+port+"/kojihub", "koji.max_retries", "0")

	ended := make(chan result, 1)
	go func() { ended <- s.signTag(t, conf, "midway") }()
	// The first batch is on record at the hub when copies of the second appear.
	for len(s.copies(t, "midway-*")) <= release.BatchItems {
		select {
		case res := <-ended:
			t.Fatalf("sign-tag ended before its second batch: %v", res)
		case <-time.After(time.Millisecond):
		}
	}
	if err := testbed.Kill(t.Context(), s.dir, "hub"); err != nil {
		t.Fatal(err)
	}
	first := <-ended
	if err := testbed.Start(t.Context(), s.dir, "hub"); err != nil {
		t.Fatal(err)
	}
	if first.code != 1 && first.code != 3 {
		t.Errorf("without the hub: %v", first)
	}
	first.says(t, first.code, "the hub", "run it again")
	before := s.copies(t, "midway-*")
	if len(before) == 0 || len(before) == packages {
		t.Errorf("the hub was not killed in the middle: %d of %d copies were there", len(before), packages)
	}
	s.verify(t, before...)

	again := s.signTag(t, "PRIVYSEAL_CONF", "midway")
	var signed, already, refused int
	if _, err := fmt.Sscanf(again.last(), "signed %d, already %d, refused %d", &signed, &already, &refused); err != nil {
		t.Fatalf("run again: %v", again)
	}
	if again.code != 0 || signed == 0 || already == 0 || signed+already != packages || refused != 0 {
		t.Errorf("run again: %v", again)
	}
	after := s.copies(t, "midway-*")
	if len(after) != packages {
		t.Errorf("%d copies of %d", len(after), packages)
	}
	s.verify(t, after...)
	if made := s.logged(t) - entries; made != packages {
		t.Errorf("the signer made %d signatures for %d packages", made, packages)
	}
	if res := s.signTag(t, "PRIVYSEAL_CONF", "midway"); res.last() != fmt.Sprintf("signed 0, already %d, refused 0", packages) {
		t.Errorf("run a third time: %v", res)
	}
}

// TestDiskFull lets the disk fill up under a signed copy, and holds that the cause is
// told, that nothing half-written is left, and that it is made good once there is room.
func TestDiskFull(t *testing.T) {
	lab.Need(t, lab.Mount)
	s := site(t)
	s.tag(t, "diskfull", lab.RPM{Name: "diskfull", Filler: 512 << 10})

	small := filepath.Join(s.env["TOPDIR"], "packages/diskfull/1.0/1/data")
	if err := os.MkdirAll(small, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", small, "tmpfs", 0, "size=256k"); err != nil {
		t.Fatal(err)
	}
	mounted := true
	t.Cleanup(func() {
		if mounted {
			_ = unix.Unmount(small, unix.MNT_DETACH)
		}
	})
	s.signTag(t, "PRIVYSEAL_CONF", "diskfull").says(t, 1, "no space left on device", "diskfull-1.0-1.noarch")
	err := filepath.WalkDir(filepath.Join(small, "signed"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			t.Errorf("%s was left half-written", path)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if err := unix.Unmount(small, 0); err != nil {
		t.Fatal(err)
	}
	mounted = false

	if res := s.signTag(t, "PRIVYSEAL_CONF", "diskfull"); res.code != 0 {
		t.Errorf("with room again: %v", res)
	}
	copies := s.copies(t, "diskfull")
	if len(copies) != 1 {
		t.Errorf("copies: %v", copies)
	}
	s.verify(t, copies...)
}

// copies lists the signed copies the hub keeps of packages.
func (r *rig) copies(t *testing.T, packages string) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(r.env["TOPDIR"], "packages", packages, "*/*/data/signed/*/*/*.rpm"))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// logged is how many signatures the signer has on record. It reads a copy, since the
// signer holds the record itself.
func (r *rig) logged(t *testing.T) int64 {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(r.env["SIGNER_VAULT"], "*", "seal.log"))
	if err != nil || len(found) != 1 {
		t.Fatalf("the record: %v, %v", found, err)
	}
	dir := t.TempDir()
	from, err := os.Open(found[0])
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	to, err := os.Create(filepath.Join(dir, "seal.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	if _, err := io.Copy(to, from); err != nil {
		t.Fatal(err)
	}
	log, err := seallog.Open(dir, seallog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	return log.Size()
}

// verify has rpmkeys find a good signature of the testbed's key on each file, by the line
// itself: rpmkeys also exits 0 for an RPM without one.
func (r *rig) verify(t *testing.T, files ...string) {
	t.Helper()
	db := t.TempDir()
	if out, err := exec.Command("rpmkeys", "--dbpath", db, "--import", r.env["SIGN_PUBKEY"]).CombinedOutput(); err != nil {
		t.Fatalf("rpmkeys --import: %v\n%s", err, out)
	}
	good := regexp.MustCompile(`(?m)^    Header V4 EdDSA/SHA256 Signature, key ID [0-9a-f]{8}: OK$`)
	for _, f := range files {
		out, err := exec.Command("rpmkeys", "--dbpath", db, "-Kv", f).CombinedOutput()
		if err != nil || !good.Match(out) {
			t.Errorf("rpmkeys: %v\n%s", err, out)
		}
	}
}

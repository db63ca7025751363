//go:build long

package testbed_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func TestPayloadStaysHereGigabyte(t *testing.T) { testPayload(t, "gigabyte", 1<<30) }

// TestOverFourGigabytes takes a package whose sizes need the 64-bit tags all the way: import,
// tag, sign, rpm's own judgement of the signed copy, and a compose.
func TestOverFourGigabytes(t *testing.T) {
	const name = "fourgigabytes"
	testPayload(t, name, 4<<30+123)
	s := site(t)
	s.verify(t, s.copies(t, name+"-*")...)

	dir := t.TempDir()
	conf := filepath.Join(dir, "mash.conf")
	text := fmt.Sprintf("[defaults]\nbuildhost = %s\nrepodir = file://%s\nrepomd_key = %s\n\n[%s]\ntag = %s\narches = x86_64\nrpm_path = %%(arch)s\nrepodata_path = %%(arch)s/\n",
		s.env["HUB_URL"], s.env["TOPDIR"], s.env["SIGN_KEY_REPO"], name, name)
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	s.must(t, "PRIVYSEAL_CONF", "mash", "-o", dir, "--config", conf, "--passphrase-file", s.env["SIGN_PASSPHRASE_FILE"], name)
	composed, err := filepath.Glob(filepath.Join(dir, name, "x86_64", name+"-*.rpm"))
	if err != nil || len(composed) != 1 {
		t.Fatalf("composed: %v, %v", composed, err)
	}
	s.verify(t, composed...)
}

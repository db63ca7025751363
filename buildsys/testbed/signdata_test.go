package testbed_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/privyseal/privyseal/internal/lab"
)

// TestSignData signs a file, has gpg judge the signature, and holds that what another
// kind of signature could be made of is refused.
func TestSignData(t *testing.T) {
	s := site(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "SHA256SUMS")
	if err := os.WriteFile(file, []byte("0123  image.iso\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	sign := func(key, file string, more ...string) result {
		args := []string{"sign-data", "--key", key, "--passphrase-file", s.env["SIGN_PASSPHRASE_FILE"]}
		return s.command(t, "PRIVYSEAL_CONF", append(append(args, more...), file)...)
	}
	key := s.env["SIGN_KEY_DATA"]

	home := filepath.Join(dir, "gpg")
	gpg := func(args ...string) string {
		out, err := exec.Command("gpg", append([]string{"--homedir", home, "--batch"}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("gpg %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	if err := os.Mkdir(home, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run() })
	public := filepath.Join(dir, "public.asc")
	s.must(t, "PRIVYSEAL_CONF", "get-public-key", "-o", public, key)
	gpg("--import", public)

	sig := filepath.Join(dir, "sums.asc")
	sign(key, file, "-a", "-o", sig).says(t, 0)
	if data, err := os.ReadFile(sig); err != nil || !bytes.HasPrefix(data, []byte("-----BEGIN PGP SIGNATURE-----\n")) {
		t.Fatalf("not armored: %v\n%s", err, data)
	}
	if out := gpg("--verify", sig, file); !strings.Contains(out, "Good signature") {
		t.Errorf("gpg says: %s", out)
	}
	bin := sign(key, file)
	bin.says(t, 0)
	if err := os.WriteFile(sig, []byte(bin.stdout), 0o644); err != nil {
		t.Fatal(err)
	}
	if out := gpg("--verify", sig, file); !strings.Contains(out, "Good signature") {
		t.Errorf("gpg says of the binary one: %s", out)
	}

	commit := filepath.Join(dir, "commit")
	if err := os.WriteFile(commit, []byte("tree "+strings.Repeat("0", 40)+"\nauthor x <x> 0 +0000\n\nx\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	sign(key, lab.RPM{Name: "data"}.Write(t, dir)).says(t, 1, "RPM package")
	sign(key, commit).says(t, 1, "git object")
	sign(s.env["SIGN_KEY"], file).says(t, 1, "not data")
	sign(key, filepath.Join(dir, "none")).says(t, 1, "none")
	sign(key, file, "more").says(t, 2, "one file")
}

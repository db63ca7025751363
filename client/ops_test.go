package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/privyseal/privyseal/client"
	"github.com/privyseal/privyseal/internal/lab"
	"github.com/privyseal/privyseal/internal/rpmhead"
)

// gpgHome is a keyring of gpg's with a public key in it.
func gpgHome(t *testing.T, key string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	gpg(t, dir, "--import", lab.KeyNamed(t, key).PublicFile)
	return dir
}

func gpg(t *testing.T, home string, args ...string) string {
	t.Helper()
	cmd := exec.Command("gpg", append([]string{"--batch", "--no-tty", "--trust-model", "always", "--homedir", home}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("gpg %q: %v\n%s", args, err, out)
	}
	return string(out)
}

func put(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// gpg verifies clear-signed texts, also those whose lines look like its own.
func TestSignTextForGPG(t *testing.T) {
	s := upSite(t)
	key, home := s.unlock(keyText), gpgHome(t, lab.KeyOtherEdDSA)
	for _, text := range []string{"Release 40 is out.\n", "- item\n-----BEGIN PGP SIGNED MESSAGE-----\n\n  x  \t\nFrom here\n", "no line end", "a\r\nb\r\n", "\n\n", "üñí\n"} {
		signed, err := key.SignText(context.Background(), []byte(text))
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if out := gpg(t, home, "--verify", put(t, "x.asc", signed.Document)); !strings.Contains(out, "Good signature") {
			t.Errorf("%q: gpg says %s", text, out)
		}
		again, err := key.SignText(context.Background(), []byte(text))
		if err != nil || !again.Existed || !bytes.Equal(again.Document, signed.Document) || again.LogIndex != signed.LogIndex {
			t.Errorf("%q again: %+v, %v", text, again, err)
		}
	}
}

// git takes the signature for one of its own.
func TestSignGitTagForGit(t *testing.T) {
	s := upSite(t)
	key, home := s.unlock(keyGit), gpgHome(t, lab.KeyOtherEdDSA)
	repo := t.TempDir()
	git := func(stdin []byte, args ...string) string {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", repo, "-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "gpg.program=gpg"}, args...)...)
		cmd.Env = append(os.Environ(), "GNUPGHOME="+home, "GIT_CONFIG_NOSYSTEM=1", "HOME="+home)
		cmd.Stdin = bytes.NewReader(stdin)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, out)
		}
		return string(out)
	}
	git(nil, "init", "-q")
	git(nil, "commit", "-q", "--allow-empty", "-m", "x")
	git(nil, "tag", "-a", "-m", "Release 1.0", "v1.0")
	object := []byte(git(nil, "cat-file", "tag", "v1.0"))
	signed, err := key.SignGitTag(context.Background(), object)
	if err != nil {
		t.Fatal(err)
	}
	id := strings.TrimSpace(git(append(object, signed.Document...), "hash-object", "-t", "tag", "-w", "--stdin"))
	git(nil, "update-ref", "refs/tags/v1.0", id)
	if out := git(nil, "verify-tag", "v1.0"); !strings.Contains(out, "Good signature") {
		t.Errorf("git says %s", out)
	}
	if _, err := key.SignGitTag(context.Background(), []byte(git(nil, "cat-file", "commit", "HEAD"))); !errors.Is(err, client.ErrContent) {
		t.Errorf("a commit: %v, want ErrContent", err)
	}
}

// gpg takes the message apart, as what verifies containers does.
func TestSignContainerForGPG(t *testing.T) {
	s := upSite(t)
	key, home := s.unlock(keyImage), gpgHome(t, lab.KeyRSA4096)
	manifest := []byte(`{"schemaVersion":2}`)
	signed, err := key.SignContainer(context.Background(), "registry.example.org/fedora:40", manifest)
	if err != nil {
		t.Fatal(err)
	}
	file := put(t, "signature-1", signed.Document)
	if out := gpg(t, home, "--verify", file); !strings.Contains(out, "Good signature") {
		t.Errorf("gpg says %s", out)
	}
	out := gpg(t, home, "--quiet", "--decrypt", file)
	if !strings.Contains(out, `"docker-reference":"registry.example.org/fedora:40"`) || !strings.Contains(out, `"type":"atomic container signature"`) {
		t.Errorf("signed: %s", out)
	}
	if _, err := key.SignContainer(context.Background(), "not a reference", manifest); !errors.Is(err, client.ErrContent) {
		t.Errorf("no reference: %v, want ErrContent", err)
	}
}

func TestSignOstree(t *testing.T) {
	s := upSite(t)
	key := s.unlock(keyOstree)
	if _, err := key.SignOstree(context.Background(), strings.Repeat("0", 64), []byte("x")); !errors.Is(err, client.ErrContent) {
		t.Errorf("another checksum: %v, want ErrContent", err)
	}
	if _, err := key.Sign(context.Background(), client.OpOstree, sample(t), nil); !errors.Is(err, client.ErrContent) {
		t.Errorf("an RPM header: %v, want ErrContent", err)
	}
}

// oldPackage is one whose header has no payload digest.
func oldPackage(t testing.TB) (header, payload []byte, file string) {
	t.Helper()
	file = lab.Testdata(t, "rpms", "old-1.0-1.el6.noarch.rpm")
	pkg, err := rpmhead.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	i := bytes.Index(whole, pkg.Header.Bytes())
	return pkg.Header.Bytes(), whole[i+len(pkg.Header.Bytes()):], file
}

// Packages of EL5 and EL6 get a signature over header and payload, which rpm verifies.
func TestSignPayloadForRPM(t *testing.T) {
	s := upSite(t)
	key := s.unlock(keyRSA)
	header, payload, file := oldPackage(t)
	signed, err := key.SignPayload(context.Background(), header, bytes.NewReader(payload), nil)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	out := put(t, "old.rpm", whole)
	if _, err := rpmhead.SignInPlace(out, rpmhead.SigPGP, signed.Packet); err != nil {
		t.Fatal(err)
	}
	db := t.TempDir()
	run := func(args ...string) string {
		b, err := exec.Command("rpmkeys", append([]string{"--dbpath", db}, args...)...).CombinedOutput()
		if err != nil {
			t.Errorf("rpmkeys %q: %v\n%s", args, err, b)
		}
		return string(b)
	}
	run("--import", lab.KeyNamed(t, lab.KeyRSA4096).PublicFile)
	if said := run("-Kv", out); !strings.Contains(said, "V4 RSA/SHA256 Signature, key ID") || !strings.Contains(said, ": OK") {
		t.Errorf("rpm says %s", said)
	}
	again, err := key.SignPayload(context.Background(), header, bytes.NewReader(payload), nil)
	if err != nil || !again.Existed || !bytes.Equal(again.Packet, signed.Packet) {
		t.Errorf("again: %+v, %v", again, err)
	}
	if r := signAll(t, key, [][]byte{header}); !errors.Is(r[0].Err, client.ErrContent) {
		t.Errorf("its header alone: %v, want ErrContent", r[0].Err)
	}
}

// zeros is a payload of any length.
type zeros struct{ left int64 }

func (z *zeros) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), z.left))
	clear(p[:n])
	z.left -= int64(n)
	return n, nil
}

// A payload much larger than what the signer has memory for, beside small requests in the same session.
func TestSignLargePayload(t *testing.T) {
	s := upSite(t)
	key := s.unlock(keyEdDSA)
	header, _, _ := oldPackage(t)
	done := make(chan error, 3)
	for i := range 3 { // one more than are taken at once
		go func() {
			_, err := key.SignPayload(context.Background(), header, &zeros{64<<20 + int64(i)}, nil)
			done <- err
		}()
	}
	for i := range 20 {
		if r := signAll(t, key, [][]byte{vary(t, sample(t), i)}); r[0].Err != nil {
			t.Fatal(r[0].Err)
		}
	}
	for range 3 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

type brokenReader struct{ left int64 }

func (b *brokenReader) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errors.New("disk on fire")
	}
	b.left -= int64(len(p))
	return len(p), nil
}

// A payload that breaks off gives no signature, and the session goes on.
func TestPayloadThatBreaksOff(t *testing.T) {
	s := upSite(t)
	key := s.unlock(keyEdDSA)
	header, payload, _ := oldPackage(t)
	for range 5 {
		// A download that breaks off says so with the error that io.ReadFull has for the end of its own reader.
		cut := io.MultiReader(io.LimitReader(&zeros{1 << 30}, 3<<20), iotest.ErrReader(fmt.Errorf("download: %w", io.ErrUnexpectedEOF)))
		if _, err := key.SignPayload(context.Background(), header, cut, nil); err == nil || !strings.Contains(err.Error(), "download") {
			t.Errorf("a payload that is cut off: %v", err)
		}
		if _, err := key.SignPayload(context.Background(), header, &brokenReader{1 << 20}, nil); err == nil || !strings.Contains(err.Error(), "disk on fire") {
			t.Fatalf("%v, want the reader's error", err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := key.SignPayload(ctx, header, bytes.NewReader(payload), nil); !errors.Is(err, context.Canceled) {
			t.Fatalf("%v, want context.Canceled", err)
		}
	}
	if _, err := key.SignPayload(context.Background(), header, bytes.NewReader(payload), nil); err != nil {
		t.Error(err)
	}
}

func TestSignFiles(t *testing.T) {
	s := upSite(t)
	key := s.unlock(keyIMA)
	header := bigHeader(t, 5)
	files, signed, err := key.SignFiles(context.Background(), header, nil)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range files {
		if strings.HasPrefix(f, "030204") {
			n++
		}
	}
	if n < 5 || signed.Proof == nil {
		t.Errorf("%d of %d files have signatures", n, len(files))
	}
	again, second, err := key.SignFiles(context.Background(), header, nil)
	if err != nil || !second.Existed || strings.Join(again, "") != strings.Join(files, "") || second.LogIndex != signed.LogIndex {
		t.Errorf("again: %+v, %v", second, err)
	}
	old, _, _ := oldPackage(t)
	if _, _, err := key.SignFiles(context.Background(), old, nil); !errors.Is(err, client.ErrContent) {
		t.Errorf("a header that breaks the strict rules: %v, want ErrContent", err)
	}
	if _, _, err := s.unlock(keyEdDSA).SignFiles(context.Background(), header, nil); !errors.Is(err, client.ErrPurpose) {
		t.Errorf("an rpm key: %v, want ErrPurpose", err)
	}
}

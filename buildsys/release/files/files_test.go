package files

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privyseal/privyseal/buildsys/release"
	"github.com/privyseal/privyseal/buildsys/release/releasetest"
	"github.com/privyseal/privyseal/client"
	"github.com/privyseal/privyseal/internal/lab"
	"github.com/privyseal/privyseal/internal/rpmhead"
)

// signer is a signer with proofs, and for whole packages.
type signer struct {
	*releasetest.Signer
	streamed int
	lost     error // instead of a signature of a whole package
}

func newSigner(t *testing.T) *signer {
	t.Helper()
	k := lab.KeyNamed(t, lab.KeyEdDSA)
	s, err := releasetest.NewSigner(k.Secret, k.Public)
	if err != nil {
		t.Fatal(err)
	}
	return &signer{Signer: s}
}

func (s *signer) SignHeaders(ctx context.Context, in <-chan client.HeaderRequest, out func(client.HeaderResult)) error {
	return s.Signer.SignHeaders(ctx, in, func(r client.HeaderResult) {
		r.Proof = []byte("proof\n")
		out(r)
	})
}

func (s *signer) SignPayload(_ context.Context, header []byte, payload io.Reader, _ []byte) (*client.Signed, error) {
	if s.lost != nil {
		return nil, s.lost
	}
	b, err := io.ReadAll(payload)
	if err != nil {
		return nil, err
	}
	s.streamed += len(b)
	packet, index, existed, err := s.Sign(append(bytes.Clone(header), b...))
	return &client.Signed{Packet: packet, Proof: []byte("proof\n"), LogIndex: index, Existed: existed}, err
}

func do(t *testing.T, s *signer, items []Item, proofs bool) (map[release.Outcome]int, []release.Result, error) {
	t.Helper()
	counts := map[release.Outcome]int{}
	var all []release.Result
	job := Job{Certificate: s.Certificate, Signer: s, Items: items, Proofs: proofs}
	err := job.Run(t.Context(), func(r release.Result) {
		counts[r.Outcome]++
		all = append(all, r)
	})
	return counts, all, err
}

// rpmkeys judges files with a database that holds the signer's key.
func rpmkeys(t *testing.T, paths ...string) string {
	t.Helper()
	db := t.TempDir()
	if out, err := exec.Command("rpmkeys", "--dbpath", db, "--import", lab.KeyNamed(t, lab.KeyEdDSA).PublicFile).CombinedOutput(); err != nil {
		t.Fatalf("rpmkeys --import: %v: %s", err, out)
	}
	out, _ := exec.Command("rpmkeys", append([]string{"--dbpath", db, "-Kv"}, paths...)...).CombinedOutput()
	return string(out)
}

func TestSignInPlaceAndAgain(t *testing.T) {
	dir := t.TempDir()
	paths := lab.WriteRPMs(t, dir, "pkg", 40)
	bare := lab.RPM{Name: "bare", Bare: true}.Write(t, dir) // without room for a signature
	if err := os.WriteFile(filepath.Join(dir, "empty.rpm"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "README"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	items, err := Find([]string{dir}, "")
	if err != nil || len(items) != 42 {
		t.Fatalf("%d files: %v", len(items), err)
	}
	s := newSigner(t)
	counts, all, err := do(t, s, items, true)
	if err != nil || counts[release.OutcomeSigned] != 41 || counts[release.OutcomeRefused] != 1 {
		t.Fatalf("%v: %v %v", counts, err, all)
	}
	out := rpmkeys(t, append(paths, bare)...)
	if n := strings.Count(out, "Signature, key ID "); n != 41 || strings.Count(out, "Header V4 EdDSA/SHA256 Signature, key ID ") != 41 || strings.Contains(out, "BAD") {
		t.Errorf("%d signatures:\n%.2000s", n, out)
	}
	if proof, err := os.ReadFile(bare + ".tlog-proof"); err != nil || string(proof) != "proof\n" {
		t.Errorf("proof %q: %v", proof, err)
	}
	before, err := os.ReadFile(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	counts, _, err = do(t, s, items, true)
	if err != nil || counts[release.OutcomeAlready] != 41 || s.Signed() != 41 {
		t.Errorf("again: %v, %d signatures: %v", counts, s.Signed(), err)
	}
	// A proof that is gone is asked for again, the signature stays the same.
	if err := os.Remove(paths[0] + ".tlog-proof"); err != nil {
		t.Fatal(err)
	}
	counts, _, err = do(t, s, items[:2], true)
	after, _ := os.ReadFile(paths[0])
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("asked again the file changed: %v: %v", counts, err)
	}
}

func TestSignElsewhere(t *testing.T) {
	dir, out := t.TempDir(), t.TempDir()
	path := lab.RPM{Name: "there"}.Write(t, dir)
	before, _ := os.ReadFile(path)
	items, err := Find([]string{path}, out)
	if err != nil {
		t.Fatal(err)
	}
	s := newSigner(t)
	for i, want := range []release.Outcome{release.OutcomeSigned, release.OutcomeAlready} {
		if counts, _, err := do(t, s, items, false); err != nil || counts[want] != 1 {
			t.Fatalf("run %d: %v: %v", i, counts, err)
		}
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Error("the input was changed")
	}
	if text := rpmkeys(t, items[0].Out); !strings.Contains(text, "Signature, key ID ") || !strings.Contains(text, ": OK") {
		t.Errorf("rpmkeys: %s", text)
	}
	if _, err := os.Stat(items[0].Out + ".tlog-proof"); err == nil {
		t.Error("a proof was written though none was wanted")
	}
	// A file that is signed goes there, too.
	again := []Item{{Path: items[0].Out, Out: filepath.Join(out, "copy.rpm")}}
	if counts, _, err := do(t, s, again, false); err != nil || counts[release.OutcomeAlready] != 1 {
		t.Fatalf("%v: %v", counts, err)
	}
	if _, err := rpmhead.ReadFile(again[0].Out); err != nil {
		t.Error(err)
	}
	loud := t.TempDir()
	if err := os.Rename(lab.RPM{Name: "loud"}.Write(t, loud), filepath.Join(loud, "LOUD.RPM")); err != nil {
		t.Fatal(err)
	}
	if items, err := Find([]string{loud}, ""); err != nil || len(items) != 1 {
		t.Errorf("of capital letters: %v, %v", items, err)
	}
	other := lab.RPM{Name: "there"}.Write(t, t.TempDir())
	if _, err := Find([]string{path, other}, out); err == nil {
		t.Error("two files may be written to one place")
	}
	if _, err := Find([]string{filepath.Join(dir, "none.rpm")}, ""); err == nil {
		t.Error("a file that is not there was found")
	}
	if _, err := Find([]string{t.TempDir()}, ""); err == nil {
		t.Error("an empty directory holds packages")
	}
}

// TestLinks holds that a link to a package stays one, and that no link is written over.
func TestLinks(t *testing.T) {
	dir := t.TempDir()
	target := lab.RPM{Name: "target", Bare: true}.Write(t, t.TempDir())
	link := filepath.Join(dir, "link.rpm")
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	s := newSigner(t)
	if counts, _, err := do(t, s, []Item{{Path: link}}, false); err != nil || counts[release.OutcomeSigned] != 1 {
		t.Fatalf("%v: %v", counts, err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v", err)
	}
	if out := rpmkeys(t, target); !strings.Contains(out, "Signature, key ID ") {
		t.Errorf("rpmkeys: %s", out)
	}
	other := lab.RPM{Name: "other"}.Write(t, t.TempDir())
	if counts, all, err := do(t, s, []Item{{Path: other, Out: link}}, false); err != nil || counts[release.OutcomeRefused] != 1 {
		t.Fatalf("%v: %v %v", counts, all, err)
	}
}

// TestNoFiles holds that what is no file is refused, and not waited for.
func TestNoFiles(t *testing.T) {
	dir := t.TempDir()
	path := lab.RPM{Name: "fine"}.Write(t, dir)
	pipe := filepath.Join(dir, "pipe.rpm")
	for _, p := range []string{pipe, path + ".tlog-proof"} {
		if err := unix.Mkfifo(p, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s := newSigner(t)
	done := make(chan map[string]release.Outcome, 1)
	go func() {
		m := map[string]release.Outcome{}
		for range 2 { // the second time the file is signed, and its proof looked at
			_, all, err := do(t, s, []Item{{Path: path}, {Path: pipe}}, true)
			if err != nil {
				t.Error(err)
			}
			for _, r := range all {
				m[filepath.Base(r.File)] = r.Outcome
			}
		}
		done <- m
	}()
	select {
	case m := <-done:
		if m["pipe.rpm"] != release.OutcomeRefused || m[filepath.Base(path)] == release.OutcomeRefused {
			t.Errorf("%v", m)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it waits for what is no file")
	}
}

// stray is a signer that answers what was not asked.
type stray struct{ *signer }

func (s stray) SignHeaders(ctx context.Context, in <-chan client.HeaderRequest, out func(client.HeaderResult)) error {
	out(client.HeaderResult{ID: 4711, Packet: []byte("x")})
	return s.signer.SignHeaders(ctx, in, out)
}

// TestStrayAnswer holds that an answer to nothing changes nothing.
func TestStrayAnswer(t *testing.T) {
	s := newSigner(t)
	n := 0
	job := Job{Certificate: s.Certificate, Signer: stray{s}, Items: []Item{{Path: lab.RPM{Name: "one"}.Write(t, t.TempDir())}}}
	err := job.Run(t.Context(), func(r release.Result) {
		if n++; r.Outcome != release.OutcomeSigned {
			t.Errorf("%+v", r)
		}
	})
	if err != nil || n != 1 {
		t.Errorf("%d results: %v", n, err)
	}
}

// TestDamaged holds that a file whose digests are wrong is not signed.
func TestDamaged(t *testing.T) {
	path := lab.RPM{Name: "damaged"}.Write(t, t.TempDir())
	b, _ := os.ReadFile(path)
	b[len(b)-1] ^= 1
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	s := newSigner(t)
	counts, all, err := do(t, s, []Item{{Path: path}}, false)
	if err != nil || counts[release.OutcomeRefused] != 1 || s.Signed() != 0 || !strings.Contains(all[0].Reason, "damaged") {
		t.Errorf("%v: %v %v", counts, all, err)
	}
}

// TestLost holds that the end of the signer is told as such, and nothing is lost.
func TestLost(t *testing.T) {
	items, err := Find([]string{filepath.Dir(lab.WriteRPMs(t, t.TempDir(), "pkg", 60)[0])}, "")
	if err != nil {
		t.Fatal(err)
	}
	s := newSigner(t)
	s.FailAfter = 20
	counts, _, err := do(t, s, items, false)
	var cut *release.CutOff
	if !errors.As(err, &cut) || cut.Who != "the signer" || counts[release.OutcomeSigned] != 20 {
		t.Fatalf("%v: %v", counts, err)
	}
	s.FailAfter = 0
	counts, _, err = do(t, s, items, false)
	if err != nil || counts[release.OutcomeAlready] != 20 || counts[release.OutcomeSigned] != 40 {
		t.Fatalf("continued: %v: %v", counts, err)
	}
}

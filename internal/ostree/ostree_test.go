package ostree

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// ostree runs the real program.
func ostree(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command("ostree", args...)
	cmd.Env = append(cmd.Environ(), "HOME="+t.TempDir(), "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("ostree %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// TestRealMetadata adds signatures to metadata that ostree wrote and has ostree read
// the result, on both sides of the sizes at which offsets grow.
func TestRealMetadata(t *testing.T) {
	dir := t.TempDir()
	repo, tree := filepath.Join(dir, "repo"), filepath.Join(dir, "tree")
	if err := os.MkdirAll(tree, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(tree, "file"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	ostree(t, "init", "--repo="+repo, "--mode=archive")
	commit := strings.TrimSpace(ostree(t, "commit", "--repo="+repo, "-b", "main", "--add-detached-metadata-string=note=kept", tree))
	path := filepath.Join(repo, "objects", commit[:2], commit[2:]+".commitmeta")
	meta, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var want [][]byte
	for _, size := range []int{10, 100, 240, 300, 66000} {
		packet := bytes.Repeat([]byte{byte(size)}, size)
		want = append(want, packet)
		if meta, err = AddSignature(meta, packet); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, meta, 0o644); err != nil {
			t.Fatal(err)
		}
		if got := ostree(t, "show", "--repo="+repo, "--print-detached-metadata-key=note", commit); got != "'kept'\n" {
			t.Errorf("after %d bytes the note is %q", size, got)
		}
		text := ostree(t, "show", "--repo="+repo, "--print-detached-metadata-key=ostree.gpgsigs", commit)
		// ostree prints bytes as 0x0a, 0x0a; arrays in brackets, the type before the first.
		if got := strings.Count(text, "0x"); got != sum(want) {
			t.Errorf("after %d bytes ostree reads %d bytes of signatures, want %d", size, got, sum(want))
		}
	}
	got, err := Signatures(meta)
	if err != nil || len(got) != len(want) {
		t.Fatalf("%d signatures: %v", len(got), err)
	}
	for i := range got {
		if !bytes.Equal(got[i], want[i]) {
			t.Errorf("signature %d differs", i)
		}
	}
	again, err := AddSignature(meta, want[2])
	if err != nil || !bytes.Equal(again, meta) {
		t.Errorf("a signature that is there was added again: %v", err)
	}
}

func sum(list [][]byte) (n int) {
	for _, b := range list {
		n += len(b)
	}
	return n
}

func TestFromNothing(t *testing.T) {
	meta, err := AddSignature(nil, []byte("packet"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Signatures(meta); err != nil || len(got) != 1 || string(got[0]) != "packet" {
		t.Errorf("%q: %v", got, err)
	}
	if got, err := Signatures(nil); err != nil || got != nil {
		t.Errorf("%q: %v", got, err)
	}
}

// TestKeyTwice holds that metadata of which readers would see different signatures is not added to.
func TestKeyTwice(t *testing.T) {
	one, err := AddSignature(nil, []byte("one"))
	if err != nil {
		t.Fatal(err)
	}
	entries, err := parse(one)
	if err != nil {
		t.Fatal(err)
	}
	twice := marshal(append(entries, entries[0]))
	if _, err := AddSignature(twice, []byte("two")); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("a signature is added: %v", err)
	}
}

func FuzzAddSignature(f *testing.F) {
	one, err := AddSignature(nil, []byte("packet"))
	if err != nil {
		f.Fatal(err)
	}
	two, err := AddSignature(one, bytes.Repeat([]byte("x"), 300))
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(nil))
	f.Add(one)
	f.Add(two)
	f.Add([]byte{0})
	f.Fuzz(func(t *testing.T, meta []byte) {
		before, err := Signatures(meta)
		if err != nil {
			return
		}
		out, err := AddSignature(meta, []byte("another"))
		if err != nil {
			return
		}
		after, err := Signatures(out)
		if err != nil || len(after) < len(before) || len(after) > len(before)+1 {
			t.Errorf("%x: %d signatures, then %d: %v", meta, len(before), len(after), err)
		}
	})
}

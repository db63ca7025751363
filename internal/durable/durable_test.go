package durable

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func mustRead(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// names lists a directory, temporary files and all.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func TestWriteFileReplacesWhole(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state")
	for _, content := range []string{"first", "the second, longer", ""} {
		if err := WriteFile(path, []byte(content), 0o640); err != nil {
			t.Fatal(err)
		}
		if got := mustRead(t, path); got != content {
			t.Errorf("read %q, wrote %q", got, content)
		}
	}
	if n := names(t, dir); len(n) != 1 {
		t.Errorf("left behind: %q", n)
	}
}

func TestReadersNeverSeeAPart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	a, b := bytes.Repeat([]byte("a"), 1<<20), bytes.Repeat([]byte("b"), 1<<19)
	if err := WriteFile(path, a, 0o644); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range 20 {
			if err := WriteFile(path, [][]byte{a, b}[i%2], 0o644); err != nil {
				t.Error(err)
			}
		}
	})
	for range 200 {
		got := mustRead(t, path)
		if got != string(a) && got != string(b) {
			t.Fatalf("a reader saw %d bytes that nobody wrote", len(got))
		}
	}
	wg.Wait()
}

func TestNothingShowsBeforeCommit(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "copy.rpm")
	f, err := Create(path, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.ReadFrom(strings.NewReader("0123456789")); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("ab"), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("visible before Commit: %v", err)
	}
	for _, n := range names(t, dir) {
		if !strings.HasPrefix(n, ".") {
			t.Errorf("the unfinished file is called %q", n)
		}
	}
	if err := f.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Errorf("Close after Commit: %v", err)
	}
	if got := mustRead(t, path); got != "ab23456789" {
		t.Errorf("content %q", got)
	}
	if err := f.Commit(); err == nil {
		t.Error("committed twice")
	}
}

func TestCloseDrops(t *testing.T) {
	dir := t.TempDir()
	f, err := Create(filepath.Join(dir, "x"), 0o644)
	if err != nil {
		t.Fatal(err)
	}
	f.Write([]byte("half"))
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if n := names(t, dir); len(n) != 0 {
		t.Errorf("left behind: %q", n)
	}
	if err := f.Commit(); err == nil {
		t.Error("committed after Close")
	}
}

func TestCommitNewDoesNotReplace(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x")
	for i, want := range []error{nil, fs.ErrExist} {
		f, err := Create(path, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		f.Write([]byte{byte('0' + i)})
		if err := f.CommitNew(); !errors.Is(err, want) {
			t.Errorf("CommitNew %d: %v, want %v", i, err, want)
		}
	}
	if got := mustRead(t, path); got != "0" {
		t.Errorf("content %q", got)
	}
	if n := names(t, dir); len(n) != 1 {
		t.Errorf("left behind: %q", n)
	}
}

// Whatever fails before the rename, a full disk say, leaves what was there.
func TestFailedCommitLeavesTheOldFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x")
	if err := WriteFile(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := Create(path, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	f.Write([]byte("new"))
	f.OS().Close() // what comes now fails
	if err := f.Commit(); err == nil {
		t.Error("Commit of a broken file succeeded")
	}
	if got := mustRead(t, path); got != "old" {
		t.Errorf("content %q", got)
	}
	if n := names(t, dir); len(n) != 1 {
		t.Errorf("left behind: %q", n)
	}
}

func TestUmaskAndSetgidAreHonoured(t *testing.T) {
	old := syscall.Umask(0o027)
	defer syscall.Umask(old)
	dir := filepath.Join(t.TempDir(), "shared")
	if err := os.Mkdir(dir, 0o770); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o770|os.ModeSetgid); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "file")
	if err := WriteFile(path, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o640 {
		t.Errorf("mode %v %v, want 0640", st.Mode(), err)
	}
	sub := filepath.Join(dir, "a", "b")
	if err := MkdirAll(sub, 0o777); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(sub); err != nil || st.Mode().Perm() != 0o750 || st.Mode()&os.ModeSetgid == 0 {
		t.Errorf("mode %v %v, want drwxr-s---", st.Mode(), err)
	}
}

func TestMkdirAll(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a", "b", "c")
	for range 2 {
		if err := MkdirAll(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := MkdirAll(filepath.Join(dir, "file", "x"), 0o755); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("below a file: %v", err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := MkdirAll(filepath.Join(dir, "p", "q", "r"), 0o755); err != nil {
				t.Errorf("at once: %v", err)
			}
		})
	}
	wg.Wait()
}

func TestReplaceSymlink(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "current")
	for _, target := range []string{".current/1", ".current/2"} {
		if err := ReplaceSymlink(target, link); err != nil {
			t.Fatal(err)
		}
		if got, err := os.Readlink(link); err != nil || got != target {
			t.Errorf("%q %v, want %q", got, err, target)
		}
	}
	if n := names(t, dir); len(n) != 1 {
		t.Errorf("left behind: %q", n)
	}
	if err := os.Mkdir(filepath.Join(dir, "tree"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := ReplaceSymlink("x", filepath.Join(dir, "tree")); err == nil {
		t.Error("replaced a directory")
	}
	if n := names(t, dir); len(n) != 2 {
		t.Errorf("left behind: %q", n)
	}
}

func TestRename(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "a"), filepath.Join(dir, "sub", "b")
	if err := errors.Join(os.Mkdir(filepath.Dir(to), 0o755), os.WriteFile(from, []byte("x"), 0o644), Rename(from, to)); err != nil {
		t.Fatal(err)
	}
	if got := mustRead(t, to); got != "x" {
		t.Errorf("content %q", got)
	}
}

func TestRemoveStale(t *testing.T) {
	dir := t.TempDir()
	f, err := Create(filepath.Join(dir, strings.Repeat("n", 255)), 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	old, young := f.TempPath(), tempName(filepath.Join(dir, "young"))
	for _, path := range []string{young, filepath.Join(dir, ".hidden"), filepath.Join(dir, "x.tmp")} {
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	hourAgo := time.Now().Add(-time.Hour)
	for _, n := range names(t, dir) {
		if path := filepath.Join(dir, n); path != young {
			if err := os.Chtimes(path, hourAgo, hourAgo); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := RemoveStale(dir, time.Minute); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(old); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the stale file is still there: %v", err)
	}
	if n := names(t, dir); len(n) != 3 {
		t.Errorf("left: %q", n)
	}
}

package mash

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestCopyFile is what takes the place of a hard link on another file system.
func TestCopyFile(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	want := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	when := time.Unix(1781500000, 0)
	if err := os.WriteFile(from, want, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(from, when, when); err != nil {
		t.Fatal(err)
	}
	if err := copyFile(from, to); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(to)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("the copy differs: %v", err)
	}
	if st, err := os.Stat(to); err != nil || st.Mode().Perm() != 0o640 || !st.ModTime().Equal(when) {
		t.Errorf("mode or time is not the original's: %v", err)
	}
	if err := copyFile(filepath.Join(dir, "none"), filepath.Join(dir, "c")); err == nil {
		t.Error("a missing file is copied")
	}
	if err := place(filepath.Join(dir, "none"), filepath.Join(dir, "c")); err == nil {
		t.Error("a missing file is placed")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); left != nil {
		t.Errorf("left behind: %v", left)
	}
}

func TestArches(t *testing.T) {
	for _, c := range []struct {
		tree, arch string
		want       bool
	}{
		{"x86_64", "x86_64", true}, {"x86_64", "amd64", true}, {"x86_64", "i686", false}, {"x86_64", "noarch", false},
		{"i386", "i386", true}, {"i386", "i686", true}, {"i386", "athlon", true}, {"i386", "x86_64", false},
		{"aarch64", "armv7hl", false}, {"armhfp", "armv7hl", true}, {"vax", "vax", false},
	} {
		if got := takes(c.tree, c.arch); got != c.want {
			t.Errorf("the tree of %s takes %s: %v", c.tree, c.arch, got)
		}
	}
	for _, c := range []struct {
		r    restriction
		tree string
		want bool
	}{
		{restriction{}, "x86_64", true},
		{restriction{exclude: []string{"i386"}}, "i386", false},
		{restriction{exclude: []string{"i686"}}, "i386", false},
		{restriction{exclude: []string{"i386"}}, "x86_64", true},
		{restriction{exclusive: []string{"x86_64", "noarch"}}, "x86_64", true},
		{restriction{exclusive: []string{"x86_64", "noarch"}}, "i386", false},
		{restriction{exclusive: []string{"noarch"}}, "i386", true},
	} {
		if got := c.r.allows(c.tree); got != c.want {
			t.Errorf("%v allows %s: %v", c.r, c.tree, got)
		}
	}
	for name, want := range map[string]bool{"a-debuginfo": true, "a-debugsource": true, "kernel-debuginfo-common-x86_64": true, "a-debug": false, "debuginfo": false, "debuginfod": false} {
		if got := isDebug(name); got != want {
			t.Errorf("isDebug(%s) = %v", name, got)
		}
	}
}

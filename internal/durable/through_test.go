package durable

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestThrough(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(os.MkdirAll(at("deep/er"), 0o700), os.WriteFile(at("deep/file"), []byte("old"), 0o600)); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{
		"relative": "deep/file", "absolute": at("deep/file"), "twice": "relative", "dangling": "deep/none", "shortcut": "deep/er", "up": "shortcut/../file",
		"loop": "loop", "null": "/dev/null", "stdout": "/dev/stdout", "lost": "none/x",
	} {
		if err := os.Symlink(target, at(link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct{ name, want, err string }{
		{"deep/file", "deep/file", ""}, {"new", "new", ""}, {"none/x", "none/x", ""},
		{"relative", "deep/file", ""}, {"absolute", "deep/file", ""}, {"twice", "deep/file", ""}, {"dangling", "deep/none", ""},
		{"up", "shortcut/../file", ""}, {"lost", "none/x", ""},
		{"loop", "", "too many levels"}, {"null", "", "is no file"}, {"stdout", "", "name of a device"},
	} {
		got, err := Through(at(tc.name))
		if tc.err != "" {
			if err == nil || !strings.Contains(err.Error(), tc.err) || !strings.Contains(err.Error(), at(tc.name)) {
				t.Errorf("%s: %q %v, want ...%s...", tc.name, got, err, tc.err)
			}
			continue
		}
		if err != nil || got != dir+"/"+tc.want {
			t.Errorf("%s: %q %v, want %q", tc.name, got, err, at(tc.want))
		}
	}
	path, err := Through(at("up"))
	if err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(path, []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(at("deep/file")); err != nil || string(data) != "new" {
		t.Errorf("the file behind the link holds %q, %v", data, err)
	}
}

// In a directory as /tmp a stranger's link leads nowhere.
func TestThroughStrangersLink(t *testing.T) {
	dir := t.TempDir()
	link, file := filepath.Join(dir, "link"), filepath.Join(dir, "file")
	if err := errors.Join(os.Symlink(file, link), os.Chmod(dir, 0o777|os.ModeSticky)); err != nil {
		t.Fatal(err)
	}
	place, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(link)
	if err != nil {
		t.Fatal(err)
	}
	if err := followable(info, dir); err != nil {
		t.Errorf("one's own link: %v", err)
	}
	theirs := *info.Sys().(*syscall.Stat_t)
	theirs.Uid = place.Sys().(*syscall.Stat_t).Uid + 1
	if err := followable(owned{info, &theirs}, dir); err == nil {
		t.Error("another user's link is followed")
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := followable(owned{info, &theirs}, dir); err != nil {
		t.Errorf("in a directory of one user's: %v", err)
	}
}

// owned is a file with another owner.
type owned struct {
	os.FileInfo
	sys *syscall.Stat_t
}

func (o owned) Sys() any { return o.sys }

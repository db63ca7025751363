package durable

import (
	"net"
	"os"
	"path/filepath"
	"testing"
)

// TestWhatIsNoFileStays: root who names a device as output must not find a file in its place.
func TestWhatIsNoFileStays(t *testing.T) {
	dir := t.TempDir()
	socket := filepath.Join(dir, "socket")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	toSocket, toNull, toFile := filepath.Join(dir, "to-socket"), filepath.Join(dir, "to-null"), filepath.Join(dir, "to-file")
	file := filepath.Join(dir, "file")
	if err := WriteFile(file, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{toSocket: socket, toNull: "/dev/null", toFile: file} {
		if err := os.Symlink(target, link); err != nil {
			t.Fatal(err)
		}
	}
	// Should it not be refused, the devices themselves are not risked.
	for _, path := range []string{"/dev/null", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"} {
		if err := replaceable(path); err == nil {
			t.Errorf("%s can be replaced", path)
		}
	}
	for _, path := range []string{socket, toSocket, toNull} {
		before, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := WriteFile(path, []byte("new"), 0o600); err == nil {
			t.Errorf("%s is written over", path)
		}
		if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) {
			t.Errorf("%s is another thing now: %v", path, err)
		}
	}
	if err := WriteFile(toFile, []byte("new"), 0o600); err != nil {
		t.Error(err)
	}
	if old, err := os.ReadFile(file); err != nil || string(old) != "old" {
		t.Errorf("the file behind a link holds %q, %v", old, err)
	}
}

package cli

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Outputs go through links, to files as a whole, and to pipes and devices as they are.
func TestWriteGoesWhereTheNameLeads(t *testing.T) {
	dir := t.TempDir()
	file, link, fifo := filepath.Join(dir, "file"), filepath.Join(dir, "link"), filepath.Join(dir, "fifo")
	if err := os.Symlink("file", link); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	pipe, err := os.OpenFile(fifo, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	var stdout bytes.Buffer
	a := &App{stdout: bufio.NewWriter(&stdout)}
	for _, text := range []string{"first", "second, to what is there"} {
		for _, name := range []string{link, fifo, "/dev/null", "-"} {
			if err := a.write(name, []byte(text)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if data, err := os.ReadFile(file); err != nil || string(data) != text {
			t.Errorf("the file behind the link holds %q, %v; want %q", data, err, text)
		}
		got := make([]byte, 100)
		if n, err := pipe.Read(got); err != nil || string(got[:n]) != text {
			t.Errorf("the pipe gave %q, %v", got[:n], err)
		}
	}
	for name, want := range map[string]os.FileMode{link: os.ModeSymlink, fifo: os.ModeNamedPipe, "/dev/null": os.ModeDevice | os.ModeCharDevice} {
		if st, err := os.Lstat(name); err != nil || st.Mode().Type() != want {
			t.Errorf("%s is %v now, %v", name, st, err)
		}
	}
	if err := a.stdout.Flush(); err != nil {
		t.Fatal(err)
	}
	if stdout.String() != "firstsecond, to what is there" {
		t.Errorf("standard output: %q", stdout.String())
	}
	if err := a.write(dir, nil); err == nil {
		t.Error("a directory is written")
	}
}

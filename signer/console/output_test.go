package console

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// An output that is named by a link goes into the file that the link leads to, as it does for the client.
func TestOutputsGoThroughLinks(t *testing.T) {
	r := newRoom(t)
	r.must(setup...)
	if err := os.Mkdir(r.path("stick"), 0o700); err != nil {
		t.Fatal(err)
	}
	for i, line := range []string{
		"key show release --public-out @link",
		"key extend release --until 90d --by ann --passphrase-file @ann.pass --public-out @link",
		"ca show --out @link", "log checkpoint --out @link", "log export --out @link", "backup @link",
		"log import-check @link --key " + strings.TrimSpace(r.must("log key")) + " --checkpoint-out @link --out @other",
	} {
		for _, there := range []bool{true, false} {
			if i == 6 { // reads what it writes
				r.must("log export --out @link")
			} else if there {
				r.write("stick/file", []byte("old"))
			} else if err := os.Remove(r.path("stick/file")); err != nil {
				t.Fatal(err)
			}
			if i == 0 && there {
				if err := os.Symlink("stick/file", r.path("link")); err != nil {
					t.Fatal(err)
				}
			}
			r.must(line)
			if st, err := os.Lstat(r.path("link")); err != nil || st.Mode()&os.ModeSymlink == 0 {
				t.Fatalf("%s: the link was replaced (%v)", line, err)
			}
			if data := must(os.ReadFile(r.path("stick/file"))); bytes.Equal(data, []byte("old")) || len(data) == 0 {
				t.Errorf("%s: the file behind the link holds %q", line, data)
			}
		}
	}
	if err := os.Symlink("/dev/null", r.path("null")); err != nil {
		t.Fatal(err)
	}
	if out, err := r.run("ca show --out @null"); err == nil || !strings.Contains(err.Error(), "is no file") {
		t.Errorf("to a device: %v\n%s", err, out)
	}
}

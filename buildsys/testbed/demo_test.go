package testbed_test

import (
	"bytes"
	"os/exec"
	"testing"

	"github.com/privyseal/privyseal/internal/lab"
)

// TestDemo runs what `make demo` runs, which judges itself at every step, and holds that
// it came to the steps that matter.
func TestDemo(t *testing.T) {
	s := site(t)
	cmd := exec.CommandContext(t.Context(), lab.Testdata(t, "demo", "run"), s.bin)
	cmd.Env = append(cmd.Environ(), "TMPDIR="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for words, count := range map[string]int{
		"\n  Complete!\n":                    2, // dnf, of the package and of its update
		"Hello, sealed world from hello 1.0": 1,
		"Hello, sealed world from hello 1.1": 1,
		"signed 13, already 0, refused 0":    1,
		"signed 4, already 13, refused 0":    1,
		"verified 13, not verified 0":        1,
		"-> refused":                         5,
		"GPG check FAILED":                   2,
		"is not signed":                      1,
		"All as it should be.":               1,
	} {
		if got := bytes.Count(out, []byte(words)); got != count {
			t.Errorf("%q stands there %d times, not %d", words, got, count)
		}
	}
	if t.Failed() {
		t.Logf("%s", out)
	}
}

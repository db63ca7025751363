//go:build long

package repomd_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/privyseal/privyseal/buildsys/repomd"
	"github.com/privyseal/privyseal/internal/lab"
)

// TestHuge reads a package of over 4 GiB, whose sizes need 64 bits.
func TestHuge(t *testing.T) {
	dir := t.TempDir()
	lab.HugeRPM(t, filepath.Join(dir, "huge-1.0-1.noarch.rpm"), "huge", 4<<30+123)
	if err := repomd.CreateRepo(t.Context(), dir, repomd.Options{}); err != nil {
		t.Fatal(err)
	}
	_, text := load(t, dir)
	if !strings.Contains(text["primary"], `installed="4294967419" archive="429496`) {
		t.Errorf("sizes of 64 bits are not there:\n%s", text["primary"])
	}
}

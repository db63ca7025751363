package cli

import (
	"strings"
	"testing"
)

// TestGPGCommandLines reads the command lines with which git starts gpg.
func TestGPGCommandLines(t *testing.T) {
	for line, want := range map[string]struct {
		key    string
		status int
		signs  bool
	}{
		"--status-fd=2 -bsau fedora-git":                 {"fedora-git", 2, true},
		"--status-fd=2 -bsaufedora-git":                  {"fedora-git", 2, true},
		"-bsau 0xABCD":                                   {"0xABCD", -1, true},
		"--keyid-format=long --status-fd=1 --verify f -": {"", 1, false},
		"--version": {"", -1, false},
		"--status-fd=nonsense --verify sign-of-things -": {"", -1, false},
	} {
		key, status, signs := gpgSigning(strings.Fields(line))
		if key != want.key || status != want.status || signs != want.signs {
			t.Errorf("%q: key %q, status %d, signs %v", line, key, status, signs)
		}
	}
	for name, want := range map[string]bool{
		"AAFFB5232358C707589BCF521BD54F3BB9F8EA81": true, "0x1bd54f3bb9f8ea81!": true, "B9F8EA81": false, "": false, "fedora": false,
	} {
		if isKeyID("AAFFB5232358C707589BCF521BD54F3BB9F8EA81", name) != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
}

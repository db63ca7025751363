package seal

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestSeenIsNotWaitedFor: a FIFO where the checkpoint should be is an error, not a client that hangs.
func TestSeenIsNotWaitedFor(t *testing.T) {
	file := filepath.Join(t.TempDir(), "signer.checkpoint")
	if err := syscall.Mkfifo(file, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenSeen(file); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("%v", err)
	}
}

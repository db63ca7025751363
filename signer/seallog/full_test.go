package seallog_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/privyseal/privyseal/internal/lab"
	"github.com/privyseal/privyseal/signer/seallog"
)

// On a full disk no signature leaves; what was recorded stays; and when there is room again, signing goes on without a restart.
func TestFullDisk(t *testing.T) {
	lab.Need(t, lab.Mount)
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=128k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 64<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	logDir := filepath.Join(dir, "log")
	l := open(t, logDir)
	sig := strings.Repeat("s", 3000)
	good := 0
	var err error
	for ; good < 100; good++ {
		if _, _, _, err = sign(l, t.Context(), subject(good), meta, constant(sig)); err != nil {
			break
		}
	}
	if !errors.Is(err, unix.ENOSPC) || good == 0 {
		t.Fatalf("after %d signatures: %v, want no space left", good, err)
	}
	for range 3 {
		if got, _, _, err := sign(l, t.Context(), subject(good), meta, constant(sig)); !errors.Is(err, unix.ENOSPC) || got != nil {
			t.Fatalf("%d bytes of signature left on a full disk, %v", len(got), err)
		}
	}
	if _, existed, err := l.Find(subject(good)); existed || err != nil {
		t.Errorf("an entry that is not on disk is found: %v", err)
	}
	if _, index, existed, err := sign(l, t.Context(), subject(0), meta, constant("x")); err != nil || !existed || index != 0 {
		t.Errorf("what is recorded is not given out on a full disk: %v", err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if index := mustSign(t, l, good, sig); index != int64(good) {
		t.Errorf("index %d after the disk had room again, want %d", index, good)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l, err = seallog.Open(logDir, options)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if l.Notice() != "" || l.Size() != int64(good+1) {
		t.Errorf("notice %q, %d entries, want none and %d", l.Notice(), l.Size(), good+1)
	}
	for i := range good + 1 {
		if _, ok, err := l.Find(subject(i)); !ok || err != nil {
			t.Error(fmt.Sprintf("entry %d:", i), ok, err)
		}
	}
}

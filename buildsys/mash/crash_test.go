package mash_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// killed composes into a directory and kills its own process at the n-th
// signature. It runs in a child of TestCrash.
func killed(t *testing.T, output, at string) {
	n, err := strconv.Atoi(at)
	if err != nil {
		t.Fatal(err)
	}
	r := signed(t)
	r.output = output
	calls := 0
	r.repo.Before = func([]byte) error {
		if calls++; calls == n {
			return syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
		return nil
	}
	_, err = r.compose(t)
	t.Fatal("still alive: ", err)
}

// TestCrash kills a compose with SIGKILL at every repository: the old tree
// stays live and whole, no half tree shows, and the next run clears up.
func TestCrash(t *testing.T) {
	t.Parallel()
	if at := os.Getenv("MASH_TEST_KILL_AT"); at != "" {
		killed(t, os.Getenv("MASH_TEST_OUTPUT"), at)
	}
	r := signed(t)
	first := r.mustCompose(t)
	before := listing(t, first.Link+"/")
	for n := 1; n <= len(first.Repos); n++ {
		cmd := exec.Command(os.Args[0], "-test.run=^TestCrash$")
		cmd.Env = append(os.Environ(), "MASH_TEST_KILL_AT="+strconv.Itoa(n), "MASH_TEST_OUTPUT="+r.output, "TMPDIR="+t.TempDir())
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		err := cmd.Run()
		if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || ws.Signal() != syscall.SIGKILL {
			t.Fatalf("the child was not killed: %v\n%s", err, out.String())
		}
		if diff := cmp.Diff(before, listing(t, first.Link+"/")); diff != "" {
			t.Fatalf("killed at signature %d: the live tree changed:\n%s", n, diff)
		}
		if target, err := os.Readlink(first.Link); err != nil || target != ".f1/1" {
			t.Fatalf("killed at signature %d: the link points to %q, %v", n, target, err)
		}
		visible, err := filepath.Glob(filepath.Join(r.output, ".f1", "[0-9]*"))
		if err != nil || len(visible) != 1 {
			t.Fatalf("killed at signature %d: trees %v, %v", n, visible, err)
		}
		if left, _ := filepath.Glob(filepath.Join(r.output, ".f1", ".new-*")); len(left) == 0 {
			t.Fatalf("killed at signature %d: nothing was begun, so nothing was tested", n)
		}
	}
	if res := r.mustCompose(t); res.Serial != 2 {
		t.Errorf("serial %d after the crashes", res.Serial)
	}
	entries, err := os.ReadDir(filepath.Join(r.output, ".f1"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			t.Errorf("%s is left behind", e.Name())
		}
	}
}

// TestCrashBeforeTheLink leaves a complete tree that was never published, as a
// crash between the two renames does: the next compose goes on above it.
func TestCrashBeforeTheLink(t *testing.T) {
	t.Parallel()
	r := signed(t)
	first := r.mustCompose(t)
	if err := os.Mkdir(filepath.Join(r.output, ".f1", "2"), 0o755); err != nil {
		t.Fatal(err)
	}
	if res := r.mustCompose(t); res.Serial != 3 {
		t.Errorf("serial %d, want 3", res.Serial)
	}
	if target, _ := os.Readlink(first.Link); target != ".f1/3" {
		t.Errorf("the link points to %s", target)
	}
}

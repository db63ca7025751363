package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/privyseal/privyseal/internal/lab"
)

// TestServeIsCaged looks at a serving signer from the outside: every thread is behind the filter, nothing may be dumped, memory is
// locked, and it says of each wall that it holds. The changes that the console hands to it work all the same.
func TestServeIsCaged(t *testing.T) {
	lab.Need(t, lab.Landlock)
	s := newSite(t)
	s.configure("cage_require = all\n")
	srv := s.serve()
	proc := fmt.Sprintf("/proc/%d/", srv.cmd.Process.Pid)
	tasks, err := filepath.Glob(proc + "task/*/status")
	if err != nil || len(tasks) < 2 {
		t.Fatalf("%d threads, %v", len(tasks), err)
	}
	for _, task := range tasks {
		status, err := os.ReadFile(task)
		if err != nil {
			continue // a thread that ended
		}
		for _, line := range []string{"NoNewPrivs:\t1", "Seccomp:\t2"} {
			if !bytes.Contains(status, []byte(line)) {
				t.Errorf("%s lacks %q", task, line)
			}
		}
	}
	limits, err := os.ReadFile(proc + "limits")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(limits), "Max core file size        0                    0") {
		t.Errorf("a core may be written:\n%s", limits)
	}
	status, err := os.ReadFile(proc + "status")
	if err != nil {
		t.Fatal(err)
	}
	var locked int
	if _, after, ok := strings.Cut(string(status), "VmLck:"); ok {
		fmt.Sscan(after, &locked)
	}
	if locked < 1024 {
		t.Errorf("%d KiB are locked", locked)
	}
	out := s.must("user add bob --passphrase-file pass\ngrant release bob --by ann --passphrase-file pass\nfreeze key release\nunfreeze key release\n")
	if !strings.Contains(out, "user bob added") {
		t.Errorf("the console beside a caged serve:\n%s", out)
	}
	if err := srv.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := srv.cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v\n%s", err, srv.log)
	}
	if n := strings.Count(srv.log.String(), "holds=true"); n != 7 {
		t.Errorf("%d walls hold:\n%s", n, srv.log)
	}
}

// TestCageRequire refuses a wall that there is not, before anything is served.
func TestCageRequire(t *testing.T) {
	s := newSite(t)
	s.configure("cage_require = moat\n")
	if out, code := finish(s.command("serve")); code != 1 || !strings.Contains(out, `unknown wall "moat"`) || !strings.Contains(out, "syscalls") {
		t.Errorf("exit %d: %s", code, out)
	}
}

// configure adds a line to signer.conf.
func (s site) configure(line string) {
	s.t.Helper()
	f, err := os.OpenFile(filepath.Join(s.vault, "signer.conf"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := f.WriteString(line); err != nil {
		s.t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		s.t.Fatal(err)
	}
}

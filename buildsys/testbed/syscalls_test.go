package testbed_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/privyseal/privyseal/internal/lab"
)

// TestSignTagSyscalls watches bridge and signer from their first system call through a
// successful sign-tag: the bridge connects to nothing over IP, and the signer listens on
// nothing at all.
func TestSignTagSyscalls(t *testing.T) {
	lab.Need(t, lab.Ptrace)
	s := site(t)
	s.tag(t, "syscalls", lab.RPM{Name: "syscalls"})
	if res := s.signTag(t, "PRIVYSEAL_CONF", "syscalls"); res.code != 0 || res.last() != "signed 1, already 0, refused 0" {
		t.Fatalf("sign-tag: %v", res)
	}
	bridge, signer := trace(t, s, "bridge"), trace(t, s, "signer")

	// An empty or foreign trace proves nothing: both must show the work they did.
	present(t, "bridge", bridge, `listen\(`, `accept4?\(.*= \d+`)
	present(t, "signer", signer, `connect\(.*AF_INET.*= (0|-1 EINPROGRESS)`)

	absent(t, "bridge", bridge, `connect\(.*AF_INET`)
	absent(t, "signer", signer, `listen\(`, `accept4?\(`)
}

// trace reads what strace wrote of a program, all its starts together.
func trace(t *testing.T, s *rig, program string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(s.traces, program+".*"))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}

func present(t *testing.T, program, trace string, patterns ...string) {
	t.Helper()
	for _, p := range patterns {
		if !regexp.MustCompile(`(?m)` + p).MatchString(trace) {
			t.Errorf("the trace of the %s has no %s in its %d bytes", program, p, len(trace))
		}
	}
}

func absent(t *testing.T, program, trace string, patterns ...string) {
	t.Helper()
	for _, p := range patterns {
		if line := regexp.MustCompile(`(?m)^.*` + p + `.*$`).FindString(trace); line != "" {
			t.Errorf("the %s made the call %s", program, line)
		}
	}
}

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The signer's own keys are for its user alone: serve does not start while others can read or write them.
func TestServeRefusesOpenSecrets(t *testing.T) {
	s := newSite(t)
	for _, name := range []string{"log.key", "inner.pem"} {
		path := filepath.Join(s.vault, name)
		for _, mode := range []os.FileMode{0o640, 0o620, 0o604, 0o602} {
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
			out, code := finish(s.bounded("serve"))
			if code != 1 || !strings.Contains(out, fmt.Sprintf("(mode %04o)", mode)) || !strings.Contains(out, "chmod 600 "+path) {
				t.Errorf("%s with mode %04o: exit %d\n%s", name, mode, code, out)
			}
		}
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.serve()
}

// bounded is command for what must end by itself.
func (s site) bounded(args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	s.t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, os.Args[0], append([]string{"--vault", s.vault}, args...)...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), asProgram+"=1")
	return cmd
}

package lab

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// kojiTree is the variable that names a source tree of Koji, for machines whose distribution packages no client.
const kojiTree = "PRIVYSEAL_KOJI_TREE"

// Koji is a command of the real koji client with a configuration file of its own, speaking plain English in UTC.
// The test must Need RealKoji first.
func Koji(t testing.TB, ctx context.Context, conf string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := kojiCommand(ctx, append([]string{"-c", conf}, args...)...)
	cmd.Env = append(cmd.Env, "LC_ALL=C.UTF-8", "TZ=UTC", "HOME="+t.TempDir())
	return cmd
}

func kojiCommand(ctx context.Context, args ...string) *exec.Cmd {
	tree := os.Getenv(kojiTree)
	if tree == "" {
		cmd := exec.CommandContext(ctx, "koji", args...)
		cmd.Env = os.Environ()
		return cmd
	}
	// The distribution's Python, which has the modules, not one that a version manager puts before it.
	cmd := exec.CommandContext(ctx, "/usr/bin/python3", append([]string{filepath.Join(tree, "cli", "koji")}, args...)...)
	cmd.Env = append(os.Environ(), "PYTHONPATH="+tree+string(os.PathListSeparator)+filepath.Join(tree, "cli"),
		"PYTHONDONTWRITEBYTECODE=1")
	return cmd
}

func probeRealKoji() error { return runCommand(kojiCommand(context.Background(), "--help")) }

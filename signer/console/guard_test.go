package console

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/privyseal/privyseal/internal/daemon"
)

// A terminal counts when its name fits one of the patterns.
func TestGuardKnowsConsoles(t *testing.T) {
	nobody := t.TempDir() // a /proc without processes
	for _, tc := range []struct {
		terminal string
		consoles []string
		want     string // of the refusal; "" for none
	}{
		{"tty1", nil, ""},
		{"ttyS0", nil, ""},
		{"hvc0", nil, ""},
		{"pts/0", nil, "terminal pts/0 is none of the signer's consoles (tty*, ttyS*, hvc*)"},
		{"console", nil, "is none of the signer's consoles"},
		{"console", []string{"console"}, ""},
		{"pts/3", []string{"tty1", "pts/*"}, ""},
		{"pts/3", []string{"/dev/pts/3"}, ""},
		{"tty2", []string{"tty1"}, "terminal tty2 is none of the signer's consoles (tty1)"},
		{"pts/3", []string{"*"}, "is none of the signer's consoles"},
		{"tty1", []string{"[tty1"}, "consoles: pattern"},
	} {
		err := guard(&namedTypist{name: tc.terminal}, tc.consoles, nobody)
		var remote *RemoteError
		switch {
		case tc.want == "" && err != nil, tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
			t.Errorf("%s, consoles %q: %v, want ...%s...", tc.terminal, tc.consoles, err, tc.want)
		case err != nil && !strings.Contains(err.Error(), "pattern") && (!errors.As(err, &remote) || !strings.Contains(err.Error(), "--batch FILE")):
			t.Errorf("%s: the refusal does not say what to do: %v", tc.terminal, err)
		}
	}
}

type namedTypist struct {
	typist
	name string
}

func (p *namedTypist) IsTerminal() bool { return true }
func (p *namedTypist) Name() string     { return p.name }

// Whoever came in from elsewhere is found among the parents, by name or by program.
func TestGuardLooksAtAncestors(t *testing.T) {
	parent := os.Getppid()
	process := func(pid int, name string, up int) string { return fmt.Sprintf("%d (%s) S %d 1 1 0", pid, name, up) }
	for _, tc := range []struct {
		name  string
		stats map[int]string
		exe   map[int]string
		want  string
	}{
		{"a shell at a console", map[int]string{parent: process(parent, "bash", 20), 20: process(20, "login", 1), 1: process(1, "systemd", 0)}, nil, ""},
		{"sshd far above", map[int]string{parent: process(parent, "sudo", 20), 20: process(20, "bash", 30), 30: process(30, "sshd-session", 40), 40: process(40, "sshd", 1)},
			nil, "started from sshd-session (process 30)"},
		{"another name, the same program", map[int]string{parent: process(parent, "sshd: ann", 1)}, map[int]string{parent: "/usr/sbin/sshd"}, "started from sshd"},
		{"brackets in a name", map[int]string{parent: process(parent, "a) S 1 (sshd", 20), 20: process(20, "dropbear", 1)}, nil, "started from dropbear"},
		{"a parent that ended", map[int]string{parent: process(parent, "bash", 20)}, nil, ""},
		{"no process at all", nil, nil, ""},
		{"a loop", map[int]string{parent: process(parent, "bash", parent)}, nil, ""},
		{"not what the kernel writes", map[int]string{parent: "garbage"}, nil, "is not what proc(5) says"},
		{"cut short", map[int]string{parent: fmt.Sprintf("%d (bash)", parent)}, nil, "is not what proc(5) says"},
		{"a parent that is no number", map[int]string{parent: "1 (bash) S x"}, nil, "is no number"},
	} {
		proc := t.TempDir()
		for pid, stat := range tc.stats {
			dir := filepath.Join(proc, fmt.Sprint(pid))
			if err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(filepath.Join(dir, "stat"), []byte(stat), 0o600)); err != nil {
				t.Fatal(err)
			}
			if exe := tc.exe[pid]; exe != "" {
				if err := os.Symlink(exe, filepath.Join(dir, "exe")); err != nil {
					t.Fatal(err)
				}
			}
		}
		err := guardAncestors(proc)
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: %v, want ...%s...", tc.name, err, tc.want)
		}
	}
}

// The rule holds for a command on the command line, and for nothing that was reviewed or touches no vault.
func TestGuardedVerbs(t *testing.T) {
	r := newRoom(t)
	far := &namedTypist{name: "pts/7"}
	var remote *RemoteError
	if _, err := r.runAt(far, initLine); !errors.As(err, &remote) {
		t.Errorf("init from pts/7: %v", err)
	}
	r.must(setup...)
	for _, line := range []string{"list", "pin", "key list", "freeze key release", "log tail", "backup @b"} {
		if _, err := r.runAt(far, line); !errors.As(err, &remote) {
			t.Errorf("%s from pts/7: %v", line, err)
		}
	}
	for _, line := range []string{"", "key", "key nwe", "make coffee"} {
		var usage *daemon.UsageError
		if _, err := r.runAt(far, line); !errors.As(err, &usage) {
			t.Errorf("%q, which is no command, from pts/7: %v", line, err)
		}
	}
	for _, line := range []string{"help", "key new --help", "help key new", "key --help"} {
		if out, err := r.runAt(far, line); err != nil && !isHelp(err) || !strings.Contains(out, "make an OpenPGP key") {
			t.Errorf("%s from pts/7: %v\n%s", line, err, out)
		}
	}
	r.write("ceremony", []byte("pin\n"))
	for _, term := range []Terminal{far, &typist{}} {
		to := r.path("t" + fmt.Sprint(term.IsTerminal()))
		if out, err := r.runAt(term, "ceremony @ceremony --transcript "+to); err != nil {
			t.Errorf("a ceremony: %v\n%s", err, out)
		}
	}
	// The vault's own configuration says which terminals count.
	conf := filepath.Join(r.vault, "signer.conf")
	text := must(os.ReadFile(conf))
	if err := os.WriteFile(conf, append(text, "consoles = pts/*\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := r.runAt(far, "list"); errors.As(err, &remote) && strings.Contains(err.Error(), "terminal") {
		t.Errorf("list from pts/7, which signer.conf allows: %v", err)
	}
	if err := os.WriteFile(conf, append(text, "console = pts/*\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := r.runAt(far, "list"); err == nil || !strings.Contains(err.Error(), `unknown setting "console"`) {
		t.Errorf("a misspelt setting: %v", err)
	}
}

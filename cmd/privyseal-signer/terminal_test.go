package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// pty is the program on a pseudo-terminal, which script(1) gives. It is an orphan: whoever runs the tests may have come in by ssh, and
// the program looks for that among its parents.
type pty struct {
	t    *testing.T
	in   io.WriteCloser
	seen chan string // all of what it printed so far; closed at the end
	out  string
}

func (s site) pty(line string) *pty { s.t.Helper(); return s.ptyUnder("sh", line) }

// ptyUnder lets a shell start it that goes by another name.
func (s site) ptyUnder(shell, line string) *pty {
	s.t.Helper()
	s.write("line", fmt.Appendf(nil, "cd '%s'; '%s' --vault '%s' %s; echo \"exit $?.\"\n", s.dir, os.Args[0], s.vault, line))
	cmd := exec.Command("setsid", "--fork", "script", "-qec", "'"+shell+"' '"+filepath.Join(s.dir, "line")+"'", "/dev/null")
	cmd.Env = append(os.Environ(), asProgram+"=1")
	p := &pty{t: s.t, seen: make(chan string, 1000)}
	stdin, in, err := os.Pipe()
	if err != nil {
		s.t.Fatal(err)
	}
	out, stdout, err := os.Pipe()
	if err != nil {
		s.t.Fatal(err)
	}
	cmd.Stdin, cmd.Stdout, p.in = stdin, stdout, in
	s.t.Cleanup(func() { in.Close(); out.Close() })
	if err := cmd.Run(); err != nil {
		s.t.Fatal(err)
	}
	stdin.Close()
	stdout.Close()
	go func() {
		defer close(p.seen)
		var all []byte
		buf := make([]byte, 4096)
		for {
			n, err := out.Read(buf)
			all = append(all, buf[:n]...)
			p.seen <- string(all)
			if err != nil {
				return
			}
		}
	}()
	return p
}

// wait waits until the program has printed something more.
func (p *pty) wait(want string) {
	p.t.Helper()
	deadline := time.After(20 * time.Second)
	start := len(p.out)
	for !strings.Contains(p.out[start:], want) {
		select {
		case text, ok := <-p.seen:
			if !ok {
				p.t.Fatalf("it ended before it said %q:\n%s", want, p.out)
			}
			p.out = text
		case <-deadline:
			p.t.Fatalf("it does not say %q:\n%s", want, p.out)
		}
	}
	p.out = p.out[:start+strings.Index(p.out[start:], want)+len(want)]
}

// answer waits for a prompt and types a line.
func (p *pty) answer(prompt, line string) {
	p.t.Helper()
	p.wait(prompt)
	// The prompt is printed before echo is switched off.
	time.Sleep(100 * time.Millisecond)
	if _, err := io.WriteString(p.in, line+"\n"); err != nil {
		p.t.Fatal(err)
	}
}

// end waits for the end and gives all that was printed, and the exit code.
func (p *pty) end() (string, string) {
	p.t.Helper()
	for text := range p.seen {
		p.out = text
	}
	m := regexp.MustCompile(`(?s)^(.*)exit (\d+)\.\s*$`).FindStringSubmatch(p.out)
	if m == nil {
		p.t.Fatalf("it did not end:\n%s", p.out)
	}
	return m[1], m[2]
}

// On a real terminal a passphrase is asked for twice and not shown.
func TestRealTerminal(t *testing.T) {
	s := newSite(t)
	p := s.pty("user add tina")
	p.answer("(new): ", "typed passphrase")
	p.answer("The same again: ", "typed passphrase")
	if out, code := p.end(); code != "0" || !strings.Contains(out, "user tina added") || strings.Contains(out, "typed passphrase") {
		t.Errorf("exit %s\n%s", code, out)
	}
}

// What a person does at the console in a year, typed at a real terminal while serve runs.
func TestSessionAtTheConsole(t *testing.T) {
	s := newSite(t)
	srv := s.serve()
	done := func(p *pty, want string) {
		t.Helper()
		if out, code := p.end(); code != "0" || !strings.Contains(out, want) || strings.Contains(out, "a passphrase\r\n") {
			t.Fatalf("exit %s, want ...%s...\n%s", code, want, out)
		}
	}
	p := s.pty("user add bob")
	p.answer("(new): ", "a passphrase")
	p.answer("The same again: ", "a passphrase")
	done(p, "user bob added")
	p = s.pty("grant give release bob --by ann")
	p.answer("Passphrase of user ann: ", "not it")
	if out, code := p.end(); code != "1" || !strings.Contains(out, "user ann: wrong passphrase") {
		t.Errorf("exit %s\n%s", code, out)
	}
	p = s.pty("grant give release bob --by ann")
	p.answer("Passphrase of user ann: ", "a passphrase")
	done(p, "grant give release bob by ann")
	p = s.pty("policy edit")
	p.answer("policy> ", "a")
	p.answer("      ", "    user ann bob :: allow")
	p.answer("      ", ".")
	p.answer("policy> ", "s")
	done(p, "policy set")
	p = s.pty("unlock release --for bob --until 1h --by ann")
	p.answer("Passphrase of user ann: ", "a passphrase")
	done(p, "unlock")
	done(s.pty("freeze user bob"), "freeze user bob")
	if out, code := s.pty("frezee key release").end(); code != "2" || !strings.Contains(out, `did you mean "freeze key"?`) {
		t.Errorf("exit %s\n%s", code, out)
	}
	done(s.pty("user list --json"), `"state": "frozen"`)
	if err := errors.Join(srv.cmd.Process.Signal(syscall.SIGTERM), srv.cmd.Wait()); err != nil {
		t.Error(err)
	}
	for _, want := range []string{"freeze user bob", "unlock release for bob until", "policy set"} {
		if !strings.Contains(srv.log.String(), want) {
			t.Errorf("serve did not see %q:\n%s", want, srv.log)
		}
	}
}

// The terminal has to be one of the signer's consoles, and nobody may have come in from elsewhere.
func TestDistantTerminalIsRefused(t *testing.T) {
	s := newSite(t)
	shell, err := os.ReadFile("/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	// The kernel's name of a process is that of the file it was started from.
	sshd := filepath.Join(s.dir, "sshd")
	if err := os.WriteFile(sshd, shell, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, code := s.ptyUnder(sshd, "freeze key release").end(); code != "1" || !strings.Contains(out, "was started from sshd (process ") {
		t.Errorf("below sshd: exit %s\n%s", code, out)
	}
	s.write("batch", []byte("freeze key release\n"))
	if out, code := s.ptyUnder(sshd, "--batch batch").end(); code != "0" || !strings.Contains(out, "freeze key release") {
		t.Errorf("a reviewed file below sshd: exit %s\n%s", code, out)
	}
	conf := filepath.Join(s.vault, "signer.conf")
	text, err := os.ReadFile(conf)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(conf, bytes.ReplaceAll(text, []byte("consoles = pts/*"), nil), 0o600); err != nil {
		t.Fatal(err)
	}
	// /dev/tty is a name that fits tty*, and means the terminal at hand.
	for _, line := range []string{"unfreeze key release", "unfreeze key release </dev/tty"} {
		if out, code := s.pty(line).end(); code != "1" || !regexp.MustCompile(`terminal pts/\d+ is none of the signer's consoles`).MatchString(out) {
			t.Errorf("%s: exit %s\n%s", line, code, out)
		}
	}
}

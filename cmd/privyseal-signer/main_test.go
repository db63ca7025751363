package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/privyseal/privyseal/internal/pki"
	"github.com/privyseal/privyseal/keys/vault"
)

const asProgram = "PRIVYSEAL_TEST_SIGNER_PROGRAM"

// TestMain lets the test binary be the program under test.
func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

type site struct {
	t          *testing.T
	dir, vault string
}

func newSite(t *testing.T) site {
	t.Helper()
	s := site{t: t, dir: t.TempDir()}
	s.vault = filepath.Join(s.dir, "vault")
	ca, err := pki.NewCA("outer", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := ca.Issue(pki.Request{CN: "signer1", URI: "privyseal://signer/signer1", Client: true})
	if err != nil {
		t.Fatal(err)
	}
	pem, err := leaf.PEM()
	if err != nil {
		t.Fatal(err)
	}
	s.write("signer.pem", pem)
	s.write("ca.pem", ca.CertPEM())
	s.write("pass", []byte("a passphrase\n"))
	// Port 1 has no bridge: the signer must come up all the same.
	s.must("init --name signer1 --bridge 127.0.0.1:1 --outer-cert signer.pem --outer-key signer.pem --outer-ca ca.pem --argon2-memory-kib 64 --consoles pts/*\n" +
		"user add ann --passphrase-file pass\n" +
		"key new release --type eddsa --purpose rpm --uid 'Release <release@test.invalid>' --for ann --public-out release.asc\n")
	return s
}

func (s site) write(name string, data []byte) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), data, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s site) command(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], append([]string{"--vault", s.vault}, args...)...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), asProgram+"=1")
	return cmd
}

// batch runs a batch file and gives what it printed and its exit code.
func (s site) batch(text string) (string, int) {
	s.t.Helper()
	f, err := os.CreateTemp(s.dir, "batch")
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		s.t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		s.t.Fatal(err)
	}
	return finish(s.command("--batch", f.Name()))
}

func finish(cmd *exec.Cmd) (string, int) {
	out, _ := cmd.CombinedOutput()
	return string(out), cmd.ProcessState.ExitCode()
}

func (s site) must(text string) string {
	s.t.Helper()
	out, code := s.batch(text)
	if code != 0 {
		s.t.Fatalf("exit %d: %s", code, out)
	}
	return out
}

type server struct {
	cmd *exec.Cmd
	log *bytes.Buffer
}

// serve starts the signer and waits until it says that it is ready.
func (s site) serve() server { s.t.Helper(); return s.start("serve") }

func (s site) start(args ...string) server {
	s.t.Helper()
	socket := filepath.Join(s.t.TempDir(), "n")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	srv := server{s.command(args...), new(bytes.Buffer)}
	srv.cmd.Env = append(srv.cmd.Env, "NOTIFY_SOCKET="+socket)
	srv.cmd.Stderr = srv.log
	if err := srv.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = srv.cmd.Process.Kill(); _ = srv.cmd.Wait() })
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		s.t.Fatal(err)
	}
	buf := make([]byte, 100)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			_ = srv.cmd.Process.Kill()
			_ = srv.cmd.Wait()
			s.t.Fatalf("serve does not get ready: %v\n%s", err, srv.log)
		}
		if bytes.Contains(buf[:n], []byte("READY=1")) {
			return srv
		}
	}
}

func TestServe(t *testing.T) {
	s := newSite(t)
	srv := s.serve()
	if out, code := finish(s.command("serve")); code != 1 || !strings.Contains(out, "held by another process") {
		t.Errorf("a second serve: exit %d: %s", code, out)
	}
	out := s.must("user add bob --passphrase-file pass\ngrant release bob --by ann --passphrase-file pass\nlist\n")
	if !strings.Contains(out, "user bob added") || !strings.Contains(out, "grant  release  bob") {
		t.Errorf("console beside serve:\n%s", out)
	}
	if out, code := s.batch("user add bob --passphrase-file pass\n"); code != 1 || !strings.Contains(out, "user bob: name is taken") {
		t.Errorf("exit %d: %s", code, out)
	}
	if err := srv.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := srv.cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v\n%s", err, srv.log)
	}
	// An edit while nobody looks is found at the next start, by serve and by the console.
	state := filepath.Join(s.vault, "state.json")
	data, err := os.ReadFile(state)
	if err != nil {
		t.Fatal(err)
	}
	edited := bytes.Replace(data, []byte(`"purposes": [`+"\n    \"rpm\""), []byte(`"purposes": [`+"\n    \"repomd\""), 1)
	if bytes.Equal(edited, data) {
		t.Fatal("nothing was edited")
	}
	if err := os.WriteFile(state, edited, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, code := finish(s.command("serve")); code != 1 || !strings.Contains(out, "was changed behind the signer's back") {
		t.Errorf("serve of an edited vault: exit %d: %s", code, out)
	}
	if out, code := s.batch("user add carl --passphrase-file pass\n"); code != 1 || !strings.Contains(out, "was changed behind the signer's back") {
		t.Errorf("console on an edited vault: exit %d: %s", code, out)
	}
}

// A batch file may end with serve: what stands before it is done then.
func TestServeEndsABatch(t *testing.T) {
	s := newSite(t)
	s.write("batch", []byte("user add bob --passphrase-file pass\nserve # from here on\n"))
	srv := s.start("--batch", "batch")
	if out := s.must("list\n"); !strings.Contains(out, "bob") {
		t.Errorf("bob is not there:\n%s", out)
	}
	if out, code := finish(s.command("serve")); code != 1 || !strings.Contains(out, "held by another process") {
		t.Errorf("a second serve: exit %d: %s", code, out)
	}
	if err := srv.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := srv.cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v\n%s", err, srv.log)
	}
}

// Serve is killed again and again while the console works through it or, between two lives, without it. No command is lost or half done.
func TestKilledServe(t *testing.T) {
	s := newSite(t)
	stop, stopped := make(chan struct{}), make(chan int)
	go func() {
		kills := 0
		for {
			srv := s.command("serve")
			if err := srv.Start(); err != nil {
				t.Error(err)
				break
			}
			// The later ones live longer, so that a slow machine gets through as well.
			time.Sleep(time.Duration(20+17*kills%60+kills*kills) * time.Millisecond)
			_ = srv.Process.Kill()
			_ = srv.Wait()
			kills++
			select {
			case <-stop:
				stopped <- kills
				return
			default:
			}
		}
		stopped <- kills
	}()
	for i := range 12 {
		s.must(fmt.Sprintf("user add u%d --passphrase-file pass\ngrant release u%d --by ann --passphrase-file pass\n", i, i))
	}
	close(stop)
	t.Logf("%d kills", <-stopped)
	s.serve()
	v, err := vault.Open(s.vault)
	if err != nil {
		t.Fatal(err)
	}
	if got := len(v.State().Grants()); got != 13 || v.State().Generation() != 3+24 {
		t.Errorf("%d grants at generation %d, want 13 at 27", got, v.State().Generation())
	}
	for i := range 12 {
		if _, err := v.Unlock(t.Context(), fmt.Sprintf("u%d", i), "release", []byte("a passphrase")); err != nil {
			t.Error(err)
		}
	}
}

func TestCommandLine(t *testing.T) {
	s := newSite(t)
	for _, tc := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"list"}, 1, "--batch FILE"}, // standard input is no terminal
		{[]string{"help"}, 0, "ca issue CSRFILE"},
		{[]string{"key", "new", "--help"}, 0, "-public-out file"},
		{[]string{"init", "--help"}, 0, "-argon2-memory-kib KiB"},
		{[]string{"ca", "--help"}, 0, "ca issue CSRFILE"},
		{[]string{"serve", "--help"}, 0, "until SIGTERM"},
		{[]string{"destroy", "--help"}, 2, "unknown command"},
		{[]string{"--no-such-flag"}, 2, "no-such-flag"},
		{[]string{"--batch", "x", "list"}, 2, "exclude each other"},
		{[]string{"--batch", "none"}, 1, "no such file"},
		{[]string{"--vault", filepath.Join(s.dir, "none"), "serve"}, 1, "no such file"},
	} {
		if out, code := finish(s.command(tc.args...)); code != tc.code || !strings.Contains(out, tc.want) {
			t.Errorf("%q: exit %d, want %d with ...%s...\n%s", tc.args, code, tc.code, tc.want, out)
		}
	}
	if out, code := s.batch("user add\n"); code != 2 || !strings.Contains(out, "usage: privyseal-signer --vault DIR user add NAME") {
		t.Errorf("exit %d: %s", code, out)
	}
}

// pty is the program on a pseudo-terminal, which script(1) gives. It is an orphan: whoever runs the tests may have come in by ssh, and
// the program looks for that among its parents.
type pty struct {
	t    *testing.T
	in   io.WriteCloser
	seen chan string // all of what it printed so far; closed at the end
	out  string
}

func (s site) pty(line string) *pty {
	s.t.Helper()
	s.write("line", fmt.Appendf(nil, "cd '%s'; '%s' --vault '%s' %s; echo \"exit $?.\"\n", s.dir, os.Args[0], s.vault, line))
	cmd := exec.Command("setsid", "--fork", "script", "-qec", "sh '"+filepath.Join(s.dir, "line")+"'", "/dev/null")
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

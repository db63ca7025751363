package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
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

// A vault with a start passphrase serves when systemd passes it, and not without.
func TestServeWithAStartPassphrase(t *testing.T) {
	s := newSite(t)
	s.write("privyseal-start", []byte("passphrase of the start\n"))
	s.vault = filepath.Join(s.dir, "sealed")
	t.Setenv("CREDENTIALS_DIRECTORY", s.dir)
	s.must("init --name signer1 --bridge 127.0.0.1:1 --outer-cert signer.pem --outer-key signer.pem --outer-ca ca.pem --argon2-memory-kib 64 " +
		"--start-passphrase-file privyseal-start\nuser add ann --passphrase-file pass\n")
	s.serve()
	if out := s.must("user add bob --passphrase-file pass\n"); !strings.Contains(out, "user bob added") {
		t.Error(out)
	}
	other := newSite(t)
	other.vault = s.vault + "-copy"
	if out, err := exec.Command("cp", "-a", s.vault, other.vault).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	if out, code := finish(other.command("serve")); code != 1 || !strings.Contains(out, "no credential privyseal-start from systemd") {
		t.Errorf("serve without its passphrase: exit %d\n%s", code, out)
	}
}

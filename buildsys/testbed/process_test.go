package testbed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// fakeEnv makes the test binary play a program of the site instead of testing.
const fakeEnv = "PRIVYSEAL_TESTBED_FAKE"

// fake is what the programs of these tests do: "ready" serves until it is told to stop,
// "mute" never says that it is ready, "fails" exits.
func fake(kind string) {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	switch kind {
	case "fails":
		fmt.Fprintln(os.Stderr, "cannot listen: the reason")
		os.Exit(3)
	case "ready":
		c, err := net.Dial("unixgram", os.Getenv("NOTIFY_SOCKET"))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Fprint(c, "STATUS=starting")
		fmt.Fprint(c, "STATUS=serving\nREADY=1")
	}
	for {
		select {
		case <-stop:
			os.Exit(0)
		case <-time.After(time.Minute): // no test lasts as long
			os.Exit(1)
		}
	}
}

func TestMain(m *testing.M) {
	if kind := os.Getenv(fakeEnv); kind != "" {
		fake(kind)
	}
	os.Exit(m.Run())
}

// newSite makes a site whose programs are all of one kind.
func newSite(t *testing.T, kind string) *site {
	t.Helper()
	t.Setenv(fakeEnv, kind)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	programs := t.TempDir()
	for _, p := range []string{"hub", "bridge", "signer", "builder"} {
		if err := os.Symlink(self, filepath.Join(programs, "privyseal-"+p)); err != nil {
			t.Fatal(err)
		}
	}
	s, err := create(filepath.Join(t.TempDir(), "bed"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.stopAll(context.Background()); err != nil {
			t.Error(err)
		}
		s.unlock()
	})
	s.state = state{Programs: programs, Builders: 1, Sign: true}
	if err := s.choosePorts(); err != nil {
		t.Fatal(err)
	}
	if err := s.save(); err != nil {
		t.Fatal(err)
	}
	return s
}

// A command that is killed after it started a process and before it wrote that down leaves one that the next command finds.
func TestUnrecordedProcess(t *testing.T) {
	s := newSite(t, "ready")
	if err := s.launchAll(t.Context(), s.names(), io.Discard); err != nil {
		t.Fatal(err)
	}
	left := s.state.Processes["signer"]
	delete(s.state.Processes, "signer")
	if err := s.save(); err != nil {
		t.Fatal(err)
	}
	s.unlock()
	again, err := create(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	s.lock = again.lock // the site's own end unlocks it
	if got := again.state.Processes["signer"]; got != left {
		t.Errorf("adopted %+v, want %+v", got, left)
	}
	if err := again.stopAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left.alive() {
		t.Error("the process still runs")
	}
}

// A command that is killed in its first moment leaves a directory that the next one takes.
func TestKilledInTheFirstMoment(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"lock", ".testbed.json.0123.tmp"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := create(dir)
	if err != nil {
		t.Fatal(err)
	}
	s.unlock()
	if s, err = create(dir); err != nil {
		t.Fatal(err)
	}
	s.unlock()
	if err := os.WriteFile(filepath.Join(dir, "mine"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "testbed.json")); err != nil {
		t.Fatal(err)
	}
	if s, err := create(dir); err == nil {
		s.unlock()
		t.Error("took a directory that holds something else")
	}
}

func TestLaunchAndStop(t *testing.T) {
	s := newSite(t, "ready")
	var progress bytes.Buffer
	if err := s.launchAll(t.Context(), s.names(), &progress); err != nil {
		t.Fatal(err)
	}
	list, err := Status(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 4 {
		t.Fatalf("status lists %v", list)
	}
	for _, p := range list {
		if !p.Up || p.PID == 0 || unix.Kill(p.PID, 0) != nil {
			t.Errorf("%s %d is not up", p.Name, p.PID)
		}
	}
	if n := strings.Count(progress.String(), "ready after"); n != 4 {
		t.Errorf("progress tells of %d starts:\n%s", n, &progress)
	}
	if err := s.stopAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, p := range list {
		if !errors.Is(unix.Kill(p.PID, 0), unix.ESRCH) {
			t.Errorf("%s %d is still there", p.Name, p.PID)
		}
	}
}

func TestKillAndStart(t *testing.T) {
	s := newSite(t, "ready")
	if err := s.launchAll(t.Context(), s.names(), io.Discard); err != nil {
		t.Fatal(err)
	}
	before := s.state.Processes["hub"]
	s.unlock() // as between two commands
	if err := Kill(t.Context(), s.dir, "hub"); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(unix.Kill(before.PID, 0), unix.ESRCH) {
		t.Error("kill returned before the process was reaped")
	}
	if err := Kill(t.Context(), s.dir, "hub"); err == nil || !strings.Contains(err.Error(), "not running") {
		t.Errorf("a second kill: %v", err)
	}
	if err := Kill(t.Context(), s.dir, "hubb"); err == nil || !strings.Contains(err.Error(), "it has hub, bridge, signer, builder1") {
		t.Errorf("kill of an unknown name: %v", err)
	}
	if err := Start(t.Context(), s.dir, "hub"); err != nil {
		t.Fatal(err)
	}
	if err := Start(t.Context(), s.dir, "hub"); err == nil || !strings.Contains(err.Error(), "already running") {
		t.Errorf("a second start: %v", err)
	}
	again, err := open(t.Context(), s.dir)
	if err != nil {
		t.Fatal(err)
	}
	s.lock, s.state = again.lock, again.state
	if after := s.state.Processes["hub"]; after == before || !after.alive() {
		t.Errorf("the hub was %v and is %v", before, after)
	}
	env, err := os.ReadFile(s.path("env"))
	if err != nil || !strings.Contains(string(env), fmt.Sprintf("PIDS='hub=%d,bridge=", s.state.Processes["hub"].PID)) {
		t.Errorf("env does not name the new process: %v\n%s", err, env)
	}
}

// TestLaunchFailure holds that the reason is told, from the process's own log.
func TestLaunchFailure(t *testing.T) {
	s := newSite(t, "fails")
	err := s.launchAll(t.Context(), []string{"hub"}, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "cannot listen: the reason") {
		t.Errorf("got %v", err)
	}
}

// TestLaunchTimeout holds that what never gets ready does not stay.
func TestLaunchTimeout(t *testing.T) {
	s := newSite(t, "mute")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, errors.New("too late"))
	defer cancel()
	err := s.launchAll(ctx, []string{"signer"}, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "waiting for signer: too late") {
		t.Errorf("got %v", err)
	}
	if id := s.state.Processes["signer"]; id.PID == 0 || id.alive() {
		t.Errorf("signer %v was left running", id)
	}
}

// TestRunCutShort holds that a program which does not end is ended in time, with what it
// started itself.
func TestRunCutShort(t *testing.T) {
	s := newSite(t, "ready")
	pid := filepath.Join(t.TempDir(), "pid")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 200*time.Millisecond, errors.New("too late"))
	defer cancel()
	began := time.Now()
	_, err := s.run(ctx, "/bin/sh", "-c", "sleep 60 & echo $! >"+pid+"; wait")
	if err == nil || !strings.Contains(err.Error(), "sh: too late") {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("ended after %v", took)
	}
	text, err := os.ReadFile(pid)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if id, err := identify(n); err == nil && id.alive() {
		t.Errorf("its child %d was left running", n)
	}
}

// TestOtherProcess holds that an id whose start time differs is another program's.
func TestOtherProcess(t *testing.T) {
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	id, err := identify(cmd.Process.Pid)
	if err != nil || !id.alive() {
		t.Fatalf("%v, %v", id, err)
	}
	for name, other := range map[string]processID{
		"start": {PID: id.PID, Start: id.Start + 1, Boot: id.Boot},
		"boot":  {PID: id.PID, Start: id.Start, Boot: "another"},
		"none":  {},
	} {
		if other.alive() {
			t.Errorf("%s: another process counts as ours", name)
		}
		if err := other.kill(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if !id.alive() {
		t.Error("another's process was killed")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	// Not yet reaped, it is dead all the same.
	for range 100 {
		if !id.alive() {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if id.alive() {
		t.Error("a dead process counts as alive")
	}
	_ = cmd.Wait()
}

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
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// command is how a process is started.
func (s *site) command(name string) *exec.Cmd {
	program := func(p string, args ...string) *exec.Cmd {
		return exec.Command(filepath.Join(s.state.Programs, p), args...)
	}
	switch name {
	case "hub":
		return program("privyseal-hub", "--config", s.path("conf", "hub.conf"))
	case "bridge":
		return program("privyseal-bridge", "--config", s.path("conf", "bridge.conf"))
	case "signer":
		return program("privyseal-signer", "--vault", s.path("vault"), "serve")
	default:
		return program("privyseal-builder", "--config", s.path("conf", "kojid-"+name+".conf"))
	}
}

// launchAll starts the named processes that are down, side by side, and returns when
// all are ready.
func (s *site) launchAll(ctx context.Context, names []string, progress io.Writer) error {
	down := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return s.state.Processes[name].alive() })
	var wg sync.WaitGroup
	errs := make([]error, len(down))
	for i, name := range down {
		wg.Go(func() {
			began := time.Now()
			if errs[i] = s.launch(ctx, name); errs[i] == nil {
				s.mu.Lock()
				fmt.Fprintf(progress, "%s ready after %.1f s\n", name, time.Since(began).Seconds())
				s.mu.Unlock()
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// launch starts one process in a session of its own and waits until it says it is
// ready or has exited.
func (s *site) launch(ctx context.Context, name string) error {
	if err := s.checkPorts(name); err != nil {
		return err
	}
	logPath := s.path("log", name+".log")
	log, err := os.OpenFile(logPath, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	before, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	ready, err := newReadySocket()
	if err != nil {
		return err
	}
	defer ready.close()

	cmd := s.command(name)
	cmd.Dir = s.dir
	cmd.Env = append(cleanEnviron(), "NOTIFY_SOCKET="+ready.path)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = cmd.Wait() // its state says all there is to know
	}()
	if err := s.record(name, cmd.Process.Pid); err != nil {
		_ = cmd.Process.Kill()
		<-exited
		return err
	}

	select {
	case <-ready.heard:
		return nil
	case <-exited:
		return fmt.Errorf("%s ended before it was ready (%s)\n%s", name, cmd.ProcessState, tail(logPath, before))
	case <-ctx.Done():
		_ = cmd.Process.Kill()
		<-exited
		return fmt.Errorf("waiting for %s: %w\n%s", name, context.Cause(ctx), tail(logPath, before))
	}
}

func (s *site) record(name string, pid int) error {
	id, err := identify(pid)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.Processes == nil {
		s.state.Processes = make(map[string]processID)
	}
	s.state.Processes[name] = id
	return s.save()
}

// cleanEnviron is the environment without what belongs to a service manager above us.
func cleanEnviron() []string {
	var env []string
	for _, v := range os.Environ() {
		switch name, _, _ := strings.Cut(v, "="); name {
		case "NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "WATCHDOG_USEC", "WATCHDOG_PID":
		default:
			env = append(env, v)
		}
	}
	return env
}

// tail is the last lines a process logged since offset from, for an error message.
func tail(logPath string, from int64) string {
	const lines, most = 8, 4 << 10
	f, err := os.Open(logPath)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	if size, err := f.Seek(0, io.SeekEnd); err == nil {
		from = max(from, size-most)
	}
	data, err := io.ReadAll(io.NewSectionReader(f, from, most))
	if err != nil {
		return err.Error()
	}
	text := strings.Split(string(bytes.TrimSpace(data)), "\n")
	text = text[max(0, len(text)-lines):]
	return "the end of " + logPath + ":\n  " + strings.Join(text, "\n  ")
}

// readySocket hears READY=1 as a service manager would.
type readySocket struct {
	path  string
	heard chan struct{}
	conn  *net.UnixConn
	dir   string
}

func newReadySocket() (*readySocket, error) {
	dir, err := os.MkdirTemp("", "privyseal-")
	if err != nil {
		return nil, err
	}
	r := &readySocket{path: filepath.Join(dir, "notify"), heard: make(chan struct{}), dir: dir}
	r.conn, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: r.path, Net: "unixgram"})
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	go r.listen()
	return r, nil
}

func (r *readySocket) listen() {
	buf := make([]byte, 4096)
	for {
		n, err := r.conn.Read(buf)
		if err != nil {
			return
		}
		for line := range strings.SplitSeq(string(buf[:n]), "\n") {
			if line == "READY=1" {
				close(r.heard)
				return
			}
		}
	}
}

func (r *readySocket) close() {
	r.conn.Close()
	os.RemoveAll(r.dir)
}

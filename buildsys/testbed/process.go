package testbed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// stopTime is how long processes have to end after SIGTERM before they are killed.
const stopTime = 20 * time.Second

// processID names a process for good: a process id may be given to another program,
// but not with the same start time in the same boot.
type processID struct {
	PID   int
	Start uint64 // clock ticks since boot, field 22 of /proc/PID/stat
	Boot  string
}

func identify(pid int) (processID, error) {
	_, start, err := procStat(pid)
	if err != nil {
		return processID{}, err
	}
	return processID{PID: pid, Start: start, Boot: bootID()}, nil
}

func bootID() string {
	id, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(id))
}

// procStat returns the state letter and start time of a process.
func procStat(pid int) (state byte, start uint64, err error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, err
	}
	// The name, in parentheses, may hold spaces and parentheses of its own.
	_, rest, ok := strings.Cut(string(data[strings.LastIndexByte(string(data), ')')+1:]), " ")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 20 {
		return 0, 0, fmt.Errorf("/proc/%d/stat: not understood", pid)
	}
	start, err = strconv.ParseUint(fields[19], 10, 64)
	return fields[0][0], start, err
}

// present says whether the process still has its entry, alive or waiting to be reaped.
func (id processID) present() (state byte, ok bool) {
	if id.PID == 0 || id.Boot != bootID() {
		return 0, false
	}
	state, start, err := procStat(id.PID)
	return state, err == nil && start == id.Start
}

func (id processID) alive() bool {
	state, ok := id.present()
	return ok && state != 'Z' && state != 'X'
}

// signal goes through a process descriptor, which is opened before the start time is
// checked: from then on it cannot come to mean another process.
func (id processID) signal(sig unix.Signal) error {
	if id.PID <= 0 {
		return nil
	}
	fd, err := unix.PidfdOpen(id.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return os.NewSyscallError("pidfd_open", err)
	}
	defer unix.Close(fd)
	if !id.alive() {
		return nil
	}
	err = unix.PidfdSendSignal(fd, sig, nil, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	return os.NewSyscallError("pidfd_send_signal", err)
}

func (id processID) kill(ctx context.Context) error {
	if err := id.signal(unix.SIGKILL); err != nil {
		return err
	}
	return id.waitGone(ctx)
}

// waitGone returns when the process is dead and its parent has reaped it. After the
// command that started it ended that parent is init; where init reaps nobody (some
// containers), a dead process is as good as gone after a moment.
func (id processID) waitGone(ctx context.Context) error {
	const grace = 2 * time.Second
	var dead time.Time
	for {
		state, ok := id.present()
		if !ok {
			return nil
		}
		if state == 'Z' || state == 'X' {
			if dead.IsZero() {
				dead = time.Now()
			}
			if time.Since(dead) > grace {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("process %d does not end: %w", id.PID, context.Cause(ctx))
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// adopt takes up processes that a killed testbed command started and had not written down: those that run with the very
// arguments this site starts them with, which name a file in its directory.
func (s *site) adopt() error {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return err
	}
	want := make(map[string]string)
	for _, name := range s.names() {
		if !s.state.Processes[name].alive() {
			want[strings.Join(s.command(name).Args[1:], "\x00")] = name
		}
	}
	found := false
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		// What cannot be read is gone, or another user's.
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		program, args, _ := strings.Cut(strings.TrimSuffix(string(line), "\x00"), "\x00")
		name, ok := want[args]
		if !ok || filepath.Base(program) != filepath.Base(s.command(name).Path) {
			continue
		}
		id, err := identify(pid)
		if err != nil || !id.alive() {
			continue
		}
		if s.state.Processes == nil {
			s.state.Processes = make(map[string]processID)
		}
		s.state.Processes[name], found = id, true
	}
	if !found {
		return nil
	}
	return s.save()
}

// stopAll ends every process, all at once, with SIGTERM and then SIGKILL.
func (s *site) stopAll(ctx context.Context) error {
	var errs []error
	names := make(map[string]processID)
	for name, id := range s.state.Processes {
		if id.alive() {
			names[name] = id
			errs = append(errs, id.signal(unix.SIGTERM))
		}
	}
	soft, cancel := context.WithTimeout(ctx, stopTime/2)
	defer cancel()
	for name, id := range names {
		if id.waitGone(soft) == nil {
			continue
		}
		if err := id.kill(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

package console

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// This file is the whole of the rule about where a person may sit. It is a guard against accidents (an administrator who is used to ssh,
// a cron job, a web service that got hold of the program), and no boundary: whoever has root on the signer needs none of these verbs.
//
//   - A command on the command line needs standard input to be a terminal, and that terminal to be one that signer.conf names in
//     consoles (tty*, ttyS* and hvc* when it names none).
//   - No program between it and init may be one by which people come in from elsewhere (sshd and its like).
//   - --batch FILE and ceremony FILE need neither: the file was written, and can be reviewed, beforehand.
//   - A passphrase is asked for only on a terminal; without one it must come from --passphrase-file.
//   - help and log import-check touch no vault, so they run anywhere; serve is started by a service manager.

// DefaultConsoles are the terminals at which a person may sit when signer.conf does not name any: virtual consoles, serial lines, the
// consoles of virtual machines.
var DefaultConsoles = []string{"tty*", "ttyS*", "hvc*"}

// ErrNoTerminal means that a command was given where nobody sits.
var ErrNoTerminal = errors.New("standard input is no terminal: the signer is administered from its own terminal; " +
	"put the commands into a file, have it reviewed, and run it with --batch FILE")

// RemoteError means that whoever types may not be sitting at the signer.
type RemoteError struct{ Reason string }

func (e *RemoteError) Error() string {
	return e.Reason + ": the signer is administered from its own terminal; go there, or put the commands into a file, " +
		"have it reviewed, and run it with --batch FILE"
}

// arrivals are programs by which people come in from elsewhere, by the names that the kernel has for them.
var arrivals = []string{
	"sshd", "sshd-session", "sshd-auth", "dropbear", "mosh-server", "telnetd", "in.telnetd", "rlogind", "in.rlogind", "rshd", "in.rshd", "xrdp", "Xvnc",
}

// guard tells whether a person may give commands here.
func guard(t Terminal, consoles []string, proc string) error {
	if !t.IsTerminal() {
		return ErrNoTerminal
	}
	if len(consoles) == 0 {
		consoles = DefaultConsoles
	}
	name := t.Name()
	for _, pattern := range consoles {
		if ok, err := path.Match(strings.TrimPrefix(pattern, "/dev/"), name); err != nil {
			return fmt.Errorf("signer.conf: consoles: pattern %q: %w", pattern, err)
		} else if ok {
			return guardAncestors(proc)
		}
	}
	return &RemoteError{fmt.Sprintf("terminal %s is none of the signer's consoles (%s)", name, strings.Join(consoles, ", "))}
}

// guardAncestors refuses when a parent, or its parent and so on, is a program of arrivals. proc is /proc.
func guardAncestors(proc string) error {
	pid := os.Getppid()
	// A chain is as long as the number of processes at most; a loop in what is read while processes die is cut short.
	for range 1024 {
		if pid <= 0 {
			return nil
		}
		name, parent, err := processOf(proc, pid)
		if errors.Is(err, os.ErrNotExist) {
			return nil // it ended meanwhile: whoever was above it is no more above us
		}
		if err != nil {
			return fmt.Errorf("looking for who started this command: %w", err)
		}
		if exe, err := os.Readlink(filepath.Join(proc, strconv.Itoa(pid), "exe")); err == nil && slices.Contains(arrivals, filepath.Base(exe)) {
			name = filepath.Base(exe)
		}
		if slices.Contains(arrivals, name) {
			return &RemoteError{fmt.Sprintf("this command was started from %s (process %d)", name, pid)}
		}
		pid = parent
	}
	return nil
}

// processOf reads name and parent of a process. The name stands in brackets and may itself hold brackets and blanks.
func processOf(proc string, pid int) (name string, parent int, err error) {
	file := filepath.Join(proc, strconv.Itoa(pid), "stat")
	data, err := os.ReadFile(file)
	if err != nil {
		return "", 0, err
	}
	open, shut := bytes.IndexByte(data, '('), bytes.LastIndexByte(data, ')')
	if open < 0 || shut < open {
		return "", 0, fmt.Errorf("%s is not what proc(5) says", file)
	}
	rest := strings.Fields(string(data[shut+1:]))
	if len(rest) < 2 {
		return "", 0, fmt.Errorf("%s is not what proc(5) says", file)
	}
	parent, err = strconv.Atoi(rest[1])
	if err != nil {
		return "", 0, fmt.Errorf("%s: parent %.20q is no number", file, rest[1])
	}
	return string(data[open+1 : shut]), parent, nil
}

// terminalName gives the name below /dev of the terminal that fd is. It asks for the device and not for the path that was opened:
// /dev/tty is whatever terminal the process has.
func terminalName(fd int) string {
	device, err := unix.IoctlGetUint32(fd, unix.TIOCGDEV)
	if err == nil {
		// The kernel's new_encode_dev: 12 bits of major number amid 20 of minor.
		major, minor := device>>8&0xfff, device&0xff|device>>12&0xfff00
		if major >= 136 && major <= 143 { // Unix98 pseudo-terminals are not in sysfs
			return fmt.Sprintf("pts/%d", (major-136)<<8+minor)
		}
		if link, err := os.Readlink(fmt.Sprintf("/sys/dev/char/%d:%d", major, minor)); err == nil {
			return filepath.Base(link)
		}
	}
	link, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil {
		return "unknown"
	}
	return strings.TrimPrefix(link, "/dev/")
}

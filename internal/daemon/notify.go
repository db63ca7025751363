package daemon

import (
	"os"
	"strings"
	"syscall"
)

// Ready tells the service manager that the program serves. Without a manager
// (NOTIFY_SOCKET not set) it does nothing.
func Ready() error { return notify("READY=1") }

// Status tells the service manager in one line what the program is doing.
func Status(s string) error {
	return notify("STATUS=" + strings.ReplaceAll(s, "\n", " "))
}

// notify sends one datagram, over bare system calls: package net would do, but
// the bridge's promise "no connect(2)" is checked with strace, and
// a datagram by sendto(2) on an unconnected socket keeps that check simple.
func notify(state string) error {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return nil
	}
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer syscall.Close(fd)
	// A name that starts with @ is in the abstract space; syscall does the same.
	return os.NewSyscallError("sendto", syscall.Sendto(fd, []byte(state), 0, &syscall.SockaddrUnix{Name: path}))
}

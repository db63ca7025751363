package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// A Capability is something a machine may lack and that `make setup` cannot bring.
type Capability struct {
	Name string // as a test writes it: lab.NetNS is "NetNS"
	What string // one line for a person

	probe func() error
	once  func() error
}

func capability(name, what string, probe func() error) *Capability {
	return &Capability{Name: name, What: what, probe: probe, once: sync.OnceValue(probe)}
}

// The whole list. The house's tests refuse a skip for any other reason.
var (
	NetNS    = capability("NetNS", "make a network namespace", probeNetNS)
	NFTables = capability("NFTables", "load nftables rules that track connections in a network namespace", probeNFTables)
	Cgroups  = capability("Cgroups", "make a control group with a memory limit", probeCgroups)
	Landlock = capability("Landlock", "the kernel offers Landlock", probeLandlock)
	FUSE     = capability("FUSE", "open /dev/fuse", probeFUSE)
	Mount    = capability("Mount", "mount a tmpfs", probeMount)
	Users    = capability("Users", "run a program as another user", program("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "true"))
	Ptrace   = capability("Ptrace", "trace a child with strace", probePtrace)
	RealKoji = capability("RealKoji", "the real Python koji client (in PATH, or PRIVYSEAL_KOJI_TREE names its source tree)", probeRealKoji)
	KojiHub  = capability("KojiHub", "the real Koji hub (PRIVYSEAL_LAB_KOJIHUB names its URL)", probeKojiHub)
	Mock     = capability("Mock", "mock", program("mock", "--version"))
	RPM6     = capability("RPM6", "rpm 6", probeRPM6)
	all      = []*Capability{NetNS, NFTables, Cgroups, Landlock, FUSE, Mount, Users, Ptrace, RealKoji, KojiHub, Mock, RPM6}
)

// Capabilities lists them all, in the order of the documentation.
func Capabilities() []*Capability { return slices.Clone(all) }

// Probe says why the machine lacks c, or nil. It tries once per process.
func (c *Capability) Probe() error { return c.once() }

// Need skips the test when the machine lacks one of the capabilities.
func Need(t testing.TB, caps ...*Capability) {
	t.Helper()
	for _, c := range caps {
		if err := c.Probe(); err != nil {
			t.Skipf("this machine lacks %s (%s): %v", c.Name, c.What, err)
		}
	}
}

func program(name string, args ...string) func() error {
	return func() error { return run(name, args...) }
}

func run(name string, args ...string) error { return runCommand(exec.Command(name, args...)) }

func runCommand(cmd *exec.Cmd) error {
	name := filepath.Base(cmd.Path)
	out, err := cmd.CombinedOutput()
	if text := strings.TrimSpace(string(out)); err != nil && text != "" {
		return fmt.Errorf("%s: %w: %s", name, err, firstLine(text))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

func probeNetNS() error { return run("unshare", "--net", "ip", "link", "set", "lo", "up") }

func probeNFTables() error {
	return run("unshare", "--net", "nft", "add table inet privyseal_probe; "+
		"add chain inet privyseal_probe c { type filter hook input priority 0; }; "+
		"add rule inet privyseal_probe c ct state invalid drop; "+
		"add rule inet privyseal_probe c tcp dport 1 drop; "+
		"add chain inet privyseal_probe z { type filter hook prerouting priority raw; }; "+
		"add rule inet privyseal_probe z ct zone set 1")
}

// probeCgroups makes and removes a group in whichever hierarchy holds the memory
// controller: version 2, or version 1 where that one is mounted.
func probeCgroups() error {
	var errs []error
	for _, at := range []struct{ dir, limit string }{
		{"/sys/fs/cgroup", "memory.max"},
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"},
	} {
		errs = append(errs, probeCgroup(at.dir, at.limit))
		if errs[len(errs)-1] == nil {
			return nil
		}
	}
	return errors.Join(errs...)
}

func probeCgroup(parent, limit string) error {
	dir := filepath.Join(parent, fmt.Sprintf("privyseal-probe-%d", os.Getpid()))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	defer os.Remove(dir)
	f, err := os.OpenFile(filepath.Join(dir, limit), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString("67108864")
	return err
}

func probeLandlock() error {
	const createRulesetVersion = 1
	_, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, createRulesetVersion)
	if errno != 0 {
		return errno
	}
	return nil
}

func probeFUSE() error {
	f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return f.Close()
}

func probeMount() error {
	dir, err := os.MkdirTemp("", "privyseal-probe-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		return fmt.Errorf("mount tmpfs: %w", err)
	}
	return unix.Unmount(dir, 0)
}

func probePtrace() error { return run("strace", "-o", "/dev/null", "true") }

func probeKojiHub() error {
	if os.Getenv("PRIVYSEAL_LAB_KOJIHUB") == "" {
		return errors.New("PRIVYSEAL_LAB_KOJIHUB is not set")
	}
	return nil
}

func probeRPM6() error {
	out, err := exec.Command("rpm", "--version").Output()
	if err != nil {
		return err
	}
	version := strings.TrimSpace(string(out))
	if !strings.Contains(version, " 6.") {
		return fmt.Errorf("it is %s", version)
	}
	return nil
}

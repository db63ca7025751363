package cage_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/psx"

	"github.com/privyseal/privyseal/internal/lab"
	"github.com/privyseal/privyseal/signer/cage"
)

// The test binary runs itself with one of these for what happens in a cage.
const (
	inside    = "PRIVYSEAL_CAGE_INSIDE"
	demanding = "PRIVYSEAL_CAGE_DEMANDING"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(inside); dir != "" {
		os.Exit(child(dir))
	}
	if os.Getenv(demanding) != "" {
		if err := demand(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// outcome of one try: "" is success, else the error's number as a word.
type outcome struct {
	Walls map[cage.Wall]string // why each does not hold
	Tries map[string]string
}

func child(dir string) int {
	port, _ := strconv.Atoi(os.Getenv("CAGE_PORT"))
	other, _ := strconv.Atoi(os.Getenv("CAGE_OTHER"))
	out := outcome{Walls: map[cage.Wall]string{}, Tries: map[string]string{}}
	report, err := cage.Enter(cage.Config{
		Write: []string{filepath.Join(dir, "vault")}, Read: []string{filepath.Join(dir, "readable")}, Ports: []uint16{uint16(port)},
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for _, s := range report {
		out.Walls[s.Wall] = ""
		if s.Err != nil {
			out.Walls[s.Wall] = s.Err.Error()
		}
	}
	try := func(name string, f func() error) {
		out.Tries[name] = word(f())
	}
	vault := filepath.Join(dir, "vault")
	try("write in the vault", func() error { return os.WriteFile(filepath.Join(vault, "new"), []byte("x"), 0o600) })
	try("sync, rename between directories, remove", func() error {
		err := errors.Join(os.Mkdir(filepath.Join(vault, "in"), 0o700), os.Mkdir(filepath.Join(vault, "out"), 0o700),
			os.WriteFile(filepath.Join(vault, "in/a"), []byte("x"), 0o600), os.Rename(filepath.Join(vault, "in/a"), filepath.Join(vault, "out/a")),
			os.Remove(filepath.Join(vault, "out/a")))
		return err
	})
	try("read what is named", func() error { _, err := os.ReadFile(filepath.Join(dir, "readable")); return err })
	try("write what may be read", func() error { return os.WriteFile(filepath.Join(dir, "readable"), nil, 0o600) })
	try("read a neighbour", func() error { _, err := os.ReadFile(filepath.Join(dir, "secret")); return err })
	try("read /etc/passwd", func() error { _, err := os.ReadFile("/etc/passwd"); return err })
	try("list /", func() error { _, err := os.ReadDir("/"); return err })
	try("write in /tmp", func() error { return os.WriteFile(filepath.Join(dir, "outside"), nil, 0o600) })
	try("connect to the port", func() error { return dial(port) })
	try("connect to another port", func() error { return dial(other) })
	try("connect with Multipath TCP", func() error {
		_, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP)
		return err
	})
	try("listen", func() error {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err == nil {
			l.Close()
		}
		return err
	})
	// The kernel takes an int and cuts off what a filter compares.
	try("Multipath TCP with more bits", func() error {
		_, _, e := unix.Syscall(unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 1<<32|unix.IPPROTO_MPTCP)
		return number(e)
	})
	try("raw IP socket", func() error { _, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP); return err })
	try("local stream socket", func() error { return local(unix.SOCK_STREAM | unix.SOCK_NONBLOCK) })
	try("local datagram socket", func() error {
		return errors.Join(local(unix.SOCK_DGRAM), local(unix.SOCK_DGRAM|unix.SOCK_NONBLOCK))
	})
	try("raw socket", func() error { _, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0); return err })
	try("netlink socket", func() error { _, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW, 0); return err })
	try("exec", func() error { return exec.Command("/bin/true").Run() })
	try("execve itself", func() error { return unix.Exec("/bin/true", []string{"true"}, nil) })
	try("ptrace", func() error { return unix.PtraceAttach(os.Getppid()) })
	try("signal the parent", func() error { return unix.Kill(os.Getppid(), 0) })
	try("io_uring", func() error { _, _, e := unix.Syscall(unix.SYS_IO_URING_SETUP, 1, 0, 0); return number(e) })
	try("unshare", func() error { return unix.Unshare(unix.CLONE_NEWNS) })
	try("bpf", func() error { _, _, e := unix.Syscall(unix.SYS_BPF, 0, 0, 0); return number(e) })
	try("become dumpable", func() error { return unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0) })
	try("grow", func() error { b := make([]byte, 32<<20); b[len(b)-1] = 1; return nil })
	try("give memory back", giveBack)
	try("threads", func() error { time.Sleep(10 * time.Millisecond); return nil })
	json.NewEncoder(os.Stdout).Encode(out)
	if hold := os.Getenv("CAGE_HOLD"); hold != "" {
		fmt.Println("holding")
		os.Stdin.Read(make([]byte, 1))
	}
	return 0
}

func local(kind int) error {
	fd, err := unix.Socket(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		unix.Close(fd)
	}
	return err
}

func number(e syscall.Errno) error {
	if e == 0 {
		return nil
	}
	return e
}

func dial(port int) error {
	c, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), time.Second)
	if err == nil {
		c.Close()
	}
	return err
}

func word(err error) string {
	var errno syscall.Errno
	switch {
	case err == nil:
		return ""
	case errors.As(err, &errno):
		return unix.ErrnoName(errno)
	case errors.Is(err, fs.ErrPermission):
		return "EACCES"
	}
	return err.Error()
}

type site struct {
	dir         string
	port, other int
}

func newSite(t *testing.T) site {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "vault"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{"readable", "secret"} {
		if err := os.WriteFile(filepath.Join(dir, f), []byte(f), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := site{dir: dir}
	for _, p := range []*int{&s.port, &s.other} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		*p = l.Addr().(*net.TCPAddr).Port
	}
	return s
}

func (s site) command(extra ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), inside+"="+s.dir, fmt.Sprintf("CAGE_PORT=%d", s.port), fmt.Sprintf("CAGE_OTHER=%d", s.other))
	cmd.Env = append(cmd.Env, extra...)
	cmd.Stderr = os.Stderr
	return cmd
}

// TestCage shows from the inside what a process in the cage can do and what it cannot.
func TestCage(t *testing.T) {
	lab.Need(t, lab.Landlock)
	out, err := newSite(t).command().Output()
	if err != nil {
		t.Fatal(err)
	}
	var got outcome
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, w := range cage.Walls() {
		if why, ok := got.Walls[w]; !ok || why != "" {
			t.Errorf("%s does not hold: %q", w, why)
		}
	}
	want := map[string][]string{
		"write in the vault": {""}, "sync, rename between directories, remove": {""}, "read what is named": {""}, "connect to the port": {""},
		"local datagram socket": {""}, "local stream socket": {"EPERM"}, "raw IP socket": {"EPERM"}, "Multipath TCP with more bits": {"EPERM"},
		"grow": {""}, "threads": {""}, "give memory back": {""},
		"write what may be read": {"EACCES"}, "read a neighbour": {"EACCES"}, "read /etc/passwd": {"EACCES"}, "list /": {"EACCES"},
		"write in /tmp": {"EACCES"}, "connect to another port": {"EACCES"}, "connect with Multipath TCP": {"EPERM"}, "listen": {"EPERM"},
		"raw socket": {"EPERM"}, "netlink socket": {"EPERM"}, "exec": {"EPERM", "EACCES"}, "execve itself": {"EPERM"}, "ptrace": {"EPERM"},
		"signal the parent": {"EPERM"}, "io_uring": {"EPERM"}, "unshare": {"EPERM"}, "bpf": {"EPERM"}, "become dumpable": {"EPERM"},
	}
	for name, words := range want {
		if g, ok := got.Tries[name]; !ok || !slices.Contains(words, g) {
			t.Errorf("%s: %q (tried: %v), want %q", name, g, ok, words)
		}
	}
	for name := range got.Tries {
		if want[name] == nil {
			t.Errorf("%s is tried, and nothing is said of what comes of it", name)
		}
	}
}

// TestCageFromOutside shows what the kernel tells others of a caged process.
func TestCageFromOutside(t *testing.T) {
	lab.Need(t, lab.Landlock)
	cmd := newSite(t).command("CAGE_HOLD=1")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { stdin.Close(); cmd.Wait() }()
	for b := make([]byte, 4096); !strings.Contains(out.String(), "holding"); {
		n, err := stdout.Read(b)
		out.Write(b[:n])
		if err != nil {
			t.Fatalf("the child ended: %v: %s", err, &out)
		}
	}
	proc := fmt.Sprintf("/proc/%d/", cmd.Process.Pid)
	tasks, err := filepath.Glob(proc + "task/*/status")
	if err != nil || len(tasks) < 2 {
		t.Fatalf("%d threads, %v", len(tasks), err)
	}
	for _, task := range tasks {
		status := read(t, task)
		for _, line := range []string{"NoNewPrivs:\t1", "Seccomp:\t2"} {
			if !strings.Contains(status, line) {
				t.Errorf("%s lacks %q", task, line)
			}
		}
	}
	if !strings.Contains(read(t, proc+"limits"), "Max core file size        0                    0") {
		t.Error("a core file may be written")
	}
	status := read(t, proc+"status")
	var kib int
	if _, after, ok := strings.Cut(status, "VmLck:"); ok {
		fmt.Sscan(after, &kib)
	}
	if kib < 1024 {
		t.Errorf("%d KiB are locked", kib)
	}
	info, err := os.Stat(proc + "mem")
	if err != nil {
		t.Fatal(err)
	}
	if uid := info.Sys().(*syscall.Stat_t).Uid; uid != 0 {
		t.Errorf("mem belongs to uid %d: the process is dumpable", uid)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestRequired refuses to go on without a wall that is demanded.
func TestRequired(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), demanding+"=1")
	out, err := cmd.CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte("memory: at most 65536 bytes may be locked: set LimitMEMLOCK=infinity")) {
		t.Fatalf("%v: %s", err, out)
	}
}

// demand gives up the right to lock memory, then demands that it be locked.
func demand() error {
	if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: 1 << 16, Max: 1 << 16}); err != nil {
		return err
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	if _, _, e := psx.Syscall3(unix.SYS_CAPSET, ptr(&header), ptr(&[2]unix.CapUserData{}), 0); e != 0 {
		return e
	}
	_, err := cage.Enter(cage.Config{Require: []cage.Wall{cage.Memory}})
	return err
}

// giveBack fills memory, frees it, and looks whether the kernel has it again, although all memory is locked.
func giveBack() error {
	b := make([]byte, 128<<20)
	for i := 0; i < len(b); i += 4096 {
		b[i] = 1
	}
	full := resident()
	runtime.KeepAlive(b)
	if err := cage.Release(); err != nil {
		return err
	}
	if after := resident(); full-after < 100<<20 {
		return fmt.Errorf("%d MiB are resident after Release, %d before", after>>20, full>>20)
	}
	return nil
}

// statm is opened before the cage closes over /proc.
var statm, _ = os.Open("/proc/self/statm")

func resident() int {
	b := make([]byte, 100)
	var pages, rss int
	if _, err := statm.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		return 0
	}
	fmt.Sscan(string(b), &pages, &rss)
	return rss * os.Getpagesize()
}

func TestParseWalls(t *testing.T) {
	for text, want := range map[string]int{"all": 7, "": 0, "none": 0, "memory files": 2, "files, network": 2} {
		if got, err := cage.ParseWalls(text); err != nil || len(got) != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	if _, err := cage.ParseWalls("files windows"); err == nil || !strings.Contains(err.Error(), "windows") {
		t.Errorf("an unknown wall gave %v", err)
	}
}

func ptr[T any](p *T) uintptr { return uintptr(unsafe.Pointer(p)) }

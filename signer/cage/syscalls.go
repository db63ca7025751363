package cage

import (
	"errors"
	"fmt"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/sys/unix"
)

// allowed is what the runtime, files and outgoing connections need. Everything else is answered with EPERM. Names that an
// architecture does not have are left out.
var allowed = []string{
	// The runtime: threads, memory, time, signals to itself.
	"brk", "clock_getres", "clock_gettime", "clock_nanosleep", "clone", "clone3", "exit", "exit_group", "futex", "get_robust_list",
	"getcpu", "getpid", "getppid", "getrandom", "getrlimit", "getrusage", "gettid", "gettimeofday", "madvise", "membarrier", "mincore",
	"mlockall", "mmap", "mprotect", "mremap", "munlockall", "munmap", "nanosleep", "prlimit64", "restart_syscall", "rseq", "rt_sigaction",
	"rt_sigpending", "rt_sigprocmask", "rt_sigreturn", "rt_sigtimedwait", "sched_getaffinity", "sched_yield", "set_robust_list", "setitimer",
	"sigaltstack", "tgkill", "time", "timer_create", "timer_delete", "timer_settime", "uname", "getuid", "geteuid", "getgid", "getegid",
	"getgroups",
	// Waiting.
	"epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_pwait2", "epoll_wait", "eventfd2", "pipe2", "poll", "ppoll", "pselect6", "select",
	// Files, which Landlock narrows.
	"access", "chmod", "close", "copy_file_range", "dup", "dup3", "faccessat", "faccessat2", "fadvise64", "fallocate", "fchmod", "fchmodat", "fchmodat2", "fchown", "fchownat", "chown", "lchown", "fcntl", "fdatasync",
	"flock", "fstat", "fstatfs", "fsync", "ftruncate", "getcwd", "getdents64", "linkat", "lseek", "lstat", "mkdir", "mkdirat", "newfstatat", "open", "openat",
	"pread64", "preadv", "pwrite64", "pwritev", "read", "readlink", "readlinkat", "readv", "rename", "renameat", "renameat2", "rmdir", "sendfile",
	"stat", "statfs", "statx", "sync_file_range", "umask", "unlink", "unlinkat", "utimensat", "write", "writev",
	// Connections that it makes, and the notification socket of its unit.
	"connect", "getpeername", "getsockname", "getsockopt", "recvfrom", "recvmsg", "sendmmsg", "sendmsg", "sendto", "setsockopt", "shutdown",
}

// sockets are the kinds that may be made, by family, type and protocol: TCP, UDP to look up names, and datagrams to the notification socket. All
// three arguments are named, for what is not: the kernel takes an int where the filter compares 64 bits, so a protocol that "is not Multipath TCP"
// could still be cut down to it.
var sockets = [][3]uint64{
	{unix.AF_INET, stream, 0}, {unix.AF_INET, stream, unix.IPPROTO_TCP}, {unix.AF_INET, datagram, 0},
	{unix.AF_INET6, stream, 0}, {unix.AF_INET6, stream, unix.IPPROTO_TCP}, {unix.AF_INET6, datagram, 0},
	{unix.AF_UNIX, datagram, 0}, {unix.AF_UNIX, unix.SOCK_DGRAM | unix.SOCK_CLOEXEC, 0},
}

// The types of sockets, with the flags that Go makes them with.
const (
	stream   = unix.SOCK_STREAM | unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK
	datagram = unix.SOCK_DGRAM | unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK
)

func filter() (string, error) {
	if !seccomp.Supported() {
		return "", errors.New("the kernel offers no system call filters (CONFIG_SECCOMP_FILTER)")
	}
	policy, err := policy()
	if err != nil {
		return "", err
	}
	err = seccomp.LoadFilter(seccomp.Filter{NoNewPrivs: true, Flag: seccomp.FilterFlagTSync, Policy: policy})
	if err != nil {
		return "", fmt.Errorf("seccomp: %w", err)
	}
	return fmt.Sprintf("%d system calls are left", len(policy.Syscalls[0].Names)+1), nil
}

func policy() (seccomp.Policy, error) {
	here, err := arch.GetInfo("")
	if err != nil {
		return seccomp.Policy{}, fmt.Errorf("seccomp: %w", err)
	}
	var names []string
	for _, n := range allowed {
		if _, ok := here.SyscallNames[n]; ok {
			names = append(names, n)
		}
	}
	group := seccomp.SyscallGroup{Action: seccomp.ActionAllow, Names: names}
	for _, s := range sockets {
		group.NamesWithCondtions = append(group.NamesWithCondtions, seccomp.NameWithConditions{Name: "socket", Conditions: seccomp.ArgumentConditions{
			{Argument: 0, Operation: seccomp.Equal, Value: s[0]},
			{Argument: 1, Operation: seccomp.Equal, Value: s[1]},
			{Argument: 2, Operation: seccomp.Equal, Value: s[2]},
		}})
	}
	return seccomp.Policy{DefaultAction: seccomp.ActionErrno, Syscalls: []seccomp.SyscallGroup{group}}, nil
}

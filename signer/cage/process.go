package cage

import (
	"errors"
	"fmt"
	"runtime/debug"
	"sync"

	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/psx"
)

// allThreads makes a prctl in every thread of the process: it is per thread, and the runtime has several.
func allThreads(option, arg uintptr) error {
	if _, _, errno := psx.Syscall6(unix.SYS_PRCTL, option, arg, 0, 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

func noNewPrivs() (string, error) {
	if err := allThreads(unix.PR_SET_NO_NEW_PRIVS, 1); err != nil {
		return "", fmt.Errorf("prctl(PR_SET_NO_NEW_PRIVS): %w", err)
	}
	return "", nil
}

func undumpable() (string, error) {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil { // of the process, not of the thread
		return "", fmt.Errorf("prctl(PR_SET_DUMPABLE): %w", err)
	}
	return "", nil
}

func noCore() (string, error) {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return "", fmt.Errorf("setrlimit(RLIMIT_CORE): %w", err)
	}
	return "", nil
}

const lockAll = unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT

// locked tells Release whether there is something to unlock.
var locked struct {
	sync.Mutex
	yes bool
}

func lockMemory() (string, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
		return "", fmt.Errorf("getrlimit(RLIMIT_MEMLOCK): %w", err)
	}
	if limit.Cur != unix.RLIM_INFINITY && !mayLock() {
		return "", fmt.Errorf("at most %d bytes may be locked: set LimitMEMLOCK=infinity in the unit", limit.Cur)
	}
	locked.Lock()
	defer locked.Unlock()
	if err := unix.Mlockall(lockAll); err != nil {
		return "", fmt.Errorf("mlockall: %w", err)
	}
	locked.yes = true
	return "locked as it is touched", nil
}

// mayLock tells whether the process has CAP_IPC_LOCK, for which there is no limit.
func mayLock() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&header, &data[0]) != nil {
		return false
	}
	return data[0].Effective&(1<<unix.CAP_IPC_LOCK) != 0
}

// Release gives memory that the program has freed back to the kernel; to be called when much of it has just become free. It
// takes some milliseconds, in which nothing is locked.
func Release() error {
	locked.Lock()
	defer locked.Unlock()
	if !locked.yes {
		debug.FreeOSMemory()
		return nil
	}
	if err := unix.Munlockall(); err != nil {
		return fmt.Errorf("munlockall: %w", err)
	}
	debug.FreeOSMemory()
	if err := unix.Mlockall(lockAll); err != nil {
		return errors.Join(fmt.Errorf("mlockall: %w", err), errors.New("memory is not locked any more: restart the signer"))
	}
	return nil
}

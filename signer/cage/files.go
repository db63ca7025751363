package cage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
)

// Versions of Landlock's interface, and what came with them.
const (
	landlockFiles   = 3 // all rights over files that matter here, truncation being the last
	landlockNetwork = 4
	landlockScopes  = 6
)

// system is what any Go program reads while it runs: names of hosts, time zones.
var system = []string{
	"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf", "/etc/localtime", "/usr/share/zoneinfo",
	"/run/systemd/resolve", // where resolv.conf points to
}

// restrict gives two functions, the first of which does the work of both.
func restrict(c Config) (files, network func() (string, error)) {
	abi, err := ll.LandlockGetABIVersion()
	if err != nil || abi <= 0 {
		lacks := func() (string, error) {
			return "", errors.New("the kernel offers no Landlock: boot with lsm=landlock,... (CONFIG_SECURITY_LANDLOCK)")
		}
		return lacks, lacks
	}
	var failed error
	files = func() (string, error) {
		failed = enforce(c)
		if failed == nil && abi < landlockFiles {
			return "", fmt.Errorf("version %d of Landlock leaves some operations on files open; version %d is needed", abi, landlockFiles)
		}
		return fmt.Sprintf("Landlock %d: %d directories to write, %d paths to read", abi, len(c.Write), len(c.Read)), failed
	}
	network = func() (string, error) {
		if failed == nil && abi < landlockNetwork {
			return "", fmt.Errorf("version %d of Landlock knows no ports; version %d is needed", abi, landlockNetwork)
		}
		scopes := "no signals or abstract sockets outwards"
		if abi < landlockScopes {
			scopes = fmt.Sprintf("signals and abstract sockets are not held, which Landlock %d does", landlockScopes)
		}
		return fmt.Sprintf("Landlock %d: TCP to %v, %s", abi, c.Ports, scopes), failed
	}
	return files, network
}

func enforce(c Config) error {
	var rules []landlock.Rule
	for _, dir := range c.Write {
		// The inbox moves files between directories.
		rules = append(rules, landlock.RWDirs(dir).WithRefer())
	}
	for _, path := range append(append([]string(nil), c.Read...), system...) {
		real, err := filepath.EvalSymlinks(path)
		if err != nil {
			continue // what is not there cannot be read anyway
		}
		if info, err := os.Stat(real); err == nil && info.IsDir() {
			rules = append(rules, landlock.RODirs(real))
		} else {
			rules = append(rules, landlock.ROFiles(real))
		}
	}
	for _, p := range c.Ports {
		rules = append(rules, landlock.ConnectTCP(p))
	}
	if err := landlock.V7.BestEffort().Restrict(rules...); err != nil {
		return fmt.Errorf("entering a Landlock domain: %w", err)
	}
	return nil
}

package testbed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privyseal/privyseal/internal/durable"
)

// state is what testbed.json holds.
type state struct {
	Programs  string // the directory of the programs
	DB        string // sqlite, or a postgres:// address
	Builders  int
	Sign      bool // whether bridge and signer belong to it
	Sealed    bool // whether the signer's vault is complete
	Pin       string
	LogKey    string // of the signer's log
	Ports     ports
	Processes map[string]processID
}

type ports struct {
	Hub, BridgeClient, BridgeSigner int
}

// site is a testbed's directory, held by one command at a time.
type site struct {
	dir   string
	lock  *os.File
	mu    sync.Mutex // guards state while processes start side by side
	state state
}

const stateFile = "testbed.json"

func (s *site) path(elem ...string) string {
	return filepath.Join(append([]string{s.dir}, elem...)...)
}

// create locks a testbed's directory, making it when there is none.
func create(dir string) (*site, error) {
	s, err := at(dir)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(s.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	// What a kill in the first moment leaves is no stranger's: the lock, and the state under its hidden name.
	foreign := slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
		return e.Name() != "lock" && !strings.HasPrefix(e.Name(), "."+stateFile+".")
	})
	if err := s.load(); errors.Is(err, fs.ErrNotExist) && foreign {
		return nil, fmt.Errorf("%s holds something that is no testbed: give an empty or a new directory", s.dir)
	}
	if err := durable.MkdirAll(s.dir, 0o755); err != nil {
		return nil, err
	}
	if err := s.tryLock(); err != nil {
		return nil, err
	}
	if err := s.begin(); err != nil {
		s.unlock()
		return nil, err
	}
	return s, nil
}

// begin reads the state, now that nobody else writes it. A new testbed's is written before anything else, so that the
// directory is known for one from then on.
func (s *site) begin() error {
	err := s.load()
	if errors.Is(err, fs.ErrNotExist) {
		err = s.save()
	}
	if err != nil {
		return err
	}
	for _, sub := range []string{"log", "conf", "pki", "hub", "topdir"} {
		if err := durable.MkdirAll(s.path(sub), 0o755); err != nil {
			return err
		}
	}
	return s.adopt()
}

// open locks an existing testbed, waiting for another command to finish with it.
func open(ctx context.Context, dir string) (*site, error) {
	s, err := read(dir)
	if err != nil {
		return nil, err
	}
	for {
		err := s.tryLock()
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(50 * time.Millisecond):
		}
	}
	if err = s.load(); err == nil {
		err = s.adopt()
	}
	if err != nil {
		s.unlock()
		return nil, err
	}
	return s, nil
}

// read is a testbed as it stands, without the right to change it.
func read(dir string) (*site, error) {
	s, err := at(dir)
	if err != nil {
		return nil, err
	}
	if err := s.load(); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s holds no testbed: start one with testbed up --dir %s", s.dir, s.dir)
	} else if err != nil {
		return nil, err
	}
	return s, nil
}

func at(dir string) (*site, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if strings.ContainsFunc(dir, func(r rune) bool { return r == '%' || r < ' ' }) {
		return nil, fmt.Errorf("%q: a testbed's directory cannot have a percent sign or control character in its name", dir)
	}
	return &site{dir: dir}, nil
}

func (s *site) tryLock() error {
	f, err := os.OpenFile(s.path("lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return fmt.Errorf("another command is changing the testbed in %s: %w", s.dir, err)
	}
	s.lock = f
	return nil
}

func (s *site) unlock() { s.lock.Close() }

func (s *site) load() error {
	data, err := os.ReadFile(s.path(stateFile))
	if err != nil {
		return err
	}
	s.state = state{}
	if err := json.Unmarshal(data, &s.state); err != nil {
		return fmt.Errorf("%s: %w", s.path(stateFile), err)
	}
	return nil
}

func (s *site) save() error {
	data, err := json.MarshalIndent(&s.state, "", "\t")
	if err != nil {
		return err
	}
	return durable.WriteFile(s.path(stateFile), append(data, '\n'), 0o600) // DB may hold a password
}

func (s *site) builders() []string {
	var names []string
	for i := range s.state.Builders {
		names = append(names, fmt.Sprintf("builder%d", i+1))
	}
	return names
}

// names lists the processes in the order of starting.
func (s *site) names() []string {
	names := []string{"hub"}
	if s.state.Sign {
		names = append(names, "bridge", "signer")
	}
	return append(names, s.builders()...)
}

func (s *site) checkName(name string) error {
	if names := s.names(); !slices.Contains(names, name) {
		return fmt.Errorf("no process %q in this testbed; it has %s", name, strings.Join(names, ", "))
	}
	return nil
}

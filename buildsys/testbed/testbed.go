package testbed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Deadline is how long Up and Start may take, with the stopping of what did not get ready.
const Deadline = 120 * time.Second

// readyTime is what of it there is to get ready in.
const readyTime = Deadline - stopTime - 10*time.Second

// Options say what to start.
type Options struct {
	Dir      string
	DB       string // "sqlite", or a postgres:// address; "" is what an earlier Up said, or else sqlite
	Builders int    // at least this many; those of an earlier Up stay

	NoSign     bool // without bridge and signer
	MiniDistro bool // with a small distribution and tags to build it in

	Programs string    // where the programs lie; "" is beside this one
	Progress io.Writer // a line for each step; nil is none
}

// MaxBuilders bounds Options.Builders.
const MaxBuilders = 64

func (o *Options) check() error {
	switch {
	case o.Dir == "":
		return errors.New("no directory given: say --dir D")
	case o.DB != "" && o.DB != sqlite && !strings.HasPrefix(o.DB, "postgres://") && !strings.HasPrefix(o.DB, "postgresql://"):
		return errors.New("--db: expected sqlite, or postgres://USER@HOST/DATABASE")
	case o.MiniDistro:
		return errors.New("--minidistro: this version has no build roots to use it; leave it out")
	case o.Builders < 0 || o.Builders > MaxBuilders:
		return fmt.Errorf("--builders %d: expected 0 to %d", o.Builders, MaxBuilders)
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	if o.Programs != "" {
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the programs beside this one: %w", err)
	}
	o.Programs = filepath.Dir(self)
	return nil
}

// Up starts a testbed and returns when all of it is ready. When it fails nothing of the
// testbed is left running; its directory is kept for a look at the logs.
func Up(ctx context.Context, o Options) error {
	if err := o.check(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, readyTime,
		fmt.Errorf("the testbed was not ready within %v", readyTime))
	defer cancel()

	s, err := create(o.Dir)
	if err != nil {
		return err
	}
	defer s.unlock()
	if err := s.up(ctx, o); err != nil {
		// The caller's context may be what ended: stopping needs its own time.
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
		defer cancel()
		return errors.Join(err, s.stopAll(stop))
	}
	return nil
}

func (s *site) up(ctx context.Context, o Options) error {
	fmt.Fprintf(o.Progress, "testbed in %s\n", s.dir)
	s.state.Programs = o.Programs
	s.state.Builders = max(s.state.Builders, o.Builders)
	s.state.Sign = !o.NoSign
	if err := s.chooseDB(o.DB); err != nil {
		return err
	}
	if err := s.choosePorts(); err != nil {
		return err
	}
	if err := s.save(); err != nil {
		return err
	}
	if err := s.provision(ctx, o.Progress); err != nil {
		return err
	}

	first, second := []string{"hub"}, s.builders()
	if s.state.Sign {
		first, second = append(first, "bridge"), append(second, "signer")
	}
	if err := s.launchAll(ctx, first, o.Progress); err != nil {
		return err
	}
	if err := s.setUpHub(ctx); err != nil {
		return fmt.Errorf("set up the hub: %w", err)
	}
	if err := s.launchAll(ctx, second, o.Progress); err != nil {
		return err
	}
	return s.writeEnv()
}

// sqlite is the DB that is a file of the testbed's own.
const sqlite = "sqlite"

// chooseDB settles where the hub's data are: the first Up says it for good.
func (s *site) chooseDB(db string) error {
	switch {
	case s.state.DB == "" && exists(s.path("hub", "initialized")): // of before there was a choice
		s.state.DB = sqlite
	case s.state.DB == "":
		s.state.DB = cmp.Or(db, sqlite)
	}
	if db != "" && db != s.state.DB {
		return errors.New("--db: this testbed keeps its data elsewhere: leave --db out, or take a new directory")
	}
	return nil
}

// Down stops a testbed and keeps its data, or with purge removes it.
func Down(ctx context.Context, dir string, purge bool) error {
	s, err := open(ctx, dir)
	if err != nil {
		return err
	}
	defer s.unlock()
	if err := s.stopAll(ctx); err != nil {
		return err
	}
	if purge {
		return os.RemoveAll(s.dir)
	}
	return s.writeEnv()
}

// A Process is one line of Status.
type Process struct {
	Name string
	PID  int // of the last start; 0 when it was never started
	Up   bool
}

// Status lists the processes of a testbed in the order they are started.
func Status(dir string) ([]Process, error) {
	s, err := read(dir)
	if err != nil {
		return nil, err
	}
	var list []Process
	for _, name := range s.names() {
		id := s.state.Processes[name]
		list = append(list, Process{Name: name, PID: id.PID, Up: id.alive()})
	}
	return list, nil
}

// Kill ends a process at once, as a crash would, and returns when it is gone.
func Kill(ctx context.Context, dir, name string) error {
	s, err := open(ctx, dir)
	if err != nil {
		return err
	}
	defer s.unlock()
	if err := s.checkName(name); err != nil {
		return err
	}
	id := s.state.Processes[name]
	if !id.alive() {
		return fmt.Errorf("%s is not running", name)
	}
	if err := id.kill(ctx); err != nil {
		return fmt.Errorf("kill %s: %w", name, err)
	}
	return s.writeEnv()
}

// Start starts a process that is down and returns when it is ready.
func Start(ctx context.Context, dir, name string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyTime,
		fmt.Errorf("%s was not ready within %v", name, readyTime))
	defer cancel()
	s, err := open(ctx, dir)
	if err != nil {
		return err
	}
	defer s.unlock()
	if err := s.checkName(name); err != nil {
		return err
	}
	if s.state.Processes[name].alive() {
		return fmt.Errorf("%s is already running", name)
	}
	if err := s.launchAll(ctx, []string{name}, io.Discard); err != nil {
		return err
	}
	return s.writeEnv()
}

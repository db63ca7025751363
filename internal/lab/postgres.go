package lab

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Postgres returns the address of a new, empty database, which goes when the test ends. All test programs of a machine
// share one PostgreSQL server, in a directory of its own below /tmp: the first to need it starts it, and it stops some
// seconds after the last of them has ended, however that was.
func Postgres(t testing.TB) string {
	t.Helper()
	return sharedServer(t).Database(t, "template0")
}

// PostgresCopy returns the address of a new database that is a copy of the one that fill filled, which it does once in a
// test program's life. name tells the originals apart.
func PostgresCopy(t testing.TB, name string, fill func(address string) error) string {
	t.Helper()
	s := sharedServer(t)
	s.mu.Lock()
	original := s.originals[name]
	if original == "" {
		original = "original_" + strings.ToLower(rand.Text()[:12])
		err := s.sql("CREATE DATABASE " + original + " TEMPLATE template0")
		if err == nil {
			err = fill(s.Address(original))
		}
		if err != nil {
			s.mu.Unlock()
			t.Fatalf("lab: filling database %s: %v", name, err)
		}
		s.originals[name] = original
	}
	s.mu.Unlock()
	return s.Database(t, original)
}

// PostgresServer is a PostgreSQL server.
type PostgresServer struct {
	dir       string // data, log, socket
	bin       string // PostgreSQL's programs
	mu        sync.Mutex
	originals map[string]string
	keep      *os.File // the lock that says that this program uses the shared server
}

var shared = sync.OnceValues(startShared)

func sharedServer(t testing.TB) *PostgresServer {
	t.Helper()
	s, err := shared()
	if err != nil {
		t.Fatalf("lab: starting PostgreSQL (make setup installs it): %v", err)
	}
	return s
}

// OwnPostgres starts a server for one test, which may stop it and kill it.
func OwnPostgres(t testing.TB) *PostgresServer {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "privyseal-postgres-own-") // short: it holds a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s, err := newServer(dir)
	if err == nil {
		err = s.init()
	}
	if err == nil {
		err = s.Start()
	}
	if err != nil {
		t.Fatalf("lab: starting PostgreSQL (make setup installs it): %v", err)
	}
	t.Cleanup(func() {
		if err := s.Stop("immediate"); err != nil {
			t.Errorf("lab: stopping PostgreSQL: %v", err)
		}
	})
	return s
}

// startShared starts the shared server, or finds it.
func startShared() (*PostgresServer, error) {
	base := fmt.Sprintf("/tmp/privyseal-postgres-%d", os.Getuid())
	if err := os.MkdirAll(base, 0o755); err != nil {
		return nil, err
	}
	s, err := newServer(filepath.Join(base, "server"))
	if err != nil {
		return nil, err
	}
	starting, err := lockFile(filepath.Join(base, "starting"), syscall.LOCK_EX)
	if err != nil {
		return nil, err
	}
	defer starting.Close()
	// Held, shared, until this program ends: its file stays open. The keeper below waits for the last of them.
	users, err := lockFile(filepath.Join(base, "users"), syscall.LOCK_SH)
	if err != nil {
		return nil, err
	}
	s.keep = users
	if s.sql("SELECT 1") == nil {
		return s, nil
	}
	if err := os.RemoveAll(s.dir); err != nil {
		return nil, err
	}
	if err := os.Mkdir(s.dir, 0o755); err != nil {
		return nil, err
	}
	if err := s.init(); err != nil {
		return nil, err
	}
	if err := s.Start(); err != nil {
		return nil, err
	}
	keeper := s.command("sh", "-c", `while sleep 5; do flock -n "$1" sh -c '"$1" stop -s -m immediate -D "$2"; rm -rf "$2"' - "$2" "$3" && exit; done`,
		"-", users.Name(), filepath.Join(s.bin, "pg_ctl"), filepath.Join(s.dir, "data"))
	return s, keeper.Start()
}

func lockFile(path string, how int) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(f.Chmod(0o666), flock(f, how)); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func flock(f *os.File, how int) error {
	for {
		if err := syscall.Flock(int(f.Fd()), how); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// newServer finds PostgreSQL's programs, which Debian keeps out of PATH.
func newServer(dir string) (*PostgresServer, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		initdb, err := exec.LookPath("initdb")
		if err != nil {
			return nil, fmt.Errorf("no PostgreSQL in /usr/lib/postgresql: %w", err)
		}
		found = []string{initdb}
	}
	return &PostgresServer{dir: dir, bin: filepath.Dir(found[len(found)-1]), originals: map[string]string{}}, nil
}

// command is a program that runs as the user whom PostgreSQL consents to run as: it refuses root.
func (s *PostgresServer) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = s.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if uid, gid, ok := s.owner(); ok {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uid, Gid: gid}
	}
	return cmd
}

// owner is the user that root has PostgreSQL run as.
func (s *PostgresServer) owner() (uid, gid uint32, ok bool) {
	if os.Getuid() != 0 {
		return 0, 0, false
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return 0, 0, false
	}
	id, err1 := strconv.ParseUint(u.Uid, 10, 32)
	group, err2 := strconv.ParseUint(u.Gid, 10, 32)
	return uint32(id), uint32(group), err1 == nil && err2 == nil
}

func (s *PostgresServer) run(name string, args ...string) error {
	cmd := s.command(filepath.Join(s.bin, name), args...)
	out, err := os.CreateTemp("", "postgres")
	if err != nil {
		return err
	}
	defer os.Remove(out.Name())
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out // a file: the server keeps it open, and a pipe would be waited for
	if err := cmd.Run(); err != nil {
		text, _ := os.ReadFile(out.Name())
		return fmt.Errorf("%s: %w: %s", name, err, text)
	}
	return nil
}

// init makes the server's data: small, and not synced, which a test that kills processes does not notice.
func (s *PostgresServer) init() error {
	if uid, gid, ok := s.owner(); ok {
		if err := errors.Join(os.Chown(s.dir, int(uid), int(gid)), os.Chmod(s.dir, 0o755)); err != nil {
			return err
		}
	}
	if err := s.run("initdb", "--pgdata", filepath.Join(s.dir, "data"), "--auth", "trust", "--username", "postgres",
		"--encoding", "UTF8", "--locale", "C", "--no-sync"); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(s.dir, "data", "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, `
listen_addresses = ''
unix_socket_directories = '%s'
max_connections = 300
shared_buffers = 64MB
fsync = off
full_page_writes = off
wal_level = minimal
max_wal_senders = 0
max_wal_size = 512MB
`, s.dir)
	return errors.Join(err, f.Close())
}

// Start starts the server and returns when it answers.
func (s *PostgresServer) Start() error {
	return s.run("pg_ctl", "start", "--silent", "--wait", "--pgdata", filepath.Join(s.dir, "data"), "--log", filepath.Join(s.dir, "log"))
}

// Stop stops the server: smart, fast or immediate, which is what a crash is.
func (s *PostgresServer) Stop(mode string) error {
	return s.run("pg_ctl", "stop", "--silent", "--mode", mode, "--pgdata", filepath.Join(s.dir, "data"))
}

// Crash kills the server three times, each time after it has run for a while, and starts it again.
func (s *PostgresServer) Crash(t testing.TB, after time.Duration) {
	t.Helper()
	for range 3 {
		time.Sleep(after)
		if err := s.Stop("immediate"); err != nil {
			t.Error(err)
		}
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
	}
}

// Address is the address of one of the server's databases.
func (s *PostgresServer) Address(database string) string {
	return "postgres:///" + database + "?" + url.Values{"host": {s.dir}, "user": {"postgres"}}.Encode()
}

func (s *PostgresServer) sql(statement string) error {
	return s.run("psql", "--quiet", "--no-psqlrc", "--set", "ON_ERROR_STOP=1", "--output", os.DevNull, "--command", statement, s.Address("postgres"))
}

// Database makes a database, a copy of template, and returns its address. It goes when the test ends.
func (s *PostgresServer) Database(t testing.TB, template string) string {
	t.Helper()
	name := "test_" + strings.ToLower(rand.Text()[:16])
	// Whoever was connected to the template a moment ago may not have left yet.
	var err error
	for range 50 {
		if err = s.sql("CREATE DATABASE " + name + " TEMPLATE " + template); err == nil || !strings.Contains(err.Error(), "being accessed") {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err != nil {
		t.Fatalf("lab: %v", err)
	}
	t.Cleanup(func() {
		if err := s.sql("DROP DATABASE " + name + " WITH (FORCE)"); err != nil {
			t.Logf("lab: %v", err)
		}
	})
	return s.Address(name)
}

package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/privyseal/privyseal/buildsys/testbed"
	"github.com/privyseal/privyseal/client"
	"github.com/privyseal/privyseal/internal/ini"
	"github.com/privyseal/privyseal/internal/lab"
)

// site is a running testbed.
type site struct {
	dir, bin string
	env      map[string]string
	keys     int
}

var theSite *site

// start gives the testbed that all benchmarks share.
func start(b *testing.B) *site {
	b.Helper()
	if theSite != nil {
		return theSite
	}
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		b.Fatal(err)
	}
	s := &site{dir: dir, bin: filepath.Join(lab.Root(b), "bin")}
	theSite = s // to be removed even when Up fails
	if err := testbed.Up(context.Background(), testbed.Options{Dir: filepath.Join(dir, "site"), Builders: 1, Programs: s.bin}); err != nil {
		b.Fatalf("testbed: %v (run make build first)", err)
	}
	s.readEnv(b)
	return s
}

func (s *site) down() {
	if err := testbed.Down(context.Background(), filepath.Join(s.dir, "site"), true); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.RemoveAll(s.dir)
}

func (s *site) readEnv(b *testing.B) { s.env = readEnv(b, filepath.Join(s.dir, "site")) }

// readEnv reads what the testbed in a directory says of itself.
func readEnv(tb testing.TB, dir string) map[string]string {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "env"))
	if err != nil {
		tb.Fatal(err)
	}
	vars := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			vars[name] = strings.Trim(value, "'")
		}
	}
	return vars
}

// signing are the settings that the site's clients sign with.
func (s *site) signing(b *testing.B) client.Config {
	b.Helper()
	f, err := ini.ParseFile(s.env["PRIVYSEAL_CONF"])
	if err != nil {
		b.Fatal(err)
	}
	cfg, err := client.ConfigFromINI(f.Section("signing"))
	if err != nil {
		b.Fatal(err)
	}
	return cfg
}

// run runs one of the programs and gives what it printed.
func (s *site) run(b *testing.B, name string, args ...string) string {
	b.Helper()
	out, err := exec.Command(filepath.Join(s.bin, name), args...).CombinedOutput()
	if err != nil {
		b.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// newKey makes a key for releng, tells the hub, and gives its name.
func (s *site) newKey(b *testing.B, algorithm string) string {
	b.Helper()
	s.keys++
	name := fmt.Sprintf("bench-%s-%d", algorithm, s.keys)
	batch, public := filepath.Join(s.dir, name+".batch"), filepath.Join(s.dir, name+".asc")
	line := fmt.Sprintf("key new %s --type %s --purpose rpm --uid 'Bench <bench@example.org>' --for releng --public-out %s\n", name, algorithm, public)
	if err := os.WriteFile(batch, []byte(line), 0o600); err != nil {
		b.Fatal(err)
	}
	s.run(b, "privyseal-signer", "--vault", s.env["SIGNER_VAULT"], "--batch", batch)
	s.run(b, "privyseal", "-c", s.env["KOJI_CONF"], "add-signing-key", public)
	return name
}

// cpu is the processor time that each process of the site has used.
func (s *site) cpu(b *testing.B) map[string]time.Duration {
	b.Helper()
	s.readEnv(b)
	used := map[string]time.Duration{}
	for _, p := range strings.Split(s.env["PIDS"], ",") {
		name, pid, _ := strings.Cut(p, "=")
		data, err := os.ReadFile("/proc/" + pid + "/stat")
		if err != nil {
			b.Fatal(err)
		}
		// The second field may hold spaces; utime and stime are 14 and 15.
		_, rest, _ := strings.Cut(string(data), ") ")
		f := strings.Fields(rest)
		u, err1 := strconv.Atoi(f[11])
		t, err2 := strconv.Atoi(f[12])
		if err1 != nil || err2 != nil {
			b.Fatalf("/proc/%s/stat: %q", pid, data)
		}
		used[name] = time.Duration(u+t) * time.Second / 100 // USER_HZ
	}
	return used
}

// each subtracts and divides: milliseconds for one of n, by process.
func each(before, after map[string]time.Duration, n int) map[string]float64 {
	ms := map[string]float64{}
	for name, t := range after {
		if d := t - before[name]; d > 0 {
			ms[name] = float64(d.Microseconds()) / 1000 / float64(n)
		}
	}
	return ms
}

func selfCPU() time.Duration { return usage(syscall.RUSAGE_SELF) }

func usage(who int) time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(who, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

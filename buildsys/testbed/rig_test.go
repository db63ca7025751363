package testbed_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/privyseal/privyseal/buildsys/testbed"
	"github.com/privyseal/privyseal/internal/ini"
	"github.com/privyseal/privyseal/internal/lab"
)

// rig is a running site, with the programs as they are built for use.
type rig struct {
	dir      string // the testbed's
	bin      string
	programs string // the directory they are started from
	traces   string // strace's output of bridge and signer, "" without
	env      map[string]string

	input io.Closer // never closed: ends with this process
}

// site is the one site that the tests of this package share. Bridge and signer run
// under strace from their first system call on, where the machine lets us.
func site(t *testing.T) *rig {
	t.Helper()
	r, err := startSite()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var startSite = sync.OnceValues(func() (*rig, error) {
	work, err := os.MkdirTemp("", "privyseal-site-")
	if err != nil {
		return nil, err
	}
	r := &rig{dir: filepath.Join(work, "site"), bin: filepath.Join(work, "bin")}
	build := exec.Command("go", "build", "-trimpath", "-o", r.bin+"/", "./cmd/...")
	build.Dir = filepath.Join("..", "..")
	build.Env = append(build.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build: %w\n%s", err, out)
	}
	r.programs = r.bin
	if lab.Ptrace.Probe() == nil {
		r.traces = filepath.Join(work, "trace")
		if r.programs, err = r.traced(filepath.Join(work, "traced")); err != nil {
			return nil, err
		}
	}
	if err := r.buryAfterwards(work); err != nil {
		return nil, err
	}
	err = testbed.Up(context.Background(), testbed.Options{Dir: r.dir, Builders: 1, Programs: r.programs, Progress: os.Stderr})
	if err != nil {
		return nil, err
	}
	r.env, err = readEnv(filepath.Join(r.dir, "env"))
	return r, err
})

// buryAfterwards has a process of its own stop the site and remove its files when this
// one has ended, in whatever way: also a test that runs into its time limit, or an
// interrupted one, leaves nothing running.
func (r *rig) buryAfterwards(work string) error {
	cmd := exec.Command("sh", "-c", `cat; "$1/privyseal" testbed down --dir "$2" --purge; rm -rf "$3"`, "sh", r.bin, r.dir, work)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	input, err := cmd.StdinPipe()
	r.input = input
	return errors.Join(err, cmd.Start())
}

// traced makes a directory of the same programs in which bridge and signer trace
// themselves. The tracer is their descendant, so that the process the testbed knows is
// the program itself.
func (r *rig) traced(dir string) (string, error) {
	if err := errors.Join(os.Mkdir(dir, 0o755), os.Mkdir(r.traces, 0o755)); err != nil {
		return "", err
	}
	programs, err := os.ReadDir(r.bin)
	if err != nil {
		return "", err
	}
	for _, p := range programs {
		link, program := filepath.Join(dir, p.Name()), filepath.Join(r.bin, p.Name())
		switch p.Name() {
		case "privyseal-bridge", "privyseal-signer":
			script := fmt.Sprintf("#!/bin/sh\nexec strace -D -f --seccomp-bpf -e trace=%%network -o %s/%s.$$ %s \"$@\"\n",
				r.traces, strings.TrimPrefix(p.Name(), "privyseal-"), program)
			err = os.WriteFile(link, []byte(script), 0o755)
		default:
			err = os.Symlink(program, link)
		}
		if err != nil {
			return "", err
		}
	}
	return dir, nil
}

func readEnv(path string) (map[string]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	env := make(map[string]string)
	for line := range strings.Lines(string(text)) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok || len(value) < 2 {
			return nil, fmt.Errorf("%s: %q", path, line)
		}
		env[name] = strings.ReplaceAll(value[1:len(value)-1], `'\''`, "'")
	}
	return env, nil
}

// result is how a command line ended.
type result struct {
	code           int
	stdout, stderr string
	took           time.Duration
}

func (r result) String() string {
	return fmt.Sprintf("exit %d after %v\n%s%s", r.code, r.took.Round(time.Millisecond), r.stdout, r.stderr)
}

// last is the last line of the standard output.
func (r result) last() string {
	lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
	return lines[len(lines)-1]
}

// says fails the test unless the command ended with the code and its messages hold all
// the words, whatever their case.
func (r result) says(t *testing.T, code int, words ...string) {
	t.Helper()
	if r.code != code {
		t.Errorf("exit code %d expected, got %v", code, r)
	}
	for _, w := range words {
		if !strings.Contains(strings.ToLower(r.stdout+r.stderr), strings.ToLower(w)) {
			t.Errorf("%q expected, got %v", w, r)
		}
	}
}

// command runs privyseal with a configuration, by its name in the env file or by path.
func (r *rig) command(t *testing.T, conf string, args ...string) result {
	t.Helper()
	if path, ok := r.env[conf]; ok {
		conf = path
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(r.bin, "privyseal"), append([]string{"-c", conf}, args...)...)
	cmd.Env = append(cmd.Environ(), "HOME="+t.TempDir())
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	began := time.Now()
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String(), time.Since(began)}
}

// must is command that fails the test unless it exits 0.
func (r *rig) must(t *testing.T, conf string, args ...string) result {
	t.Helper()
	res := r.command(t, conf, args...)
	if res.code != 0 {
		t.Fatalf("privyseal %s: %v", strings.Join(args, " "), res)
	}
	return res
}

// signTag runs sign-tag as releng with the testbed's RPM key.
func (r *rig) signTag(t *testing.T, conf, tag string, more ...string) result {
	t.Helper()
	args := []string{"sign-tag", tag, "--key", r.env["SIGN_KEY"], "--passphrase-file", r.env["SIGN_PASSPHRASE_FILE"]}
	return r.command(t, conf, append(args, more...)...)
}

// tag makes a tag that holds throw-away packages, ready to be signed.
func (r *rig) tag(t *testing.T, tag string, rpms ...lab.RPM) {
	t.Helper()
	dir := t.TempDir()
	pkgs := []string{"add-pkg", "--owner", "releng", tag}
	imports := []string{"import", "--create-build"}
	builds := []string{"tag-build", "--wait", tag}
	for _, p := range rpms {
		path := p.Write(t, dir)
		imports = append(imports, path)
		pkgs = append(pkgs, p.Name)
		builds = append(builds, strings.TrimSuffix(filepath.Base(path), ".noarch.rpm"))
	}
	r.must(t, "KOJI_CONF", "add-tag", tag, "--arches", "x86_64")
	r.must(t, "KOJI_CONF", pkgs...)
	r.must(t, "KOJI_CONF", imports...)
	r.must(t, "KOJI_CONF", builds...)
}

// config writes a changed copy of one of the testbed's configurations and returns its
// path. Changes are "section.key", "value" pairs.
func (r *rig) config(t *testing.T, conf string, changes ...string) string {
	t.Helper()
	f, err := ini.ParseFile(r.env[conf])
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, name := range f.Sections() {
		fmt.Fprintf(&b, "[%s]\n", name)
		section := f.Section(name)
		for _, key := range section.Keys() {
			value, _ := section.Raw(key)
			for i := 0; i < len(changes); i += 2 {
				if changes[i] == name+"."+key {
					value = changes[i+1]
				}
			}
			fmt.Fprintf(&b, "%s = %s\n", key, value)
		}
		for i := 0; i < len(changes); i += 2 {
			if key, ok := strings.CutPrefix(changes[i], name+"."); ok && !section.Has(key) {
				fmt.Fprintf(&b, "%s = %s\n", key, changes[i+1])
			}
		}
	}
	path := filepath.Join(t.TempDir(), "changed.conf")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// without kills a process of the site and has it back when the test ends.
func (r *rig) without(t *testing.T, name string) (back func()) {
	t.Helper()
	if err := testbed.Kill(t.Context(), r.dir, name); err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	back = func() {
		once.Do(func() {
			if err := testbed.Start(context.Background(), r.dir, name); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(back)
	return back
}

package trials

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/privyseal/privyseal/buildsys/api"
	"github.com/privyseal/privyseal/buildsys/testbed"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
	"github.com/privyseal/privyseal/internal/lab"
	"github.com/privyseal/privyseal/internal/seal"
	"github.com/privyseal/privyseal/signer/seallog"
)

// site is a running testbed.
type site struct {
	dir, bin string
	env      map[string]string
}

// up starts a testbed that the test's end removes.
func up(t *testing.T) *site {
	t.Helper()
	work := t.TempDir()
	s := &site{dir: filepath.Join(work, "site"), bin: filepath.Join(work, "bin"), env: map[string]string{}}
	build := exec.Command("go", "build", "-trimpath", "-o", s.bin+"/", "./cmd/privyseal", "./cmd/privyseal-signer", "./cmd/privyseal-bridge", "./cmd/privyseal-hub")
	build.Dir = lab.Root(t)
	build.Env = append(build.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	t.Cleanup(func() {
		if err := testbed.Down(context.Background(), s.dir, true); err != nil {
			t.Error(err)
		}
	})
	if err := testbed.Up(t.Context(), testbed.Options{Dir: s.dir, Programs: s.bin}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(s.dir, "env"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			s.env[name] = strings.Trim(value, "'")
		}
	}
	return s
}

// command is a run of one of the programs, in a session of its own.
func (s *site) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, name), args...)
	cmd.Env = append(os.Environ(), "HOME="+s.dir, "XDG_STATE_HOME="+filepath.Join(s.dir, "state"))
	return cmd
}

func (s *site) must(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := s.command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// console runs a batch of commands at the signer's console, while the signer serves.
func (s *site) console(t *testing.T, lines ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "batch")
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return s.must(t, "privyseal-signer", "--vault", s.env["SIGNER_VAULT"], "--batch", file)
}

// hub is a session of the hub's administrator.
func (s *site) hub(t *testing.T) *api.Hub {
	t.Helper()
	pem := filepath.Join(s.dir, "pki", "kojiadmin.pem")
	pair, err := tls.LoadX509KeyPair(pem, pem)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(s.env["CA_CERT"])
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	c, err := xmlrpc.New(s.env["HUB_URL"], xmlrpc.Options{TLS: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Login(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return &api.Hub{Caller: c}
}

// fill makes a tag that holds n packages of a build each, and returns their numbers.
func (s *site) fill(t *testing.T, tag string, n int) []int64 {
	t.Helper()
	began := time.Now()
	files := lab.WriteRPMs(t, t.TempDir(), tag, n)
	// Several at a time: what takes long is the hub's syncs.
	const importers = 4
	var wg sync.WaitGroup
	var failed [importers]error
	for i := range importers {
		wg.Go(func() {
			args := append([]string{"-c", s.env["KOJI_CONF"], "import", "--create-build"}, files[i*n/importers:(i+1)*n/importers]...)
			if out, err := s.command("privyseal", args...).CombinedOutput(); err != nil {
				failed[i] = fmt.Errorf("%w\n%s", err, out)
			}
		})
	}
	wg.Wait()
	for _, err := range failed {
		if err != nil {
			t.Fatalf("import: %v", err)
		}
	}
	hub := s.hub(t)
	calls := []xmlrpc.Call{{Method: "createTag", Args: []any{tag}}}
	for _, f := range files {
		nvr := strings.TrimSuffix(filepath.Base(f), ".noarch.rpm")
		calls = append(calls,
			xmlrpc.Call{Method: "packageListAdd", Args: []any{tag, strings.TrimSuffix(nvr, "-1.0-1"), "releng"}},
			xmlrpc.Call{Method: "tagBuildBypass", Args: []any{tag, nvr}})
	}
	results, err := hub.Caller.MultiCall(t.Context(), calls)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		if r.Err != nil {
			t.Fatalf("%s %v: %v", calls[i].Method, calls[i].Args, r.Err)
		}
	}
	rpms, _, err := hub.TaggedRPMs(t.Context(), tag, api.ListOptions{})
	if err != nil || len(rpms) != n {
		t.Fatalf("the tag holds %d packages, %v", len(rpms), err)
	}
	ids := make([]int64, n)
	for i := range rpms {
		ids[i] = rpms[i].ID
	}
	t.Logf("%d packages imported and tagged in %.1f s", n, time.Since(began).Seconds())
	return ids
}

// keys makes RPM keys for releng that the hub knows, and a policy for them.
func (s *site) keys(t *testing.T, names []string) {
	t.Helper()
	dir := t.TempDir()
	policy := filepath.Join(dir, "policy.conf")
	if err := os.WriteFile(policy, []byte("[policy]\nsign =\n    user releng && key trial-* && operation rpm-header && attested tag=trial age<1h :: allow\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	lines := []string{"policy set " + policy}
	for _, name := range names {
		lines = append(lines, fmt.Sprintf("key new %s --type eddsa --purpose rpm --uid 'Trial <trial@example.org>' --for releng --public-out %s",
			name, filepath.Join(dir, name+".asc")))
	}
	s.console(t, lines...)
	var all bytes.Buffer
	for _, name := range names {
		armored, err := os.ReadFile(filepath.Join(dir, name+".asc"))
		if err != nil {
			t.Fatal(err)
		}
		all.Write(armored)
		all.WriteByte('\n')
	}
	if _, err := s.hub(t).AddSigningKey(t.Context(), all.String()); err != nil {
		t.Fatal(err)
	}
}

// log opens the signer's log for reading, while the signer writes it.
func (s *site) log(t *testing.T) *seallog.Log {
	t.Helper()
	l, err := seallog.Open(filepath.Join(s.env["SIGNER_VAULT"], "log"), seallog.Options{Origin: seal.OriginPrefix + "signer1"})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

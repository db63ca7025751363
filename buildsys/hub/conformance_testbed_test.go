package hub_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/privyseal/privyseal/buildsys/testbed"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
	"github.com/privyseal/privyseal/internal/ini"
	"github.com/privyseal/privyseal/internal/lab"
)

// TestRealClientOnTestbed does the same against the programs themselves, as `testbed up` starts them: hub and builder, with
// the configuration files that a user of the testbed hands to the koji client.
func TestRealClientOnTestbed(t *testing.T) {
	lab.Need(t, lab.RealKoji)
	programs := t.TempDir()
	build := exec.Command("go", "build", "-o", programs+string(os.PathSeparator), "./cmd/privyseal-hub", "./cmd/privyseal-builder")
	build.Dir = lab.Root(t)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	dir := filepath.Join(t.TempDir(), "bed")
	ctx, cancel := context.WithTimeout(context.Background(), testbed.Deadline)
	defer cancel()
	must(t, testbed.Up(ctx, testbed.Options{Dir: dir, Builders: 1, NoSign: true, Programs: programs}))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := testbed.Down(ctx, dir, true); err != nil {
			t.Error(err)
		}
	})

	env := readEnv(t, filepath.Join(dir, "env"))
	admin := kojiSection(t, env["KOJI_CONF"])
	addSigningKeys(t, env, admin)
	text := func(s string) string {
		for _, r := range [][2]string{
			{env["TOPDIR"], "<topdir>"},
			{strings.TrimSuffix(env["HUB_URL"], "/kojihub"), "<hub>"},
			{admin["cert"], "<pki>/kojiadmin.pem"},
		} {
			s = strings.ReplaceAll(s, r[0], r[1])
		}
		return s
	}
	c := &commands{exec: realKoji, text: text, quirks: newQuirks(printedQuirks),
		confs: map[string]string{"kojiadmin": env["KOJI_CONF"], "releng": env["KOJI_CONF_RELENG"]}}
	c.run(t, steps(t))
}

func readEnv(t *testing.T, path string) map[string]string {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	env := map[string]string{}
	for line := range strings.Lines(string(data)) {
		k, v, _ := strings.Cut(strings.TrimSpace(line), "=")
		env[k] = strings.Trim(v, "'")
	}
	return env
}

func kojiSection(t *testing.T, conf string) map[string]string {
	t.Helper()
	f, err := ini.ParseFile(conf)
	must(t, err)
	sec := f.Section("koji")
	if sec == nil {
		t.Fatalf("%s has no section [koji]", conf)
	}
	out := map[string]string{}
	for _, k := range sec.Keys() {
		out[k], _ = sec.Get(k)
	}
	return out
}

// addSigningKeys tells the hub the keys of the recorded packages.
func addSigningKeys(t *testing.T, env, admin map[string]string) {
	t.Helper()
	cert, err := tls.LoadX509KeyPair(admin["cert"], admin["cert"])
	must(t, err)
	ca, err := os.ReadFile(env["CA_CERT"])
	must(t, err)
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		t.Fatalf("%s holds no certificate", env["CA_CERT"])
	}
	c, err := xmlrpc.New(env["HUB_URL"], xmlrpc.Options{Retries: -1,
		TLS: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{cert}}})
	must(t, err)
	defer c.Close()
	ctx := context.Background()
	must(t, c.Login(ctx))
	for _, key := range []string{lab.KeyRSA4096, lab.KeyEdDSA} {
		_, err := c.Call(ctx, "privyseal.addSigningKey", string(lab.KeyNamed(t, key).Public))
		must(t, err)
	}
	must(t, c.Logout(ctx))
}

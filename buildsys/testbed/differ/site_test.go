//go:build long

package differ_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/privyseal/privyseal/buildsys/cli"
	"github.com/privyseal/privyseal/buildsys/hub"
	"github.com/privyseal/privyseal/buildsys/testbed/differ"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
	"github.com/privyseal/privyseal/internal/lab"
	"github.com/privyseal/privyseal/internal/pki"
)

// profiles are the users of the scripts.
var profiles = []string{"kojiadmin", "releng", "plain", "builder1", "anon"}

// site is a hub, real or ours, with a front before it for each user.
type site struct {
	dir    string
	hub    string // https://HOST:PORT
	topdir string
	pool   *x509.CertPool
	certs  map[string]string // file of each user
	fronts map[string]*differ.Front
	marker *differ.Marker
	vars   map[string]string
}

// open puts the fronts before the hub and brings it to where the scripts begin.
func (s *site) open(t *testing.T, args map[string][]string) {
	t.Helper()
	files := uploads(t)
	s.fronts, s.vars = map[string]*differ.Front{}, map[string]string{}
	for _, p := range profiles {
		var cert *tls.Certificate
		if file := s.certs[p]; file != "" {
			pair, err := tls.LoadX509KeyPair(file, file)
			must(t, err)
			cert = &pair
		}
		f := differ.NewFront(s.hub, p, cert, s.pool, files)
		t.Cleanup(f.Close)
		s.fronts[p] = f
		auth := "ssl"
		if cert == nil {
			auth = "noauth"
		}
		ca := s.write(t, p+"-front-ca.pem", f.CA)
		conf := fmt.Sprintf("[koji]\nserver = %s/kojihub\nweburl = %s/koji\ntopurl = %s/kojifiles\ntopdir = %s\nauthtype = %s\nserverca = %s\nmax_retries = 1\npoll_interval = 1\n",
			f.URL, f.URL, f.URL, s.topdir, auth, ca)
		if cert != nil {
			conf += "cert = " + s.certs[p] + "\n"
		}
		s.write(t, p+".conf", []byte(conf))
	}
	s.marker = differ.NewMarker(args, func(text string) string {
		for _, p := range profiles {
			text = strings.ReplaceAll(text, s.fronts[p].URL, "<hub>")
			if s.certs[p] != "" {
				text = strings.ReplaceAll(text, s.certs[p], "<pki>/"+p+".pem")
			}
		}
		text = strings.ReplaceAll(text, s.hub, "<hub>")
		return strings.ReplaceAll(text, s.topdir, "<topdir>")
	})
	c := s.login(t, "kojiadmin", s.hub)
	defer c.Close()
	do := func(method string, args ...any) {
		t.Helper()
		if _, err := c.Call(context.Background(), method, args...); err != nil {
			t.Fatalf("%s: %v", method, err)
		}
	}
	do("createUser", "releng")
	for _, perm := range []string{"sign", "tag", "repo", "dist-repo"} {
		do("grantPermission", "releng", perm)
	}
	do("createUser", "plain")
	do("addHost", "builder1", []any{"x86_64", "noarch"})
	must(t, c.Logout(context.Background()))
}

func (s *site) write(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(s.dir, name)
	must(t, os.WriteFile(path, data, 0o600))
	return path
}

// uploads are the files that commands may upload, by content.
func uploads(t *testing.T) map[[32]byte]string {
	t.Helper()
	root := lab.Testdata(t, "koji", "rpms")
	out := map[[32]byte]string{}
	for _, pattern := range []string{"*.rpm", "signed/*.rpm", "../scripts/files/*", "../README.md"} {
		names, err := filepath.Glob(filepath.Join(root, pattern))
		must(t, err)
		for _, name := range names {
			data, err := os.ReadFile(name)
			must(t, err)
			rel, err := filepath.Rel(root, name)
			must(t, err)
			out[sha256.Sum256(data)] = rel
		}
	}
	return out
}

func (s *site) login(t *testing.T, user, url string) *xmlrpc.Client {
	t.Helper()
	cert, err := tls.LoadX509KeyPair(s.certs[user], s.certs[user])
	must(t, err)
	pool := s.pool
	if f := s.fronts[user]; f != nil && url == f.URL {
		pool = x509.NewCertPool()
		pool.AppendCertsFromPEM(f.CA)
	}
	c, err := xmlrpc.New(url+"/kojihub", xmlrpc.Options{Retries: -1, TLS: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{cert}}})
	must(t, err)
	must(t, c.Login(context.Background()))
	return c
}

// realSite empties the real hub that the environment names.
func realSite(t *testing.T, args map[string][]string) *site {
	t.Helper()
	reset := exec.Command(os.Getenv("PRIVYSEAL_LAB_KOJIHUB_RESET"))
	if out, err := reset.CombinedOutput(); err != nil {
		t.Fatalf("PRIVYSEAL_LAB_KOJIHUB_RESET: %v: %s", err, out)
	}
	pki := os.Getenv("PRIVYSEAL_LAB_KOJIHUB_PKI")
	s := &site{dir: t.TempDir(), hub: strings.TrimSuffix(os.Getenv("PRIVYSEAL_LAB_KOJIHUB"), "/kojihub"),
		topdir: os.Getenv("PRIVYSEAL_LAB_KOJIHUB_TOPDIR"), certs: map[string]string{}, pool: x509.NewCertPool()}
	ca, err := os.ReadFile(filepath.Join(pki, "ca.crt"))
	must(t, err)
	s.pool.AppendCertsFromPEM(ca)
	for _, p := range profiles {
		if p != "anon" {
			s.certs[p] = filepath.Join(pki, p+".pem")
		}
	}
	s.open(t, args)
	return s
}

// ourSite starts a hub of ours.
func ourSite(t *testing.T, args map[string][]string) *site {
	t.Helper()
	s := &site{dir: t.TempDir(), certs: map[string]string{}}
	s.topdir = filepath.Join(s.dir, "topdir")
	must(t, os.Mkdir(s.topdir, 0o755))
	ca, err := pki.NewCA("Hub CA", time.Hour)
	must(t, err)
	s.pool = ca.Pool()
	caFile := s.write(t, "ca.pem", ca.CertPEM())
	issue := func(r pki.Request) string {
		r.Life = time.Hour
		leaf, err := ca.Issue(r)
		must(t, err)
		pem, err := leaf.PEM()
		must(t, err)
		return s.write(t, r.CN+".pem", pem)
	}
	server := issue(pki.Request{CN: "localhost", DNS: []string{"localhost"}, IPs: []net.IP{net.IPv4(127, 0, 0, 1)}, Server: true})
	for _, p := range profiles {
		if p != "anon" {
			s.certs[p] = issue(pki.Request{CN: p, Client: true})
		}
	}
	settings := &hub.Settings{MissingPolicyOK: true, Listen: "127.0.0.1:0", Cert: server, CA: caFile, DB: filepath.Join(s.dir, "hub.db"),
		TopDir: s.topdir, LoginCreatesUser: true, Name: "hub1", AttestKey: filepath.Join(s.dir, "attest.key"), EmailDomain: "example.com"}
	ctx, cancel := context.WithCancel(context.Background())
	_, err = settings.Init(ctx, "kojiadmin")
	must(t, err)
	log, err := os.Create(filepath.Join(s.dir, "hub.log"))
	must(t, err)
	ready, ended := make(chan net.Addr, 1), make(chan error, 1)
	go func() {
		ended <- settings.Main(ctx, slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn})),
			func(a net.Addr) { ready <- a })
	}()
	select {
	case addr := <-ready:
		_, port, err := net.SplitHostPort(addr.String())
		must(t, err)
		s.hub = "https://localhost:" + port
	case err := <-ended:
		t.Fatalf("hub: %v", err)
	}
	t.Cleanup(func() {
		cancel()
		<-ended
		log.Close()
		if data, err := os.ReadFile(log.Name()); err == nil && len(data) > 0 {
			t.Logf("the hub's warnings:\n%s", data)
		}
	})
	s.open(t, args)
	c := s.login(t, "kojiadmin", s.hub)
	defer c.Close()
	for _, key := range []string{lab.KeyRSA4096, lab.KeyEdDSA} {
		_, err := c.Call(context.Background(), "privyseal.addSigningKey", string(lab.KeyNamed(t, key).Public))
		must(t, err)
	}
	return s
}

// ran is what one command did.
type ran struct {
	stdout, stderr string
	exit           int
	tape           []differ.Exchange
}

// run runs a command with the real client (own: with ours).
func (s *site) run(t *testing.T, c differ.Command, own bool) ran {
	t.Helper()
	var r ran
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Second)
	defer cancel()
	if c.Argv[0] == differ.Work {
		s.work(t)
		r.tape = s.fronts[c.Profile].Take()
	} else {
		argv := c.Fill(s.vars)
		conf := filepath.Join(s.dir, c.Profile+".conf")
		var out, errs bytes.Buffer
		if own {
			r.exit = ownClient(ctx, t, append([]string{"-c", conf}, argv...), &out, &errs)
		} else {
			cmd := lab.Koji(t, ctx, conf, argv...)
			cmd.Dir = lab.Testdata(t, "koji", "rpms")
			cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &out, &errs, time.Second
			err := cmd.Run()
			var ended *exec.ExitError
			if err != nil && !errors.As(err, &ended) && ctx.Err() == nil {
				t.Fatal(err)
			}
			r.exit = cmd.ProcessState.ExitCode()
		}
		r.stdout, r.stderr = out.String(), errs.String()
		r.tape = s.fronts[c.Profile].Take()
	}
	for i := range r.tape {
		s.marker.Exchange(&r.tape[i])
	}
	if c.Sets != "" {
		s.vars[c.Sets] = differ.Take(r.stdout)
	}
	return r
}

// ownClient runs our command line in this process, in the directory of the packages.
func ownClient(ctx context.Context, t *testing.T, argv []string, out, errs *bytes.Buffer) int {
	t.Helper()
	return cli.Run(ctx, "koji", argv, cli.Streams{In: strings.NewReader(""), Out: out, Err: errs})
}

// work does the tagging tasks that wait, as builder1.
func (s *site) work(t *testing.T) {
	t.Helper()
	c := s.login(t, "builder1", s.fronts["builder1"].URL)
	defer c.Close()
	ctx := context.Background()
	_, err := c.Call(ctx, "exclusiveSession", xmlrpc.Kwargs{"force": true})
	must(t, err)
	for range 3 {
		ids, err := differ.Assigned(ctx, c)
		if err != nil {
			t.Log(err)
			return
		}
		for _, id := range ids {
			if err := differ.TagBuild(ctx, c, id); err != nil {
				t.Log(err)
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	_ = c.Logout(ctx)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

package hub_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/privyseal/privyseal/buildsys/hub"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
	"github.com/privyseal/privyseal/internal/lab"
	"github.com/privyseal/privyseal/internal/pki"
)

// site is a whole hub in this process, over real TLS, with the users that the recordings begin with.
type site struct {
	dir     string
	db      string // where the database is
	addr    string // https://localhost:PORT
	caFile  string
	topdir  string
	clients map[string]*http.Client // by common name; "" shows no certificate
	pool    *x509.CertPool
}

// profiles are those whose certificates the recordings use.
var profiles = []string{"kojiadmin", "releng", "plain", "builder1", "builder9"}

func newSite(t *testing.T) *site {
	t.Helper()
	return newSiteOn(t, hub.NewDatabase(t, hub.DefaultEngine()))
}

// onEachEngine runs a test on SQLite and on PostgreSQL.
func onEachEngine(t *testing.T, test func(t *testing.T, s *site)) {
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) { test(t, newSiteOn(t, hub.NewDatabase(t, engine))) })
	}
}

func newSiteOn(t *testing.T, db string, change ...func(*hub.Settings)) *site {
	t.Helper()
	s := &site{dir: t.TempDir(), db: db, clients: map[string]*http.Client{}}
	s.topdir = filepath.Join(s.dir, "topdir")
	must(t, os.Mkdir(s.topdir, 0o755))
	ca, err := pki.NewCA("Hub CA", time.Hour)
	must(t, err)
	s.pool = ca.Pool()
	s.caFile = s.write(t, "ca.pem", ca.CertPEM())
	server := s.issue(t, ca, pki.Request{CN: "localhost", DNS: []string{"localhost"}, IPs: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv4(127, 0, 0, 2)},
		Server: true, Life: time.Hour})
	s.clients[""] = s.client(nil)
	for _, name := range profiles {
		file := s.issue(t, ca, pki.Request{CN: name, Client: true, Life: time.Hour})
		cert, err := tls.LoadX509KeyPair(file, file)
		must(t, err)
		s.clients[name] = s.client(&cert)
	}
	s.serve(t, server, change...)
	s.populate(t)
	return s
}

func (s *site) client(cert *tls.Certificate) *http.Client {
	cfg := &tls.Config{RootCAs: s.pool}
	if cert != nil {
		cfg.Certificates = []tls.Certificate{*cert}
	}
	return &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: cfg}}
}

// serve runs the hub until the test ends.
func (s *site) serve(t *testing.T, certFile string, change ...func(*hub.Settings)) {
	t.Helper()
	settings := &hub.Settings{MissingPolicyOK: true, Listen: "127.0.0.1:0", Cert: certFile, CA: s.caFile, DB: s.db,
		TopDir: s.topdir, LoginCreatesUser: true, Name: "hub1", AttestKey: filepath.Join(s.dir, "attest.key")}
	for _, c := range change {
		c(settings)
	}
	ctx, cancel := context.WithCancel(context.Background())
	_, err := settings.Init(ctx, "kojiadmin")
	must(t, err)
	var log bytes.Buffer
	ready, ended := make(chan net.Addr, 1), make(chan error, 1)
	go func() {
		ended <- settings.Main(ctx, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn})),
			func(a net.Addr) { ready <- a })
	}()
	select {
	case addr := <-ready:
		_, port, err := net.SplitHostPort(addr.String())
		must(t, err)
		s.addr = "https://localhost:" + port
	case err := <-ended:
		t.Fatalf("hub: %v", err)
	}
	t.Cleanup(func() {
		for _, c := range s.clients {
			c.CloseIdleConnections()
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("hub: %v", err)
		}
		if t.Failed() {
			t.Logf("the hub's warnings:\n%s", log.String())
		}
	})
}

// populate brings the hub to where the recordings begin: README.md's section "How to record".
func (s *site) populate(t *testing.T) {
	t.Helper()
	ctx := context.Background()
	c := s.login(t, "kojiadmin")
	defer c.Close()
	do := func(method string, args ...any) {
		t.Helper()
		if _, err := c.Call(ctx, method, args...); err != nil {
			t.Fatalf("%s: %v", method, err)
		}
	}
	do("createUser", "releng")
	for _, perm := range []string{"dist-repo", "repo", "sign", "tag"} {
		do("grantPermission", "releng", perm)
	}
	do("createUser", "plain")
	do("addHost", "builder1", []any{"x86_64", "noarch"})
	for _, key := range []string{lab.KeyRSA4096, lab.KeyEdDSA} {
		do("privyseal.addSigningKey", string(lab.KeyNamed(t, key).Public))
	}
	must(t, c.Logout(ctx))
}

// login opens a session with the project's own client.
func (s *site) login(t *testing.T, name string) *xmlrpc.Client {
	t.Helper()
	file := filepath.Join(s.dir, name+".pem")
	cert, err := tls.LoadX509KeyPair(file, file)
	must(t, err)
	c, err := xmlrpc.New(s.addr+"/kojihub", xmlrpc.Options{Retries: -1,
		TLS: &tls.Config{RootCAs: s.pool, Certificates: []tls.Certificate{cert}}})
	must(t, err)
	must(t, c.Login(context.Background()))
	return c
}

func (s *site) issue(t *testing.T, ca *pki.CA, r pki.Request) string {
	t.Helper()
	leaf, err := ca.Issue(r)
	must(t, err)
	pem, err := leaf.PEM()
	must(t, err)
	return s.write(t, r.CN+".pem", pem)
}

func (s *site) write(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(s.dir, name)
	must(t, os.WriteFile(path, data, 0o600))
	return path
}

// text undoes in a string of ours what the recordings undid in Koji's.
func (s *site) text(v string) string {
	v = strings.ReplaceAll(v, s.topdir, "<topdir>")
	v = strings.ReplaceAll(v, s.addr, "<hub>")
	v = strings.ReplaceAll(v, "cli-import/conformance", "cli-import/<random>")
	v = strings.ReplaceAll(v, "cli-build/conformance", "cli-build/<random>")
	v = sessionNumber.ReplaceAllString(v, "session <id>")
	return userNumber.ReplaceAllString(v, "User <id> is")
}

// post sends one request and reads the whole answer.
func (s *site) post(t *testing.T, as, verb, pathQuery string, header map[string]string, body []byte) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequest(verb, s.addr+pathQuery, bytes.NewReader(body))
	must(t, err)
	for k, v := range header {
		req.Header.Set(k, v)
	}
	res, err := s.clients[as].Do(req)
	must(t, err)
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	must(t, err)
	return res, data
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

package hub_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/hub"
	"github.com/privyseal/privyseal/buildsys/store"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
	"github.com/privyseal/privyseal/internal/lab"
	"github.com/privyseal/privyseal/internal/pki"
)

// site is a whole hub in this process, over real TLS, with the users that the recordings begin with.
type site struct {
	dir     string
	addr    string // https://localhost:PORT
	caFile  string
	topdir  string
	clients map[string]*http.Client // by common name; "" shows no certificate
	pool    *x509.CertPool
}

// profiles are those whose certificates the recordings use.
var profiles = []string{"kojiadmin", "releng", "plain", "builder1"}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{dir: t.TempDir(), clients: map[string]*http.Client{}}
	s.topdir = filepath.Join(s.dir, "topdir")
	must(t, os.Mkdir(s.topdir, 0o755))
	ca, err := pki.NewCA("Hub CA", time.Hour)
	must(t, err)
	s.pool = ca.Pool()
	s.caFile = s.write(t, "ca.pem", ca.CertPEM())
	server := s.issue(t, ca, pki.Request{CN: "localhost", DNS: []string{"localhost"}, IPs: []net.IP{net.IPv4(127, 0, 0, 1)},
		Server: true, Life: time.Hour})
	s.clients[""] = s.client(nil)
	for _, name := range profiles {
		file := s.issue(t, ca, pki.Request{CN: name, Client: true, Life: time.Hour})
		cert, err := tls.LoadX509KeyPair(file, file)
		must(t, err)
		s.clients[name] = s.client(&cert)
	}
	s.serve(t, server)
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
func (s *site) serve(t *testing.T, certFile string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	st, err := store.Open(ctx, filepath.Join(s.dir, "hub.db"))
	must(t, err)
	must(t, firstAdmin(ctx, st, "kojiadmin"))
	var log bytes.Buffer
	h, err := hub.New(hub.Config{TopDir: s.topdir, LoginCreatesUser: true}, st, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn})))
	must(t, err)
	ready := make(chan net.Addr, 1)
	served, ran := make(chan error, 1), make(chan error, 1)
	go func() {
		served <- h.Serve(ctx, "127.0.0.1:0", hub.TLS{CertFile: certFile, CAFile: s.caFile}, func(a net.Addr) { ready <- a })
	}()
	go func() { ran <- h.Run(ctx) }()
	t.Cleanup(func() {
		for _, c := range s.clients {
			c.CloseIdleConnections()
		}
		cancel()
		for _, done := range []chan error{served, ran} {
			if err := <-done; err != nil {
				t.Errorf("hub: %v", err)
			}
		}
		if err := st.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the hub's log:\n%s", log.String())
		}
	})
	select {
	case addr := <-ready:
		_, port, err := net.SplitHostPort(addr.String())
		must(t, err)
		s.addr = "https://localhost:" + port
	case err := <-served:
		t.Fatalf("hub: %v", err)
	}
}

// firstAdmin makes the user that privyseal-hub init makes.
func firstAdmin(ctx context.Context, st *store.Store, name string) error {
	var id int64
	err := st.Write(ctx, 0, func(tx *store.Tx) (err error) {
		id, err = tx.CreateUser(name, buildsys.StatusNormal, buildsys.UserNormal)
		return err
	})
	if err != nil {
		return err
	}
	return st.Write(ctx, id, func(tx *store.Tx) error {
		perms, err := tx.Permissions()
		if err != nil {
			return err
		}
		for _, p := range perms {
			if p.Name == "admin" {
				return tx.Grant(id, p.ID)
			}
		}
		return errors.New("the schema knows no permission admin")
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
	for _, perm := range []string{"sign", "tag", "repo", "dist-repo"} {
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

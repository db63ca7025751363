package hub

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
	"github.com/privyseal/privyseal/internal/pki"
)

// send posts a call with the certificate of cn ("": none) and some headers.
func (s *server) send(t *testing.T, cn, path string, header map[string]string, method string, args ...any) (any, error) {
	t.Helper()
	cfg := &tls.Config{RootCAs: s.ca.Pool()}
	if cn != "" {
		cfg.Certificates = []tls.Certificate{s.cert(t, cn)}
	}
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: cfg}}
	defer c.CloseIdleConnections()
	return sendBy(t, c, s.url+path, header, method, args...)
}

func sendBy(t *testing.T, c *http.Client, address string, header map[string]string, method string, args ...any) (any, error) {
	t.Helper()
	body, err := xmlrpc.EncodeCall(method, args)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	return answerTo(t, c, req)
}

// answerTo sends a request and reads the answer; another status than 200 is the value, with an error.
func answerTo(t *testing.T, c *http.Client, req *http.Request) (any, error) {
	t.Helper()
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	doc, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		return resp.StatusCode, io.ErrUnexpectedEOF
	}
	return xmlrpc.DecodeResponse(doc, xmlrpc.Limits{})
}

// TestFrontProxy: the header Remote-User counts from the named proxy alone; the proxy's own certificate logs nobody in.
func TestFrontProxy(t *testing.T) {
	s := startServer(t, Config{LoginCreatesUser: true, CheckClientIP: true, Site: SiteConfig{FrontProxies: []string{"CN=front"},
		ProxyDNs: []string{"/CN=web", "CN=other, O=Example"}, KrbRealms: []string{"EXAMPLE.ORG"}}})
	login := func(cn string, header map[string]string, kw xmlrpc.Kwargs) (string, error) {
		t.Helper()
		v, err := s.send(t, cn, "/ssllogin", header, "sslLogin", kw)
		if err != nil {
			return "", err
		}
		m := v.(map[string]any)
		h := map[string]string{"Koji-Session-Id": strconv.FormatInt(m["session-id"].(int64), 10), "Koji-Session-Key": m["session-key"].(string)}
		for _, k := range []string{"Remote-User", "X-Forwarded-For"} {
			if header[k] != "" {
				h[k] = header[k]
			}
		}
		v, err = s.send(t, cn, "", h, "getLoggedInUser")
		if err != nil {
			t.Fatal(err)
		}
		u := v.(map[string]any)
		return u["name"].(string) + " " + buildsys.AuthType(u["authtype"].(int64)).String(), nil
	}
	for _, test := range []struct {
		name, cn string
		header   map[string]string
		kw       xmlrpc.Kwargs
		want     string
		code     buildsys.FaultCode
	}{
		{name: "named by the proxy", cn: "front", header: map[string]string{"Remote-User": "alice"}, want: "alice GSSAPI"},
		{name: "a principal", cn: "front", header: map[string]string{"Remote-User": "bob@EXAMPLE.ORG", "X-Forwarded-For": "203.0.113.9, 192.0.2.1"}, want: "bob GSSAPI"},
		{name: "the principal again", cn: "front", header: map[string]string{"Remote-User": "bob@EXAMPLE.ORG"}, want: "bob GSSAPI"},
		{name: "a principal of another realm", cn: "front", header: map[string]string{"Remote-User": "admin@EVIL.ORG"}, code: buildsys.FaultAuth},
		{name: "the proxy names nobody", cn: "front", code: buildsys.FaultAuth},
		{name: "the header from anybody else", cn: "mallory", header: map[string]string{"Remote-User": "admin"}, want: "mallory SSL"},
		{name: "the header without a certificate", header: map[string]string{"Remote-User": "admin"}, code: buildsys.FaultAuth},
		{name: "no certificate", code: buildsys.FaultAuth},
		{name: "a ticket", header: map[string]string{"Authorization": "Negotiate YII="}, code: buildsys.FaultGSSAPIAuth},
		{name: "proxyuser", cn: "web", kw: xmlrpc.Kwargs{"proxyuser": "alice"}, want: "alice SSL"},
		{name: "proxyuser of another kind of login", cn: "web", kw: xmlrpc.Kwargs{"proxyuser": "alice", "proxyauthtype": 3}, code: buildsys.FaultAuth},
		{name: "proxyuser by one who may not", cn: "mallory", kw: xmlrpc.Kwargs{"proxyuser": "admin"}, code: buildsys.FaultAuth},
		{name: "proxyuser through the front proxy", cn: "front", header: map[string]string{"Remote-User": "alice"}, kw: xmlrpc.Kwargs{"proxyuser": "admin"}, code: buildsys.FaultAuth},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.kw == nil {
				test.kw = xmlrpc.Kwargs{"proxyuser": nil}
			}
			got, err := login(test.cn, test.header, test.kw)
			if test.code != 0 {
				refused(t, test.code, err)
			} else if err != nil || got != test.want {
				t.Errorf("%q, %v; want %q", got, err, test.want)
			}
		})
	}
}

// TestStolenSession: the key of a session opens nothing from another address.
func TestStolenSession(t *testing.T) {
	s := startServer(t, Config{CheckClientIP: true, Site: SiteConfig{FrontProxies: []string{"CN=front"}}})
	id, key := s.openSession(t, "admin", "192.0.2.1")
	h := map[string]string{"Koji-Session-Id": strconv.FormatInt(id, 10), "Koji-Session-Key": key, "X-Forwarded-For": "192.0.2.1"}
	_, err := s.send(t, "", "", h, "getLoggedInUser") // X-Forwarded-For is anybody's to write
	refused(t, buildsys.FaultAuth, err)
	if v, err := s.send(t, "front", "", h, "getLoggedInUser"); err != nil || v == nil {
		t.Errorf("from its own address: %v, %v", v, err)
	}
	h["X-Forwarded-For"] = "192.0.2.1, 203.0.113.66"
	_, err = s.send(t, "front", "", h, "getLoggedInUser")
	refused(t, buildsys.FaultAuth, err)
}

// TestRevokedCertificate: neither a new login nor a session of before survives the revocation of its certificate.
func TestRevokedCertificate(t *testing.T) {
	ca, err := pki.NewCA("hub CA", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "crl")
	put := func(n int64, serials ...*big.Int) {
		t.Helper()
		var list []x509.RevocationListEntry
		for _, s := range serials {
			list = append(list, x509.RevocationListEntry{SerialNumber: s, RevocationTime: time.Now()})
		}
		crl, err := ca.CRL(big.NewInt(n), list)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, crl, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(1)
	revoked, err := pki.OpenRevocations(path, []*x509.Certificate{ca.Cert})
	if err != nil {
		t.Fatal(err)
	}
	s := startServerOf(t, ca, Config{LoginCreatesUser: true, Site: SiteConfig{Revocations: revoked}})
	cert := s.cert(t, "joe")
	mk := func() *xmlrpc.Client {
		t.Helper()
		c, err := xmlrpc.New(s.url, xmlrpc.Options{TLS: &tls.Config{RootCAs: ca.Pool(), Certificates: []tls.Certificate{cert}}, Retries: -1})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}
	joe := mk()
	if err := joe.Login(t.Context()); err != nil {
		t.Fatal(err)
	}
	sub, err := joe.Subsession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	put(2, cert.Leaf.SerialNumber)
	time.Sleep(1100 * time.Millisecond) // the list is looked at once a second
	fails(t, buildsys.FaultAuth, joe, "getLoggedInUser")
	fails(t, buildsys.FaultAuth, sub, "getLoggedInUser")
	refused(t, buildsys.FaultAuth, mk().Login(t.Context()))
	if c := s.client(t, "jane"); must(t, c, "getLoggedInUser") == nil {
		t.Error("another user cannot log in")
	}
}

// TestPlainHTTP: reading works, and nothing that needs a secret does.
func TestPlainHTTP(t *testing.T) {
	s := startServer(t, Config{LoginCreatesUser: true})
	id, key := s.openSession(t, "admin", "-")
	plain := httptest.NewServer(s.PlainHandler())
	t.Cleanup(plain.Close)
	base := plain.URL + "/kojihub"
	if v, err := sendBy(t, plain.Client(), base, nil, "getAPIVersion"); err != nil || v != int64(1) {
		t.Errorf("getAPIVersion: %v, %v", v, err)
	}
	if v, err := sendBy(t, plain.Client(), base, nil, "listTags"); err != nil {
		t.Errorf("listTags: %v, %v", v, err)
	}
	if err := os.MkdirAll(filepath.Join(s.cfg.TopDir, "packages"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.cfg.TopDir, "packages", "f"), []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	resp, err := plain.Client().Get(plain.URL + "/kojifiles/packages/f")
	if err != nil {
		t.Fatal(err)
	}
	if body, _ := io.ReadAll(resp.Body); string(body) != "hello" {
		t.Errorf("the file: %s %q", resp.Status, body)
	}
	resp.Body.Close()
	session := map[string]string{"Koji-Session-Id": strconv.FormatInt(id, 10), "Koji-Session-Key": key, "Koji-Session-Callnum": "0"}
	query := "?" + url.Values{"session-id": {strconv.FormatInt(id, 10)}, "session-key": {key}, "callnum": {"0"}}.Encode()
	for _, test := range []struct {
		name, path string
		header     map[string]string
		method     string
	}{
		{"ssllogin", "/ssllogin", nil, "sslLogin"},
		{"sslLogin elsewhere", "", nil, "sslLogin"},
		{"reading at ssllogin", "/ssllogin", nil, "getAPIVersion"},
		{"password", "", nil, "login"},
		{"session", "", session, "getAPIVersion"},
		{"session in the query", query, nil, "getAPIVersion"},
		{"half a session", "", map[string]string{"Koji-Session-Key": key}, "getAPIVersion"},
		{"ticket", "", map[string]string{"Authorization": "Negotiate YII="}, "getAPIVersion"},
		{"front proxy's header", "/ssllogin", map[string]string{"Remote-User": "admin"}, "sslLogin"},
		{"upload", "?filepath=d&filename=f&offset=0", map[string]string{"Content-Type": "application/octet-stream"}, "getAPIVersion"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := sendBy(t, plain.Client(), base+test.path, test.header, test.method)
			refused(t, buildsys.FaultAuth, err)
			if !strings.Contains(err.Error(), "https") {
				t.Errorf("no advice: %v", err)
			}
		})
	}
	_, err = sendBy(t, plain.Client(), base, nil, "createTag", "t")
	refused(t, buildsys.FaultActionNotAllowed, err)
}

// TestCrowd: one address, and one user, has no more under way than allowed, and is told to come again.
func TestCrowd(t *testing.T) {
	s := startServer(t, Config{Site: SiteConfig{MaxPerAddress: 3, MaxPerUser: 1}})
	var leave []func()
	for range 2 {
		l, ok := s.crowd.addresses.enter("127.0.0.1")
		if !ok {
			t.Fatal("refused below the limit")
		}
		leave = append(leave, l)
	}
	if v, err := s.send(t, "", "", nil, "getAPIVersion"); err != nil {
		t.Errorf("at the limit: %v, %v", v, err)
	}
	l, _ := s.crowd.addresses.enter("127.0.0.1")
	if v, err := s.send(t, "", "", nil, "getAPIVersion"); err == nil || v != http.StatusServiceUnavailable {
		t.Errorf("over the limit: %v, %v", v, err)
	}
	for _, f := range append(leave, l) {
		f()
	}
	if len(s.crowd.addresses.n) != 0 {
		t.Errorf("left over: %v", s.crowd.addresses.n)
	}
	admin := s.client(t, "admin")
	busy, ok := s.crowd.users.enter(1)
	if !ok {
		t.Fatal("a user is counted with nothing under way")
	}
	if _, err := admin.Call(t.Context(), "getLoggedInUser"); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("a busy user: %v", err)
	}
	busy()
	must(t, admin, "getLoggedInUser")
	if a, b := addressKey("2001:db8:1:2::1"), addressKey("2001:db8:1:2:ffff::9"); a != b {
		t.Errorf("one /64 counts twice: %s, %s", a, b)
	}
}

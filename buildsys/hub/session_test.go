package hub

import (
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
	"github.com/privyseal/privyseal/internal/pki"
)

// server is a hub behind TLS with a CA of its own.
type server struct {
	*Hub
	url string
	ca  *pki.CA
}

func startServer(t *testing.T, cfg Config) *server {
	t.Helper()
	ca, err := pki.NewCA("hub CA", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return startServerOf(t, ca, cfg)
}

// startServerOf is startServer with a CA that the configuration had to know.
func startServerOf(t *testing.T, ca *pki.CA, cfg Config) *server {
	t.Helper()
	h := testHub(t, cfg)
	if _, err := h.store.EnsureAdmin(t.Context(), "admin"); err != nil {
		t.Fatal(err)
	}
	s := &server{Hub: h, ca: ca}
	cert := s.cert(t, "localhost")
	srv := httptest.NewUnstartedServer(h.Handler())
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: ca.Pool()}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	s.url = strings.Replace(srv.URL, "127.0.0.1", "localhost", 1) + "/kojihub"
	return s
}

func (s *server) cert(t *testing.T, cn string) tls.Certificate {
	t.Helper()
	leaf, err := s.ca.Issue(pki.Request{CN: cn, DNS: []string{"localhost"}, Client: true, Server: true, Life: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	pem, err := leaf.PEM()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := tls.X509KeyPair(pem, pem)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// client is a client with the certificate of user ("": none), logged in unless anonymous.
func (s *server) client(t *testing.T, user string) *xmlrpc.Client {
	t.Helper()
	cfg := &tls.Config{RootCAs: s.ca.Pool()}
	if user != "" {
		cfg.Certificates = []tls.Certificate{s.cert(t, user)}
	}
	c, err := xmlrpc.New(s.url, xmlrpc.Options{TLS: cfg, Retries: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if user != "" {
		if err := c.Login(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func (s *server) httpClient() *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.ca.Pool()}}}
}

// must is the value of a call that has to work.
func must(t *testing.T, c *xmlrpc.Client, method string, args ...any) any {
	t.Helper()
	v, err := c.Call(t.Context(), method, args...)
	if err != nil {
		t.Fatalf("%s: %v", method, err)
	}
	return v
}

// refused checks that a call is refused with the code.
func refused(t *testing.T, code buildsys.FaultCode, err error) {
	t.Helper()
	var f *xmlrpc.Fault
	if !errors.As(err, &f) || f.Code != int(code) {
		t.Fatalf("got %v, want fault %d", err, code)
	}
}

func fails(t *testing.T, code buildsys.FaultCode, c *xmlrpc.Client, method string, args ...any) {
	t.Helper()
	_, err := c.Call(t.Context(), method, args...)
	refused(t, code, err)
}

func TestLogin(t *testing.T) {
	s := startServer(t, Config{LoginCreatesUser: true})
	anon := s.client(t, "")
	if v := must(t, anon, "getLoggedInUser"); v != nil {
		t.Errorf("an anonymous client is logged in as %v", v)
	}
	refused(t, buildsys.FaultAuth, anon.Login(t.Context()))
	fails(t, buildsys.FaultActionNotAllowed, anon, "createTag", "t")
	fails(t, buildsys.FaultActionNotAllowed, anon, "packageListAdd", "t", "p")

	joe := s.client(t, "joe") // made at his first login
	u := must(t, joe, "getLoggedInUser").(map[string]any)
	if u["name"] != "joe" || u["authtype"] != int64(buildsys.AuthSSL) {
		t.Errorf("logged in as %v", u)
	}
	fails(t, buildsys.FaultActionNotAllowed, joe, "createUser", "jane")
	admin := s.client(t, "admin")
	must(t, admin, "disableUser", "joe")
	fails(t, buildsys.FaultAuth, joe, "getLoggedInUser")
	must(t, admin, "enableUser", "joe")
	fails(t, buildsys.FaultAuth, joe, "getLoggedInUser") // the session ended when he was disabled
	joe = s.client(t, "joe")
	must(t, joe, "getLoggedInUser")
	if err := joe.Logout(t.Context()); err != nil {
		t.Fatal(err)
	}
	if v := must(t, joe, "getLoggedInUser"); v != nil {
		t.Errorf("after logout: %v", v)
	}
}

func TestLoginOfUnknownUsersCanBeOff(t *testing.T) {
	s := startServer(t, Config{})
	c, err := xmlrpc.New(s.url, xmlrpc.Options{TLS: &tls.Config{RootCAs: s.ca.Pool(), Certificates: []tls.Certificate{s.cert(t, "joe")}}, Retries: -1})
	if err != nil {
		t.Fatal(err)
	}
	refused(t, buildsys.FaultAuth, c.Login(t.Context()))
}

func TestForeignCertificateIsRefused(t *testing.T) {
	s := startServer(t, Config{LoginCreatesUser: true})
	other, err := pki.NewCA("hub CA", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	cert := (&server{ca: other}).cert(t, "admin")
	c, err := xmlrpc.New(s.url, xmlrpc.Options{TLS: &tls.Config{RootCAs: s.ca.Pool(), Certificates: []tls.Certificate{cert}},
		Retries: 3, RetryInterval: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Login(t.Context()); err == nil {
		t.Fatal("a certificate of another CA opened a session")
	}
	// The client tells the refusal from a network failure, and does not try for ten minutes.
	for range 20 {
		start := time.Now()
		err := c.Login(t.Context())
		if err != nil && strings.Contains(err.Error(), "tls:") && time.Since(start) < 80*time.Millisecond {
			return
		}
	}
	t.Error("the refusal of the certificate was never told at once")
}

// raw sends one call with chosen session headers and returns the fault, if any.
func (s *server) raw(t *testing.T, id int64, key string, num int64, numHeader, method string, args ...any) error {
	t.Helper()
	body, err := xmlrpc.EncodeCall(method, args)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url, strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	if numHeader == "url" {
		req.URL.RawQuery = "session-id=" + strconv.FormatInt(id, 10) + "&session-key=" + key + "&callnum=" + strconv.FormatInt(num, 10)
	} else {
		req.Header.Set("Koji-Session-Id", strconv.FormatInt(id, 10))
		req.Header.Set("Koji-Session-Key", key)
		req.Header.Set(numHeader, strconv.FormatInt(num, 10))
	}
	resp, err := s.httpClient().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got := resp.Header.Get("Koji-Version"); got != KojiVersion {
		t.Errorf("Koji-Version: %q", got)
	}
	doc, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	_, err = xmlrpc.DecodeResponse(doc, xmlrpc.Limits{})
	return err
}

// openSession makes a session by hand.
func (s *server) openSession(t *testing.T, user, hostIP string) (id int64, key string) {
	t.Helper()
	err := s.store.Write(t.Context(), 0, func(tx *store.Tx) error {
		u, err := tx.UserByName(user)
		if err != nil {
			return err
		}
		key = newKey(u.ID)
		id, err = tx.CreateSession(store.Session{UserID: u.ID, KeyHash: hashKey(key), AuthType: buildsys.AuthSSL, HostIP: hostIP})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return id, key
}

func TestCallNumbers(t *testing.T) {
	s := startServer(t, Config{})
	id, key := s.openSession(t, "admin", "-")
	const num = "Koji-Session-Callnum"
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ok(s.raw(t, id, key, 5, num, "createTag", "one"))
	refused(t, buildsys.FaultRetry, s.raw(t, id, key, 5, num, "createTag", "two"))
	refused(t, buildsys.FaultRetry, s.raw(t, id, key, 5, num, "getTag", "one"))
	refused(t, buildsys.FaultSequence, s.raw(t, id, key, 4, num, "createTag", "two"))
	// Reading uses no number up, and neither does a call that failed, or changed nothing.
	ok(s.raw(t, id, key, 6, num, "getTag", "one"))
	ok(s.raw(t, id, key, 6, num, "getTag", "one"))
	refused(t, buildsys.FaultGeneric, s.raw(t, id, key, 6, num, "createTag", "one"))
	ok(s.raw(t, id, key, 6, num, "editTag2", "one"))
	ok(s.raw(t, id, key, 6, num, "createTag", "two"))
	refused(t, buildsys.FaultRetry, s.raw(t, id, key, 6, num, "createTag", "three"))
	// The other spellings of the number count too.
	refused(t, buildsys.FaultRetry, s.raw(t, id, key, 6, "Koji-Callnum", "createTag", "three"))
	refused(t, buildsys.FaultRetry, s.raw(t, id, key, 6, "url", "createTag", "three"))
	ok(s.raw(t, id, key, 7, "url", "createTag", "three"))
	refused(t, buildsys.FaultAuth, s.raw(t, id, key+"x", 8, num, "getTag", "one"))
	refused(t, buildsys.FaultAuth, s.raw(t, id+1, key, 8, num, "getTag", "one"))
}

func TestSessionExpiresAndIsRenewed(t *testing.T) {
	s := startServer(t, Config{SessionLife: time.Hour})
	var later atomic.Int64
	s.store.SetClock(func() time.Time { return time.Now().Add(time.Duration(later.Load())) })
	age := func(d time.Duration) { later.Add(int64(d)) }
	c := s.client(t, "admin")
	id := c.SessionID()
	must(t, c, "createTag", "one")
	age(2 * time.Hour)
	must(t, c, "createTag", "two") // the client renews by itself
	if c.SessionID() != id {
		t.Errorf("renewal made session %d of %d", c.SessionID(), id)
	}
	id, key := s.openSession(t, "admin", "-")
	age(2 * time.Hour)
	refused(t, buildsys.FaultAuthExpired, s.raw(t, id, key, 99, "Koji-Session-Callnum", "getTag", "one"))
}

func TestExclusiveSessions(t *testing.T) {
	s := startServer(t, Config{LoginCreatesUser: true})
	one, two, other := s.client(t, "admin"), s.client(t, "admin"), s.client(t, "joe")
	must(t, one, "exclusiveSession")
	fails(t, buildsys.FaultGeneric, one, "exclusiveSession")
	fails(t, buildsys.FaultAuthLock, two, "getLoggedInUser")
	fails(t, buildsys.FaultAuthLock, two, "exclusiveSession")
	must(t, other, "getLoggedInUser")
	sub, err := one.Subsession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	must(t, sub, "createTag", "by-subsession")
	fails(t, buildsys.FaultGeneric, sub, "exclusiveSession")
	must(t, two, "exclusiveSession", xmlrpc.Kwargs{"force": true})
	fails(t, buildsys.FaultAuth, one, "getLoggedInUser")
	fails(t, buildsys.FaultAuth, sub, "getLoggedInUser")
	must(t, two, "sharedSession")
	three := s.client(t, "admin")
	must(t, three, "getLoggedInUser")
	sub3, err := three.Subsession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	must(t, three, "logoutChild", sub3.SessionID())
	fails(t, buildsys.FaultAuth, sub3, "getLoggedInUser")
	fails(t, buildsys.FaultActionNotAllowed, other, "logout", three.SessionID())
	must(t, two, "logout", three.SessionID())
	fails(t, buildsys.FaultAuth, three, "getLoggedInUser")
}

func TestSessionIsBoundToItsAddress(t *testing.T) {
	s := startServer(t, Config{CheckClientIP: true})
	must(t, s.client(t, "admin"), "getLoggedInUser")
	id, key := s.openSession(t, "admin", "192.0.2.1")
	refused(t, buildsys.FaultAuth, s.raw(t, id, key, 1, "Koji-Session-Callnum", "getLoggedInUser"))
}

func TestMultiCall(t *testing.T) {
	s := startServer(t, Config{})
	c := s.client(t, "admin")
	calls := []xmlrpc.Call{
		{Method: "createTag", Args: []any{"a"}},
		{Method: "createTag", Args: []any{"a"}},
		{Method: "nosuch"},
		{Method: "createTag", Args: []any{"b", xmlrpc.Kwargs{"parent": "a"}}},
		{Method: "listTaggedRPMS", Args: []any{"b"}},
		{Method: "logout"},
	}
	res, err := c.MultiCall(t.Context(), calls)
	if err != nil {
		t.Fatal(err)
	}
	for i, code := range []buildsys.FaultCode{0, buildsys.FaultGeneric, buildsys.FaultGeneric, 0, 0, buildsys.FaultGeneric} {
		if code == 0 {
			if res[i].Err != nil {
				t.Errorf("call %d: %v", i, res[i].Err)
			}
			continue
		}
		refused(t, code, res[i].Err)
	}
	if res[2].Err.Error() != "Invalid method: nosuch" {
		t.Errorf("an unknown method: %v", res[2].Err)
	}
	// Each call took an event of its own.
	h := must(t, c, "queryHistory", xmlrpc.Kwargs{"tables": []string{"tag_config"}}).(map[string]any)["tag_config"].([]any)
	if len(h) != 2 || h[0].(map[string]any)["create_event"] == h[1].(map[string]any)["create_event"] {
		t.Errorf("history: %v", h)
	}
	must(t, c, "getTag", "b", xmlrpc.Kwargs{"strict": true})
}

// A stranger's short request with a long answer many times over does not fill the hub's memory: from a size on, the calls
// in it are refused.
func TestMultiCallAnswersAreBounded(t *testing.T) {
	s := startServer(t, Config{})
	c := s.client(t, "")
	calls := make([]xmlrpc.Call, 600) // the client sends them as one
	for i := range calls {
		calls[i].Method = "_listapi"
	}
	calls = append(calls, xmlrpc.Call{Method: "getAPIVersion"})
	res, err := c.MultiCall(t.Context(), calls)
	if err != nil {
		t.Fatal(err)
	}
	if res[0].Err != nil {
		t.Error(res[0].Err)
	}
	for _, r := range res[len(res)-2:] {
		refused(t, buildsys.FaultGeneric, r.Err)
		if r.Err != nil && !strings.Contains(r.Err.Error(), "ask for less at a time") {
			t.Error(r.Err)
		}
	}
}

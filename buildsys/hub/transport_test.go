package hub

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// cutConn is a connection that breaks when the next answer arrives, if told to.
type cutConn struct {
	net.Conn
	cut *atomic.Bool
}

func (c cutConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.cut.CompareAndSwap(true, false) {
		c.Conn.Close()
		return 0, errors.New("connection cut")
	}
	return n, err
}

// TestRetryAfterLostAnswer cuts the connection after the hub has committed: the client's retry is refused, not done twice.
func TestRetryAfterLostAnswer(t *testing.T) {
	s := startServer(t, Config{})
	var cut atomic.Bool
	retries := 0
	c, err := xmlrpc.New(s.url, xmlrpc.Options{
		TLS:     &tls.Config{RootCAs: s.ca.Pool(), Certificates: []tls.Certificate{s.cert(t, "admin")}},
		Retries: 3, RetryInterval: 10 * time.Millisecond,
		OnRetry: func(error, int) { retries++ },
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			var d net.Dialer
			conn, err := d.DialContext(ctx, network, addr)
			return cutConn{conn, &cut}, err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Login(t.Context()); err != nil {
		t.Fatal(err)
	}
	must(t, c, "getAPIVersion") // the connection is warm: what arrives next is the answer
	cut.Store(true)
	if _, err = c.Call(t.Context(), "createTag", "once"); !xmlrpc.IsRetry(err) || retries != 1 {
		t.Fatalf("the retry of a committed call gave %v after %d retries", err, retries)
	}
	cut.Store(true)
	must(t, c, "getTag", "once", xmlrpc.Kwargs{"strict": true}) // reading is repeated freely
	if retries != 2 {
		t.Errorf("%d retries", retries)
	}
	must(t, c, "createTag", "again")
}

func TestTransport(t *testing.T) {
	s := startServer(t, Config{})
	do := func(method, body string) *http.Response {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, s.url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := s.httpClient().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp
	}
	if r := do(http.MethodGet, ""); r.StatusCode != http.StatusMethodNotAllowed || r.Header.Get("Allow") != "POST" {
		t.Errorf("GET: %s, Allow %q", r.Status, r.Header.Get("Allow"))
	}
	for what, body := range map[string]string{"no XML": "hello", "nothing": "", "half a call": "<?xml version='1.0'?><methodCall>"} {
		if r := do(http.MethodPost, body); r.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %s", what, r.Status)
		}
	}
	if r := do(http.MethodPost, strings.Repeat("x", anonymousLimit+1)); r.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("a stranger's large call: %s", r.Status)
	}
}

// What a stranger may not do is refused at once, whoever is writing.
func TestStrangersDoNotWait(t *testing.T) {
	s := startServer(t, Config{})
	tx, err := s.store.BeginWrite(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	stranger, err := xmlrpc.New(s.url, xmlrpc.Options{TLS: &tls.Config{RootCAs: s.ca.Pool()}, Retries: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	_, err = stranger.Call(ctx, "createTag", "t")
	refused(t, buildsys.FaultActionNotAllowed, err)
	got, err := stranger.MultiCall(ctx, []xmlrpc.Call{{Method: "createTag", Args: []any{"t"}}})
	if err != nil {
		t.Fatal(err)
	}
	refused(t, buildsys.FaultActionNotAllowed, got[0].Err)
}

// A certificate logs in the user of its name, not one whose Kerberos principal reads the same.
func TestPrincipalIsNoCertificateName(t *testing.T) {
	s := startServer(t, Config{})
	admin := s.client(t, "admin")
	must(t, admin, "createUser", "joe", xmlrpc.Kwargs{"krb_principal": "joe@EXAMPLE.ORG"})
	c, err := xmlrpc.New(s.url, xmlrpc.Options{Retries: -1,
		TLS: &tls.Config{RootCAs: s.ca.Pool(), Certificates: []tls.Certificate{s.cert(t, "joe@EXAMPLE.ORG")}}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	refused(t, buildsys.FaultAuth, c.Login(t.Context()))
}

// Strangers who take their time over an answer keep nobody waiting who has a session, or opens one.
func TestSlowStrangers(t *testing.T) {
	s := startServer(t, Config{})
	admin := s.client(t, "admin")
	for range cap(s.strangers) {
		s.strangers <- struct{}{}
	}
	stranger, err := xmlrpc.New(s.url, xmlrpc.Options{TLS: &tls.Config{RootCAs: s.ca.Pool()}, Retries: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	short, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := stranger.Call(short, "getAPIVersion"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a stranger too many: %v", err)
	}
	must(t, admin, "listTags")
	must(t, s.client(t, "admin"), "listTags")
	<-s.strangers
	must(t, stranger, "getAPIVersion")
}

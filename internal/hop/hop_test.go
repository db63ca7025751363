package hop

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/privyseal/privyseal/internal/pki"
)

func newCA(t *testing.T, cn string) *pki.CA {
	t.Helper()
	ca, err := pki.NewCA(cn, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func issue(t *testing.T, ca *pki.CA, r pki.Request, believe *pki.CA) *Identity {
	t.Helper()
	if r.CN == "" {
		r.CN = "x"
	}
	leaf, err := ca.Issue(r)
	if err != nil {
		t.Fatal(err)
	}
	pem, err := leaf.PEM()
	if err != nil {
		t.Fatal(err)
	}
	id, err := NewIdentity(pem, pem, believe.CertPEM())
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// serveEcho accepts on loopback, and echoes; it gives the address.
func serveEcho(t *testing.T, cfg *tls.Config, limits Limits) (addr string, conns chan *tls.Conn) {
	t.Helper()
	ln, err := Listen(context.Background(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	conns = make(chan *tls.Conn, 100)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() {
		done <- Serve(ctx, ln, cfg, limits, slog.New(slog.DiscardHandler), func(ctx context.Context, c *tls.Conn, _ Peer) {
			stop := context.AfterFunc(ctx, func() { c.Close() })
			defer stop()
			conns <- c
			io.Copy(c, c)
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String(), conns
}

func echo(c net.Conn) error {
	c.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := c.Write([]byte("ping")); err != nil {
		return Classify(err)
	}
	_, err := io.ReadFull(c, make([]byte, 4))
	return Classify(err)
}

const proto = "test/1"

func TestBothEndsNoticeADeadPeer(t *testing.T) {
	ca := newCA(t, "ca")
	srv := issue(t, ca, pki.Request{URI: pki.RoleURI("bridge", "b"), Server: true}, ca)
	cli := issue(t, ca, pki.Request{URI: pki.RoleURI("client", "c"), Client: true}, ca)
	addr, conns := serveEcho(t, srv.ServerConfig(Expect{Proto: proto, Roles: []string{"client"}}), Limits{})
	c, err := Dial(context.Background(), addr, cli.ClientConfig(Expect{Proto: proto, Roles: []string{"bridge"}}))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := echo(c); err != nil {
		t.Fatal(err)
	}
	want := Liveness{KeepAlive: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3, UserTimeout: 20 * time.Second}
	for end, conn := range map[string]net.Conn{"dialled": c, "accepted": <-conns} {
		got, err := ReadLiveness(conn)
		if err != nil || got != want {
			t.Errorf("%s end: %+v %v, want %+v", end, got, err, want)
		}
		sent, received, err := KernelBytes(conn)
		if err != nil || sent < 500 || received < 500 {
			t.Errorf("%s end: the kernel counted %d sent, %d received, %v", end, sent, received, err)
		}
	}
	if st := c.ConnectionState(); st.Version != tls.VersionTLS13 || st.DidResume {
		t.Errorf("TLS %x, resumed %v", st.Version, st.DidResume)
	}
}

func TestWhoIsTaken(t *testing.T) {
	ca, other := newCA(t, "ca"), newCA(t, "other")
	clientURI, bridgeURI := pki.RoleURI("client", "c"), pki.RoleURI("bridge", "b")
	srv := issue(t, ca, pki.Request{URI: bridgeURI, Server: true}, ca)
	self, err := srv.Self()
	if err != nil {
		t.Fatal(err)
	}
	addr, _ := serveEcho(t, srv.ServerConfig(Expect{Proto: proto, Roles: []string{"client"}}), Limits{})
	good := Expect{Proto: proto, Roles: []string{"bridge"}}
	for _, c := range []struct {
		name   string
		id     *Identity
		expect Expect
		cause  Cause // "" for taken
		remote bool
	}{
		{"right", issue(t, ca, pki.Request{URI: clientURI, Client: true}, ca), good, "", false},
		{"pinned, by name", issue(t, ca, pki.Request{URI: clientURI, Client: true}, ca),
			Expect{Proto: proto, Roles: []string{"bridge"}, Name: "b", Pin: strings.ToUpper(self.Pin)}, "", false},
		{"client of another CA", issue(t, other, pki.Request{URI: clientURI, Client: true}, ca), good, WrongCA, true},
		{"client of another role", issue(t, ca, pki.Request{URI: bridgeURI, Client: true}, ca), good, WrongRole, true},
		{"client without a role, name in CN", issue(t, ca, pki.Request{CN: "client", Client: true}, ca), good, WrongRole, true},
		{"client with a server's certificate", issue(t, ca, pki.Request{URI: clientURI, Server: true}, ca), good, WrongRole, true},
		{"server of another CA", issue(t, ca, pki.Request{URI: clientURI, Client: true}, other), good, WrongCA, false},
		{"server of another role", issue(t, ca, pki.Request{URI: clientURI, Client: true}, ca), Expect{Proto: proto, Roles: []string{"signer"}}, WrongRole, false},
		{"server of another name", issue(t, ca, pki.Request{URI: clientURI, Client: true}, ca), Expect{Proto: proto, Roles: []string{"bridge"}, Name: "a"}, WrongRole, false},
		{"server of another pin", issue(t, ca, pki.Request{URI: clientURI, Client: true}, ca), Expect{Proto: proto, Roles: []string{"bridge"}, Pin: strings.Repeat("0", 64)}, WrongPin, false},
		{"other protocol", issue(t, ca, pki.Request{URI: clientURI, Client: true}, ca), Expect{Proto: "other/1", Roles: []string{"bridge"}}, WrongProtocol, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn, err := Dial(context.Background(), addr, c.id.ClientConfig(c.expect))
			if err == nil {
				defer conn.Close()
				err = echo(conn)
			}
			var he *Error
			switch {
			case c.cause == "" && err != nil:
				t.Error(err)
			case c.cause != "" && (!errors.As(err, &he) || he.Cause != c.cause || he.Remote != c.remote):
				t.Errorf("%v (%+v), want cause %q, remote %v", err, he, c.cause, c.remote)
			}
		})
	}
}

func TestExpiredCertificate(t *testing.T) {
	ca := newCA(t, "ca")
	srv := issue(t, ca, pki.Request{URI: pki.RoleURI("bridge", "b"), Server: true}, ca)
	cfg := srv.ServerConfig(Expect{Proto: proto, Roles: []string{"client"}})
	cfg.Time = func() time.Time { return time.Now().Add(100 * 365 * 24 * time.Hour) }
	addr, _ := serveEcho(t, cfg, Limits{})
	cli := issue(t, ca, pki.Request{URI: pki.RoleURI("client", "c"), Client: true}, ca)
	conn, err := Dial(context.Background(), addr, cli.ClientConfig(Expect{Proto: proto, Roles: []string{"bridge"}}))
	if err == nil {
		defer conn.Close()
		err = echo(conn)
	}
	var he *Error
	if !errors.As(err, &he) || he.Cause != Expired || !he.Remote {
		t.Errorf("%v, want expired, told by the other end", err)
	}
}

func TestHandshakeDeadline(t *testing.T) {
	ca := newCA(t, "ca")
	srv := issue(t, ca, pki.Request{URI: pki.RoleURI("bridge", "b"), Server: true}, ca)
	addr, _ := serveEcho(t, srv.ServerConfig(Expect{Proto: proto, Roles: []string{"client"}}),
		Limits{Handshake: 100 * time.Millisecond, lingerTime: 50 * time.Millisecond})
	silent, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	silent.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.Copy(io.Discard, silent); err != nil {
		t.Errorf("a silent connection was not closed: %v", err)
	}
}

func TestConnectionCaps(t *testing.T) {
	ca := newCA(t, "ca")
	srv := issue(t, ca, pki.Request{URI: pki.RoleURI("bridge", "b"), Server: true}, ca)
	cli := issue(t, ca, pki.Request{URI: pki.RoleURI("client", "c"), Client: true}, ca)
	addr, _ := serveEcho(t, srv.ServerConfig(Expect{Proto: proto, Roles: []string{"client"}}), Limits{ConnectionsPerAddress: 2})
	dial := func() (*tls.Conn, error) {
		conn, err := Dial(context.Background(), addr, cli.ClientConfig(Expect{Proto: proto, Roles: []string{"bridge"}}))
		if err == nil {
			err = echo(conn)
		}
		return conn, err
	}
	var open []*tls.Conn
	for range 2 {
		c, err := dial()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		open = append(open, c)
	}
	if c, err := dial(); err == nil {
		c.Close()
		t.Error("a third connection was served")
	}
	open[0].Close()
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		c, err := dial()
		if err == nil {
			c.Close()
			break
		}
		if time.Now().After(end) {
			t.Fatalf("no room after one was closed: %v", err)
		}
	}
}

// Whoever is turned away leaves nothing behind: addresses are cheap.
func TestTurnedAwayLeavesNoCounts(t *testing.T) {
	s := newServer(nil, Limits{Handshakes: 1}, slog.New(slog.DiscardHandler), nil)
	now := time.Now()
	addr := netip.MustParseAddr("192.0.2.1")
	first := &pending{addr: addr, since: now, begun: true}
	if why := s.begin(first); why != "" {
		t.Fatal(why)
	}
	for range 100 {
		addr = addr.Next()
		if s.begin(&pending{addr: addr, since: now}) == "" {
			t.Fatal("let in")
		}
	}
	if len(s.perAddr) != 1 {
		t.Errorf("counts of %d addresses, one has a handshake under way", len(s.perAddr))
	}
	s.finish(first, false)
	if len(s.perAddr) != 0 {
		t.Errorf("counts of %d addresses at the end", len(s.perAddr))
	}
}

func TestRefusalIsPrintable(t *testing.T) {
	end, bridge := net.Pipe()
	defer end.Close()
	go func() {
		ReadCall(bridge)
		AnswerCall(bridge, StatusBusy, "caf\u00e9\x1b]0;owned\x07\xff\r\n")
	}()
	var refused *CallError
	if err := Call(end, "signer1"); !errors.As(err, &refused) || refused.Msg != "caf\u00e9?]0;owned????" {
		t.Errorf("%q", err)
	}
}

func TestListenTakesNoNames(t *testing.T) {
	for _, addr := range []string{"localhost:0", "example.org:443", ":443", "127.0.0.1", "127.0.0.1:http", ""} {
		if ln, err := Listen(context.Background(), addr); err == nil {
			ln.Close()
			t.Errorf("%q was taken", addr)
		} else if !strings.Contains(err.Error(), "IP:PORT") {
			t.Errorf("%q: %v does not say what is wanted", addr, err)
		}
	}
}

func TestDialUnreachable(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	ca := newCA(t, "ca")
	cli := issue(t, ca, pki.Request{URI: pki.RoleURI("client", "c"), Client: true}, ca)
	_, err = Dial(context.Background(), ln.Addr().String(), cli.ClientConfig(Expect{Proto: proto, Roles: []string{"bridge"}}))
	var he *Error
	if !errors.As(err, &he) || he.Cause != Unreachable {
		t.Errorf("%v, want unreachable", err)
	}
}

func TestLoadIdentity(t *testing.T) {
	ca, other := newCA(t, "ca"), newCA(t, "other")
	leaf, err := ca.Issue(pki.Request{CN: "c", URI: pki.RoleURI("client", "c"), Client: true})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	both, err := leaf.PEM()
	if err != nil {
		t.Fatal(err)
	}
	key, err := leaf.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	otherKey, err := other.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	oneFile, certFile := write("both.pem", both), write("cert.pem", leaf.CertPEM())
	keyFile, caFile, wrongKey := write("key.pem", key), write("ca.pem", ca.CertPEM()), write("other.pem", otherKey)
	for name, files := range map[string][3]string{"one file": {oneFile, "", caFile}, "two files": {certFile, keyFile, caFile}} {
		if id, err := LoadIdentity(files[0], files[1], files[2]); err != nil {
			t.Errorf("%s: %v", name, err)
		} else if self, err := id.Self(); err != nil || self.String() != "client/c" {
			t.Errorf("%s: %v %v", name, self, err)
		}
	}
	if _, err := LoadIdentity(certFile, "", caFile); err == nil || !strings.Contains(err.Error(), "holds no private key: put it behind") {
		t.Errorf("a certificate alone: %v", err)
	}
	for name, files := range map[string][3]string{
		"another's key":      {certFile, wrongKey, caFile},
		"missing":            {filepath.Join(dir, "none"), "", caFile},
		"leaf instead of CA": {oneFile, "", certFile},
		"no CA":              {oneFile, "", ""},
	} {
		if _, err := LoadIdentity(files[0], files[1], files[2]); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestRoleURIs(t *testing.T) {
	ca := newCA(t, "ca")
	for uri, ok := range map[string]bool{
		"privyseal://client/a":                          true,
		"privyseal://client/a.b-c_d@e":                  true,
		"privyseal://client/":                           false,
		"privyseal://client/a/b":                        false,
		"privyseal://client/a%00b":                      false,
		"privyseal://client/a?x=y":                      false,
		"privyseal://user@client/a":                     false,
		"privyseal:client/a":                            false,
		"https://client/a":                              false,
		"privyseal://client/" + strings.Repeat("a", 65): false,
	} {
		leaf, err := ca.Issue(pki.Request{CN: "x", URI: uri, Client: true})
		if err != nil {
			t.Fatal(err)
		}
		if p, err := peerOf(leaf.Cert); (err == nil) != ok {
			t.Errorf("%s: %v %v", uri, p, err)
		}
	}
}

func TestBackoff(t *testing.T) {
	b := Backoff{Min: 100 * time.Millisecond, Max: time.Second}
	for _, most := range []time.Duration{100, 200, 400, 800, 1000, 1000} {
		if d := b.Next(); d > most*time.Millisecond || d < most*time.Millisecond/2 {
			t.Errorf("waits %v where %v to %v ms was due", d, most/2, most)
		}
	}
	b.Reset()
	if d := b.Next(); d > 100*time.Millisecond {
		t.Errorf("waits %v after Reset", d)
	}
}

func FuzzParkAndCall(f *testing.F) {
	f.Add([]byte{signalPing, signalStart})
	f.Add([]byte{signalRetire})
	f.Add([]byte("\x07signer1"))
	f.Add([]byte{byte(StatusNotParked), 0, 3, 'n', 'o', '!'})
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, read := range []func(net.Conn) error{
			func(c net.Conn) error { _, err := ReadCall(c); return err },
			func(c net.Conn) error { _, err := Park(c, time.Second, nil); return err },
			func(c net.Conn) error { return Call(c, "signer1") },
			func(c net.Conn) error { return Ping(c, time.Second) },
		} {
			a, b := net.Pipe()
			go io.Copy(io.Discard, b)
			go func() { b.Write(data); b.Close() }()
			read(a)
			a.Close()
		}
	})
}

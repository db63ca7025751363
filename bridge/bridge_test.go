package bridge

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/privyseal/privyseal/internal/hop"
	"github.com/privyseal/privyseal/internal/pki"
)

// fixture is a bridge on loopback, and identities for those who dial it.
type fixture struct {
	t      *testing.T
	ca     *pki.CA
	b      *Bridge
	log    *lockedBuffer
	cancel context.CancelFunc
	done   chan error
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func up(t *testing.T, tune func(*Config)) *fixture {
	t.Helper()
	ca, err := pki.NewCA("outer", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, ca: ca, log: &lockedBuffer{}, done: make(chan error, 1)}
	dir := t.TempDir()
	leaf, err := ca.Issue(pki.Request{CN: "b", URI: pki.RoleURI(hop.RoleBridge, "bridge1"), Server: true})
	if err != nil {
		t.Fatal(err)
	}
	pem, err := leaf.PEM()
	if err != nil {
		t.Fatal(err)
	}
	cfg := Default()
	cfg.ClientListen, cfg.SignerListen = "127.0.0.1:0", "127.0.0.1:0"
	cfg.Cert, cfg.CA = filepath.Join(dir, "b.pem"), filepath.Join(dir, "ca.pem")
	cfg.PairTimeout, cfg.PingTimeout, cfg.PingEvery = 700*time.Millisecond, 500*time.Millisecond, 100*time.Millisecond
	cfg.Linger, cfg.Drain = 500*time.Millisecond, 300*time.Millisecond
	if tune != nil {
		tune(&cfg)
	}
	if err := errors.Join(os.WriteFile(cfg.Cert, pem, 0o600), os.WriteFile(cfg.CA, ca.CertPEM(), 0o600)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	f.cancel = cancel
	if f.b, err = Listen(ctx, cfg, slog.New(slog.NewTextHandler(f.log, nil))); err != nil {
		t.Fatal(err)
	}
	go func() { f.done <- f.b.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-f.done; err != nil {
			t.Error(err)
		}
		f.done <- nil
		if t.Failed() {
			t.Log(f.log.String())
		}
	})
	return f
}

func (f *fixture) identity(role, name string) *hop.Identity {
	f.t.Helper()
	leaf, err := f.ca.Issue(pki.Request{CN: name, URI: pki.RoleURI(role, name), Client: true})
	if err != nil {
		f.t.Fatal(err)
	}
	pem, err := leaf.PEM()
	if err != nil {
		f.t.Fatal(err)
	}
	id, err := hop.NewIdentity(pem, pem, f.ca.CertPEM())
	if err != nil {
		f.t.Fatal(err)
	}
	return id
}

// dialAs opens a connection. A refusal of the certificate shows at its first read.
func (f *fixture) dialAs(id *hop.Identity, proto, addr string) *tls.Conn {
	f.t.Helper()
	conn, err := hop.Dial(context.Background(), addr, id.ClientConfig(hop.Expect{Proto: proto, Roles: []string{hop.RoleBridge}}))
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { conn.NetConn().Close() })
	return conn
}

func (f *fixture) dial(role, name, proto, addr string) *tls.Conn {
	f.t.Helper()
	return f.dialAs(f.identity(role, name), proto, addr)
}

// callAs is call with a certificate that others have, too.
func (f *fixture) callAs(id *hop.Identity, signer string) (*tls.Conn, error) {
	f.t.Helper()
	conn := f.dialAs(id, hop.ProtoCall, f.b.ClientAddr())
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	return conn, hop.Call(conn, signer)
}

// park parks one connection, and echoes when it is started. The channel gives what
// Park said.
func (f *fixture) park(name string) (*tls.Conn, chan bool) {
	f.t.Helper()
	return f.parkAs(f.identity(hop.RoleSigner, name))
}

func (f *fixture) parkAs(id *hop.Identity) (*tls.Conn, chan bool) {
	f.t.Helper()
	conn := f.dialAs(id, hop.ProtoPark, f.b.SignerAddr())
	parked, outcome := make(chan bool), make(chan bool, 1)
	go func() {
		started, err := hop.Park(conn, 5*time.Second, func() { close(parked) })
		outcome <- started && err == nil
		if started {
			io.Copy(conn, conn)
			conn.CloseWrite()
		} else {
			conn.Close()
		}
	}()
	select {
	case <-parked:
	case <-time.After(5 * time.Second):
		f.t.Fatal("not parked")
	}
	return conn, outcome
}

// parkDeaf parks a connection that answers the first ping and no other.
func (f *fixture) parkDeaf(name string) *tls.Conn {
	conn := f.dial(hop.RoleSigner, name, hop.ProtoPark, f.b.SignerAddr())
	var ping [1]byte
	if _, err := io.ReadFull(conn, ping[:]); err != nil {
		f.t.Fatal(err)
	}
	if _, err := conn.Write([]byte{2}); err != nil {
		f.t.Fatal(err)
	}
	return conn
}

func (f *fixture) call(signer string) (*tls.Conn, error) {
	conn := f.dial(hop.RoleClient, "c", hop.ProtoCall, f.b.ClientAddr())
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	return conn, hop.Call(conn, signer)
}

func (f *fixture) mustEcho(conn net.Conn) {
	f.t.Helper()
	if _, err := conn.Write([]byte("hello")); err != nil {
		f.t.Fatal(err)
	}
	got := make([]byte, 5)
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != "hello" {
		f.t.Fatalf("echo: %q %v", got, err)
	}
}

func (f *fixture) mustStatus(err error, want hop.Status) {
	f.t.Helper()
	var ce *hop.CallError
	if !errors.As(err, &ce) || ce.Status != want {
		f.t.Errorf("%v, want status %d", err, want)
	}
}

func (f *fixture) waitLog(text string) {
	f.t.Helper()
	for end := time.Now().Add(5 * time.Second); !strings.Contains(f.log.String(), text); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			f.t.Fatalf("the log does not say %q:\n%s", text, f.log.String())
		}
	}
}

func TestPairsByName(t *testing.T) {
	f := up(t, nil)
	_, one := f.park("signer1")
	f.park("signer2")
	conn, err := f.call("signer1")
	if err != nil {
		t.Fatal(err)
	}
	f.mustEcho(conn)
	if !<-one {
		t.Error("another signer was paired")
	}
	conn.CloseWrite()
	if rest, err := io.ReadAll(conn); err != nil || len(rest) > 0 {
		t.Errorf("at the end: %q %v", rest, err)
	}
	f.waitLog("pairing ended")
	_, err = f.call("signer1") // its only connection is used up
	f.mustStatus(err, hop.StatusNotParked)
	if _, err := f.call("signer2"); err != nil {
		t.Error(err)
	}
	if strings.Contains(f.log.String(), "hello") {
		t.Error("the log has what was carried")
	}
}

func TestBulkBothWays(t *testing.T) {
	f := up(t, nil)
	f.park("s")
	conn, err := f.call("s")
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<19) // 8 MiB
	go func() {
		conn.Write(data)
		conn.CloseWrite()
	}()
	got, err := io.ReadAll(conn)
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d of %d bytes came back, %v", len(got), len(data), err)
	}
}

func TestWaitsForASignerThatIsJustComing(t *testing.T) {
	f := up(t, nil)
	go func() {
		time.Sleep(200 * time.Millisecond)
		f.park("s")
	}()
	conn, err := f.call("s")
	if err != nil {
		t.Fatal(err)
	}
	f.mustEcho(conn)
}

// Deaf connections were the last to be heard of; the client gets a live one all the same.
func TestDeafConnectionsArePassedOver(t *testing.T) {
	f := up(t, func(c *Config) { c.PingEvery = time.Hour; c.PairTimeout = 5 * time.Second })
	f.park("s")
	for range 3 {
		f.parkDeaf("s")
	}
	time.Sleep(50 * time.Millisecond)
	start := time.Now()
	conn, err := f.call("s")
	if err != nil {
		t.Fatal(err)
	}
	f.mustEcho(conn)
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestSilentSignerIsNamed(t *testing.T) {
	f := up(t, func(c *Config) { c.PingEvery = time.Hour; c.PingTimeout = 5 * time.Second })
	f.parkDeaf("s")
	time.Sleep(50 * time.Millisecond)
	_, err := f.call("s")
	f.mustStatus(err, hop.StatusSilent)
	_, err = f.call("other")
	f.mustStatus(err, hop.StatusNotParked)
}

func TestDeadConnectionsAreDropped(t *testing.T) {
	f := up(t, nil)
	conn := f.parkDeaf("s")
	f.waitLog("signer lost")
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.Copy(io.Discard, conn); err != nil && !errors.Is(err, net.ErrClosed) && hop.Classify(err).(*hop.Error).Cause != hop.Broken {
		t.Errorf("the connection was not closed: %v", err)
	}
	_, err := f.call("s")
	f.mustStatus(err, hop.StatusNotParked)
}

func TestParkedConnectionsAreReplaced(t *testing.T) {
	f := up(t, func(c *Config) { c.ParkLife = 200 * time.Millisecond })
	_, outcome := f.park("s")
	select {
	case started := <-outcome:
		if started {
			t.Error("started without a client")
		}
	case <-time.After(5 * time.Second):
		t.Error("not replaced")
	}
	if strings.Contains(f.log.String(), "lost") {
		t.Error("a replaced connection was taken for a lost one")
	}
}

func TestCaps(t *testing.T) {
	f := up(t, func(c *Config) { c.MaxSessions = 1 })
	for range 3 {
		f.park("s")
	}
	id := f.identity(hop.RoleClient, "c") // one certificate for all calls
	call := func() (*tls.Conn, error) { return f.callAs(id, "s") }
	first, err := call()
	if err != nil {
		t.Fatal(err)
	}
	_, err = call()
	f.mustStatus(err, hop.StatusBusy)
	if _, err := f.call("s"); err != nil {
		t.Errorf("another certificate: %v", err)
	}
	first.CloseWrite()
	f.waitLog("pairing ended")
	if _, err := call(); err != nil {
		t.Errorf("after the first session ended: %v", err)
	}
}

// When one side has ended and the other does not follow, the pairing does not stay.
func TestOneSideThatDoesNotFollow(t *testing.T) {
	f := up(t, nil)
	conn := f.dial(hop.RoleSigner, "s", hop.ProtoPark, f.b.SignerAddr())
	go hop.Park(conn, 5*time.Second, nil) // and then nothing
	time.Sleep(100 * time.Millisecond)
	c, err := f.call("s")
	if err != nil {
		t.Fatal(err)
	}
	c.NetConn().Close()
	f.waitLog("pairing ended")
}

func TestDrain(t *testing.T) {
	f := up(t, func(c *Config) { c.Drain = time.Minute })
	f.park("s")
	idle, _ := f.park("s2")
	conn, err := f.call("s")
	if err != nil {
		t.Fatal(err)
	}
	f.mustEcho(conn)
	f.cancel()
	// Parked connections go, new ones are not taken, the pairing stays.
	idle.SetDeadline(time.Now().Add(5 * time.Second))
	idle.Read(make([]byte, 1))
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		c, err := net.Dial("tcp", f.b.ClientAddr())
		if err != nil {
			break
		}
		c.Close()
		if time.Now().After(end) {
			t.Fatal("still taking connections")
		}
	}
	f.mustEcho(conn)
	conn.CloseWrite()
	if _, err := io.ReadAll(conn); err != nil {
		t.Error(err)
	}
	select {
	case err := <-f.done:
		f.done <- err
	case <-time.After(5 * time.Second):
		t.Error("did not stop when the last pairing had ended")
	}
}

func TestDrainHasAnEnd(t *testing.T) {
	f := up(t, nil)
	f.park("s")
	conn, err := f.call("s")
	if err != nil {
		t.Fatal(err)
	}
	f.mustEcho(conn)
	f.cancel()
	f.waitLog("the bridge is being stopped")
}

func TestClientThatSaysNothing(t *testing.T) {
	f := up(t, func(c *Config) { c.HandshakeTimeout = 100 * time.Millisecond })
	conn := f.dial(hop.RoleClient, "c", hop.ProtoCall, f.b.ClientAddr())
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := conn.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) || err == nil {
		t.Errorf("not closed: %v", err)
	}
}

func TestLoadConfig(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bridge.conf")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("[bridge]\nclient_listen = 127.0.0.1:1\nsigner_listen = [::1]:2\ncert = c\nca = a\nping_every = 2\nmax_sessions = 3\n")
	cfg, err := LoadConfig(path)
	if err != nil || cfg.PingEvery != 2*time.Second || cfg.MaxSessions != 3 || cfg.PairTimeout != Default().PairTimeout {
		t.Errorf("%+v %v", cfg, err)
	}
	for text, want := range map[string]string{
		"[bridge]\nclient_listen = x\n":         "lacks",
		"[bridge]\nlisten = x\n":                "",
		"[brigde]\n":                            "unknown section",
		"":                                      "missing",
		"[bridge]\nclient_listen=a\nport = 4\n": "",
		"[bridge]\nping_every = often\nx = soon\n": "",
	} {
		write(text)
		if _, err := LoadConfig(path); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: %v, want %q and the file's name", text, err, want)
		}
	}
	write("[bridge]\nclient_listen = localhost:1\nsigner_listen = 127.0.0.1:0\ncert = c\nca = a\n")
	f := up(t, nil)
	bad := f.b.cfg
	bad.ClientListen = "localhost:1"
	if _, err := Listen(context.Background(), bad, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "client_listen") {
		t.Errorf("a host name to listen at: %v", err)
	}
}

package bridge_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/privyseal/privyseal/internal/hop"
)

// mostWait is what a client may have to wait beside an attack: a good deal less than
// after what it would give up.
const mostWait = 3 * time.Second

// mallory is another client of the outer CA, with a certificate of its own.
func (r *rig) mallory() *tls.Config {
	r.t.Helper()
	r.issue("mallory.pem", r.outer, hop.RoleClient, "mallory")
	id, err := hop.LoadIdentity(r.path("mallory.pem"), "", r.path("outer-ca.pem"))
	if err != nil {
		r.t.Fatal(err)
	}
	return id.ClientConfig(hop.Expect{Proto: hop.ProtoCall, Roles: []string{hop.RoleBridge}})
}

// signBeside signs a few times while something else goes on.
func (r *rig) signBeside(what string) {
	r.t.Helper()
	var worst time.Duration
	for range 5 {
		worst = max(worst, r.mustSign())
	}
	r.t.Logf("beside %s: at most %v", what, worst.Round(time.Millisecond))
	if worst > mostWait {
		r.t.Errorf("beside %s, a client that signs once waited %v, want at most %v", what, worst, mostWait)
	}
}

func (r *rig) tcp(addr string) net.Conn {
	r.t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	return c
}

// Connections that say nothing, by the hundred on both ports, from the very address
// that honest ones come from. Some are half-open: they begin a handshake and stop.
func TestSilentConnectionsByTheHundredStallNobody(t *testing.T) {
	r := newRig(t)
	r.here()
	r.mustSign()
	for i := range 300 {
		for _, addr := range []string{r.bridge.ClientListen, r.bridge.SignerListen} {
			if c := r.tcp(addr); i%3 == 0 {
				c.Write([]byte{22, 3, 1, 2, 0, 1, 0})
			}
		}
	}
	r.signBeside("600 silent connections")
	if n := strings.Count(r.log.String(), "msg="); n > 300 {
		t.Errorf("600 silent connections made %d lines of log", n)
	}
}

// Sessions that are paired and then say nothing inside, as many as a certificate may
// have. The signer gives up on each after its handshake's deadline.
func TestHalfOpenSessionsStallNobody(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.bridge.Linger = time.Second
	r.here()
	cfg := r.mallory()
	paired := 0
	for range r.bridge.MaxSessions {
		conn, err := hop.Dial(context.Background(), r.bridge.ClientListen, cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.NetConn().Close() })
		conn.SetDeadline(time.Now().Add(5 * time.Second))
		if hop.Call(conn, signerName) == nil {
			paired++
		}
	}
	if paired < 32 {
		t.Fatalf("only %d half-open sessions came about", paired)
	}
	r.signBeside("half-open sessions")
	// They do not stay.
	for end := time.Now().Add(10 * time.Second); strings.Count(r.log.String(), `msg="pairing ended" program=bridge client=mallory`) < paired; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d half-open sessions, of which %d have ended", paired, strings.Count(r.log.String(), `msg="pairing ended" program=bridge client=mallory`))
		}
	}
}

// dribble forwards one byte at a time.
type dribble struct {
	net.Conn
	each time.Duration
}

func (d dribble) Write(p []byte) (int, error) {
	for i := range p {
		time.Sleep(d.each)
		if _, err := d.Conn.Write(p[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(p), nil
}

// A handshake that goes on for ever, byte by byte, has the deadline of one that does
// not begin; so has a client that dribbles the name of a signer.
func TestSlowLorisHandshakesAreCut(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.bridge.HandshakeTimeout = time.Second
	r.here()
	cfg := r.mallory()
	var cut sync.WaitGroup
	var lived atomic.Int64
	start := time.Now()
	for i := range 60 {
		raw := r.tcp([]string{r.bridge.ClientListen, r.bridge.SignerListen}[i%2])
		cut.Go(func() {
			tls.Client(dribble{raw, 100 * time.Millisecond}, cfg).Handshake()
			raw.SetReadDeadline(time.Now().Add(10 * time.Second))
			io.Copy(io.Discard, raw)
			lived.Store(max(lived.Load(), int64(time.Since(start))))
		})
	}
	conn, err := hop.Dial(context.Background(), r.bridge.ClientListen, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	cut.Go(func() {
		for _, b := range append([]byte{64}, strings.Repeat("x", 64)...) {
			if _, err := conn.Write([]byte{b}); err != nil {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		io.Copy(io.Discard, conn)
		lived.Store(max(lived.Load(), int64(time.Since(start))))
	})
	r.signBeside("handshakes that dribble")
	cut.Wait()
	// One more second is for the other end to read why.
	if d := time.Duration(lived.Load()); d > 3500*time.Millisecond {
		t.Errorf("one lived for %v, the deadline is %v", d, r.bridge.HandshakeTimeout)
	}
}

// A flood from one address slows that address down, is logged in few lines, and does
// nothing to others.
func TestFloodFromOneAddressStallsNobodyElse(t *testing.T) {
	r := newRig(t)
	r.bridge.Metrics = filepath.Join(r.dir, "bridge.prom")
	r.bridge.MetricsEvery = 100 * time.Millisecond
	r.here()
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	var made atomic.Int64
	for i := range 8 {
		wg.Go(func() {
			d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}, Timeout: time.Second}
			for ctx.Err() == nil {
				c, err := d.DialContext(ctx, "tcp", []string{r.bridge.ClientListen, r.bridge.SignerListen}[i%2])
				if err != nil {
					continue
				}
				made.Add(1)
				c.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
				c.Close()
				time.Sleep(10 * time.Millisecond) // it shall not be the processors that are short
			}
		})
	}
	time.Sleep(300 * time.Millisecond)
	r.signBeside("a flood from another address")
	time.Sleep(time.Second)
	stop()
	wg.Wait()
	data, err := os.ReadFile(r.bridge.Metrics)
	if err != nil {
		t.Fatal(err)
	}
	if regexp.MustCompile(`event="slowed"\} [1-9]`).Find(data) == nil {
		t.Errorf("no handshake of the flood was slowed:\n%s", data)
	}
	if n := strings.Count(r.log.String(), "address=127.0.0.9"); n == 0 || n > 150 {
		t.Errorf("%d connections made %d lines of log", made.Load(), n)
	}
	t.Logf("%d connections of the flood", made.Load())
}

// One certificate that opens sessions without end, and ends each at once, waits for
// itself: others have their turn.
func TestFloodFromOneCertificateStallsNobodyElse(t *testing.T) {
	r := newRig(t)
	r.bridge.MaxSessions = 16
	r.here()
	cfg := r.mallory()
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	var made, refused atomic.Int64
	for range 24 {
		wg.Go(func() {
			for ctx.Err() == nil {
				conn, err := hop.Dial(ctx, r.bridge.ClientListen, cfg)
				if err != nil {
					continue
				}
				conn.SetDeadline(time.Now().Add(5 * time.Second))
				if hop.Call(conn, signerName) != nil {
					refused.Add(1)
				}
				made.Add(1)
				conn.NetConn().Close()
				time.Sleep(20 * time.Millisecond)
			}
		})
	}
	time.Sleep(300 * time.Millisecond)
	r.signBeside("a flood of sessions of another certificate")
	stop()
	wg.Wait()
	t.Logf("%d sessions of the flood, %d refused", made.Load(), refused.Load())
	if n := strings.Count(r.log.String(), `msg="client refused"`); n > 60 {
		t.Errorf("%d refusals made %d lines of log", refused.Load(), n)
	}
}

// What the bridge logs of a session has no name of a key, nothing of what is signed and
// no passphrase: it never sees them.
func TestBridgeLogNamesNoKeys(t *testing.T) {
	r := newRig(t)
	r.bridge.PairTimeout = 200 * time.Millisecond
	r.here()
	for range 3 {
		r.mustSign()
	}
	wrong := r.client
	wrong.Config.SignerName = "signer2"
	if err := wrong.fresh(context.Background()); err == nil {
		t.Error("signed by a signer that there is not")
	}
	var lines strings.Builder
	for line := range strings.Lines(r.log.String()) {
		if strings.Contains(line, "program=bridge") {
			lines.WriteString(line)
		}
	}
	if !strings.Contains(lines.String(), "msg=paired") || !strings.Contains(lines.String(), "client="+user) {
		t.Errorf("the log does not tell of the pairings:\n%s", lines.String())
	}
	for _, secret := range []string{keyName, "fedora", passphrase, "plain-1.0", "rpm"} {
		if strings.Contains(lines.String(), secret) {
			t.Errorf("the bridge's log has %q:\n%s", secret, lines.String())
		}
	}
}

// The first SIGTERM lets a pairing go on, the second ends the bridge at once.
func TestSecondSignalEndsTheBridge(t *testing.T) {
	r := newRig(t)
	r.bridge.ClientListen, r.bridge.SignerListen = freeAddr(t), freeAddr(t)
	r.bridge.Drain = time.Minute
	cmd := r.as(exec.Command(os.Args[0]), "bridge", r.bridge)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = r.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	if _, err := out.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	r.signer.Bridge, r.client.Config.Bridge = r.bridge.SignerListen, r.bridge.ClientListen
	parked := make(chan bool, 1)
	r.run(func(ctx context.Context) error {
		return r.signer.serve(ctx, discard(), func() { parked <- true })
	})
	<-parked
	ses, key, err := r.client.open(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer ses.Close()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(5 * time.Second); !strings.Contains(r.log.String(), "stopping"); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the signal was not heard")
		}
	}
	if err := r.client.sign(context.Background(), key); err != nil {
		t.Errorf("a session that the first signal found: %v", err)
	}
	if err := r.client.fresh(context.Background()); err == nil {
		t.Error("a new session while the bridge is being stopped")
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	ended := make(chan bool)
	go func() { cmd.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Error("the second signal did not end it")
	}
}

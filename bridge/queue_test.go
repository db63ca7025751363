package bridge

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/privyseal/privyseal/internal/hop"
)

// A client cannot park, nor a signer call: not with its own protocol, nor with the
// other's, nor under the name of one that may.
func TestRolesStayAtTheirPorts(t *testing.T) {
	f := up(t, func(c *Config) {
		c.ClientAllow = []string{"client/auto*", "client/releng"}
		c.SignerAllow = []string{"signer/s"}
	})
	f.park("s")
	for _, c := range []struct {
		what, role, name, proto, addr string
		cause                         hop.Cause // "" for taken
	}{
		{"a client that is listed", hop.RoleClient, "releng", hop.ProtoCall, f.b.ClientAddr(), ""},
		{"a client of a listed pattern", hop.RoleClient, "autosign", hop.ProtoCall, f.b.ClientAddr(), ""},
		{"a client that is not listed", hop.RoleClient, "alice", hop.ProtoCall, f.b.ClientAddr(), hop.WrongRole},
		{"a client that parks on the signer port", hop.RoleClient, "s", hop.ProtoPark, f.b.SignerAddr(), hop.WrongRole},
		{"a client that calls on the signer port", hop.RoleClient, "releng", hop.ProtoCall, f.b.SignerAddr(), hop.WrongProtocol},
		{"a client that parks on the client port", hop.RoleClient, "releng", hop.ProtoPark, f.b.ClientAddr(), hop.WrongProtocol},
		{"a signer that calls on the client port", hop.RoleSigner, "releng", hop.ProtoCall, f.b.ClientAddr(), hop.WrongRole},
		{"a signer that parks on the client port", hop.RoleSigner, "s", hop.ProtoPark, f.b.ClientAddr(), hop.WrongProtocol},
		{"a signer that is not listed", hop.RoleSigner, "s2", hop.ProtoPark, f.b.SignerAddr(), hop.WrongRole},
		{"another bridge", hop.RoleBridge, "s", hop.ProtoPark, f.b.SignerAddr(), hop.WrongRole},
	} {
		t.Run(c.what, func(t *testing.T) {
			id := f.identity(c.role, c.name)
			conn, err := hop.Dial(context.Background(), c.addr, id.ClientConfig(hop.Expect{Proto: c.proto, Roles: []string{hop.RoleBridge}}))
			if err == nil {
				defer conn.NetConn().Close()
				conn.SetDeadline(time.Now().Add(5 * time.Second))
				if c.proto == hop.ProtoCall {
					err = hop.Call(conn, "nobody")
				} else {
					_, err = hop.Park(conn, 5*time.Second, nil)
				}
			}
			var he *hop.Error
			switch {
			case c.cause == "":
				f.mustStatus(err, hop.StatusNotParked)
			case !errors.As(err, &he) || he.Cause != c.cause || !he.Remote:
				t.Errorf("%v, want %q from the bridge", err, c.cause)
			}
		})
	}
}

func TestConfigOfWhoMayCome(t *testing.T) {
	good := Default()
	for want, change := range map[string]func(*Config){
		"both take role \"client\"":      func(c *Config) { c.SignerAllow = []string{"signer/*", "client/s"} },
		"client_allow: \"releng\" is":    func(c *Config) { c.ClientAllow = []string{"releng"} },
		"client_allow: \"*/*\" is":       func(c *Config) { c.ClientAllow = []string{"*/*"} },
		"signer_allow: \"signer/[\" is":  func(c *Config) { c.SignerAllow = []string{"signer/["} },
		"signer_allow: names nobody":     func(c *Config) { c.SignerAllow = nil },
		"max_sessions: 0 lets nobody in": func(c *Config) { c.MaxSessions = 0 },
		"idle_timeout: must be":          func(c *Config) { c.IdleTimeout = 0 },
	} {
		c := good
		change(&c)
		if _, _, err := c.check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if _, _, err := good.check(); err != nil {
		t.Error(err)
	}
}

// The queue has an end, and those in it are told when their time is up.
func TestWaitingClientsAreBoundedAndTold(t *testing.T) {
	f := up(t, func(c *Config) { c.MaxWaiting = 3; c.PairTimeout = 600 * time.Millisecond })
	f.park("s")
	if _, err := f.call("s"); err != nil { // its only connection is in use
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	told := map[string]int{}
	for range 5 {
		conn := f.dial(hop.RoleClient, "c", hop.ProtoCall, f.b.ClientAddr())
		conn.SetDeadline(time.Now().Add(5 * time.Second))
		wg.Go(func() {
			start := time.Now()
			err := hop.Call(conn, "s")
			var ce *hop.CallError
			if !errors.As(err, &ce) || ce.Status != hop.StatusBusy {
				t.Errorf("%v, want busy", err)
				return
			}
			took := time.Since(start)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case strings.Contains(ce.Msg, "too many clients are waiting") && took < 400*time.Millisecond:
				told["at once"]++
			case strings.Contains(ce.Msg, "are in use") && took > 500*time.Millisecond && took < 1500*time.Millisecond:
				told["in time"]++
			default:
				t.Errorf("after %v: %s", took, ce.Msg)
			}
		})
	}
	wg.Wait()
	if told["at once"] != 2 || told["in time"] != 3 {
		t.Errorf("%v, want 3 that waited and 2 that could not", told)
	}
	if all := f.b.pool.census(); len(all) != 1 || all[0].Waiting != 0 || all[0].Paired != 1 {
		t.Errorf("what is left: %+v", all)
	}
}

// A signer whose parked connections were lost is not said to be busy, though a
// pairing with it is still open: that one may be as dead.
func TestLostSignerIsNotBusy(t *testing.T) {
	f := up(t, func(c *Config) { c.PairTimeout = 300 * time.Millisecond })
	f.park("s")
	if _, err := f.call("s"); err != nil {
		t.Fatal(err)
	}
	_, err := f.call("s")
	f.mustStatus(err, hop.StatusBusy)
	f.parkDeaf("s")
	f.waitLog("signer lost")
	_, err = f.call("s")
	f.mustStatus(err, hop.StatusNotParked)
	f.park("s")
	if _, err = f.call("s"); err != nil {
		t.Error(err)
	}
}

// Certificates have turns: one that queued ten clients first lets another in between.
func TestWaitingClientsHaveTurnsByCertificate(t *testing.T) {
	f := up(t, func(c *Config) { c.PairTimeout = 5 * time.Second })
	f.park("s")
	if _, err := f.call("s"); err != nil {
		t.Fatal(err)
	}
	order := make(chan string, 20)
	wait := func(id *hop.Identity, name string, queued int) {
		conn := f.dialAs(id, hop.ProtoCall, f.b.ClientAddr())
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		go func() {
			if err := hop.Call(conn, "s"); err != nil {
				name = err.Error()
			}
			order <- name
		}()
		for end := time.Now().Add(5 * time.Second); f.b.pool.census()[0].Waiting < queued; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("not queued")
			}
		}
	}
	many, one := f.identity(hop.RoleClient, "many"), f.identity(hop.RoleClient, "one")
	for i := range 10 {
		wait(many, "many", i+1)
	}
	wait(one, "one", 11)
	var got []string
	for range 3 {
		f.park("s")
		got = append(got, <-order)
	}
	if strings.Join(got, " ") != "many one many" {
		t.Errorf("served %v", got)
	}
}

// A client that went away while it waited uses up no connection.
func TestClientThatLeftUsesUpNoConnection(t *testing.T) {
	f := up(t, func(c *Config) { c.PairTimeout = 5 * time.Second })
	for _, leave := range []func(*tls.Conn){
		func(c *tls.Conn) { c.Close() },
		func(c *tls.Conn) { c.NetConn().Close() },
	} {
		conn := f.dial(hop.RoleClient, "c", hop.ProtoCall, f.b.ClientAddr())
		go hop.Call(conn, "s")
		for end := time.Now().Add(5 * time.Second); len(f.b.pool.census()) == 0; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("not queued")
			}
		}
		leave(conn)
		time.Sleep(20 * time.Millisecond)
		f.park("s")
		next, err := f.call("s")
		if err != nil {
			t.Fatal(err)
		}
		f.mustEcho(next)
		next.CloseWrite()
		io.ReadAll(next)
		for end := time.Now().Add(5 * time.Second); len(f.b.pool.census()) > 0; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("left: %+v", f.b.pool.census())
			}
		}
	}
	f.waitLog("client left before it was paired")
}

// A pairing in which nothing moves ends; one with a little now and then does not.
func TestIdlePairingEnds(t *testing.T) {
	f := up(t, func(c *Config) { c.IdleTimeout = 300 * time.Millisecond })
	f.park("s")
	conn, err := f.call("s")
	if err != nil {
		t.Fatal(err)
	}
	for range 8 {
		f.mustEcho(conn)
		time.Sleep(100 * time.Millisecond)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("not ended: %v", err)
	}
	f.waitLog("nothing moved for 300ms")
}

// The counters' file is always whole, in the format that node_exporter reads, and
// says what happened.
func TestMetricsFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "collector")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "bridge.prom")
	f := up(t, func(c *Config) { c.Metrics = path; c.MetricsEvery = 5 * time.Millisecond })
	sample := regexp.MustCompile(`^privyseal_bridge_[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [0-9.e+-]+$`)
	read := func() map[string]string {
		t.Helper()
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		got, typed := map[string]string{}, map[string]bool{}
		for line := range strings.Lines(string(data)) {
			line = strings.TrimSuffix(line, "\n")
			if rest, ok := strings.CutPrefix(line, "# TYPE "); ok {
				typed[strings.Fields(rest)[0]] = true
				continue
			}
			if strings.HasPrefix(line, "# HELP ") {
				continue
			}
			name, value, _ := strings.Cut(line, " ")
			bare, _, _ := strings.Cut(name, "{")
			if !sample.MatchString(line) || !typed[bare] {
				t.Fatalf("not in the text format: %q", line)
			}
			got[strings.TrimPrefix(name, "privyseal_bridge_")] = value
		}
		if !strings.HasSuffix(string(data), "\n") || got["log_lines_left_out_total"] == "" {
			t.Fatalf("not whole:\n%s", data)
		}
		return got
	}
	want := func(name, value string) {
		t.Helper()
		for end := time.Now().Add(5 * time.Second); read()[name] != value; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s is %q, want %s", name, read()[name], value)
			}
		}
	}
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(path); err == nil {
			break
		} else if time.Now().After(end) {
			t.Fatal(err)
		}
	}
	f.park("s")
	f.park("s")
	want(`parked{signer="s"}`, "2")
	conn, err := f.call("s")
	if err != nil {
		t.Fatal(err)
	}
	f.mustEcho(conn)
	want(`parked{signer="s"}`, "1")
	want(`pairings{signer="s"}`, "1")
	want("pairings_total", "1")
	want(`bytes_total{to="signer"}`, "5")
	want(`connections{port="client",state="open"}`, "1")
	_, err = f.call("nobody")
	f.mustStatus(err, hop.StatusNotParked)
	want(`refusals_total{reason="not_parked"}`, "1")
	want(`connections_total{port="client",event="served"}`, "2")
	want("queued", "0")
	// A file that cannot be written stops nothing.
	if err := os.Rename(dir, dir+".gone"); err != nil {
		t.Fatal(err)
	}
	f.waitLog("the counters cannot be written")
	f.mustEcho(conn)
}

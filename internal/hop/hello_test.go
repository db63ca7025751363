package hop

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/privyseal/privyseal/internal/pki"
)

// Silent connections hold no one up, also when they come in one burst, many times as
// many as there may be, and the honest one right behind them.
func TestSilentConnectionsStallNobody(t *testing.T) {
	ca := newCA(t, "ca")
	srv := issue(t, ca, pki.Request{URI: pki.RoleURI("bridge", "b"), Server: true}, ca)
	cli := issue(t, ca, pki.Request{URI: pki.RoleURI("client", "c"), Client: true}, ca)
	limits := Limits{Handshake: time.Minute, HandshakesPerAddress: 8, Handshakes: 8, evictAfter: time.Hour}
	addr, _ := serveEcho(t, srv.ServerConfig(Expect{Proto: proto, Roles: []string{"client"}}), limits)
	for range 5 {
		for i := range 30 {
			silent, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer silent.Close()
			switch i % 3 {
			case 1: // half-open: the start of a handshake and no more
				silent.Write([]byte{22, 3, 1})
			case 2:
				silent.Write([]byte{22, 3, 1, 2, 0, 1, 0})
			}
		}
		start := time.Now()
		conn, err := Dial(context.Background(), addr, cli.ClientConfig(Expect{Proto: proto, Roles: []string{"bridge"}}))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := echo(conn); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took > 3*time.Second { // of which the address's delay is 0.5 s
			t.Errorf("a handshake beside silent ones took %v", took)
		}
	}
}

// Who makes room: one whose hello is not there, whatever its age, before one whose
// hello is, also when no goroutine has seen that yet; the latter only when it is old.
func TestWhoMakesRoom(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	now := time.Now()
	arrive := func(age time.Duration, says []byte) *pending {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		server, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { server.Close() })
		p := &pending{conn: server.(*net.TCPConn), addr: netip.MustParseAddr("192.0.2.1"), since: now.Add(-age)}
		c.Write(says)
		for end := time.Now().Add(5 * time.Second); len(says) > 0 && !Gone(server); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("the kernel did not pass on what was said")
			}
		}
		return p
	}
	hello := append([]byte{22, 3, 1, 0, 100}, make([]byte, 100)...)
	s := newServer(nil, Limits{HandshakesPerAddress: 3, evictAfter: time.Minute}, slog.New(slog.DiscardHandler), nil)
	whole, half, silent := arrive(3*time.Second, hello), arrive(2*time.Second, hello[:50]), arrive(0, nil)
	for _, p := range []*pending{whole, half, silent} {
		if why := s.begin(p); why != "" {
			t.Fatal(why)
		}
	}
	for i, gone := range []*pending{half, silent} {
		now = now.Add(time.Second)
		if why := s.begin(arrive(0, hello)); why != "" {
			t.Errorf("newcomer %d: %s", i, why)
		}
		if s.pending[gone] {
			t.Errorf("newcomer %d did not take the place that it should", i)
		}
	}
	if !s.pending[whole] {
		t.Error("one whose hello had come made room")
	}
	if s.begin(arrive(0, hello)) == "" {
		t.Error("let in, although the hellos of all had just come")
	}
	now = now.Add(2 * time.Minute)
	if why := s.begin(arrive(0, hello)); why != "" || s.pending[whole] {
		t.Errorf("the oldest did not make room when it was old: %s", why)
	}
	if n := s.perAddr[whole.addr].pending; n != 3 || len(s.pending) != 3 {
		t.Errorf("%d counted, %d there, want 3", n, len(s.pending))
	}
}

// A hello that comes in pieces, or is cut off by the end, is waited for no longer than needed.
func TestHelloInPieces(t *testing.T) {
	hello := append([]byte{22, 3, 1, 0, 100}, make([]byte, 100)...)
	for name, c := range map[string]struct {
		parts [][]byte
		close bool
		want  bool // it is there, and not an error
	}{
		"whole":        {parts: [][]byte{hello}, want: true},
		"pieces":       {parts: [][]byte{hello[:1], hello[1:4], hello[4:50], hello[50:]}, want: true},
		"not TLS":      {parts: [][]byte{[]byte("G")}, want: true},
		"too long":     {parts: [][]byte{{22, 3, 1, 255, 255}}, want: true},
		"cut off":      {parts: [][]byte{hello[:50]}, close: true, want: true},
		"head cut off": {parts: [][]byte{hello[:2]}, close: true, want: true},
		"nothing":      {close: true},
		"half":         {parts: [][]byte{hello[:50]}},
		"silent":       {},
	} {
		t.Run(name, func(t *testing.T) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			far, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer far.Close()
			near, err := ln.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer near.Close()
			timeout := 20 * time.Second
			if !c.want && !c.close {
				timeout = 100 * time.Millisecond
			}
			got := make(chan error, 1)
			go func() { got <- awaitHello(context.Background(), near.(*net.TCPConn), timeout) }()
			for _, part := range c.parts {
				time.Sleep(10 * time.Millisecond)
				far.Write(part)
			}
			if c.close {
				far.Close()
			}
			if err := <-got; (err == nil) != c.want {
				t.Errorf("waited: %v", err)
			}
			if there := saidHello(near.(*net.TCPConn)); there != c.want {
				t.Errorf("there: %v, want %v", there, c.want)
			}
		})
	}
}

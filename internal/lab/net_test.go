package lab

import (
	"strings"
	"testing"
	"time"
)

// tcp is an echo server and a client that says how each of its lines came back.
const (
	tcpServer = `import socket
s = socket.create_server(("0.0.0.0", 7777))
print("ready", flush=True)
while True:
    c, _ = s.accept()
    while True:
        b = c.recv(100)
        if not b: break
        c.sendall(b)
`
	tcpClient = `import socket, sys
c, i = None, 0
for line in sys.stdin:
    i += 1
    try:
        if c is None or line.startswith("new"):
            c = socket.create_connection((sys.argv[1], 7777), timeout=0.4)
        c.sendall(bytes([i]))
        while i not in c.recv(100): pass
        print("ok", flush=True)
    except OSError as e:
        print("lost", e, flush=True)
`
)

// The router does what tests of the hops rely on.
func TestNetBreaksAsFirewallsDo(t *testing.T) {
	Need(t, NetNS, NFTables)
	n := NewNet(t, "a", "b")
	server := func() {
		s := n.Start(n.Command("b", "python3", "-c", tcpServer), t.Output())
		if line, err := s.Line(); line != "ready" {
			t.Fatalf("%q %v", line, err)
		}
	}
	server()
	c := n.Start(n.Command("a", "python3", "-c", tcpClient, n.Addr("b")), t.Output())
	want := func(ask, answer, when string) {
		t.Helper()
		got, err := c.Ask(ask)
		if err != nil || !strings.HasPrefix(got, answer) {
			t.Fatalf("%s: %q %v, want %s", when, got, err, answer)
		}
	}
	want("new", "ok", "at first")
	want("old", "ok", "again")
	n.Forget("a", "b")
	want("old", "lost", "state forgotten")
}

func TestNetDropsOneWayAndMoves(t *testing.T) {
	Need(t, NetNS, NFTables)
	for _, way := range [][2]string{{"a", "b"}, {"b", "a"}} {
		t.Run(way[0]+" to "+way[1], func(t *testing.T) {
			t.Parallel()
			n := NewNet(t, "a", "b")
			s := n.Start(n.Command("b", "python3", "-c", tcpServer), t.Output())
			if line, err := s.Line(); line != "ready" {
				t.Fatalf("%q %v", line, err)
			}
			c := n.Start(n.Command("a", "python3", "-c", tcpClient, n.Addr("b")), t.Output())
			ask := func(line, want string) {
				t.Helper()
				if got, err := c.Ask(line); err != nil || !strings.HasPrefix(got, want) {
					t.Fatalf("%q %v, want %s", got, err, want)
				}
			}
			ask("new", "ok")
			n.Drop(way[0], way[1])
			ask("old", "lost")
			n.Pass(way[0], way[1])
			time.Sleep(2 * time.Second) // retransmissions
			ask("old", "ok")
			old := n.Addr("a")
			if addr := n.Move("a"); addr == old {
				t.Error("the address is the same")
			}
			ask("old", "lost")
		})
	}
}

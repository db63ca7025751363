//go:build long

package hop

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/privyseal/privyseal/internal/lab"
	"github.com/privyseal/privyseal/internal/pki"
)

// end is what a process at one end of a connection does.
type end struct {
	PEM, CA      []byte
	Listen, Dial string // one of them
	Habit        string // quiet: reads; talks: writes a byte each second, too; stuffs: writes without end; deaf: reads nothing
}

// TestMain lets the test binary be one end.
func TestMain(m *testing.M) {
	spec := os.Getenv("HOP_TEST_END")
	if spec == "" {
		// What waits for the kernel costs no processor: all at once.
		flag.Parse()
		flag.Set("test.parallel", "16")
		os.Exit(m.Run())
	}
	var e end
	if err := json.Unmarshal([]byte(spec), &e); err != nil {
		panic(err)
	}
	if err := e.run(); err != nil {
		fmt.Println("failed:", err)
	}
}

func (e end) run() error {
	go func() { // not longer than the test
		io.Copy(io.Discard, os.Stdin)
		os.Exit(3)
	}()
	id, err := NewIdentity(e.PEM, e.PEM, e.CA)
	if err != nil {
		return err
	}
	if e.Dial != "" {
		conn, err := Dial(context.Background(), e.Dial, id.ClientConfig(Expect{Proto: proto, Roles: []string{"bridge"}}))
		if err != nil {
			return err
		}
		e.live(conn)
		return nil
	}
	ln, err := Listen(context.Background(), e.Listen)
	if err != nil {
		return err
	}
	fmt.Println("listening")
	return Serve(context.Background(), ln, id.ServerConfig(Expect{Proto: proto, Roles: []string{"client"}}), Limits{},
		slog.New(slog.DiscardHandler), func(_ context.Context, c *tls.Conn, _ Peer) { e.live(c) })
}

// live says when the connection has ended, and why.
func (e end) live(c *tls.Conn) {
	ended := make(chan error, 2)
	if e.Habit != "deaf" {
		go func() {
			_, err := io.Copy(io.Discard, c)
			ended <- err
		}()
	}
	switch e.Habit {
	case "talks":
		go func() {
			for {
				if _, err := c.Write([]byte{0}); err != nil {
					ended <- err
					return
				}
				time.Sleep(time.Second)
			}
		}()
	case "stuffs":
		go func() {
			for {
				if _, err := c.Write(make([]byte, 16<<10)); err != nil {
					ended <- err
					return
				}
			}
		}()
	}
	fmt.Println("up")
	err := <-ended
	fmt.Println(time.Now().UnixMilli(), Classify(err))
}

// The kernel's timers, as package hop sets them, at work: each end of a connection
// that is dead, or dead one way, ends within the time given, whatever it does.
func TestKernelTimers(t *testing.T) {
	lab.Need(t, lab.NetNS, lab.NFTables)
	ca := newCA(t, "ca")
	leaf := func(role string) []byte {
		l, err := ca.Issue(pki.Request{CN: role, URI: pki.RoleURI(role, "x"), Client: role == "client", Server: role == "bridge"})
		if err != nil {
			t.Fatal(err)
		}
		pem, err := l.PEM()
		if err != nil {
			t.Fatal(err)
		}
		return pem
	}
	for _, c := range []struct {
		what, a, b string // habits: a has dialled b
		drop       string // which ways, "ab" is from a to b
		within     [2]time.Duration
	}{
		{"both ways, nothing under way", "quiet", "quiet", "ab ba", [2]time.Duration{25 * time.Second, 25 * time.Second}},
		{"both ways, data under way", "talks", "talks", "ab ba", [2]time.Duration{25 * time.Second, 25 * time.Second}},
		{"one way, nothing under way", "quiet", "quiet", "ab", [2]time.Duration{25 * time.Second, 40 * time.Second}},
		{"one way, the end that is not heard talks", "talks", "quiet", "ab", [2]time.Duration{25 * time.Second, 25 * time.Second}},
		{"one way, the end that is heard talks", "quiet", "talks", "ab", [2]time.Duration{45 * time.Second, 25 * time.Second}},
		{"no way, but an end that does not read", "stuffs", "deaf", "", [2]time.Duration{40 * time.Second, 0}},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			n := lab.NewNet(t, "a", "b")
			start := func(host string, e end) *lab.Program {
				e.CA = ca.CertPEM()
				data, err := json.Marshal(e)
				if err != nil {
					t.Fatal(err)
				}
				cmd := n.Command(host, os.Args[0])
				cmd.Env = append(os.Environ(), "HOP_TEST_END="+string(data))
				return n.Start(cmd, t.Output())
			}
			want := func(p *lab.Program, text string) {
				t.Helper()
				if line, err := p.Line(); line != text {
					t.Fatalf("%q %v, want %q", line, err, text)
				}
			}
			b := start("b", end{PEM: leaf("bridge"), Listen: n.Addr("b") + ":7000", Habit: c.b})
			want(b, "listening")
			a := start("a", end{PEM: leaf("client"), Dial: n.Addr("b") + ":7000", Habit: c.a})
			want(a, "up")
			want(b, "up")
			for _, way := range strings.Fields(c.drop) {
				n.Drop(way[:1], way[1:])
			}
			failed := time.Now()
			for i, p := range []*lab.Program{a, b} {
				if c.within[i] == 0 {
					continue
				}
				line, err := p.Line()
				ms, why, _ := strings.Cut(line, " ")
				at, perr := strconv.ParseInt(ms, 10, 64)
				if err != nil || perr != nil {
					t.Fatalf("%q %v", line, err)
				}
				took := time.UnixMilli(at).Sub(failed).Round(100 * time.Millisecond)
				t.Logf("%s (%s): ended after %v: %s", string("ab"[i]), []string{c.a, c.b}[i], took, why)
				if took > c.within[i] || took < 10*time.Second {
					t.Errorf("want it ended within %v, and not before 10 s", c.within[i])
				}
			}
		})
	}
}

package lab

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

// A Net is a star: hosts in network namespaces of their own, each with a cable to a
// router in another, which is a firewall that tracks connections and is strict about
// it (nf_conntrack_tcp_loose=0): a packet of a connection it does not know is dropped
// without a word. Its methods break the network as firewalls and cables do. A test
// needs lab.NetNS and lab.NFTables.
//
// The namespaces have no names and live by processes of the test: they are gone when
// it is, however it ended.
type Net struct {
	t      testing.TB
	router *host
	hosts  map[string]*host

	mu      sync.Mutex
	zones   map[[2]string]int // pairs whose connections were forgotten, how often
	dropped map[[2]string]bool
}

type host struct {
	name   string
	pid    int
	subnet int
	last   int // of the address
}

// NewNet makes hosts with these names.
func NewNet(t testing.TB, names ...string) *Net {
	t.Helper()
	n := &Net{t: t, hosts: map[string]*host{}, zones: map[[2]string]int{}, dropped: map[[2]string]bool{}}
	n.router = n.namespace("router")
	for i, name := range names {
		h := n.namespace(name)
		h.subnet, h.last = i+1, 2
		n.hosts[name] = h
		n.in(n.router, "ip", "link", "add", "to-"+name, "type", "veth", "peer", "name", "eth0", "netns", fmt.Sprint(h.pid))
		n.in(n.router, "ip", "addr", "add", fmt.Sprintf("10.77.%d.1/24", h.subnet), "dev", "to-"+name)
		n.in(n.router, "ip", "link", "set", "to-"+name, "up")
		n.in(h, "ip", "addr", "add", h.addr()+"/24", "dev", "eth0")
		n.in(h, "ip", "link", "set", "eth0", "up")
		n.in(h, "ip", "route", "add", "default", "via", h.gateway())
	}
	// Rules before the setting: it is there when connection tracking is.
	n.nft(`add table inet box
add chain inet box zones { type filter hook prerouting priority raw; }
add chain inet box cut { type filter hook forward priority -1; }
add chain inet box wall { type filter hook forward priority 0; policy drop; }
add rule inet box wall ct state established,related accept
add rule inet box wall ct state invalid counter drop
add rule inet box wall ct state new tcp flags & (fin|syn|rst|ack) == syn accept
add rule inet box wall ip protocol icmp accept
`)
	n.in(n.router, "sh", "-c", "echo 0 > /proc/sys/net/netfilter/nf_conntrack_tcp_loose && echo 1 > /proc/sys/net/ipv4/ip_forward")
	return n
}

func (h *host) addr() string    { return fmt.Sprintf("10.77.%d.%d", h.subnet, h.last) }
func (h *host) gateway() string { return fmt.Sprintf("10.77.%d.1", h.subnet) }

// namespace makes one, held by a process that ends when its standard input does.
func (n *Net) namespace(name string) *host {
	n.t.Helper()
	cmd := exec.Command("unshare", "--net", "sh", "-c", "ip link set lo up && echo ready && exec cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		n.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		n.t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		n.t.Fatalf("lab: no network namespace for %s: %q %v", name, line, err)
	}
	return &host{name: name, pid: cmd.Process.Pid}
}

func (n *Net) host(name string) *host {
	n.t.Helper()
	h := n.hosts[name]
	if h == nil {
		n.t.Fatalf("lab: no host %s in the network", name)
	}
	return h
}

// Addr is a host's address now.
func (n *Net) Addr(name string) string { n.t.Helper(); return n.host(name).addr() }

// Command is a program to be run at a host.
func (n *Net) Command(name, program string, args ...string) *exec.Cmd {
	n.t.Helper()
	return at(n.host(name), program, args...)
}

func at(h *host, program string, args ...string) *exec.Cmd {
	return exec.Command("nsenter", append([]string{fmt.Sprintf("--net=/proc/%d/ns/net", h.pid), program}, args...)...)
}

func (n *Net) in(h *host, program string, args ...string) {
	n.t.Helper()
	if out, err := at(h, program, args...).CombinedOutput(); err != nil {
		n.t.Fatalf("lab: at %s: %s %s: %v %s", h.name, program, strings.Join(args, " "), err, out)
	}
}

func (n *Net) nft(script string) {
	n.t.Helper()
	cmd := at(n.router, "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		n.t.Fatalf("lab: nft: %v %s\n%s", err, out, script)
	}
}

// Forget makes the router lose what it knows of the connections between two hosts,
// as a firewall does that is restarted or whose table is full. It takes new ones.
func (n *Net) Forget(a, b string) {
	n.t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	pair := [2]string{min(a, b), max(a, b)}
	n.zones[pair]++
	// In another zone no old connection is known.
	script := "flush chain inet box zones\n"
	zone := 0
	for pair, times := range n.zones {
		zone++
		for _, way := range [][2]string{pair, {pair[1], pair[0]}} {
			script += fmt.Sprintf("add rule inet box zones %s ct zone set %d\n", n.match(way[0], way[1]), 100*zone+times)
		}
	}
	n.nft(script)
}

// Drop loses every packet from one host to another, and none the other way.
func (n *Net) Drop(from, to string) { n.t.Helper(); n.setDropped(from, to, true) }

// Pass undoes Drop.
func (n *Net) Pass(from, to string) { n.t.Helper(); n.setDropped(from, to, false) }

func (n *Net) setDropped(from, to string, dropped bool) {
	n.t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.dropped[[2]string{from, to}] = dropped
	script := "flush chain inet box cut\n"
	for way, dropped := range n.dropped {
		if dropped {
			script += fmt.Sprintf("add rule inet box cut %s counter drop\n", n.match(way[0], way[1]))
		}
	}
	n.nft(script)
}

func (n *Net) match(from, to string) string {
	n.t.Helper()
	return fmt.Sprintf("ip saddr 10.77.%d.0/24 ip daddr 10.77.%d.0/24", n.host(from).subnet, n.host(to).subnet)
}

// Move gives a host another address and takes the old one away; its open connections
// are lost without a word.
func (n *Net) Move(name string) (addr string) {
	n.t.Helper()
	h := n.host(name)
	n.in(h, "ip", "addr", "del", h.addr()+"/24", "dev", "eth0")
	h.last++
	n.in(h, "ip", "addr", "add", h.addr()+"/24", "dev", "eth0")
	n.in(h, "ip", "route", "replace", "default", "via", h.gateway())
	return h.addr()
}

// A Program is a process at a host that takes lines and gives lines.
type Program struct {
	t   testing.TB
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// Start runs cmd, made by Command; what it writes to standard error goes to stderr.
// The process should end when its standard input does. It is killed with the test.
func (n *Net) Start(cmd *exec.Cmd, stderr io.Writer) *Program {
	n.t.Helper()
	p := &Program{t: n.t, cmd: cmd}
	var err error
	if p.in, err = cmd.StdinPipe(); err != nil {
		n.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		n.t.Fatal(err)
	}
	p.out = bufio.NewReader(out)
	cmd.Stderr = stderr
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(p.Kill)
	return p
}

// Kill ends the process at once (SIGKILL), and waits for it.
func (p *Program) Kill() {
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

// Ask writes a line and reads one.
func (p *Program) Ask(line string) (string, error) {
	if _, err := io.WriteString(p.in, line+"\n"); err != nil {
		return "", err
	}
	return p.Line()
}

// Line reads a line.
func (p *Program) Line() (string, error) {
	line, err := p.out.ReadString('\n')
	return strings.TrimSuffix(line, "\n"), err
}

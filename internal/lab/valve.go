package lab

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// fullSpeed is how many bytes a valve moves at a time when it is not slowed.
const fullSpeed = 32 << 10

// A Valve is a TCP relay that a test can make fail: it forwards each connection to its
// target until it is told otherwise. All methods may be called while traffic flows.
type Valve struct {
	target   string
	listener net.Listener

	toTarget, fromTarget atomic.Int64
	wg                   sync.WaitGroup

	mu      sync.Mutex
	open    *sync.Cond // signalled when held, refuse or closed changes
	held    bool
	refuse  bool
	closed  bool
	delay   time.Duration
	chunk   int
	tap     func(toTarget bool, data []byte)
	streams map[net.Conn]bool
}

// NewValve listens on a loopback port and forwards to target. It ends with the test.
func NewValve(t testing.TB, target string) *Valve {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	v := &Valve{target: target, listener: l, chunk: fullSpeed, streams: make(map[net.Conn]bool)}
	v.open = sync.NewCond(&v.mu)
	v.wg.Add(1)
	go v.accept()
	t.Cleanup(v.close)
	return v
}

// Addr is where clients connect.
func (v *Valve) Addr() string { return v.listener.Addr().String() }

// Hold stops forwarding in both directions without closing anything: to either end the
// other has gone silent, as behind a firewall that forgot the connection.
func (v *Valve) Hold() { v.set(func() { v.held = true }) }

// Release forwards again, beginning with what was held back.
func (v *Valve) Release() { v.set(func() { v.held = false }) }

// Refuse closes new connections at once; Accept takes them again.
func (v *Valve) Refuse() { v.set(func() { v.refuse = true }) }

// Accept undoes Refuse.
func (v *Valve) Accept() { v.set(func() { v.refuse = false }) }

// Cut resets every connection that is open now.
func (v *Valve) Cut() {
	v.mu.Lock()
	defer v.mu.Unlock()
	for c := range v.streams {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		c.Close()
	}
}

// Slow forwards at most chunk bytes at a time and waits delay before each; zero values
// put full speed back.
func (v *Valve) Slow(chunk int, delay time.Duration) {
	v.set(func() {
		v.delay, v.chunk = delay, chunk
		if chunk <= 0 || chunk > fullSpeed {
			v.chunk = fullSpeed
		}
	})
}

// Tap shows every forwarded piece to see, which is called from several goroutines and may
// change the bytes in place (a relay that tampers) but not keep them.
func (v *Valve) Tap(see func(toTarget bool, data []byte)) { v.set(func() { v.tap = see }) }

// Bytes counts what was forwarded to and from the target.
func (v *Valve) Bytes() (toTarget, fromTarget int64) {
	return v.toTarget.Load(), v.fromTarget.Load()
}

func (v *Valve) set(change func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	change()
	v.open.Broadcast()
}

func (v *Valve) close() {
	v.listener.Close()
	v.set(func() { v.closed = true })
	v.Cut()
	v.wg.Wait()
}

func (v *Valve) accept() {
	defer v.wg.Done()
	for {
		client, err := v.listener.Accept()
		if err != nil {
			return
		}
		v.wg.Add(1)
		go v.serve(client)
	}
}

func (v *Valve) serve(client net.Conn) {
	defer v.wg.Done()
	defer client.Close()
	if !v.add(client) {
		return
	}
	defer v.remove(client)
	server, err := net.Dial("tcp", v.target)
	if err != nil {
		return
	}
	defer server.Close()
	if !v.add(server) {
		return
	}
	defer v.remove(server)

	back := make(chan struct{})
	go func() {
		defer close(back)
		v.forward(client, server, false, &v.fromTarget)
	}()
	v.forward(server, client, true, &v.toTarget)
	<-back
}

func (v *Valve) add(c net.Conn) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed || v.refuse {
		return false
	}
	v.streams[c] = true
	return true
}

func (v *Valve) remove(c net.Conn) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.streams, c)
}

// forward copies one direction, passes a half-close on, and ends both on an error.
func (v *Valve) forward(dst, src net.Conn, toTarget bool, count *atomic.Int64) {
	buf := make([]byte, fullSpeed)
	for {
		n, err := src.Read(buf[:v.chunkSize()])
		if n > 0 {
			v.pass(toTarget, buf[:n])
			if _, werr := dst.Write(buf[:n]); werr != nil {
				src.Close()
				return
			}
			count.Add(int64(n))
		}
		if errors.Is(err, io.EOF) {
			if tcp, ok := dst.(*net.TCPConn); ok {
				_ = tcp.CloseWrite()
			}
			return
		}
		if err != nil {
			dst.Close()
			return
		}
	}
}

func (v *Valve) chunkSize() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.chunk
}

// pass returns when data may go on, after the tap has seen it.
func (v *Valve) pass(toTarget bool, data []byte) {
	v.mu.Lock()
	for v.held && !v.closed {
		v.open.Wait()
	}
	delay, tap := v.delay, v.tap
	v.mu.Unlock()
	if delay > 0 {
		time.Sleep(delay)
	}
	if tap != nil {
		tap(toTarget, data)
	}
}

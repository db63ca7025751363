package hop

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// UserTimeout is how long sent data may stay unacknowledged before the kernel
// gives the connection up. With it set, keepalive gives up after it too.
const UserTimeout = 20 * time.Second

var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3}

// setUserTimeout runs on the bare socket, before connect or listen.
func setUserTimeout(_, _ string, c syscall.RawConn) error {
	var serr error
	err := c.Control(func(fd uintptr) {
		serr = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(UserTimeout.Milliseconds()))
	})
	return errors.Join(err, os.NewSyscallError("setsockopt TCP_USER_TIMEOUT", serr))
}

// tune gives an accepted connection what a dialled one has. The options are
// inherited from the listening socket on Linux, but no document promises it.
func tune(c *net.TCPConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	return errors.Join(setUserTimeout("", "", raw), c.SetKeepAliveConfig(keepAlive), c.SetNoDelay(true))
}

// Dial opens a connection and shakes hands. ctx bounds both. Errors are *Error.
func Dial(ctx context.Context, addr string, cfg *tls.Config) (*tls.Conn, error) {
	d := net.Dialer{KeepAliveConfig: keepAlive, Control: setUserTimeout}
	d.SetMultipathTCP(false)
	raw, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		// Unreachable, also when time ran out: nobody has answered yet.
		return nil, &Error{Cause: Unreachable, Err: err}
	}
	conn := tls.Client(raw, cfg)
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		if ctx.Err() != nil {
			err = fmt.Errorf("TLS handshake with %s: %w", addr, ctx.Err())
		}
		return nil, Classify(err)
	}
	return conn, nil
}

// Listen opens a listening socket at IP:PORT. A host name is refused: resolving
// it would make a program that must never dial ask a name server.
func Listen(ctx context.Context, addr string) (net.Listener, error) {
	ap, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, fmt.Errorf("listen address %q: must be IP:PORT, such as 192.0.2.7:44334 or [::]:44334; names are not resolved", addr)
	}
	lc := net.ListenConfig{KeepAliveConfig: keepAlive, Control: setUserTimeout}
	lc.SetMultipathTCP(false)
	return lc.Listen(ctx, "tcp", ap.String())
}

// tcpConn finds the TCP socket under layers of TLS and wrappers.
func tcpConn(conn net.Conn) (*net.TCPConn, error) {
	for range 8 {
		switch c := conn.(type) {
		case *net.TCPConn:
			return c, nil
		case interface{ NetConn() net.Conn }:
			conn = c.NetConn()
		default:
			return nil, fmt.Errorf("%T is not a TCP connection", conn)
		}
	}
	return nil, errors.New("too many layers above the TCP connection")
}

// control runs f on conn's socket.
func control(conn net.Conn, f func(fd int) error) error {
	tcp, err := tcpConn(conn)
	if err != nil {
		return err
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return err
	}
	var ferr error
	if err := raw.Control(func(fd uintptr) { ferr = f(int(fd)) }); err != nil {
		return err
	}
	return ferr
}

// Gone tells, without reading, whether the other end has left: it has closed or
// broken the connection, or sent something where it should wait for an answer, as
// the good-bye of TLS is. An end that is silently lost does not show here.
func Gone(conn net.Conn) bool {
	var gone bool
	err := control(conn, func(fd int) error {
		var b [1]byte
		for {
			_, _, err := unix.Recvfrom(fd, b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
			if err == unix.EINTR {
				continue
			}
			gone = err != unix.EAGAIN
			return nil
		}
	})
	return gone || err != nil
}

// KernelBytes gives what the kernel counted on the connection's TCP stream: bytes
// that the other end acknowledged, and bytes received. TLS, handshakes and all.
func KernelBytes(conn net.Conn) (sent, received uint64, err error) {
	err = control(conn, func(fd int) error {
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			return os.NewSyscallError("getsockopt TCP_INFO", err)
		}
		sent, received = info.Bytes_acked, info.Bytes_received
		return nil
	})
	return sent, received, err
}

// Liveness is what a socket does to notice a dead peer.
type Liveness struct {
	KeepAlive      bool
	Idle, Interval time.Duration
	Count          int
	UserTimeout    time.Duration
	Multipath      bool
}

// ReadLiveness asks the kernel.
func ReadLiveness(conn net.Conn) (Liveness, error) {
	var l Liveness
	err := control(conn, func(fd int) error {
		var errs []error
		get := func(level, opt int) int {
			v, err := unix.GetsockoptInt(fd, level, opt)
			errs = append(errs, os.NewSyscallError("getsockopt", err))
			return v
		}
		l = Liveness{
			KeepAlive:   get(unix.SOL_SOCKET, unix.SO_KEEPALIVE) != 0,
			Idle:        time.Duration(get(unix.IPPROTO_TCP, unix.TCP_KEEPIDLE)) * time.Second,
			Interval:    time.Duration(get(unix.IPPROTO_TCP, unix.TCP_KEEPINTVL)) * time.Second,
			Count:       get(unix.IPPROTO_TCP, unix.TCP_KEEPCNT),
			UserTimeout: time.Duration(get(unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)) * time.Millisecond,
			Multipath:   get(unix.SOL_SOCKET, unix.SO_PROTOCOL) != unix.IPPROTO_TCP,
		}
		return errors.Join(errs...)
	})
	return l, err
}

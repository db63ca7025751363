package xmlrpc

import (
	"context"
	"net"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// dialer connects with keepalive and TCP_USER_TIMEOUT, so that a hub behind a firewall that forgot the connection is
// missed in half a minute, not in hours. Multipath TCP is off, as everywhere.
func dialer(ctx context.Context, network, addr string) (net.Conn, error) {
	d := net.Dialer{
		Timeout:         30 * time.Second,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3},
		Control: func(_, _ string, rc syscall.RawConn) error {
			var err error
			if cerr := rc.Control(func(fd uintptr) {
				err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 20_000)
			}); cerr != nil {
				return cerr
			}
			return err
		},
	}
	d.SetMultipathTCP(false)
	// RFC 6761, section 6.3: localhost is this machine, whatever a resolver says. In a bare chroot, without
	// /etc/hosts, one would even be asked for it over the network.
	if host, port, err := net.SplitHostPort(addr); err == nil && strings.EqualFold(host, "localhost") {
		conn, err := d.DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
		if err == nil {
			return conn, nil
		}
		if conn, err6 := d.DialContext(ctx, network, net.JoinHostPort("::1", port)); err6 == nil {
			return conn, nil
		}
		return nil, err
	}
	return d.DialContext(ctx, network, addr)
}

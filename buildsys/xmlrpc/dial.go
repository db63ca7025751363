package xmlrpc

import (
	"context"
	"net"
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
	return d.DialContext(ctx, network, addr)
}

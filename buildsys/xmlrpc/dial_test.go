package xmlrpc

import (
	"context"
	"errors"
	"net"
	"syscall"
	"testing"
)

// TestLocalhostNeedsNoResolver holds that localhost is found without /etc/hosts and without
// asking the network, on either address family.
func TestLocalhostNeedsNoResolver(t *testing.T) {
	ctx := t.Context()
	resolver := net.DefaultResolver
	t.Cleanup(func() { net.DefaultResolver = resolver })
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		t.Error("a name server was asked")
		return nil, errors.New("no network")
	}}
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0"} {
		ln, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		_, port, err := net.SplitHostPort(ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		conn, err := dialer(ctx, "tcp", net.JoinHostPort("localhost", port))
		if err != nil {
			t.Fatalf("%s: %v", addr, err)
		}
		conn.Close()
		ln.Close()
		if _, err := dialer(ctx, "tcp", net.JoinHostPort("LOCALHOST", port)); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%s, nobody listening: %v", addr, err)
		}
	}
}

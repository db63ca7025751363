package client_test

import (
	"net/netip"
	"os"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Client, bridge and signer are all in this process: so are both ends of every hop,
// and each of its connected sockets must notice a dead peer.
func TestEverySocketOfEveryHopNoticesADeadPeer(t *testing.T) {
	s := upSite(t)
	s.unlock(keyEdDSA) // a pairing; and the signer has parked another connection
	time.Sleep(100 * time.Millisecond)
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	ports := map[int]int{} // how many sockets have a bridge's port at either end
	for _, e := range fds {
		fd, err := strconv.Atoi(e.Name())
		if err != nil {
			t.Fatal(err)
		}
		peer, err := unix.Getpeername(fd)
		if err != nil {
			continue // no socket, or not connected
		}
		remote, ok := peer.(*unix.SockaddrInet4)
		if !ok {
			continue
		}
		local, err := unix.Getsockname(fd)
		if err != nil {
			continue
		}
		here := local.(*unix.SockaddrInet4)
		for _, addr := range []string{s.bridgeCfg.ClientListen, s.bridgeCfg.SignerListen} {
			port := portOf(t, addr)
			if remote.Port == port || here.Port == port {
				ports[port]++
			} else {
				continue
			}
			for name, want := range map[[2]int]int{
				{unix.SOL_SOCKET, unix.SO_KEEPALIVE}:      1,
				{unix.SOL_SOCKET, unix.SO_PROTOCOL}:       unix.IPPROTO_TCP,
				{unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT}: 20000,
				{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE}:     10,
				{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL}:    5,
				{unix.IPPROTO_TCP, unix.TCP_KEEPCNT}:      3,
				{unix.IPPROTO_TCP, unix.TCP_NODELAY}:      1,
			} {
				if got, err := unix.GetsockoptInt(fd, name[0], name[1]); err != nil || got != want {
					t.Errorf("socket %d to %d: option %d of level %d is %d (%v), want %d", here.Port, remote.Port, name[1], name[0], got, err, want)
				}
			}
		}
	}
	if n := ports[portOf(t, s.bridgeCfg.ClientListen)]; n != 2 {
		t.Errorf("%d sockets of the client's hop, want both ends of one connection", n)
	}
	if n := ports[portOf(t, s.bridgeCfg.SignerListen)]; n < 4 || n%2 != 0 {
		t.Errorf("%d sockets of the signer's hop, want both ends of two connections or more", n)
	}
}

func portOf(t *testing.T, addr string) int {
	t.Helper()
	ap, err := netip.ParseAddrPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return int(ap.Port())
}

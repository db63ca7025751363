package hop

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// A TLS record: its type, two bytes of version, two of length.
const (
	recordHead      = 5
	recordHandshake = 22
	maxRecord       = 16 << 10
)

// awaitHello waits until the other end has said what there is to answer, which stays
// to be read.
func awaitHello(ctx context.Context, conn *net.TCPConn, timeout time.Duration) error {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if err := conn.SetReadDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var herr error
	err = raw.Read(func(fd uintptr) bool {
		var there bool
		there, herr = peekHello(int(fd))
		return there || herr != nil
	})
	if err != nil {
		return err
	}
	if herr != nil {
		return herr
	}
	return conn.SetReadDeadline(time.Time{})
}

// saidHello tells, without waiting, whether awaitHello would find what it waits for.
func saidHello(conn *net.TCPConn) (there bool) {
	err := control(conn, func(fd int) (err error) {
		there, err = peekHello(fd)
		return err
	})
	return there && err == nil
}

// peekHello looks whether a socket has received the whole first record of a handshake,
// or else what cannot become one: TLS has the right words for that.
func peekHello(fd int) (there bool, err error) {
	var head [recordHead]byte
	n, _, err := unix.Recvfrom(fd, head[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	for err == unix.EINTR {
		n, _, err = unix.Recvfrom(fd, head[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	}
	switch {
	case err == unix.EAGAIN:
		return false, nil
	case err != nil:
		return false, os.NewSyscallError("recvfrom", err)
	case n == 0:
		return false, io.EOF
	case head[0] != recordHandshake:
		return true, nil
	}
	if n == recordHead {
		size := int(binary.BigEndian.Uint16(head[3:]))
		if size > maxRecord {
			return true, nil
		}
		have, err := unix.IoctlGetInt(fd, unix.TIOCINQ)
		if err != nil {
			return false, os.NewSyscallError("ioctl TIOCINQ", err)
		}
		if have >= recordHead+size {
			return true, nil
		}
	}
	// The other end may have closed behind half a record: no more will come.
	ends := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
	if _, err := unix.Poll(ends, 0); err != nil && err != unix.EINTR {
		return false, os.NewSyscallError("poll", err)
	}
	return ends[0].Revents != 0, nil
}

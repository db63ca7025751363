package bridge

import (
	"context"
	"crypto/tls"
	"io"
	"sync"
	"time"

	"github.com/privyseal/privyseal/internal/hop"
)

// copyBuffer holds four full TLS records.
const copyBuffer = 64 << 10

// client serves one client: finds it a signer and copies until both are done.
func (b *Bridge) client(ctx context.Context, conn *tls.Conn, peer hop.Peer) {
	log := b.log.With("client", peer.Name, "address", conn.RemoteAddr().String())
	conn.SetDeadline(time.Now().Add(b.cfg.HandshakeTimeout))
	signer, err := hop.ReadCall(conn)
	if err != nil {
		log.Warn("client did not say which signer it wants", "error", hop.Classify(err))
		return
	}
	log = log.With("signer", signer)
	refuse := func(status hop.Status, msg string) {
		log.Warn("client refused", "reason", msg)
		conn.SetDeadline(time.Now().Add(time.Second))
		hop.AnswerCall(conn, status, msg)
		hop.Finish(conn, time.Second)
	}
	if !b.sessions.add(peer.Fingerprint, b.cfg.MaxSessions) {
		refuse(hop.StatusBusy, "too many sessions with this certificate; close some, or raise max_sessions at the bridge")
		return
	}
	defer b.sessions.remove(peer.Fingerprint)
	conn.SetDeadline(time.Time{})
	start := time.Now()
	c, status := b.pair(ctx, signer)
	switch status {
	case hop.StatusOK:
	case hop.StatusSilent:
		refuse(status, "signer "+signer+" is connected but does not answer; look at its console")
		return
	case hop.StatusStopping:
		refuse(status, "the bridge is being stopped; try again")
		return
	default:
		refuse(status, "signer "+signer+" is not connected to the bridge; is privyseal-signer serve running there, and is the name right?")
		return
	}
	defer close(c.released)
	conn.SetWriteDeadline(time.Now().Add(b.cfg.HandshakeTimeout))
	if hop.Start(c.conn) != nil || hop.AnswerCall(conn, hop.StatusOK, "") != nil {
		log.Warn("pairing failed", "reason", "an end went away")
		return
	}
	conn.SetWriteDeadline(time.Time{})
	log.Info("paired", "waited", time.Since(start).Round(time.Microsecond))
	why := b.splice(ctx, conn, c.conn)
	to, from, err := hop.KernelBytes(c.conn)
	if err != nil {
		log.Warn("the kernel's byte counts cannot be read", "error", err)
	}
	log.Info("pairing ended", "reason", why, "duration", time.Since(start).Round(time.Millisecond),
		"to_signer_bytes", to, "from_signer_bytes", from)
}

// splice copies both ways until both directions have ended, and says why they did.
func (b *Bridge) splice(ctx context.Context, client, signer *tls.Conn) string {
	var once sync.Once
	why := "ended"
	abort := func(reason string) {
		once.Do(func() {
			why = reason
			// On the sockets under TLS: TLS itself would wait for a blocked write.
			client.NetConn().SetDeadline(time.Now())
			signer.NetConn().SetDeadline(time.Now())
		})
	}
	ended := make(chan struct{}, 2)
	move := func(dst, src *tls.Conn, dstName, srcName string) {
		defer func() { ended <- struct{}{} }()
		if rerr, werr := pump(dst, src); rerr != nil {
			abort(srcName + ": " + hop.Classify(rerr).Error())
		} else if werr != nil {
			abort(dstName + ": " + hop.Classify(werr).Error())
		}
	}
	go move(signer, client, "signer", "client")
	go move(client, signer, "client", "signer")

	var linger, drain <-chan time.Time
	done := ctx.Done()
	for left := 2; left > 0; {
		select {
		case <-ended:
			left--
			linger = time.After(b.cfg.Linger)
		case <-linger:
			abort("one side ended and the other did not follow")
		case <-done:
			done, drain = nil, time.After(b.cfg.Drain)
		case <-drain:
			abort("the bridge is being stopped")
		}
	}
	return why
}

// pump copies until src ends, then ends dst. It keeps apart whose error it was.
func pump(dst, src *tls.Conn) (rerr, werr error) {
	buf := make([]byte, copyBuffer)
	for {
		n, err := src.Read(buf)
		if n > 0 {
			if _, werr := dst.Write(buf[:n]); werr != nil {
				return nil, werr
			}
		}
		if err == io.EOF {
			return nil, dst.CloseWrite()
		}
		if err != nil {
			return err, nil
		}
	}
}

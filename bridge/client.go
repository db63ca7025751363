package bridge

import (
	"context"
	"crypto/tls"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/privyseal/privyseal/internal/hop"
)

// copyBuffer holds four full TLS records.
const copyBuffer = 64 << 10

// refuseTime is how long a refused client has to read why.
const refuseTime = time.Second

// client serves one client: finds it a signer and copies until both are done.
func (b *Bridge) client(ctx context.Context, conn *tls.Conn, peer hop.Peer) {
	address := conn.RemoteAddr().String()
	if !b.live.add(conn, peer) {
		return
	}
	defer b.live.remove(conn)
	conn.SetDeadline(time.Now().Add(b.cfg.HandshakeTimeout))
	signer, err := hop.ReadCall(conn)
	if err != nil {
		b.count.silent.Add(1)
		b.quiet.Warn("client did not say which signer it wants", "client", peer.Name, "address", address, "error", hop.Classify(err))
		return
	}
	refuse := func(status hop.Status, msg string) {
		b.count.refused(status)
		b.quiet.Warn("client refused", "client", peer.Name, "address", address, "signer", signer, "reason", msg)
		conn.SetDeadline(time.Now().Add(refuseTime))
		hop.AnswerCall(conn, status, msg)
		hop.Finish(conn, refuseTime)
	}
	if !b.sessions.add(peer.Fingerprint, b.cfg.MaxSessions) {
		refuse(hop.StatusBusy, "too many sessions with this certificate; close some, or raise max_sessions at the bridge")
		return
	}
	defer b.sessions.remove(peer.Fingerprint)
	conn.SetDeadline(time.Time{})
	start := time.Now()
	c, status, msg := b.pair(ctx, conn, peer.Fingerprint, signer)
	if c == nil && status == hop.StatusOK {
		b.count.left.Add(1)
		b.quiet.Warn("client left before it was paired", "client", peer.Name, "address", address, "signer", signer)
		return
	}
	if c == nil {
		refuse(status, msg)
		return
	}
	defer close(c.released)
	log := b.log.With("client", peer.Name, "address", address, "signer", signer)
	conn.SetWriteDeadline(time.Now().Add(b.cfg.HandshakeTimeout))
	if hop.Start(c.conn) != nil || hop.AnswerCall(conn, hop.StatusOK, "") != nil {
		b.count.left.Add(1)
		b.quiet.Warn("pairing failed", "client", peer.Name, "address", address, "signer", signer, "reason", "an end went away")
		return
	}
	conn.SetWriteDeadline(time.Time{})
	waited := time.Since(start)
	b.count.paired.Add(1)
	b.count.waited.Add(uint64(waited))
	log.Info("paired", "waited", waited.Round(time.Microsecond))
	why := b.splice(ctx, conn, c.conn.(*tls.Conn))
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
	var moved atomic.Uint64 // pieces, both ways
	move := func(dst, src *tls.Conn, dstName, srcName string, bytes *atomic.Uint64) {
		defer func() { ended <- struct{}{} }()
		rerr, werr := pump(dst, src, func(n int) { moved.Add(1); bytes.Add(uint64(n)) })
		if rerr != nil {
			abort(srcName + ": " + hop.Classify(rerr).Error())
		} else if werr != nil {
			abort(dstName + ": " + hop.Classify(werr).Error())
		}
	}
	go move(signer, client, "signer", "client", &b.count.toSigner)
	go move(client, signer, "client", "signer", &b.count.toClient)

	idle := time.NewTicker(b.cfg.IdleTimeout)
	defer idle.Stop()
	var seen, followed uint64
	var linger, drain <-chan time.Time
	done := ctx.Done()
	for left := 2; left > 0; {
		select {
		case <-ended:
			left--
			followed = moved.Load()
			linger = time.After(b.cfg.Linger)
		case <-linger:
			// Not while the other still has something to say.
			if now := moved.Load(); now != followed {
				followed, linger = now, time.After(b.cfg.Linger)
				continue
			}
			abort("one side ended and the other did not follow")
		case <-idle.C:
			now := moved.Load()
			if now == seen {
				b.count.idle.Add(1)
				abort("nothing moved for " + b.cfg.IdleTimeout.String())
			}
			seen = now
		case <-done:
			done, drain = nil, time.After(b.cfg.Drain)
		case <-drain:
			abort("the bridge is being stopped")
		}
	}
	return why
}

// pump copies until src ends, then ends dst. It keeps apart whose error it was.
func pump(dst, src *tls.Conn, moved func(n int)) (rerr, werr error) {
	buf := make([]byte, copyBuffer)
	for {
		n, err := src.Read(buf)
		if n > 0 {
			if _, werr := dst.Write(buf[:n]); werr != nil {
				return nil, werr
			}
			moved(n)
		}
		if err == io.EOF {
			return nil, dst.CloseWrite()
		}
		if err != nil {
			return err, nil
		}
	}
}

package bridge

import (
	"context"
	"crypto/tls"
	"errors"
	"time"

	"github.com/privyseal/privyseal/internal/hop"
)

// hedge is how long the best parked connection has for itself before the next one
// is asked as well.
const hedge = 250 * time.Millisecond

// signer keeps one parked connection until a client gets it.
func (b *Bridge) signer(ctx context.Context, conn *tls.Conn, peer hop.Peer) {
	address := conn.RemoteAddr().String()
	if !b.parked.add(peer.Fingerprint, b.cfg.MaxPerCertificate) {
		b.count.turnedAway.Add(1)
		b.quiet.Warn("signer turned away", "signer", peer.Name, "address", address, "reason", "too many connections of its certificate")
		return
	}
	defer b.parked.remove(peer.Fingerprint)
	if !b.live.add(conn, peer) {
		return
	}
	defer b.live.remove(conn)
	c := &parked{conn: conn, peer: peer, claims: make(chan *claim),
		gone: make(chan struct{}), released: make(chan struct{})}
	defer close(c.gone)
	why := left
	gone := func(msg string, err error) {
		why = lost
		b.count.lost.Add(1)
		b.quiet.Warn(msg, "signer", peer.Name, "address", address, "error", err)
	}
	// The first ping tells the signer that it is parked, and us that it waits.
	if err := hop.Ping(conn, b.cfg.PingTimeout); err != nil {
		gone("signer did not answer", err)
		return
	}
	b.pool.add(c)
	defer func() {
		if why != paired {
			b.pool.remove(c, why)
		}
	}()
	b.log.Debug("signer parked", "signer", peer.Name, "address", address)

	ping := time.NewTicker(b.cfg.PingEvery)
	defer ping.Stop()
	life := time.NewTimer(b.cfg.ParkLife)
	defer life.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-life.C:
			b.pool.remove(c, left)
			hop.Retire(conn)
			// Its close shall come from the signer, so that it never looks
			// to it as if the bridge had gone.
			conn.SetReadDeadline(time.Now().Add(b.cfg.PingTimeout))
			conn.Read(make([]byte, 1))
			return
		case <-ping.C:
			if err := hop.Ping(conn, b.cfg.PingTimeout); err != nil {
				gone("signer lost", err)
				return
			}
			b.pool.answered(c, false)
		case claim := <-c.claims:
			if err := hop.Ping(conn, b.cfg.PingTimeout); err != nil {
				gone("signer lost", err)
				var he *hop.Error
				claim.fail(errors.As(err, &he) && he.Cause == hop.Silent)
				return
			}
			if hop.Gone(claim.client) {
				// A connection is used once: not for a client that left.
				claim.drop(errLeft)
				b.pool.answered(c, true)
				continue
			}
			if !claim.won.CompareAndSwap(false, true) {
				b.pool.answered(c, true)
				continue
			}
			why = paired
			b.pool.remove(c, paired)
			defer b.pool.unpair(peer.Name)
			claim.got <- c
			// The client's goroutine copies; this one keeps the connection open.
			<-c.released
			return
		}
	}
}

// fail tells of a connection that was asked and is gone, or did not answer in time.
func (c *claim) fail(silent bool) {
	if !silent {
		c.closed.Add(1)
	}
	select {
	case c.failed <- struct{}{}:
	default:
	}
}

var (
	errLeft     = errors.New("the client left")
	errDeadline = errors.New("nothing was found in time")
)

// pair finds a live connection of a signer. nil comes with what to tell the client,
// or with StatusOK if it is not there any more.
func (b *Bridge) pair(ctx context.Context, client *tls.Conn, cert [32]byte, signer string) (*parked, hop.Status, string) {
	ctx, drop := context.WithCancelCause(ctx)
	defer drop(nil)
	deadline := time.AfterFunc(b.cfg.PairTimeout, func() { drop(errDeadline) })
	defer deadline.Stop()
	cl := &claim{client: client, cert: cert, drop: drop, offers: make(chan *parked, 1),
		got: make(chan *parked, 1), failed: make(chan struct{}, 1)}
	if !b.pool.want(signer, cl, b.cfg.MaxWaiting, false) {
		return nil, hop.StatusBusy, "too many clients are waiting for a signer; try again in a few seconds"
	}
	defer b.pool.leave(signer, cl)
	again := func() { b.pool.want(signer, cl, 0, true) }
	queued := true
	var next <-chan time.Time
	for {
		select {
		case c := <-cl.offers:
			queued = false
			cl.asked.Add(1)
			go b.ask(ctx, c, cl)
			next = time.After(hedge)
		case c := <-cl.got:
			return c, hop.StatusOK, ""
		case <-cl.failed:
			if !queued {
				again()
				queued, next = true, nil
			}
		case <-next:
			again()
			queued, next = true, nil
		case <-ctx.Done():
			if !cl.won.CompareAndSwap(false, true) {
				return <-cl.got, hop.StatusOK, ""
			}
			status, msg := b.unpaired(context.Cause(ctx), cl, signer)
			return nil, status, msg
		}
	}
}

// unpaired says why a claim came to nothing.
func (b *Bridge) unpaired(cause error, cl *claim, signer string) (hop.Status, string) {
	switch {
	case cause == errLeft:
		return hop.StatusOK, ""
	case cause != errDeadline:
		return hop.StatusStopping, "the bridge is being stopped; try again"
	case cl.asked.Load() > cl.closed.Load():
		return hop.StatusSilent, "signer " + signer + " is connected but does not answer; look at its console"
	case b.pool.inUse(signer):
		return hop.StatusBusy, "all connections of signer " + signer + " are in use; try again in a few seconds"
	}
	return hop.StatusNotParked, "signer " + signer + " is not connected to the bridge; is privyseal-signer serve running there, and is the name right?"
}

// ask brings a claim to a connection, which may be in the middle of a ping.
func (b *Bridge) ask(ctx context.Context, c *parked, cl *claim) {
	select {
	case c.claims <- cl:
	case <-c.gone:
		cl.fail(false)
	case <-ctx.Done():
		b.pool.giveBack(c)
	}
}

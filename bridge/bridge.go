// Package bridge pairs a client's connection with one that the signer parked, and
// copies between the two what it cannot read.
//
// Both sides dial the bridge over mutual TLS under the outer CA; the bridge dials
// nobody and resolves no names. The signer keeps a few idle connections parked at
// one port. A client comes to the other port and names a signer; the bridge takes
// a parked connection of that signer, makes sure by a ping that the signer is
// there, and from then on copies bytes both ways. These bytes are another TLS
// connection, from client to signer, under a CA of which the bridge holds nothing:
// a fallen bridge learns who connects, when, and how much, and can refuse service.
//
// Only the bridge pings, every few seconds, over each parked connection: that
// keeps stateful firewalls on the way from forgetting it, and a connection that
// does not answer is dropped before a client gets it. If the best connection does
// not answer at once the next is asked too, and the first to answer wins.
// Connections are replaced after ParkLife, so that pings never amount to much.
//
// # Who comes in
//
// Each port takes its own roles and names (client_allow, signer_allow), read from the
// certificate's URI in the handshake; a role stands at one port only, so a client
// cannot park and a signer cannot call. A revocation list is reread when it changes;
// it is looked at in each handshake, and cuts what is open. A list that cannot be read
// leaves the one before in force, and the log says so.
//
// # Who waits
//
// Handshakes and connections are capped per address and in all (package hop),
// connections per certificate here. Clients for whom no connection is free stand in a
// bounded queue and are served in turns by certificate, so that one that comes a
// hundred times holds up no other. Within PairTimeout each is paired or told why not:
// the signer is not parked, does not answer, or has all its connections in use. A
// client that has left does not use up a connection.
//
// A pairing has no time limit while something moves; IdleTimeout ends one in which
// nothing does, since the signer gives a sign of life every second. Dead peers are
// noticed by TCP (package hop) within 20 s or so, and when one side has ended, the
// other gets Linger to follow. A peer that does not read for 20 s while there is
// something for it counts as dead, too: that is how Linux takes TCP_USER_TIMEOUT.
//
// On SIGTERM the bridge stops accepting, tells those who wait, lets go of parked
// connections and gives pairings Drain to end; a second signal ends it at once.
//
// # What it tells
//
// The log has names from certificates, addresses, times and byte counts (those of the
// signer's socket, as the kernel counts them), one record a line. It cannot have names
// of keys: the bridge never sees them. What strangers can cause is logged a few lines
// at a time with a count of the rest. Metrics are a file that node_exporter collects.
//
// Limits: a revocation list has 4 MiB and 50,000 entries at most.
package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/privyseal/privyseal/internal/daemon"
	"github.com/privyseal/privyseal/internal/hop"
)

// Bridge is a bridge whose sockets are open.
type Bridge struct {
	cfg              Config
	id               *hop.Identity
	log              *slog.Logger
	quiet            *hop.Quiet
	quietPort        [2]*hop.Quiet // the same, for package hop
	clients, signers net.Listener
	allowed          [2]allow // at the clients' port, at the signers'
	pool             *pool
	sessions         *tally
	parked           *tally
	live             *live
	revokedStamp     stamp
	started          time.Time
	count            counters
}

// What strangers cause may take this many lines of each kind in the log.
const (
	quietBurst = 20
	quietSpan  = 10 * time.Second
)

// Listen loads the certificates and opens both ports.
func Listen(ctx context.Context, cfg Config, log *slog.Logger) (*Bridge, error) {
	clients, signers, err := cfg.check()
	if err != nil {
		return nil, err
	}
	id, err := hop.LoadIdentity(cfg.Cert, cfg.Key, cfg.CA)
	if err != nil {
		return nil, err
	}
	self, err := id.Self()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", cfg.Cert, err)
	}
	if self.Role != hop.RoleBridge {
		return nil, fmt.Errorf("%s: the certificate is %s, not of role %s", cfg.Cert, self, hop.RoleBridge)
	}
	b := &Bridge{cfg: cfg, id: id, log: log, quiet: hop.NewQuiet(log, quietBurst, quietSpan), allowed: [2]allow{clients, signers},
		pool: newPool(), sessions: newTally(), parked: newTally(), started: time.Now()}
	var list *revocations
	if cfg.Revoked != "" {
		// The stamp first: a change in between is read again.
		if b.revokedStamp, err = stampOf(cfg.Revoked); err == nil {
			list, err = readRevocations(cfg.Revoked)
		}
		if err != nil {
			return nil, fmt.Errorf("revoked: %w (an empty file revokes nothing)", err)
		}
	}
	b.live = newLive(list)
	if b.clients, err = hop.Listen(ctx, cfg.ClientListen); err != nil {
		return nil, fmt.Errorf("client_listen: %w", err)
	}
	if b.signers, err = hop.Listen(ctx, cfg.SignerListen); err != nil {
		b.clients.Close()
		return nil, fmt.Errorf("signer_listen: %w", err)
	}
	return b, nil
}

// ClientAddr is where clients connect.
func (b *Bridge) ClientAddr() string { return b.clients.Addr().String() }

// SignerAddr is where signers park.
func (b *Bridge) SignerAddr() string { return b.signers.Addr().String() }

// Serve works until ctx ends and the pairings have drained.
func (b *Bridge) Serve(ctx context.Context) error {
	b.log.Info("serving", "clients", b.ClientAddr(), "signers", b.SignerAddr(), "version", daemon.Version,
		"client_allow", b.cfg.ClientAllow, "signer_allow", b.cfg.SignerAllow, "revoked", b.live.revoked().len())
	for i, port := range []string{"client", "signer"} {
		b.quietPort[i] = hop.NewQuiet(b.log.With("port", port), quietBurst, quietSpan)
		defer b.quietPort[i].Flush()
	}
	defer b.quiet.Flush()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	// These two go on while pairings drain.
	aside, stopAside := context.WithCancel(context.WithoutCancel(ctx))
	var asides sync.WaitGroup
	defer asides.Wait()
	defer stopAside()
	if b.cfg.Revoked != "" {
		asides.Go(func() { b.watchRevoked(aside, b.revokedStamp) })
	}
	if b.cfg.Metrics != "" {
		asides.Go(func() { b.writeMetrics(aside) })
	}

	var wg sync.WaitGroup
	var errs [2]error
	serve := func(i int, ln net.Listener, proto string, count *hop.Counters, handle hop.Handler) {
		defer cancel() // one port alone is of no use
		limits := hop.Limits{
			Handshake:             b.cfg.HandshakeTimeout,
			Connections:           b.cfg.MaxConnections,
			ConnectionsPerAddress: b.cfg.MaxPerAddress,
			Counters:              count,
			Quiet:                 b.quietPort[i],
		}
		cfg := b.id.ServerConfig(hop.Expect{Proto: proto, Roles: b.allowed[i].roles(), Check: b.check(b.allowed[i])})
		errs[i] = hop.Serve(ctx, ln, cfg, limits, b.log, handle)
	}
	wg.Go(func() { serve(0, b.clients, hop.ProtoCall, &b.count.clients, b.client) })
	wg.Go(func() { serve(1, b.signers, hop.ProtoPark, &b.count.signers, b.signer) })
	wg.Wait()
	b.log.Info("stopped")
	return errors.Join(errs[:]...)
}

// check has the last word on a handshake.
func (b *Bridge) check(allowed allow) func(hop.Peer) error {
	return func(p hop.Peer) error {
		switch {
		case b.live.revoked().has(p):
			return fmt.Errorf("the certificate of %s, serial %s, is on the revocation list", p, p.Serial)
		case !allowed.has(p):
			return fmt.Errorf("%s is not allowed at this port", p)
		}
		return nil
	}
}

// Serve runs a bridge, and tells the service manager when it serves.
func Serve(ctx context.Context, cfg Config, log *slog.Logger) error {
	b, err := Listen(ctx, cfg, log)
	if err != nil {
		return err
	}
	if err := daemon.Ready(); err != nil {
		log.Warn("the service manager could not be told", "error", err)
	}
	return b.Serve(ctx)
}

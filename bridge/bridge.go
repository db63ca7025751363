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
// not answer at once the next is asked too, and the first to answer wins. A client
// is told within PairTimeout that the signer is not parked, or does not answer.
// Connections are replaced after ParkLife, so that pings never amount to much.
//
// Limits: handshakes and connections are capped per address and in all (package
// hop), connections per certificate here. A pairing has no time limit; dead peers
// are noticed by TCP (package hop), and when one side has ended, the other gets
// Linger to follow.
//
// On SIGTERM the bridge stops accepting and lets pairings go on for Drain.
//
// The log has names of certificates, addresses, times and byte counts: those of
// the signer's socket are the kernel's (to_signer_bytes, from_signer_bytes).
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
	"github.com/privyseal/privyseal/internal/ini"
)

// Config is the section [bridge] of the bridge's configuration.
type Config struct {
	// ClientListen and SignerListen are IP:PORT.
	ClientListen string `ini:"client_listen,required"`
	SignerListen string `ini:"signer_listen,required"`
	// Cert is the bridge's certificate (role bridge) under the outer CA; Key its
	// key, "" if in the same file; CA the outer CA.
	Cert string `ini:"cert,required"`
	Key  string `ini:"key"`
	CA   string `ini:"ca,required"`

	// MaxPerAddress and MaxConnections cap open connections on each port.
	MaxPerAddress  int `ini:"max_per_address"`
	MaxConnections int `ini:"max_connections"`
	// MaxParked caps the connections one signer certificate may have here,
	// MaxSessions those of one client certificate.
	MaxParked   int `ini:"max_parked"`
	MaxSessions int `ini:"max_sessions"`

	HandshakeTimeout time.Duration `ini:"handshake_timeout"`
	PingEvery        time.Duration `ini:"ping_every"`
	PingTimeout      time.Duration `ini:"ping_timeout"`
	PairTimeout      time.Duration `ini:"pair_timeout"`
	ParkLife         time.Duration `ini:"park_life"`
	Linger           time.Duration `ini:"linger"`
	Drain            time.Duration `ini:"drain"`
}

// Default holds the value of each setting that is not required.
func Default() Config {
	return Config{
		MaxPerAddress:    256,
		MaxConnections:   1024,
		MaxParked:        256,
		MaxSessions:      64,
		HandshakeTimeout: 5 * time.Second,
		PingEvery:        5 * time.Second,
		PingTimeout:      3 * time.Second,
		PairTimeout:      3 * time.Second,
		ParkLife:         5 * time.Minute,
		Linger:           30 * time.Second,
		Drain:            30 * time.Second,
	}
}

// LoadConfig reads the file at path.
func LoadConfig(path string) (Config, error) {
	cfg := Default()
	err := ini.DecodeFile(path, "bridge", &cfg)
	return cfg, err
}

// Bridge is a bridge whose sockets are open.
type Bridge struct {
	cfg              Config
	id               *hop.Identity
	log              *slog.Logger
	clients, signers net.Listener
	pool             *pool
	sessions         *tally
	parked           *tally
}

// Listen loads the certificates and opens both ports.
func Listen(ctx context.Context, cfg Config, log *slog.Logger) (*Bridge, error) {
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
	b := &Bridge{cfg: cfg, id: id, log: log, pool: newPool(), sessions: newTally(), parked: newTally()}
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
	limits := hop.Limits{
		Handshake:             b.cfg.HandshakeTimeout,
		Connections:           b.cfg.MaxConnections,
		ConnectionsPerAddress: b.cfg.MaxPerAddress,
	}
	b.log.Info("serving", "clients", b.ClientAddr(), "signers", b.SignerAddr(), "version", daemon.Version)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	var errs [2]error
	serve := func(i int, ln net.Listener, proto, role string, handle hop.Handler) {
		defer cancel() // one port alone is of no use
		cfg := b.id.ServerConfig(hop.Expect{Proto: proto, Roles: []string{role}})
		errs[i] = hop.Serve(ctx, ln, cfg, limits, b.log.With("port", role), handle)
	}
	wg.Go(func() { serve(0, b.clients, hop.ProtoCall, hop.RoleClient, b.client) })
	wg.Go(func() { serve(1, b.signers, hop.ProtoPark, hop.RoleSigner, b.signer) })
	wg.Wait()
	b.log.Info("stopped")
	return errors.Join(errs[:]...)
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

// tally counts connections by certificate.
type tally struct {
	mu sync.Mutex
	n  map[[32]byte]int
}

func newTally() *tally { return &tally{n: map[[32]byte]int{}} }

func (t *tally) add(cert [32]byte, most int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n[cert] >= most {
		return false
	}
	t.n[cert]++
	return true
}

func (t *tally) remove(cert [32]byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n[cert]--; t.n[cert] == 0 {
		delete(t.n, cert)
	}
}

package bridge

import (
	"errors"
	"fmt"
	"slices"
	"time"

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

	// ClientAllow and SignerAllow say whose certificates a port takes: ROLE/NAME,
	// wildcards in NAME. No role may stand in both.
	ClientAllow []string `ini:"client_allow"`
	SignerAllow []string `ini:"signer_allow"`
	// Revoked is a file of revoked certificates, "" for none. It is reread when it
	// changes.
	Revoked string `ini:"revoked"`

	// MaxPerAddress and MaxConnections cap open connections on each port.
	MaxPerAddress  int `ini:"max_per_address"`
	MaxConnections int `ini:"max_connections"`
	// MaxPerCertificate caps the connections of one signer certificate, parked and
	// in use, MaxSessions those of one client certificate, waiting and in use.
	MaxPerCertificate int `ini:"max_per_certificate"`
	MaxSessions       int `ini:"max_sessions"`
	// MaxWaiting caps the clients that wait for a signer.
	MaxWaiting int `ini:"max_waiting"`

	HandshakeTimeout time.Duration `ini:"handshake_timeout"` // of TLS, and of a client to name a signer
	IdleTimeout      time.Duration `ini:"idle_timeout"`      // of a pairing in which nothing moves either way
	PingEvery        time.Duration `ini:"ping_every"`        // of parked connections
	PingTimeout      time.Duration `ini:"ping_timeout"`
	PairTimeout      time.Duration `ini:"pair_timeout"` // until a waiting client is told no
	ParkLife         time.Duration `ini:"park_life"`    // of a parked connection
	Linger           time.Duration `ini:"linger"`       // of one end of a pairing after the other, when nothing moves
	Drain            time.Duration `ini:"drain"`        // of pairings when the bridge is stopped

	// Metrics is the file of counters for node_exporter's textfile collector, ""
	// for none, replaced every MetricsEvery.
	Metrics      string        `ini:"metrics"`
	MetricsEvery time.Duration `ini:"metrics_every"`
}

// Default holds the value of each setting that is not required.
func Default() Config {
	return Config{
		ClientAllow:       []string{"client/*"},
		SignerAllow:       []string{"signer/*"},
		MaxPerAddress:     256,
		MaxConnections:    1024,
		MaxPerCertificate: 256,
		MaxSessions:       64,
		MaxWaiting:        256,
		HandshakeTimeout:  5 * time.Second,
		IdleTimeout:       time.Minute,
		PingEvery:         5 * time.Second,
		PingTimeout:       3 * time.Second,
		PairTimeout:       3 * time.Second,
		ParkLife:          5 * time.Minute,
		Linger:            10 * time.Second,
		Drain:             30 * time.Second,
		MetricsEvery:      15 * time.Second,
	}
}

// LoadConfig reads the file at path.
func LoadConfig(path string) (Config, error) {
	cfg := Default()
	if err := ini.DecodeFile(path, "bridge", &cfg); err != nil {
		return cfg, err
	}
	if _, _, err := cfg.check(); err != nil {
		return cfg, fmt.Errorf("%s: %w", path, err)
	}
	return cfg, nil
}

// check gives who may use the ports.
func (c *Config) check() (clients, signers allow, err error) {
	for _, n := range []struct {
		setting string
		value   int
	}{
		{"max_per_address", c.MaxPerAddress}, {"max_connections", c.MaxConnections},
		{"max_per_certificate", c.MaxPerCertificate}, {"max_sessions", c.MaxSessions}, {"max_waiting", c.MaxWaiting},
	} {
		if n.value < 1 {
			return nil, nil, fmt.Errorf("%s: %d lets nobody in; leave it out for the default", n.setting, n.value)
		}
	}
	for _, d := range []struct {
		setting string
		value   time.Duration
	}{
		{"handshake_timeout", c.HandshakeTimeout}, {"idle_timeout", c.IdleTimeout}, {"ping_every", c.PingEvery},
		{"ping_timeout", c.PingTimeout}, {"pair_timeout", c.PairTimeout}, {"park_life", c.ParkLife},
		{"linger", c.Linger}, {"metrics_every", c.MetricsEvery},
	} {
		if d.value <= 0 {
			return nil, nil, fmt.Errorf("%s: must be more than zero; leave it out for the default", d.setting)
		}
	}
	clients, err = parseAllow("client_allow", c.ClientAllow)
	signers, serr := parseAllow("signer_allow", c.SignerAllow)
	if err = errors.Join(err, serr); err != nil {
		return nil, nil, err
	}
	for _, role := range clients.roles() {
		if slices.Contains(signers.roles(), role) {
			return nil, nil, fmt.Errorf("client_allow and signer_allow both take role %q: a client could park as a signer", role)
		}
	}
	return clients, signers, nil
}

package signer

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/privyseal/privyseal/internal/hop"
	"github.com/privyseal/privyseal/internal/ini"
	"github.com/privyseal/privyseal/internal/wire"
	"github.com/privyseal/privyseal/signer/cage"
)

// Config says where the signer parks and who it is.
type Config struct {
	Name   string        // as in its certificates: privyseal://signer/NAME
	Bridge string        // HOST:PORT of the bridge's port for signers
	Parked int           // connections kept parked
	Outer  *hop.Identity // towards the bridge
	Inner  *hop.Identity // towards clients
	Limits Limits
	// Ready, if set, is called once, when the first attempt to park has ended
	// either way: the bridge being down must not keep the signer from starting.
	Ready func()
	// CageRequire is what must hold of package cage; it is for whoever starts the process.
	CageRequire []cage.Wall
}

// Limits of the signer. Zero fields take the defaults. Pause and Write are less than
// hop.UserTimeout, after which a kernel would end the connection without a word.
type Limits struct {
	Sessions        int           // at once; 64
	SessionsPerUser int           // at once; 48
	Window          int           // requests of one session under way; 128
	SmallBytes      int64         // of all inputs up to 256 KiB; 64 MiB
	LargeBytes      int64         // of all larger inputs; 192 MiB
	Handshake       time.Duration // with bridge, and with client; 5 s
	ParkSilence     time.Duration // of the bridge; 15 s
	Idle            time.Duration // of a client; 3 min
	Streams         int           // payloads of one session at once; 2
	Queue           time.Duration // for a turn; 2 min
	Pause           time.Duration // of reading from a client, for room or because a payload waits for a turn; 12 s
	Message         time.Duration // for one message, or the next piece of a payload, to arrive; 1 min
	Write           time.Duration // of which the client takes nothing; 15 s
	Beat            time.Duration // between signs of life; 1 s
	RedialMax       time.Duration // pause between attempts to park; 5 s
	Drain           time.Duration // for requests under way when stopping; 10 s
}

func (l Limits) withDefaults() Limits {
	set(&l.Sessions, 64)
	set(&l.SessionsPerUser, 48)
	set(&l.Window, 128)
	set(&l.SmallBytes, 64<<20)
	set(&l.LargeBytes, 3*wire.MaxSigned)
	set(&l.Handshake, 5*time.Second)
	set(&l.ParkSilence, 15*time.Second)
	set(&l.Idle, 3*time.Minute)
	set(&l.Streams, 2)
	set(&l.Queue, 2*time.Minute)
	set(&l.Pause, 12*time.Second)
	set(&l.Message, time.Minute)
	set(&l.Write, 15*time.Second)
	set(&l.Beat, time.Second)
	set(&l.RedialMax, 5*time.Second)
	set(&l.Drain, 10*time.Second)
	return l
}

func set[T int | int64 | time.Duration](v *T, def T) {
	if *v <= 0 {
		*v = def
	}
}

func (c *Config) check() error {
	for _, id := range []struct {
		what string
		id   *hop.Identity
	}{{"outer", c.Outer}, {"inner", c.Inner}} {
		if id.id == nil {
			return fmt.Errorf("the signer has no %s certificate", id.what)
		}
		self, err := id.id.Self()
		if err != nil {
			return fmt.Errorf("%s certificate: %w", id.what, err)
		}
		if self.Role != hop.RoleSigner || self.Name != c.Name {
			return fmt.Errorf("%s certificate is %s, expected %s/%s", id.what, self, hop.RoleSigner, c.Name)
		}
	}
	if c.Bridge == "" {
		return errors.New("the signer has no address of a bridge")
	}
	set(&c.Parked, 8)
	c.Limits = c.Limits.withDefaults()
	return nil
}

// file is the section [signer] of a vault's signer.conf.
type file struct {
	Name      string `ini:"name,required"`
	Bridge    string `ini:"bridge,required"`
	OuterCert string `ini:"outer_cert,required"`
	OuterKey  string `ini:"outer_key"`
	OuterCA   string `ini:"outer_ca,required"`
	Parked    int    `ini:"parked"`
	// Consoles are the terminals at which the console's verbs may be typed, as patterns of names below /dev.
	Consoles []string `ini:"consoles"`
	// CageRequire names the walls of package cage without which serve does not start: "all", "none", or some of them.
	CageRequire string `ini:"cage_require"`
}

// Consoles reads that setting alone: whoever mends a broken certificate needs it, too.
func Consoles(path string) ([]string, error) {
	var v file
	err := ini.DecodeFile(path, "signer", &v)
	return v.Consoles, err
}

// LoadConfig reads signer.conf and the outer certificate it names; paths that are
// not absolute are relative to the file. The inner identity is the vault's to
// give: the caller sets Inner.
func LoadConfig(path string) (Config, error) {
	var v file
	if err := ini.DecodeFile(path, "signer", &v); err != nil {
		return Config{}, err
	}
	abs := func(p string) string {
		if p == "" || filepath.IsAbs(p) {
			return p
		}
		return filepath.Join(filepath.Dir(path), p)
	}
	outer, err := hop.LoadIdentity(abs(v.OuterCert), abs(v.OuterKey), abs(v.OuterCA))
	if err != nil {
		return Config{}, fmt.Errorf("%s: %w", path, err)
	}
	require, err := cage.ParseWalls(v.CageRequire)
	if err != nil {
		return Config{}, fmt.Errorf("%s: cage_require: %w", path, err)
	}
	return Config{Name: v.Name, Bridge: v.Bridge, Parked: v.Parked, Outer: outer, CageRequire: require}, nil
}

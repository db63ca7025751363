package keeper

import (
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/privyseal/privyseal/keys/vault"
	"github.com/privyseal/privyseal/signer"
	"github.com/privyseal/privyseal/signer/cage"
)

// enter goes into the cage and tells what holds. What is left is the vault's directory and the bridge's port.
func enter(cfg signer.Config, dir string, log *slog.Logger) error {
	_, port, err := net.SplitHostPort(cfg.Bridge)
	if err != nil {
		return fmt.Errorf("signer.conf: bridge: %w", err)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return fmt.Errorf("signer.conf: bridge: port %q: %w", port, err)
	}
	report, err := cage.Enter(cage.Config{Write: []string{dir}, Ports: []uint16{uint16(number)}, Require: cfg.CageRequire})
	for _, s := range report {
		if s.Err != nil {
			log.Warn("cage", "wall", string(s.Wall), "holds", false, "reason", s.Err)
			continue
		}
		log.Info("cage", "wall", string(s.Wall), "holds", true, "detail", s.Detail)
	}
	if err != nil {
		return err
	}
	// Locked memory is not given back by the runtime alone. What derived may hold its memory
	// for a moment longer than its answer takes, so there is a second look when it is quiet.
	release := func() {
		if err := cage.Release(); err != nil {
			log.Error("memory of a passphrase was not given back", "error", err)
		}
	}
	again := time.AfterFunc(time.Hour, release)
	again.Stop()
	vault.OnIdle(func() {
		release()
		again.Reset(time.Second)
	})
	return nil
}

// Privyseal-bridge pairs clients with the signer and copies ciphertext between
// them. It accepts connections and opens none.
package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/privyseal/privyseal/bridge"
	"github.com/privyseal/privyseal/internal/daemon"
)

func main() { daemon.Main("privyseal-bridge", run) }

func run(ctx context.Context, log *slog.Logger) error {
	fs := daemon.FlagSet("privyseal-bridge", "--config FILE")
	config := fs.String("config", "/etc/privyseal/bridge.conf", "configuration `file`, section [bridge]")
	if err := daemon.ParseFlags(fs, os.Args[1:]); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return daemon.Usagef("unexpected argument %q", fs.Arg(0))
	}
	cfg, err := bridge.LoadConfig(*config)
	if err != nil {
		return err
	}
	return bridge.Serve(ctx, cfg, log)
}

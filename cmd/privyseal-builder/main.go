// Command privyseal-builder runs tasks for a hub: Koji's kojid. See package worker.
package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/privyseal/privyseal/buildsys/worker"
	"github.com/privyseal/privyseal/internal/daemon"
)

func main() { daemon.Main("privyseal-builder", run) }

func run(ctx context.Context, log *slog.Logger) error {
	fs := daemon.FlagSet("privyseal-builder", "--config kojid.conf")
	config := fs.String("config", "/etc/kojid/kojid.conf", "configuration, as kojid's")
	if err := daemon.ParseFlags(fs, os.Args[1:]); err != nil {
		return err
	}
	cfg, err := worker.LoadConfig(*config)
	if err != nil {
		return err
	}
	w, err := worker.New(cfg, log, func() {
		if err := daemon.Ready(); err != nil {
			log.Warn("readiness not told", "err", err)
		}
	})
	if err != nil {
		return err
	}
	return w.Run(ctx)
}

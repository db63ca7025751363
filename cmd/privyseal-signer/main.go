// Privyseal-signer keeps the signing keys and signs, after reading what it signs. It dials the bridge and listens nowhere; it is
// administered from its own terminal.
package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/privyseal/privyseal/internal/daemon"
	"github.com/privyseal/privyseal/signer/console"
	"github.com/privyseal/privyseal/signer/keeper"
)

func main() { daemon.Main("privyseal-signer", run) }

func run(ctx context.Context, log *slog.Logger) error {
	fs := daemon.FlagSet("privyseal-signer", "[--vault DIR] COMMAND | serve | --batch FILE; help lists the commands")
	dir := fs.String("vault", "/var/lib/privyseal-signer", "the vault's `directory`")
	batch := fs.String("batch", "", "run the commands in `file`, one a line")
	if err := daemon.ParseFlags(fs, os.Args[1:]); err != nil {
		return err
	}
	c := &console.Console{Dir: *dir, Out: os.Stdout, Terminal: console.Stdin()}
	c.Serve = func(ctx context.Context) error { return keeper.Serve(ctx, *dir, c.Start, log) }
	switch {
	case *batch != "" && fs.NArg() > 0:
		return daemon.Usagef("--batch and a command exclude each other")
	case *batch != "":
		return c.Batch(ctx, *batch)
	}
	return c.Run(ctx, fs.Args())
}

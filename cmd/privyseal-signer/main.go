// Privyseal-signer keeps the signing keys and signs, after reading what it signs. It dials the bridge and listens nowhere; it is
// administered from its own terminal.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/privyseal/privyseal/internal/daemon"
	"github.com/privyseal/privyseal/internal/hop"
	"github.com/privyseal/privyseal/keys/vault"
	"github.com/privyseal/privyseal/signer"
	"github.com/privyseal/privyseal/signer/console"
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
	c.Serve = func(ctx context.Context) error { return serve(ctx, *dir, log) }
	switch {
	case *batch != "" && fs.NArg() > 0:
		return daemon.Usagef("--batch and a command exclude each other")
	case *batch != "":
		return c.Batch(ctx, *batch)
	case fs.NArg() == 1 && fs.Arg(0) == "serve":
		return c.Serve(ctx)
	}
	return c.Run(ctx, fs.Args())
}

// serve holds the vault and signs until ctx ends. What it opens is closed in the reverse order: the lock goes last.
func serve(ctx context.Context, dir string, log *slog.Logger) (err error) {
	lock, err := vault.Acquire(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	record, err := console.Record(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, record.Close()) }()
	if n := record.Notice(); n != "" {
		log.Warn("record repaired", "what", n)
	}
	v, err := lock.Hold(record)
	if err != nil {
		return err
	}
	cfg, err := signer.LoadConfig(filepath.Join(dir, "signer.conf"))
	if err != nil {
		return err
	}
	identity, err := os.ReadFile(filepath.Join(dir, "inner.pem"))
	if err != nil {
		return err
	}
	if cfg.Inner, err = hop.NewIdentity(identity, identity, v.State().CACertificate()); err != nil {
		return fmt.Errorf("inner certificate: %w", err)
	}
	if _, err := record.AppendEvent(ctx, "serve", []byte(daemon.Version)); err != nil {
		return err
	}
	cfg.Ready = func() { daemon.Ready() }
	log.Info("serving", "signer", cfg.Name, "generation", v.State().Generation(), "entries", record.Size())
	// The inbox ends with signing, and signing with the inbox.
	ctx, stop := context.WithCancel(ctx)
	inbox := make(chan error, 1)
	go func() { defer stop(); inbox <- v.ServeInbox(ctx, log) }()
	err = signer.Serve(ctx, cfg, signer.FromVault(v), record, log)
	stop()
	return errors.Join(err, <-inbox)
}

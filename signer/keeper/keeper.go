// Package keeper is the process that keeps the vault: what privyseal-signer serve does, put together from its parts.
//
// It takes the vault's lock, opens the log, compares the two, goes into the cage (package cage), parks at the bridge and signs, and applies
// what the console drops into the inbox, until it is told to stop. What it opens it closes in the reverse order; the lock goes last.
package keeper

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
	"github.com/privyseal/privyseal/signer/decide"
)

// Serve holds the vault in dir and signs until ctx ends. start gives the start passphrase, and is asked only where there is one.
func Serve(ctx context.Context, dir string, start func() ([]byte, error), log *slog.Logger) (err error) {
	lock, err := vault.Acquire(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	if err := checkSecrets(dir); err != nil {
		return err
	}
	record, err := console.Record(ctx, dir, start)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, record.Close()) }()
	if n := record.Notice(); n != "" {
		log.Warn("log repaired", "what", n)
	}
	v, err := lock.Hold(record)
	if err != nil {
		return err
	}
	v.CheckPolicy(func(text string) error { _, err := decide.Load(text); return err })
	cfg, err := signer.LoadConfig(filepath.Join(dir, "signer.conf"))
	if err != nil {
		return err
	}
	identity, err := os.ReadFile(filepath.Join(dir, "inner.pem"))
	if err != nil {
		return err
	}
	if identity, err = vault.OpenStart(ctx, "inner.pem", identity, start); err != nil {
		return err
	}
	defer clear(identity)
	if cfg.Inner, err = hop.NewIdentity(identity, identity, v.State().CACertificate()); err != nil {
		return fmt.Errorf("inner certificate: %w", err)
	}
	if _, err := record.AppendEvent(ctx, "serve", fmt.Appendf(nil, `{"what":"serve of privyseal-signer %s"}`, daemon.Version)); err != nil {
		return err
	}
	// All that is needed is open: before the first word from outside, the process gives up the rest.
	if err := enter(cfg, dir, log); err != nil {
		return err
	}
	cfg.Ready = func() { daemon.Ready() }
	log.Info("serving", "signer", cfg.Name, "generation", v.State().Generation(), "entries", record.Size())
	// The inbox ends with signing, and signing with the inbox.
	ctx, stop := context.WithCancel(ctx)
	inbox := make(chan error, 1)
	go func() { defer stop(); inbox <- v.ServeInbox(ctx, log) }()
	// A log that failed does not mend by waiting: the service manager may try again.
	go func() {
		select {
		case <-record.Failed():
			stop()
		case <-ctx.Done():
		}
	}()
	err = signer.Serve(ctx, cfg, signer.FromVault(v), signer.FromLog(record), log)
	stop()
	return errors.Join(err, <-inbox, record.Err())
}

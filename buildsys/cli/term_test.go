package cli

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestInterruptedReads interrupts commands that wait for what nobody writes: data on standard input, and a passphrase from a
// FIFO or standard input.
func TestInterruptedReads(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, read := range map[string]func(context.Context, *App) error{
		"data":             func(ctx context.Context, a *App) error { _, err := a.readData(ctx, "-"); return err },
		"data from a FIFO": func(ctx context.Context, a *App) error { _, err := a.readData(ctx, fifo); return err },
		"passphrase": func(ctx context.Context, a *App) error {
			_, err := a.term.passphrase(ctx, passphraseSource{batch: true}, "key k")
			return err
		},
		"passphrase from a FIFO": func(ctx context.Context, a *App) error {
			_, err := a.term.passphrase(ctx, passphraseSource{file: fifo}, "key k")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			in, w := io.Pipe()
			defer w.Close()
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- read(ctx, &App{term: &terminal{in: in, err: io.Discard}}) }()
			cancel()
			select {
			case err := <-done:
				if !errors.Is(err, context.Canceled) {
					t.Errorf("%v", err)
				}
			case <-time.After(5 * time.Second):
				t.Error("it still waits")
			}
		})
	}
}

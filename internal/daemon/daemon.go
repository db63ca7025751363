// Package daemon is what every long-running program of Privyseal does the same
// way: flags, signals, a structured log on standard error, readiness, exit code.
//
//	func main() {
//		daemon.Main("privyseal-bridge", func(ctx context.Context, log *slog.Logger) error {
//			...                    // open sockets, load keys
//			daemon.Ready()         // now the service counts as started
//			<-ctx.Done()           // SIGTERM or SIGINT
//			return nil
//		})
//	}
//
// Main leaves with 0 when run returns nil, 1 on an error, and 2 when the error
// is a UsageError. The first SIGTERM or SIGINT cancels the context, which a
// program takes as "finish what you have and go"; a second one ends it at once.
//
// Readiness follows sd_notify(3): one datagram to the socket that NOTIFY_SOCKET
// names. The package links neither net/http nor any systemd library, since the
// signer must not.
package daemon

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

// Version of all programs of this module.
const Version = "0.1.0"

// UsageError is a mistake on the command line; Main leaves with 2 for it.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }

// Usagef makes a UsageError.
func Usagef(format string, args ...any) error {
	return &UsageError{fmt.Errorf(format, args...)}
}

// Main runs a program and never returns.
func Main(name string, run func(ctx context.Context, log *slog.Logger) error) {
	os.Exit(Run(name, os.Stderr, run))
}

// Run is Main without the exit: it gives the exit code.
func Run(name string, stderr io.Writer, run func(ctx context.Context, log *slog.Logger) error) int {
	log := NewLogger(stderr, name)
	ctx, stop := signalContext(log)
	defer stop()
	err := run(ctx, log)
	var usage *UsageError
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
		return 0
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "%s: %v\n", name, err)
		return 2
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		return 0 // asked to stop, and stopped
	}
	// Plain, for the person who started it by hand and sees only this line.
	fmt.Fprintf(stderr, "%s: %v\n", name, err)
	return 1
}

// signalContext is cancelled by the first SIGTERM or SIGINT; the second kills.
func signalContext(log *slog.Logger) (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ch := make(chan os.Signal, 2)
	signal.Notify(ch, syscall.SIGTERM, syscall.SIGINT)
	done := make(chan struct{})
	go func() {
		select {
		case sig := <-ch:
			log.Info("stopping", "signal", sig.String())
			Status("stopping")
			cancel()
		case <-done:
			return
		}
		select {
		case <-ch:
			os.Exit(1)
		case <-done:
		}
	}()
	return ctx, func() { signal.Stop(ch); close(done); cancel() }
}

// NewLogger logs as text, one line a record. PRIVYSEAL_LOG=debug shows more.
func NewLogger(w io.Writer, program string) *slog.Logger {
	level := slog.LevelInfo
	if os.Getenv("PRIVYSEAL_LOG") == "debug" {
		level = slog.LevelDebug
	}
	h := slog.NewTextHandler(w, &slog.HandlerOptions{Level: level})
	return slog.New(h).With("program", program)
}

// FlagSet is a flag set whose usage starts with a line of what the program is
// for, and which knows -version. Parse it with ParseFlags.
func FlagSet(name, synopsis string) *flag.FlagSet {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(os.Stderr)
	fs.Bool("version", false, "print the version and leave")
	fs.Usage = func() {
		fmt.Fprintf(fs.Output(), "usage: %s %s\n\n", name, synopsis)
		fs.PrintDefaults()
	}
	return fs
}

// ParseFlags parses args. Mistakes come back as a UsageError; flag.ErrHelp comes
// back when there is nothing more to do (-help, -version).
func ParseFlags(fs *flag.FlagSet, args []string) error {
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return &UsageError{err}
	}
	if v := fs.Lookup("version"); v != nil && v.Value.String() == "true" {
		fmt.Printf("%s %s\n", fs.Name(), Version)
		return flag.ErrHelp
	}
	return nil
}

package daemon

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestExitCodes(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		code int
		says string
	}{
		"done":          {nil, 0, ""},
		"help":          {flag.ErrHelp, 0, ""},
		"failed":        {errors.New("no disk"), 1, "prog: no disk\n"},
		"usage":         {Usagef("no %s", "file"), 2, "prog: no file\n"},
		"wrapped usage": {fmt.Errorf("x: %w", Usagef("y")), 2, "prog: x: y\n"},
		"own cancel":    {context.Canceled, 1, "canceled"},
	} {
		var out bytes.Buffer
		code := Run("prog", &out, func(context.Context, *slog.Logger) error { return c.err })
		if code != c.code || !strings.Contains(out.String(), c.says) {
			t.Errorf("%s: code %d, said %q", name, code, out.String())
		}
	}
}

func TestSignalCancels(t *testing.T) {
	var out bytes.Buffer
	code := Run("prog", &out, func(ctx context.Context, log *slog.Logger) error {
		if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Second):
			return errors.New("not cancelled")
		}
	})
	if code != 0 || !strings.Contains(out.String(), "msg=stopping program=prog signal=terminated") {
		t.Errorf("code %d, said %q", code, out.String())
	}
}

func TestReady(t *testing.T) {
	if err := Ready(); err != nil { // no manager: nothing happens
		t.Error(err)
	}
	path := filepath.Join(t.TempDir(), "notify")
	for _, name := range []string{path, "@privyseal-test-" + filepath.Base(filepath.Dir(path))} {
		l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		t.Setenv("NOTIFY_SOCKET", name)
		if err := errors.Join(Ready(), Status("one\ntwo")); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 100)
		l.SetReadDeadline(time.Now().Add(5 * time.Second))
		for _, want := range []string{"READY=1", "STATUS=one two"} {
			if n, err := l.Read(buf); err != nil || string(buf[:n]) != want {
				t.Errorf("%s: got %q %v, want %q", name, buf[:n], err, want)
			}
		}
	}
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "none"))
	if err := Ready(); err == nil {
		t.Error("no error without a socket")
	}
}

func TestParseFlags(t *testing.T) {
	fs := FlagSet("prog", "--config FILE")
	fs.SetOutput(new(bytes.Buffer))
	config := fs.String("config", "", "")
	if err := ParseFlags(fs, []string{"--config", "x"}); err != nil || *config != "x" {
		t.Error(*config, err)
	}
	var usage *UsageError
	if err := ParseFlags(fs, []string{"--nonsense"}); !errors.As(err, &usage) {
		t.Errorf("unknown flag: %v", err)
	}
	if err := ParseFlags(fs, []string{"-help"}); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("help: %v", err)
	}
}

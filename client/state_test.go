package client_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/privyseal/privyseal/client"
)

// Trouble with the files that a client keeps is told as that, not as trouble of the signer or of the way to it.
func TestBadStateDirIsLocal(t *testing.T) {
	t.Parallel()
	s := upSite(t)
	good := s.cfg.StateDir
	if err := s.dial().Close(); err != nil {
		t.Fatal(err)
	}
	// spoilt is a state directory like the good one, with something else in place of the file that pattern names.
	spoilt := func(name, pattern string, spoil func(file string) error) string {
		dir := s.path(name)
		if err := os.CopyFS(dir, os.DirFS(good)); err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(files) != 1 {
			t.Fatalf("%v, %v", files, err)
		}
		if err := errors.Join(os.Remove(files[0]), spoil(files[0])); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	mkdir := func(file string) error { return os.Mkdir(file, 0o700) }
	garbage := func(file string) error { return os.WriteFile(file, []byte("garbage\n"), 0o600) }
	s.write("file", nil)
	for name, dir := range map[string]string{
		"a file":                s.path("file"),
		"below a file":          s.path("file/state"),
		"not to be made":        "/proc/privyseal",
		"key is a directory":    spoilt("1", "*.logkey", mkdir),
		"key is garbage":        spoilt("2", "*.logkey", garbage),
		"checkpoint is garbage": spoilt("3", "*.checkpoint", garbage),
		"lock cannot be taken":  spoilt("4", ".*.lock", mkdir),
		"checkpoint is no file": spoilt("5", "*.checkpoint", mkdir),
		"key is empty":          spoilt("6", "*.logkey", func(file string) error { return os.WriteFile(file, nil, 0o600) }),
	} {
		cfg := s.cfg
		cfg.StateDir = dir
		ses, err := client.Dial(context.Background(), cfg)
		if err == nil {
			ses.Close()
			t.Errorf("%s: a session", name)
			continue
		}
		var se *client.SessionError
		if !errors.Is(err, client.ErrState) || errors.Is(err, client.ErrLost) || !errors.As(err, &se) || se.Where != "here" ||
			!strings.Contains(err.Error(), filepath.Dir(dir)) || !strings.Contains(err.Error(), "state_dir") || strings.Contains(err.Error(), "broke") {
			t.Errorf("%s: %v", name, err)
		}
	}
	cfg := s.cfg
	cfg.LogKey = "garbage"
	if _, err := client.Dial(context.Background(), cfg); err == nil || errors.Is(err, client.ErrLost) || !strings.HasPrefix(err.Error(), "log_key: ") {
		t.Errorf("log_key: %v", err)
	}
}

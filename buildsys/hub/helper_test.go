package hub

import (
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/privyseal/privyseal/buildsys/store"
)

// testHub is a hub over a new database, without a server in front of it.
func testHub(tb testing.TB, cfg Config) *Hub {
	tb.Helper()
	dir := tb.TempDir()
	st, err := store.Open(tb.Context(), NewDatabase(tb, DefaultEngine()))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := st.Close(); err != nil {
			tb.Error(err)
		}
	})
	if cfg.TopDir == "" {
		cfg.TopDir = filepath.Join(dir, "topdir")
	}
	h, err := New(cfg, st, slog.New(slog.DiscardHandler))
	if err != nil {
		tb.Fatal(err)
	}
	return h
}

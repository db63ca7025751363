package hub

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/privyseal/privyseal/buildsys/store"
	"github.com/privyseal/privyseal/internal/lab"
)

// DefaultEngine is what the tests' hubs keep their data in; `make test-long` runs all of them on postgres too.
func DefaultEngine() string {
	if e := os.Getenv("PRIVYSEAL_TEST_ENGINE"); e != "" {
		return e
	}
	return "sqlite"
}

// NewDatabase returns where a test's hub keeps its data.
func NewDatabase(tb testing.TB, engine string) string {
	tb.Helper()
	if engine != "postgres" {
		return filepath.Join(tb.TempDir(), "hub.db")
	}
	return lab.PostgresCopy(tb, "hub", func(address string) error {
		s, err := store.Open(context.Background(), address)
		if err != nil {
			return err
		}
		return s.Close()
	})
}

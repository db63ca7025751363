package hub

import (
	"context"
	"os"
	"path/filepath"
	"sync"
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
	if engine == "postgres" {
		return lab.PostgresCopy(tb, "hub", makeTables)
	}
	empty, err := emptySQLite()
	if err != nil {
		tb.Fatal(err)
	}
	file := filepath.Join(tb.TempDir(), "hub.db")
	if err := os.WriteFile(file, empty, 0o600); err != nil {
		tb.Fatal(err)
	}
	return file
}

func makeTables(where string) error {
	s, err := store.Open(context.Background(), where)
	if err != nil {
		return err
	}
	return s.Close()
}

// emptySQLite is a database with all tables and no rows: it is made once, since every test wants its own.
var emptySQLite = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "hub-tables-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "hub.db")
	if err := makeTables(file); err != nil {
		return nil, err
	}
	return os.ReadFile(file)
})

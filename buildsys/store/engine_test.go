package store

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/privyseal/privyseal/internal/lab"
)

// onPostgres says which engine the tests run on now.
var onPostgres bool

// TestMain runs every test of the package twice: on SQLite, then on PostgreSQL. A test gets its store from open and knows
// nothing of engines.
func TestMain(m *testing.M) {
	fmt.Println("on SQLite:")
	code := m.Run()
	fmt.Println("on PostgreSQL:")
	onPostgres = true
	os.Exit(max(code, m.Run()))
}

// open returns a new store with the administrator admin (user 1), and where it is.
func open(t *testing.T) (*Store, string) {
	t.Helper()
	where := filepath.Join(t.TempDir(), "hub.db")
	if onPostgres {
		t.Log("on PostgreSQL")
		where = lab.PostgresCopy(t, "store", func(address string) error {
			s, err := Open(context.Background(), address)
			if err != nil {
				return err
			}
			return s.Close()
		})
	}
	return openPath(t, where), where
}

// empty returns where a store can be made.
func empty(t *testing.T) string {
	t.Helper()
	if onPostgres {
		return lab.Postgres(t)
	}
	return filepath.Join(t.TempDir(), "hub.db")
}

func openPath(t *testing.T, where string) *Store {
	t.Helper()
	s, err := Open(t.Context(), where)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := s.EnsureAdmin(t.Context(), "admin"); err != nil {
		t.Fatal(err)
	}
	return s
}

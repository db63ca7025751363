package store

import (
	"errors"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/privyseal/privyseal/buildsys"
)

// A database that has no room left says so, loses nothing that was there, and goes on when there is room again.
func TestFull(t *testing.T) {
	s := openPath(t, filepath.Join(t.TempDir(), "hub.db"))
	pages := func(n int64) {
		t.Helper()
		err := s.Write(t.Context(), 0, func(tx *Tx) error {
			return tx.c.(*sqliteConn).c.QueryRowContext(t.Context(), "PRAGMA max_page_count = "+strconv.FormatInt(n, 10)).Scan(&n)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	name := func(i int) string { return strings.Repeat("long", 200) + strconv.Itoa(i) }
	fill := func(from int) (i int, err error) {
		for i = from; err == nil && i < from+2000; i++ {
			err = s.Write(t.Context(), 0, func(tx *Tx) error {
				_, err := tx.CreateUser(name(i), buildsys.StatusNormal, buildsys.UserNormal)
				return err
			})
		}
		return i - 1, err
	}
	pages(1) // as few as it has now
	last, err := fill(0)
	if !Full(err) || !FromEngine(err) || Retryable(err) {
		t.Fatalf("user %d: %v", last, err)
	}
	pages(1 << 30)
	if _, err := fill(last); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{&pgconn.PgError{Code: "53100"}, syscall.ENOSPC, errors.Join(syscall.EDQUOT)} {
		if !Full(err) {
			t.Errorf("%v is not taken for a full disk", err)
		}
	}
	if err := (&pgconn.PgError{Code: "2201W"}); Full(err) || !FromEngine(err) {
		t.Errorf("%v is taken for a full disk", err)
	}
}

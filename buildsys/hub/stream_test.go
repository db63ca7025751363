package hub

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// add puts a method of the test's own into the table.
func (h *Hub) add(t *testing.T, m Method) {
	t.Helper()
	if err := m.parse(); err != nil {
		t.Fatal(err)
	}
	h.table[m.Name] = &m
}

// lines is a sequence of n long strings, and then an error if there is one.
func lines(n int, err error) xmlrpc.Seq {
	return func(yield func(any, error) bool) {
		for range n {
			if !yield(strings.Repeat("x", 1000), nil) {
				return
			}
		}
		if err != nil {
			yield(nil, err)
		}
	}
}

func TestStreamedAnswers(t *testing.T) {
	s := startServer(t, Config{})
	boom := buildsys.Errorf(buildsys.FaultBuild, "boom")
	for name, seq := range map[string]xmlrpc.Seq{"long": lines(5000, nil), "early": lines(10, boom), "late": lines(5000, boom)} {
		s.add(t, Method{Name: name, Fn: func(*Ctx, Args) (any, error) { return seq, nil }})
	}
	s.add(t, Method{Name: "panics", Fn: func(*Ctx, Args) (any, error) { panic("a bug") }})
	s.add(t, Method{Name: "strange", Fn: func(*Ctx, Args) (any, error) { return struct{}{}, nil }})
	s.add(t, Method{Name: "negative", Fn: func(*Ctx, Args) (any, error) {
		return nil, fmt.Errorf("SELECT id FROM rpminfo LIMIT $1: %w", &pgconn.PgError{Code: "2201W", Message: "LIMIT must not be negative"})
	}})
	s.add(t, Method{Name: "full", Fn: func(*Ctx, Args) (any, error) { return nil, fmt.Errorf("COMMIT: %w", &pgconn.PgError{Code: "53100"}) }})
	s.add(t, Method{Name: "write", Mode: ModeWrite, Fn: func(c *Ctx, _ Args) (any, error) {
		if _, err := c.tx.EnsurePackage("half"); err != nil {
			return nil, err
		}
		return lines(1, boom), nil
	}})
	c := s.client(t, "admin")
	if v := must(t, c, "long").([]any); len(v) != 5000 {
		t.Errorf("%d of 5000 rows arrived", len(v))
	}
	fails(t, buildsys.FaultBuild, c, "early")
	// Too late for a fault: the connection breaks, so that nobody takes a part for the whole.
	_, err := c.Call(t.Context(), "late")
	var f *xmlrpc.Fault
	if err == nil || errors.As(err, &f) {
		t.Errorf("an answer that failed half-way gave %v", err)
	}
	fails(t, buildsys.FaultInternal, c, "panics")
	fails(t, buildsys.FaultInternal, c, "strange")
	for method, want := range map[string]string{
		"negative": "internal error, see the hub's log", // the database's words are for the log
		"full":     "a disk of the hub is full, nothing was changed: its administrator has to make room",
	} {
		if _, err := c.Call(t.Context(), method); !errors.As(err, &f) || f.String != want {
			t.Errorf("%s: %v, want %q", method, err, want)
		}
	}
	fails(t, buildsys.FaultBuild, c, "write")
	if _, err := readPackageID(t, s, "half"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a change whose answer could not be made was kept: %v", err)
	}
	res, err := c.MultiCall(t.Context(), []xmlrpc.Call{{Method: "long"}, {Method: "late"}, {Method: "panics"}, {Method: "getAPIVersion"}})
	if err != nil {
		t.Fatal(err)
	}
	if v, _ := res[0].Value.([]any); len(v) != 5000 {
		t.Errorf("in a multicall %d of 5000 rows arrived", len(v))
	}
	refused(t, buildsys.FaultBuild, res[1].Err)
	refused(t, buildsys.FaultInternal, res[2].Err)
	if res[3].Value != int64(1) {
		t.Errorf("after the failures: %v", res[3])
	}
}

func readPackageID(t *testing.T, s *server, name string) (id int64, err error) {
	t.Helper()
	err = s.store.Read(t.Context(), func(tx *store.Tx) error {
		id, err = tx.PackageID(name)
		return err
	})
	return id, err
}

// TestDeferredWriters holds a deferred method in its reading part: others write meanwhile, and it finds out.
func TestDeferredWriters(t *testing.T) {
	s := startServer(t, Config{})
	started, goOn := make(chan bool), make(chan bool)
	s.add(t, Method{Name: "slow", Mode: ModeDeferred, Perm: "admin", Fn: func(c *Ctx, _ Args) (any, error) {
		if c.tx.Writable() {
			return nil, errors.New("it writes from the start")
		}
		started <- true
		<-goOn
		if err := c.BeginWrite(); err != nil {
			return nil, err
		}
		_, err := c.tx.PackageID("quick")
		if err != nil {
			return nil, err
		}
		return c.tx.EnsurePackage("slow")
	}})
	slow, quick := s.client(t, "admin"), s.client(t, "admin")
	makeTags(t, quick, "t")
	done := make(chan error, 1)
	go func() {
		_, err := slow.Call(t.Context(), "slow")
		done <- err
	}()
	<-started
	must(t, quick, "packageListAdd", "t", "quick", "admin")
	goOn <- true
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	// Its number is used up like any writer's.
	if err := s.store.Read(t.Context(), func(tx *store.Tx) error {
		row, err := tx.SessionByID(slow.SessionID())
		if err == nil && row.CallNum == nil {
			t.Error("the deferred call's number was not recorded")
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	// In a multicall a failed deferred call undoes what it wrote.
	s.add(t, Method{Name: "fails", Mode: ModeDeferred, Perm: "admin", Fn: func(c *Ctx, _ Args) (any, error) {
		if err := c.BeginWrite(); err != nil {
			return nil, err
		}
		if _, err := c.tx.EnsurePackage("undone"); err != nil {
			return nil, err
		}
		return nil, buildsys.Errorf(buildsys.FaultBuild, "no")
	}})
	s.add(t, Method{Name: "works", Mode: ModeDeferred, Perm: "admin", Fn: func(c *Ctx, _ Args) (any, error) {
		if err := c.BeginWrite(); err != nil {
			return nil, err
		}
		return c.tx.EnsurePackage("kept")
	}})
	res, err := slow.MultiCall(t.Context(), []xmlrpc.Call{{Method: "fails"}, {Method: "works"}, {Method: "fails"}, {Method: "getAPIVersion"}})
	if err != nil {
		t.Fatal(err)
	}
	refused(t, buildsys.FaultBuild, res[0].Err)
	refused(t, buildsys.FaultBuild, res[2].Err)
	if res[1].Err != nil || res[3].Err != nil {
		t.Errorf("the others: %v, %v", res[1].Err, res[3].Err)
	}
	if _, err := readPackageID(t, s, "undone"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("what failed was kept: %v", err)
	}
	if _, err := readPackageID(t, s, "kept"); err != nil {
		t.Errorf("what worked was not: %v", err)
	}
}

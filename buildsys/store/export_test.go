package store

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/internal/lab"
)

// What one engine exports the other one imports, and exports again, byte for byte.
func TestExportAndImport(t *testing.T) {
	s, _ := open(t)
	s.mustWrite(t, func(tx *Tx) error {
		for _, name := range []string{"gone", "t", "ü \"<>& \\ \n"} {
			id, err := makeTag(tx, name)
			if err != nil {
				return err
			}
			tx.NextCall()
			arches := "x86_64 i686"
			if err := tx.SetTagConfig(buildsys.Tag{ID: id, Arches: &arches, Locked: true}); err != nil {
				return err
			}
		}
		h := buildsys.Host{UserID: 1, Name: "b", Arches: "x86_64", Capacity: 2.5, Enabled: true}
		if err := tx.InsertHost(&h); err != nil {
			return err
		}
		if _, err := tx.CreateSession(Session{UserID: 1, KeyHash: "h", HostIP: "-"}); err != nil {
			return err
		}
		pkg, err := tx.EnsurePackage("last")
		if err != nil {
			return err
		}
		_, err = tx.exec(`DELETE FROM package WHERE id = $1`, pkg)
		return err
	})
	export := func(s *Store) []byte {
		var b bytes.Buffer
		if err := s.Export(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	want := export(s)
	for _, where := range []string{filepath.Join(t.TempDir(), "new.db"), lab.Postgres(t)} {
		n, err := Open(t.Context(), where)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { n.Close() })
		for name, bad := range map[string][]byte{
			"cut": want[:len(want)*2/3], "no rows": bytes.Replace(want, []byte(`"rows":`), []byte(`"rows":1`), 1),
			"no export": []byte("{}\n"), "no JSON": []byte("x\n"), "nothing": nil,
			"other tables": bytes.Replace(want, []byte(`"schema":`), []byte(`"schema":9`), 1),
			"other column": bytes.Replace(want, []byte(`"krb_principal"`), []byte(`"principal"`), 1),
		} {
			if err := n.Import(t.Context(), bytes.NewReader(bad)); err == nil {
				t.Fatalf("%s: imported", name)
			}
		}
		if err := n.Import(t.Context(), bytes.NewReader(want)); err != nil {
			t.Fatal(err)
		}
		if got := export(n); !bytes.Equal(got, want) {
			g, w := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
			for i := range w {
				if i >= len(g) || g[i] != w[i] {
					t.Fatalf("line %d:\n%s\nwas\n%s", i, g[min(i, len(g)-1)], w[i])
				}
			}
			t.Fatal("more lines than before")
		}
		if err := n.Import(t.Context(), bytes.NewReader(want)); err == nil || !strings.Contains(err.Error(), "in use") {
			t.Errorf("imported into a database that is in use: %v", err)
		}
		var last, next int64
		s.mustWrite(t, func(tx *Tx) (err error) { last, err = tx.EnsurePackage("after"); return err })
		n.mustWrite(t, func(tx *Tx) (err error) { next, err = tx.EnsurePackage("after"); return err })
		if next < 2 || next > last {
			t.Errorf("the next id is %d, where the first database has %d", next, last)
		}
		s.mustWrite(t, func(tx *Tx) error { _, err := tx.exec(`DELETE FROM package WHERE name = 'after'`); return err })
	}
}

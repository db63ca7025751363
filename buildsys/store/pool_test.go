package store

import "testing"

// Lists of any length come from outside, each a statement of its own; a connection keeps a bounded number of them.
func TestStatementsAreBounded(t *testing.T) {
	s, _ := open(t)
	arches := []string{}
	for range maxStmts + 20 {
		arches = append(arches, "x86_64")
		if err := s.Write(t.Context(), 0, func(tx *Tx) error {
			_, err := tx.RPMs(RPMFilter{Arches: arches})
			if c, ok := tx.c.(*sqliteConn); ok && len(c.stmts) > maxStmts+2 { // pgx bounds those of PostgreSQL
				t.Fatalf("%d statements are kept", len(c.stmts))
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
}

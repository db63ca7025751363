package store

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// dbTable is a table as the database describes it.
type dbTable struct {
	name   string
	cols   []string
	bools  []bool // which columns are BOOLEAN
	key    []string
	serial bool // its id fills itself
	refs   []string
}

// notData are the tables that are about this database and not about the build system.
var notData = []string{"committed", "goose_db_version"}

// catalog describes the tables of the build system, each after those it refers to.
func (tx *Tx) catalog() ([]dbTable, error) {
	var ts []dbTable
	var err error
	if tx.s.pg != nil {
		ts, err = tx.postgresCatalog()
	} else {
		ts, err = tx.sqliteCatalog()
	}
	if err != nil {
		return nil, fmt.Errorf("list the tables: %w", err)
	}
	ts = slices.DeleteFunc(ts, func(t dbTable) bool { return slices.Contains(notData, t.name) || strings.HasPrefix(t.name, "sqlite_") })
	slices.SortFunc(ts, func(a, b dbTable) int { return cmp.Compare(a.name, b.name) })
	var out []dbTable
	done := map[string]bool{}
	for len(ts) > 0 {
		n := len(ts)
		ts = slices.DeleteFunc(ts, func(t dbTable) bool {
			ready := !slices.ContainsFunc(t.refs, func(r string) bool { return r != t.name && !done[r] })
			if ready {
				out, done[t.name] = append(out, t), true
			}
			return ready
		})
		if len(ts) == n {
			return nil, errors.New("list the tables: they refer to each other in a circle")
		}
	}
	return out, nil
}

func scanString(scan func(...any) error, s *string) error { return scan(s) }

func (tx *Tx) sqliteCatalog() ([]dbTable, error) {
	names, err := list(tx, `SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name`, nil, scanString)
	if err != nil {
		return nil, err
	}
	var out []dbTable
	for _, name := range names {
		t := dbTable{name: name}
		keys := map[int]string{}
		if err := tx.each(`SELECT name, type, pk FROM pragma_table_info($1) ORDER BY name`, []any{name}, func(scan func(...any) error) error {
			var col, typ string
			var pk int
			if err := scan(&col, &typ, &pk); err != nil {
				return err
			}
			t.cols, t.bools = append(t.cols, col), append(t.bools, typ == "BOOLEAN")
			if pk > 0 {
				keys[pk] = col
				t.serial = t.serial || col == "id" && typ == "INTEGER"
			}
			return nil
		}); err != nil {
			return nil, err
		}
		for i := 1; keys[i] != ""; i++ {
			t.key = append(t.key, keys[i])
		}
		if t.refs, err = list(tx, `SELECT DISTINCT "table" FROM pragma_foreign_key_list($1) ORDER BY 1`, []any{name}, scanString); err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

func (tx *Tx) postgresCatalog() ([]dbTable, error) {
	names, err := list(tx, `SELECT c.relname::text FROM pg_class c WHERE c.relkind = 'r' AND pg_table_is_visible(c.oid)
		AND c.relnamespace <> 'pg_catalog'::regnamespace ORDER BY 1`, nil, scanString)
	if err != nil {
		return nil, err
	}
	var out []dbTable
	for _, name := range names {
		t := dbTable{name: name}
		if err := tx.each(`SELECT attname::text, atttypid = 'boolean'::regtype, attname = 'id' AND attidentity <> '' FROM pg_attribute
			WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attname COLLATE "C"`, []any{name}, func(scan func(...any) error) error {
			var col string
			var isBool, serial bool
			err := scan(&col, &isBool, &serial)
			t.cols, t.bools, t.serial = append(t.cols, col), append(t.bools, isBool), t.serial || serial
			return err
		}); err != nil {
			return nil, err
		}
		if t.key, err = list(tx, `SELECT a.attname::text FROM pg_index i JOIN LATERAL unnest(i.indkey::int[]) WITH ORDINALITY AS k(num, pos) ON TRUE
			JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.num
			WHERE i.indrelid = to_regclass($1) AND i.indisprimary ORDER BY k.pos`, []any{name}, scanString); err != nil {
			return nil, err
		}
		if t.refs, err = list(tx, `SELECT DISTINCT f.relname::text FROM pg_constraint c JOIN pg_class f ON f.oid = c.confrelid
			WHERE c.conrelid = to_regclass($1) AND c.contype = 'f' ORDER BY 1`, []any{name}, scanString); err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

// order is the table's rows' order in an export: rows refer to earlier ones of their own table only.
func (t dbTable) order() string {
	if len(t.key) > 0 {
		return strings.Join(t.key, ", ")
	}
	return strings.Join(t.cols, ", ")
}

// lastID is the highest id that the table ever gave out.
func (tx *Tx) lastID(t dbTable) (int64, error) {
	var n int64
	q := `SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = $1`
	if tx.s.pg != nil {
		q = `SELECT coalesce(pg_sequence_last_value(pg_get_serial_sequence($1, 'id')::regclass), 0)`
	}
	return n, tx.row(q, []any{t.name}, &n)
}

// setLastID makes the table give out ids above last.
func (tx *Tx) setLastID(t dbTable, last int64) error {
	if last == 0 {
		return nil
	}
	if tx.s.pg != nil {
		var n int64
		return tx.row(`SELECT setval(pg_get_serial_sequence($1, 'id')::regclass, $2)`, []any{t.name, last}, &n)
	}
	n, err := tx.exec(`UPDATE sqlite_sequence SET seq = $1 WHERE name = $2`, last, t.name)
	if err == nil && n == 0 {
		_, err = tx.exec(`INSERT INTO sqlite_sequence (seq, name) VALUES ($1, $2)`, last, t.name)
	}
	return err
}

// schemaVersion is the number of the last migration.
func (tx *Tx) schemaVersion() (int64, error) {
	var n int64
	err := tx.row(`SELECT max(version_id) FROM goose_db_version`, nil, &n)
	return n, err
}

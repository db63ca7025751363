package store

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5"
)

// An export is lines of JSON: a header; for each table a line that names it and its columns, then its rows, each an array;
// at last a line with their number. It is the same from either engine.
const (
	exportFormat = "privyseal-hub export 1"
	maxLine      = 256 << 20
)

// exportLine is a line that is no row.
type exportLine struct {
	Format  string   `json:"format,omitempty"`
	Schema  int64    `json:"schema,omitempty"`
	Table   string   `json:"table,omitempty"`
	Columns []string `json:"columns,omitempty"`
	LastID  int64    `json:"last_id,omitempty"`
	Rows    *int64   `json:"rows,omitempty"`
}

// Export writes everything that is in the database, as of one moment; the hub may go on working.
func (s *Store) Export(ctx context.Context, w io.Writer) error {
	tx, err := s.BeginRead(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	out := bufio.NewWriterSize(w, 1<<20)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	schema, err := tx.schemaVersion()
	if err != nil {
		return err
	}
	tables, err := tx.catalog()
	if err != nil {
		return err
	}
	if err := enc.Encode(exportLine{Format: exportFormat, Schema: schema}); err != nil {
		return err
	}
	total := int64(0)
	for _, t := range tables {
		n, err := tx.exportTable(t, enc)
		if err != nil {
			return fmt.Errorf("table %s: %w", t.name, err)
		}
		total += n
	}
	if err := enc.Encode(exportLine{Rows: &total}); err != nil {
		return err
	}
	return out.Flush()
}

func (tx *Tx) exportTable(t dbTable, enc *json.Encoder) (n int64, err error) {
	line := exportLine{Table: t.name, Columns: t.cols}
	if t.serial {
		if line.LastID, err = tx.lastID(t); err != nil {
			return 0, err
		}
	}
	if err := enc.Encode(line); err != nil {
		return 0, err
	}
	vals, ptrs := make([]any, len(t.cols)), make([]any, len(t.cols))
	for i := range vals {
		ptrs[i] = &vals[i]
	}
	return n, tx.each(`SELECT `+quoted(t.cols)+` FROM `+t.name+` ORDER BY `+t.order(), nil, func(scan func(...any) error) error {
		if err := scan(ptrs...); err != nil {
			return err
		}
		for i, v := range vals {
			vals[i] = plainValue(v, t.bools[i])
		}
		n++
		return enc.Encode(vals)
	})
}

// quoted are columns' names in a statement: some are words of SQL.
func quoted(cols []string) string { return `"` + strings.Join(cols, `", "`) + `"` }

// Import fills a new database with what Export wrote. All of it or nothing is there afterwards.
func (s *Store) Import(ctx context.Context, r io.Reader) error {
	tx, err := s.BeginWrite(ctx, 0)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	in := &importer{tx: tx, r: bufio.NewReaderSize(r, 1<<20)}
	if err := in.run(ctx); err != nil {
		return fmt.Errorf("import, line %d: %w", in.line, err)
	}
	return tx.Commit()
}

type importer struct {
	tx    *Tx
	r     *bufio.Reader
	line  int
	total int64
	next  *exportLine // read ahead: the line that ended a table's rows
}

// read returns the next line, which is valid until the next call.
func (in *importer) read() ([]byte, error) {
	in.line++
	b, err := in.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		long := bytes.Clone(b)
		for errors.Is(err, bufio.ErrBufferFull) && len(long) <= maxLine {
			b, err = in.r.ReadSlice('\n')
			long = append(long, b...)
		}
		b = long
	}
	switch {
	case len(b) > maxLine:
		return nil, fmt.Errorf("it is longer than %d MiB", maxLine>>20)
	case errors.Is(err, io.EOF):
		return nil, errors.New("the export ends in the middle: make it again")
	}
	return b, err
}

// head returns the next line, which has to be no row.
func (in *importer) head() (*exportLine, error) {
	if l := in.next; l != nil {
		in.next = nil
		return l, nil
	}
	b, err := in.read()
	if err != nil {
		return nil, err
	}
	return parseHead(b)
}

func parseHead(b []byte) (*exportLine, error) {
	var l exportLine
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&l); err != nil {
		return nil, fmt.Errorf("this is no line of an export: %w", err)
	}
	return &l, nil
}

func (in *importer) run(ctx context.Context) error {
	l, err := in.head()
	if err != nil {
		return err
	}
	if l.Format != exportFormat {
		return fmt.Errorf("this is no export of a hub: it begins %q", l.Format)
	}
	schema, err := in.tx.schemaVersion()
	if err != nil {
		return err
	}
	if l.Schema != schema {
		return fmt.Errorf("it is of a hub whose tables have version %d, and this program's have %d: export with the same version", l.Schema, schema)
	}
	tables, err := in.tx.catalog()
	if err != nil {
		return err
	}
	if err := in.empty(tables); err != nil {
		return err
	}
	byName := map[string]dbTable{}
	for _, t := range tables {
		byName[t.name] = t
	}
	for {
		l, err := in.head()
		switch {
		case err != nil:
			return err
		case l.Rows != nil && *l.Rows != in.total:
			return fmt.Errorf("it should hold %d rows and holds %d", *l.Rows, in.total)
		case l.Rows != nil:
			return nil
		}
		t, ok := byName[l.Table]
		if !ok || quoted(t.cols) != quoted(l.Columns) {
			return fmt.Errorf("there is no table %.60q here with the columns %.300q", l.Table, l.Columns)
		}
		delete(byName, l.Table)
		if err := in.fill(ctx, t); err != nil {
			return fmt.Errorf("table %s: %w", t.name, err)
		}
		if t.serial {
			if err := in.tx.setLastID(t, l.LastID); err != nil {
				return err
			}
		}
	}
}

// empty deletes what a new database begins with, and refuses one that is not new.
func (in *importer) empty(tables []dbTable) error {
	var users, events int64
	if err := in.tx.row(`SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM events)`, nil, &users, &events); err != nil {
		return err
	}
	if users > 0 || events > 0 {
		return errors.New("the database is in use already: import into a new one")
	}
	for i := len(tables) - 1; i >= 0; i-- {
		if _, err := in.tx.exec(`DELETE FROM ` + tables[i].name); err != nil {
			return err
		}
	}
	return nil
}

// row reads the next row of a table, or nil at the table's end.
func (in *importer) row(t dbTable) ([]any, error) {
	b, err := in.read()
	if err != nil {
		return nil, err
	}
	if len(b) == 0 || b[0] != '[' {
		in.next, err = parseHead(b)
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var row []any
	if err := dec.Decode(&row); err != nil {
		return nil, err
	}
	if len(row) != len(t.cols) {
		return nil, fmt.Errorf("%d values for %d columns", len(row), len(t.cols))
	}
	for i, v := range row {
		switch v := v.(type) {
		case nil, bool, string:
		case json.Number:
			if row[i], err = v.Int64(); err != nil {
				if row[i], err = v.Float64(); err != nil {
					return nil, fmt.Errorf("column %s: %w", t.cols[i], err)
				}
			}
		default:
			return nil, fmt.Errorf("column %s: neither text nor number", t.cols[i])
		}
	}
	in.total++
	return row, nil
}

// fill writes a table's rows: with COPY into PostgreSQL, which is many times as fast as inserting them.
func (in *importer) fill(ctx context.Context, t dbTable) error {
	if c, ok := in.tx.c.(*pgConn); ok {
		in.tx.dirty = true
		_, err := c.c.CopyFrom(ctx, pgx.Identifier{t.name}, t.cols, pgx.CopyFromFunc(func() ([]any, error) { return in.row(t) }))
		return c.pg.told(ctx, c.c, err)
	}
	marks := make([]string, len(t.cols))
	for i := range marks {
		marks[i] = fmt.Sprintf("$%d", i+1)
	}
	q := `INSERT INTO ` + t.name + ` (` + quoted(t.cols) + `) VALUES (` + strings.Join(marks, ", ") + `)`
	for {
		row, err := in.row(t)
		if err != nil || row == nil {
			return err
		}
		if _, err := in.tx.exec(q, row...); err != nil {
			return err
		}
	}
}

package store

import (
	"strconv"
	"strings"
)

// manyRows is how many rows one INSERT of many takes: beyond that it gets no cheaper.
const manyRows = 32

// inRows calls fn with the rows of an INSERT, "($1, $2), ($3, $4)", and their arguments, which row appends: with manyRows at a time
// and what remains one by one, because every distinct statement is kept prepared.
func inRows[T any](items []T, columns int, row func(item T, args []any) []any, fn func(values string, args []any) error) error {
	for len(items) > 0 {
		n := 1
		if len(items) >= manyRows {
			n = manyRows
		}
		var args []any
		for _, it := range items[:n] {
			args = row(it, args)
		}
		items = items[n:]
		if err := fn(rowsOf(n, columns), args); err != nil {
			return err
		}
	}
	return nil
}

// rowsOf are the placeholders of rows.
func rowsOf(rows, columns int) string {
	var b strings.Builder
	for i := range rows * columns {
		switch {
		case i == 0:
			b.WriteByte('(')
		case i%columns == 0:
			b.WriteString("), (")
		default:
			b.WriteString(", ")
		}
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(i + 1))
	}
	b.WriteByte(')')
	return b.String()
}

package store

import (
	"fmt"
	"strings"
)

// Order is a column that a list is ordered by.
type Order struct {
	Column string
	Desc   bool
}

// OrderError names a column that a list cannot be ordered by.
type OrderError struct{ Column string }

func (e *OrderError) Error() string { return fmt.Sprintf("no column to order by: %s", e.Column) }

func checkOrder(columns map[string]string, by []Order) error {
	for _, o := range by {
		if _, ok := columns[o.Column]; !ok {
			return &OrderError{o.Column}
		}
	}
	return nil
}

// ordered is the end of a query: its conditions, its order, its limits. columns are what a list may be ordered by and where
// those stand; key comes last, so that the order is the same each time. NULL is the highest value, as PostgreSQL has it.
func ordered(w *where, columns map[string]string, by []Order, key string, limit, offset *int64) (string, error) {
	var cols []string
	for _, o := range by {
		col, ok := columns[o.Column]
		if !ok {
			return "", &OrderError{o.Column}
		}
		dir := " ASC NULLS LAST"
		if o.Desc {
			dir = " DESC NULLS FIRST"
		}
		if col == key { // never NULL, and by an index that knows of no NULLS
			cols, key = append(cols, col+" "+strings.Fields(dir)[0]), ""
			continue
		}
		cols = append(cols, col+dir)
	}
	if key != "" {
		cols = append(cols, key)
	}
	out := w.String() + " ORDER BY " + strings.Join(cols, ", ")
	switch {
	case limit != nil:
		out += " LIMIT " + w.arg(*limit)
	case offset != nil:
		out += " LIMIT 9223372036854775807" // SQLite knows no OFFSET without one
	}
	if offset != nil {
		out += " OFFSET " + w.arg(*offset)
	}
	return out, nil
}

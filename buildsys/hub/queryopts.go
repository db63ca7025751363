package hub

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/privyseal/privyseal/buildsys"
)

// applyOpts applies Koji's queryOpts to the rows of an answer: countOnly, order ("-" in front of a column turns it,
// several are separated by commas), offset and limit.
func applyOpts(rows []map[string]any, opts map[string]any) (any, error) {
	bad := func(key, want string) error {
		return buildsys.Errorf(buildsys.FaultParameter, "queryOpts: %s: expected %s, got %s", key, want, describe(opts[key]))
	}
	for key := range opts {
		switch key {
		case "countOnly", "order", "offset", "limit", "rowlock":
		case "asList", "group":
			if truth(opts[key]) {
				return nil, buildsys.Errorf(buildsys.FaultParameter, "queryOpts: %s is not supported", key)
			}
		default:
			return nil, buildsys.Errorf(buildsys.FaultParameter, "queryOpts: unknown option %q", key)
		}
	}
	if v := opts["order"]; v != nil {
		s, ok := v.(string)
		if !ok {
			return nil, bad("order", "a string")
		}
		cols := strings.Split(s, ",")
		for _, col := range cols {
			if len(rows) > 0 {
				if _, ok := rows[0][strings.TrimPrefix(strings.TrimSpace(col), "-")]; !ok {
					return nil, buildsys.Errorf(buildsys.FaultParameter, "queryOpts: invalid order: %s", col)
				}
			}
		}
		slices.SortStableFunc(rows, func(a, b map[string]any) int {
			for _, col := range cols {
				name, desc := strings.CutPrefix(strings.TrimSpace(col), "-")
				if n := compareValues(a[name], b[name]); n != 0 {
					if desc {
						return -n
					}
					return n
				}
			}
			return 0
		})
	}
	for _, key := range []string{"offset", "limit"} {
		v := opts[key]
		if v == nil {
			continue
		}
		n, ok := asInt(v)
		if !ok || n < 0 {
			return nil, bad(key, "a number")
		}
		if n == 0 {
			continue // as in Koji, no limit rather than nothing
		}
		if n = min(n, int64(len(rows))); key == "offset" {
			rows = rows[n:]
		} else {
			rows = rows[:n]
		}
	}
	if truth(opts["countOnly"]) {
		return int64(len(rows)), nil
	}
	out := make([]any, len(rows))
	for i, r := range rows {
		out[i] = r
	}
	return out, nil
}

// compareValues orders two values of one column; None comes last, as in PostgreSQL.
func compareValues(a, b any) int {
	if a == nil || b == nil {
		switch {
		case a == b:
			return 0
		case a == nil:
			return 1
		}
		return -1
	}
	switch x := a.(type) {
	case int64:
		if y, ok := b.(int64); ok {
			return cmp.Compare(x, y)
		}
	case float64:
		if y, ok := b.(float64); ok {
			return cmp.Compare(x, y)
		}
	case string:
		if y, ok := b.(string); ok {
			return cmp.Compare(x, y)
		}
	case bool:
		if y, ok := b.(bool); ok {
			return cmp.Compare(fmt.Sprint(x), fmt.Sprint(y))
		}
	}
	return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b))
}

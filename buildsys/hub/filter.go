package hub

import (
	"errors"
	"slices"
	"strings"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// filterMethods run another method and answer a part of what it answers, or how much that is. Koji's web pages use them.
func filterMethods() []Method {
	return []Method{
		{Name: "count", Args: "methodName, *args, **kw", Doc: "How many rows another method answers: 0 for None, 1 for what is no list or struct.",
			Fn: func(c *Ctx, a Args) (any, error) {
				v, err := c.inner(a, a.Map("kw"))
				if err != nil || v == nil {
					return int64(0), err
				}
				return countOf(v)
			}},
		{Name: "filterResults", Args: "methodName, *args, **kw",
			Doc: "A part of the list of structs that another method answers; keyword filterOpts: order ('-' before the key turns it), offset, limit, noneGreatest.",
			Fn: func(c *Ctx, a Args) (any, error) {
				_, rows, err := c.filtered(a)
				return orNil(rows), err
			}},
		{Name: "countAndFilterResults", Args: "methodName, *args, **kw", Doc: "[how many rows there are, what filterResults answers].",
			Fn: func(c *Ctx, a Args) (any, error) {
				n, rows, err := c.filtered(a)
				return []any{n, orNil(rows)}, err
			}},
	}
}

// orNil is None for what is no list.
func orNil(rows []any) any {
	if rows == nil {
		return nil
	}
	return rows
}

// inner calls the method that a names. Only what reads may be called so, and none of these methods itself.
func (c *Ctx) inner(a Args, kw map[string]any) (any, error) {
	name := a.Str("methodName")
	m := c.Hub.table[name]
	switch {
	case m == nil:
		return c.Hub.table.lookup(name)
	case m.Mode != ModeRead || slices.Contains([]string{"count", "filterResults", "countAndFilterResults"}, name):
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "%s: method %s has to be called by itself", a.method, name)
	}
	params := slices.Clone(a.List("args"))
	if len(kw) > 0 {
		marked := map[string]any{"__starstar": true}
		for k, v := range kw {
			marked[k] = v
		}
		params = append(params, marked)
	}
	return c.call(name, params)
}

// countOf is the length of an answer.
func countOf(v any) (int64, error) {
	if seq, ok := v.(xmlrpc.Seq); ok {
		n := int64(0)
		for _, err := range seq {
			if err != nil {
				return 0, err
			}
			n++
		}
		return n, nil
	}
	switch v := v.(type) {
	case map[string]any:
		return int64(len(v)), nil
	case xmlrpc.Struct:
		return int64(len(v)), nil
	}
	if rows, ok, err := rowsOf(v, maxFiltered); err != nil || ok {
		return int64(len(rows)), err
	}
	return 1, nil
}

// maxFiltered bounds the list that is kept whole to filter it, maxAnonymousFiltered for a caller without a session.
const (
	maxFiltered          = 1_000_000
	maxAnonymousFiltered = 100_000
)

// rowsOf is an answer that is a list of at most so many rows; ok tells whether it is a list.
func rowsOf(v any, most int) (rows []any, ok bool, err error) {
	rows = []any{}
	switch v := v.(type) {
	case []any:
		return append(rows, v...), true, nil
	case []map[string]any:
		for _, m := range v {
			rows = append(rows, m)
		}
		return rows, true, nil
	case []xmlrpc.Row:
		for _, r := range v {
			rows = append(rows, r)
		}
		return rows, true, nil
	case []string:
		for _, s := range v {
			rows = append(rows, s)
		}
		return rows, true, nil
	case []int64:
		for _, n := range v {
			rows = append(rows, n)
		}
		return rows, true, nil
	case xmlrpc.Seq:
		for row, err := range v {
			if err != nil {
				return nil, true, err
			}
			if len(rows) == most {
				return nil, true, buildsys.Errorf(buildsys.FaultGeneric, "the list has more than %d rows: narrow it, or ask the method itself with queryOpts", most)
			}
			rows = append(rows, row)
		}
		return rows, true, nil
	}
	return nil, false, nil
}

// memberOf is a member of a struct, in whatever shape it is.
func memberOf(row any, name string) (any, bool) {
	switch r := row.(type) {
	case map[string]any:
		v, ok := r[name]
		return v, ok
	case xmlrpc.Row:
		if i := slices.Index(r.Names, name); i >= 0 {
			return r.Values[i], true
		}
	case xmlrpc.Struct:
		for _, m := range r {
			if m.Name == name {
				return m.Value, true
			}
		}
	}
	return nil, false
}

func (c *Ctx) filtered(a Args) (n int64, rows []any, err error) {
	kw := map[string]any{}
	var opts map[string]any
	for k, v := range a.Map("kw") {
		if k != "filterOpts" {
			kw[k] = v
			continue
		}
		var ok bool
		if opts, ok = v.(map[string]any); !ok && v != nil {
			return 0, nil, buildsys.Errorf(buildsys.FaultParameter, "%s: filterOpts: expected a struct, got %s", a.method, describe(v))
		}
	}
	f := Args{method: a.method + ": filterOpts", vals: opts}
	v, err := c.inner(a, kw)
	var known *buildsys.Error
	if errors.As(err, &known) && c.Hub.table[a.Str("methodName")] != nil {
		err = buildsys.Errorf(buildsys.FaultGeneric, "method %s raised an exception (%s)", a.Str("methodName"), known.Message)
	}
	if err != nil || v == nil {
		return 0, nil, err
	}
	most := maxFiltered
	if c.User == nil {
		most = maxAnonymousFiltered
	}
	rows, ok, err := rowsOf(v, most)
	if err != nil {
		return 0, nil, err
	}
	if !ok {
		return 0, nil, buildsys.Errorf(buildsys.FaultGeneric, "%s() did not return a list", a.Str("methodName"))
	}
	n = int64(len(rows))
	if order := f.OptStr("order"); order != nil && *order != "" {
		if err := sortRows(rows, *order, f); err != nil {
			return 0, nil, err
		}
	}
	if off := f.OptInt("offset"); off != nil {
		rows = rows[clampIndex(*off, len(rows)):]
	}
	if limit := f.OptInt("limit"); limit != nil {
		rows = rows[:clampIndex(*limit, len(rows))]
	}
	return n, rows, nil
}

// clampIndex is a Python index of a slice's end: negative ones count from behind.
func clampIndex(i int64, n int) int {
	if i < 0 {
		i += int64(n)
	}
	return int(max(0, min(i, int64(n))))
}

func sortRows(rows []any, order string, f Args) error {
	key, reverse := strings.CutPrefix(order, "-")
	noneGreatest := !f.has("noneGreatest") || f.Bool("noneGreatest")
	vals, idx := make([]any, len(rows)), make([]int, len(rows))
	for i, r := range rows {
		v, ok := memberOf(r, key)
		if !ok {
			return buildsys.Errorf(buildsys.FaultParameter, "%s: order: the rows have no %.60q", f.method, key)
		}
		vals[i], idx[i] = plainPtr(v), i
	}
	slices.SortStableFunc(idx, func(a, b int) int {
		x, y := vals[a], vals[b]
		n := compareValues(x, y)
		if (x == nil) != (y == nil) && !noneGreatest {
			n = -n
		}
		if reverse {
			n = -n
		}
		return n
	})
	was := slices.Clone(rows)
	for i, j := range idx {
		rows[i] = was[j]
	}
	return nil
}

// plainPtr looks behind the pointers of columns that may be NULL.
func plainPtr(v any) any {
	switch p := v.(type) {
	case *int64:
		if p != nil {
			return *p
		}
		return nil
	case *string:
		if p != nil {
			return *p
		}
		return nil
	case *float64:
		if p != nil {
			return *p
		}
		return nil
	}
	return v
}

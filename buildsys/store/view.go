package store

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Kind is what a field of a view holds.
type Kind int

// The kinds. A Time and a Seconds are stored alike; they differ in how clients write and see them.
const (
	KindInt Kind = iota
	KindFloat
	KindBool
	KindText
	KindTime    // a time.Time
	KindSeconds // seconds since 1970
	KindJSON    // any value, compared as the whole
)

type viewField struct {
	name, column, join string
	kind               Kind
}

// A View is a table whose fields clients pick, narrow and sort by name. Fields of other tables cost a join only when
// they are named.
type View struct {
	table    string
	joins    map[string]string
	fields   []viewField
	standard []string // the fields of a query that names none
}

// ViewError tells what is wrong with a query of a view.
type ViewError struct{ msg string }

func (e *ViewError) Error() string { return e.msg }

func viewErrorf(format string, args ...any) error { return &ViewError{fmt.Sprintf(format, args...)} }

// Clause narrows a view: {field, value}, or {field, operator, value}.
type Clause struct {
	Field, Op string
	Value     any // nil, bool, int64, float64, string, or a list of them with IN
}

// ViewQuery says what is wanted of a view.
type ViewQuery struct {
	Clauses []Clause
	Fields  []string // nil: the standard ones; "*": all that need no join; "**": all
	Order   []string // fields, "-" before one turns it
	Limit   *int64
	Offset  int64
}

// ViewRow is a row of a view by field.
type ViewRow map[string]any

// operators are those that clients may use.
var operators = []string{"IN", "=", "!=", ">", "<", ">=", "<=", "IS", "IS NOT", "@>", "<@"}

func (v *View) field(name string) (viewField, error) {
	for _, f := range v.fields {
		if f.name == name {
			return f, nil
		}
	}
	return viewField{}, viewErrorf("Invalid field for query %s", name)
}

// Names are the names of a query's fields, in the view's order.
func (v *View) Names(q ViewQuery) ([]string, error) {
	fs, err := v.pick(q)
	names := make([]string, len(fs))
	for i, f := range fs {
		names[i] = f.name
	}
	return names, err
}

func (v *View) pick(q ViewQuery) ([]viewField, error) {
	want := q.Fields
	if len(want) == 0 {
		want = v.standard
	}
	named := map[string]bool{}
	for _, n := range want {
		if n == "*" || n == "**" {
			joined := map[string]bool{"": true}
			for _, c := range q.Clauses {
				if f, err := v.field(c.Field); err == nil {
					joined[f.join] = true
				}
			}
			for _, f := range v.fields {
				if n == "**" || joined[f.join] {
					named[f.name] = true
				}
			}
			continue
		}
		if _, err := v.field(n); err != nil {
			return nil, err
		}
		named[n] = true
	}
	return slices.DeleteFunc(slices.Clone(v.fields), func(f viewField) bool { return !named[f.name] }), nil
}

// built is a query in SQL. after are the conditions that SQL cannot tell: containment of one JSON struct in another.
type built struct {
	from, order string
	w           where
	after       []func(ViewRow) bool
	hidden      []viewField // fields that only after needs
}

func (v *View) build(q ViewQuery, fields []viewField) (*built, error) {
	b := &built{}
	joined := map[string]bool{"": true}
	joins := ""
	join := func(f viewField) {
		if !joined[f.join] {
			joined[f.join] = true
			joins += " " + v.joins[f.join]
		}
	}
	for _, c := range q.Clauses {
		f, err := v.field(c.Field)
		if err != nil {
			return nil, err
		}
		join(f)
		if err := b.clause(f, c); err != nil {
			return nil, err
		}
	}
	for _, f := range slices.Concat(fields, b.hidden) {
		join(f)
	}
	for i, name := range q.Order {
		name, desc := strings.CutPrefix(strings.TrimSpace(name), "-")
		f, err := v.field(name)
		if err != nil {
			return nil, err
		}
		join(f)
		sep, how := ", ", " ASC NULLS LAST"
		if i == 0 {
			sep = " ORDER BY "
		}
		if desc {
			how = " DESC NULLS FIRST"
		}
		b.order += sep + f.column + how
	}
	b.from = " FROM " + v.table + joins
	return b, nil
}

func (b *built) clause(f viewField, c Clause) error {
	if !slices.Contains(operators, c.Op) {
		return viewErrorf("Invalid operator: %s", c.Op)
	}
	switch c.Op {
	case "IS", "IS NOT":
		switch x := c.Value.(type) {
		case nil:
			b.w.conds = append(b.w.conds, f.column+" "+c.Op+" NULL")
			return nil
		case bool:
			if f.kind == KindBool {
				b.w.conds = append(b.w.conds, f.column+" "+c.Op+" "+strings.ToUpper(fmt.Sprint(x)))
				return nil
			}
		}
		return viewErrorf("Invalid value for %s %s: %v", c.Field, c.Op, c.Value)
	case "IN":
		vals, ok := c.Value.([]any)
		if !ok {
			return viewErrorf("Invalid value for %s IN: a list is wanted", c.Field)
		}
		if len(vals) > maxInList {
			return viewErrorf("Invalid value for %s IN: more than %d values", c.Field, maxInList)
		}
		args := make([]any, len(vals))
		for i, x := range vals {
			a, err := f.value(x)
			if err != nil {
				return err
			}
			args[i] = a
		}
		b.w.in(f.column, args)
		return nil
	case "@>", "<@":
		text, _ := c.Value.(string)
		want, err := decodeJSON(text)
		if err != nil || f.kind != KindJSON {
			return viewErrorf("Invalid value for %s %s: JSON is wanted, in a field that holds it", c.Field, c.Op)
		}
		b.hidden = append(b.hidden, f)
		b.after = append(b.after, func(r ViewRow) bool {
			have := r[f.name]
			switch {
			case have == nil:
				return false
			case c.Op == "@>":
				return contains(have, want)
			}
			return contains(want, have)
		})
		return nil
	}
	if c.Value == nil {
		b.w.conds = append(b.w.conds, "1 = 0") // nothing compares with NULL
		return nil
	}
	a, err := f.value(c.Value)
	if err != nil {
		return err
	}
	op := c.Op
	if op == "!=" {
		op = "<>"
	}
	b.w.add(f.column+" "+op+" ?", a)
	return nil
}

// maxInList bounds the list of one IN.
const maxInList = 5000

// value makes what a client compares with into what is stored.
func (f viewField) value(v any) (any, error) {
	switch x := v.(type) {
	case int64:
		switch f.kind {
		case KindInt, KindFloat:
			return x, nil
		case KindSeconds:
			return x * 1e6, nil
		}
	case float64:
		switch f.kind {
		case KindFloat:
			return x, nil
		case KindInt:
			if x == float64(int64(x)) {
				return int64(x), nil
			}
		case KindSeconds:
			return int64(x * 1e6), nil
		}
	case bool:
		if f.kind == KindBool {
			return x, nil
		}
	case string:
		switch f.kind {
		case KindInt:
			if n, err := strconv.ParseInt(x, 10, 64); err == nil {
				return n, nil
			}
		case KindText:
			return x, nil
		case KindJSON:
			if s, err := CanonicalJSON([]byte(x)); err == nil {
				return s, nil
			}
		}
	case time.Time:
		if f.kind == KindTime {
			return micros(x), nil
		}
	}
	return nil, viewErrorf("Invalid value for %s: %v", f.name, v)
}

// View runs a query of a view.
func (tx *Tx) View(v *View, q ViewQuery) ([]ViewRow, error) {
	var out []ViewRow
	err := tx.EachView(v, q, func(r ViewRow) error {
		out = append(out, r)
		return nil
	})
	return out, err
}

// EachView runs a query of a view and hands over row by row.
func (tx *Tx) EachView(v *View, q ViewQuery, fn func(ViewRow) error) error {
	fields, err := v.pick(q)
	if err != nil {
		return err
	}
	b, err := v.build(q, fields)
	if err != nil {
		return err
	}
	all := slices.Concat(fields, b.hidden)
	cols := make([]string, len(all))
	for i, f := range all {
		cols[i] = f.column
	}
	text := "SELECT " + strings.Join(cols, ", ") + b.from + b.w.String() + b.order
	if len(b.after) == 0 {
		if q.Limit != nil {
			text += " LIMIT " + b.w.arg(*q.Limit)
		} else if q.Offset > 0 {
			text += " LIMIT " + b.w.arg(int64(1)<<62)
		}
		if q.Offset > 0 {
			text += " OFFSET " + b.w.arg(q.Offset)
		}
	}
	skip, left := q.Offset, int64(-1)
	if q.Limit != nil {
		left = *q.Limit
	}
	return tx.each(text, b.w.args, func(scan func(...any) error) error {
		r, err := scanView(scan, all)
		if err != nil {
			return err
		}
		for _, ok := range b.after {
			if !ok(r) {
				return nil
			}
		}
		for _, f := range b.hidden {
			if !slices.ContainsFunc(fields, func(g viewField) bool { return g.name == f.name }) {
				delete(r, f.name)
			}
		}
		if len(b.after) > 0 {
			if skip > 0 {
				skip--
				return nil
			}
			if left == 0 {
				return nil
			}
			left--
		}
		return fn(r)
	})
}

// CountView counts the rows of a query of a view.
func (tx *Tx) CountView(v *View, q ViewQuery) (int64, error) {
	q.Order, q.Fields = nil, nil
	b, err := v.build(q, nil)
	if err != nil {
		return 0, err
	}
	n := int64(0)
	if len(b.after) > 0 || q.Limit != nil || q.Offset > 0 {
		err := tx.EachView(v, q, func(ViewRow) error { n++; return nil })
		return n, err
	}
	err = tx.row("SELECT count(*)"+b.from+b.w.String(), b.w.args, &n)
	return n, err
}

package hub

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/store"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// queryView answers a client's own query of a view: clauses [[field, value], [field, operator, value]], fields by name, and
// queryOpts.
func (c *Ctx) queryView(v *store.View, clauses, fields any, opts map[string]any) (any, error) {
	q, err := viewQuery(clauses, fields)
	if err != nil {
		return nil, err
	}
	o, err := readOpts(opts)
	if err != nil {
		return nil, err
	}
	q.Limit = o.limit
	if o.offset != nil {
		q.Offset = *o.offset
	}
	for _, by := range o.order {
		name := by.Column
		if by.Desc {
			name = "-" + name
		}
		q.Order = append(q.Order, name)
	}
	if o.count {
		n, err := c.tx.CountView(v, q)
		return n, viewFault(err)
	}
	names, err := v.Names(q)
	if err != nil {
		return nil, viewFault(err)
	}
	rows := []any{}
	err = c.tx.EachView(v, q, func(r store.ViewRow) error {
		vals := make([]any, len(names))
		for i, n := range names {
			vals[i] = viewValue(r[n])
		}
		if o.asList {
			rows = append(rows, vals)
		} else {
			rows = append(rows, xmlrpc.Row{Names: names, Values: vals})
		}
		return nil
	})
	return rows, viewFault(err)
}

// viewOne is the row of a view with an id, with all its fields; nil if there is none.
func (c *Ctx) viewOne(v *store.View, id int64) (map[string]any, error) {
	return c.viewFirst(v, []store.Clause{{Field: "id", Op: "=", Value: id}})
}

// viewFirst is the first row of a view that clauses fit, with all its fields; nil if there is none.
func (c *Ctx) viewFirst(v *store.View, clauses []store.Clause, order ...string) (map[string]any, error) {
	one := int64(1)
	rows, err := c.tx.View(v, store.ViewQuery{Clauses: clauses, Fields: []string{"**"}, Order: order, Limit: &one})
	if err != nil || len(rows) == 0 {
		return nil, viewFault(err)
	}
	return viewMap(rows[0]), nil
}

func viewMap(r store.ViewRow) map[string]any {
	m := make(map[string]any, len(r))
	for k, v := range r {
		m[k] = viewValue(v)
	}
	return m
}

func viewValue(v any) any {
	if t, ok := v.(time.Time); ok {
		return pyTime(t)
	}
	return v
}

func viewFault(err error) error {
	var ve *store.ViewError
	if errors.As(err, &ve) {
		return buildsys.Errorf(buildsys.FaultParameter, "%s", ve.Error())
	}
	return err
}

// viewQuery reads clauses and fields as clients write them.
func viewQuery(clauses, fields any) (store.ViewQuery, error) {
	var q store.ViewQuery
	bad := func(v any) (store.ViewQuery, error) {
		return q, buildsys.Errorf(buildsys.FaultParameter, "Invalid clause: %s", pyRepr(v))
	}
	switch v := clauses.(type) {
	case nil:
	case []any:
		for _, e := range v {
			parts, ok := e.([]any)
			if !ok || len(parts) != 2 && len(parts) != 3 {
				return bad(e)
			}
			field, ok := parts[0].(string)
			if !ok {
				return bad(e)
			}
			cl := store.Clause{Field: field, Op: "=", Value: parts[len(parts)-1]}
			if _, list := cl.Value.([]any); list && len(parts) == 2 {
				cl.Op = "IN"
			}
			if len(parts) == 3 {
				op, ok := parts[1].(string)
				if !ok {
					return bad(e)
				}
				cl.Op = strings.ToUpper(op)
			}
			q.Clauses = append(q.Clauses, viewTime(cl))
		}
	default:
		return q, buildsys.Errorf(buildsys.FaultParameter, "Invalid clauses: a list is wanted, not %s", describe(clauses))
	}
	switch v := fields.(type) {
	case nil:
	case string:
		q.Fields = []string{v}
	case []any:
		for _, e := range v {
			name, ok := e.(string)
			if !ok {
				return q, buildsys.Errorf(buildsys.FaultParameter, "Invalid field for query %s", fmt.Sprint(e))
			}
			q.Fields = append(q.Fields, name)
		}
	default:
		return q, buildsys.Errorf(buildsys.FaultParameter, "Invalid fields: a list is wanted, not %s", describe(fields))
	}
	return q, nil
}

// viewTime reads the time in a clause about one, which clients write as text.
func viewTime(cl store.Clause) store.Clause {
	if s, ok := cl.Value.(string); ok && strings.HasSuffix(cl.Field, "_time") {
		if t, ok := parseTime(s); ok {
			cl.Value = t
		}
	}
	return cl
}

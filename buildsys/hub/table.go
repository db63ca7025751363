package hub

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// table is the methods by name.
type table map[string]*Method

func newTable(lists ...[]Method) (table, error) {
	t := table{}
	for _, l := range lists {
		for i := range l {
			m := &l[i]
			if t[m.Name] != nil {
				return nil, fmt.Errorf("method %s is in the table twice", m.Name)
			}
			if m.Fn == nil {
				return nil, fmt.Errorf("method %s has no function", m.Name)
			}
			if err := m.parse(); err != nil {
				return nil, err
			}
			t[m.Name] = m
		}
	}
	return t, nil
}

// lookup finds a method; clients match the wording of the refusal to learn what a hub can do.
func (t table) lookup(name string) (*Method, error) {
	m := t[name]
	if m == nil {
		return nil, buildsys.Errorf(buildsys.FaultGeneric, "Invalid method: %s", name)
	}
	return m, nil
}

// signature is the method's parameters as Python writes them.
func (m *Method) signature() string {
	if strings.TrimSpace(m.Args) == "" {
		return "()"
	}
	return "(" + m.Args + ")"
}

// describe is an entry of _listapi.
func (m *Method) describe() xmlrpc.Struct {
	args, names, defaults := []any{}, []any{}, []any{}
	var varargs, varkw any
	for _, p := range m.params {
		switch {
		case p.star == 1:
			varargs = p.name
			args = append(args, p.name)
		case p.star == 2:
			varkw = p.name
			args = append(args, p.name)
		case p.required:
			args, names = append(args, p.name), append(names, p.name)
		default:
			args, names = append(args, []any{p.name, p.def}), append(names, p.name)
			defaults = append(defaults, p.def)
		}
	}
	var defs any
	if len(defaults) > 0 {
		defs = defaults
	}
	return xmlrpc.Struct{
		{Name: "name", Value: m.Name},
		{Name: "doc", Value: m.Doc},
		{Name: "argspec", Value: []any{names, varargs, varkw, defs, []any{}, nil, map[string]any{}}},
		{Name: "argdesc", Value: m.signature()},
		{Name: "args", Value: args},
	}
}

func (t table) names() []string { return slices.Sorted(maps.Keys(t)) }

// help is what system.methodHelp says.
func (m *Method) help() string {
	s := m.Name + m.signature()
	if m.Doc != "" {
		s += "\ndescription: " + m.Doc
	}
	return s
}

package hub

import (
	"fmt"
	"math"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// Args are the arguments of one call, matched to the method's parameters. The typed accessors end the call with a
// ParameterError that names the parameter when the caller sent something else, so that a method reads its arguments in
// one line each; like encoding/json, they do so by a panic of a private type that the dispatcher catches (see badArg).
type Args struct {
	method string
	vals   map[string]any
}

// badArg is how an accessor leaves the method.
type badArg struct{ err *buildsys.Error }

func (a Args) bad(name, want string, got any) {
	panic(badArg{buildsys.Errorf(buildsys.FaultParameter, "%s: argument %s: expected %s, got %s", a.method, name, want, describe(got))})
}

func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case string:
		if len(v) > 40 {
			v = v[:40] + "..."
		}
		return fmt.Sprintf("the string %q", v)
	case int64, float64, bool:
		return fmt.Sprintf("%v", v)
	case []any:
		return "a list"
	case map[string]any:
		return "a struct"
	}
	return fmt.Sprintf("a %T", v)
}

// bind matches positional and keyword arguments to the parameters as Python does.
func (m *Method) bind(pos []any, kw map[string]any) (Args, error) {
	a := Args{method: m.Name, vals: make(map[string]any, len(m.params))}
	rest := pos
	starred, open := false, false
	for _, p := range m.params {
		switch p.star {
		case 1:
			a.vals[p.name] = append([]any{}, rest...)
			rest, starred = nil, true
		case 2:
			open = true
		default:
			if len(rest) > 0 && !starred {
				a.vals[p.name] = rest[0]
				rest = rest[1:]
			}
		}
	}
	if len(rest) > 0 {
		return a, buildsys.Errorf(buildsys.FaultParameter, "%s() takes %s but %d were given", m.Name, m.arity(), len(pos))
	}
	extra := map[string]any{}
	for k, v := range kw {
		if !m.has(k) {
			if !open {
				return a, buildsys.Errorf(buildsys.FaultParameter, "%s() got an unexpected keyword argument '%s'", m.Name, k)
			}
			extra[k] = v
			continue
		}
		if _, twice := a.vals[k]; twice {
			return a, buildsys.Errorf(buildsys.FaultParameter, "%s() got multiple values for argument '%s'", m.Name, k)
		}
		a.vals[k] = v
	}
	for _, p := range m.params {
		if p.star == 2 {
			a.vals[p.name] = extra
			continue
		}
		if _, ok := a.vals[p.name]; !ok {
			if p.required {
				return a, buildsys.Errorf(buildsys.FaultParameter, "%s() missing required argument '%s'", m.Name, p.name)
			}
			a.vals[p.name] = p.def
		}
	}
	return a, nil
}

// arity says how many arguments the method takes, in Python's words.
func (m *Method) arity() string {
	least, most := 0, 0
	for _, p := range m.params {
		if p.star == 0 {
			most++
			if p.required {
				least++
			}
		}
	}
	switch {
	case least < most:
		return fmt.Sprintf("from %d to %d positional arguments", least, most)
	case most == 1:
		return "1 positional argument"
	}
	return fmt.Sprintf("%d positional arguments", most)
}

func (m *Method) has(name string) bool {
	for _, p := range m.params {
		if p.name == name && p.star == 0 {
			return true
		}
	}
	return false
}

// Any is the argument as it came: nil, bool, int64, float64, string, []byte, []any or map[string]any.
func (a Args) Any(name string) any { return a.vals[name] }

// Nil tells whether the argument is None.
func (a Args) Nil(name string) bool { return a.vals[name] == nil }

// Str is a string that must be there.
func (a Args) Str(name string) string {
	s, ok := a.vals[name].(string)
	if !ok {
		a.bad(name, "a string", a.vals[name])
	}
	return s
}

// OptStr is a string or None (nil).
func (a Args) OptStr(name string) *string {
	if a.Nil(name) {
		return nil
	}
	s := a.Str(name)
	return &s
}

// Int is an integer that must be there.
func (a Args) Int(name string) int64 {
	n, ok := asInt(a.vals[name])
	if !ok {
		a.bad(name, "an integer", a.vals[name])
	}
	return n
}

// OptInt is an integer or None (nil).
func (a Args) OptInt(name string) *int64 {
	if a.Nil(name) {
		return nil
	}
	n := a.Int(name)
	return &n
}

// Float is a number that must be there.
func (a Args) Float(name string) float64 {
	switch v := a.vals[name].(type) {
	case int64:
		return float64(v)
	case float64:
		return v
	}
	a.bad(name, "a number", a.vals[name])
	return 0
}

// Bool is the argument's truth as Python sees it: None, 0, "" and empty lists are false.
func (a Args) Bool(name string) bool { return truth(a.vals[name]) }

// List is a list, or nil for None.
func (a Args) List(name string) []any {
	if a.Nil(name) {
		return nil
	}
	l, ok := a.vals[name].([]any)
	if !ok {
		a.bad(name, "a list", a.vals[name])
	}
	return l
}

// Map is a struct, or nil for None.
func (a Args) Map(name string) map[string]any {
	if a.Nil(name) {
		return nil
	}
	m, ok := a.vals[name].(map[string]any)
	if !ok {
		a.bad(name, "a struct", a.vals[name])
	}
	return m
}

// Strs is a list of strings, or nil for None.
func (a Args) Strs(name string) []string {
	var out []string
	for _, v := range a.List(name) {
		s, ok := v.(string)
		if !ok {
			a.bad(name, "a list of strings", v)
		}
		out = append(out, s)
	}
	return out
}

// Ints is a list of integers, or nil for None.
func (a Args) Ints(name string) []int64 {
	var out []int64
	for _, v := range a.List(name) {
		n, ok := asInt(v)
		if !ok {
			a.bad(name, "a list of integers", v)
		}
		out = append(out, n)
	}
	return out
}

// Event is an event id, 0 for None: the state as it is now.
func (a Args) Event(name string) int64 {
	if a.Nil(name) {
		return 0
	}
	n := a.Int(name)
	if n <= 0 {
		a.bad(name, "an event id", a.vals[name])
	}
	return n
}

func asInt(v any) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case bool: // a bool is an int in Python
		if v {
			return 1, true
		}
		return 0, true
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return int64(v), true
		}
	}
	return 0, false
}

// truth is short for xmlrpc.Truth.
func truth(v any) bool { return xmlrpc.Truth(v) }

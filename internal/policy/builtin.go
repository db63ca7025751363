package policy

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
)

// Fields is data with named fields, as Koji's policies are given. A field may be
// there and be nil, which is Koji's None.
type Fields interface {
	Field(name string) (value any, ok bool)
}

// Map is the plainest Fields.
type Map map[string]any

// Field returns a value of the map.
func (m Map) Field(name string) (any, bool) {
	v, ok := m[name]
	return v, ok
}

// Builtin makes the tests that Koji has for every policy: true, all, false, none,
// has, bool, match, match_any, match_all, compare and target. The map is the
// caller's, who may add to it.
func Builtin[D Fields]() map[string]Maker[D] {
	constant := func(value bool) Maker[D] {
		return func(string, []string) (Test[D], error) { return constant[D](value), nil }
	}
	return map[string]Maker[D]{
		"true": constant(true), "all": constant(true), "false": constant(false), "none": constant(false),
		"has":       withField(func(f field, _ []string) (Test[D], error) { return has[D]{f}, nil }),
		"bool":      withField(func(f field, _ []string) (Test[D], error) { return truth[D]{f}, nil }),
		"match":     withField(func(f field, args []string) (Test[D], error) { return match[D]{f, globs(args)}, nil }),
		"match_any": withField(func(f field, args []string) (Test[D], error) { return items[D]{f, globs(args), false}, nil }),
		"match_all": withField(func(f field, args []string) (Test[D], error) { return items[D]{f, globs(args), true}, nil }),
		"compare":   withField(newCompare[D]),
		"target": func(_ string, args []string) (Test[D], error) {
			return match[D]{"target", globs(args)}, nil
		},
	}
}

var errNoField = errors.New("the name of a field is missing")

func withField[D any](make func(field, []string) (Test[D], error)) Maker[D] {
	return func(_ string, args []string) (Test[D], error) {
		if len(args) == 0 {
			return nil, errNoField
		}
		return make(field(args[0]), args[1:])
	}
}

func globs(patterns []string) []Glob {
	out := make([]Glob, len(patterns))
	for i, p := range patterns {
		out[i] = NewGlob(p)
	}
	return out
}

func anyMatch(globs []Glob, s string) bool {
	for i := range globs {
		if globs[i].Match(s) {
			return true
		}
	}
	return false
}

type constant[D any] bool

func (t constant[D]) Check(D) (bool, error) { return bool(t), nil }
func (t constant[D]) Saw(D) string {
	if t {
		return "always holds"
	}
	return "never holds"
}

// field is the name of a field.
type field string

func (f field) saw(data Fields) string {
	switch v, ok := data.Field(string(f)); {
	case !ok:
		return "there is no " + string(f)
	case v == nil:
		return string(f) + " is none"
	default:
		if s, ok := v.(string); ok {
			return fmt.Sprintf("%s is %q", f, clip(s))
		}
		return fmt.Sprintf("%s is %s", f, clip(fmt.Sprint(v)))
	}
}

type has[D Fields] struct{ field }

func (t has[D]) Check(data D) (bool, error) {
	_, ok := data.Field(string(t.field))
	return ok, nil
}
func (t has[D]) Saw(data D) string { return t.saw(data) }

type truth[D Fields] struct{ field }

func (t truth[D]) Check(data D) (bool, error) {
	v, ok := data.Field(string(t.field))
	return ok && Truth(v), nil
}
func (t truth[D]) Saw(data D) string { return t.saw(data) }

// Truth tells what Python takes for true: anything but None, false, zero and
// what is empty.
func Truth(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case string:
		return v != ""
	}
	r := reflect.ValueOf(v)
	switch r.Kind() {
	case reflect.Slice, reflect.Map, reflect.Array:
		return r.Len() > 0
	}
	return !r.IsZero()
}

type match[D Fields] struct {
	field
	globs []Glob
}

func (t match[D]) Check(data D) (bool, error) {
	v, ok := data.Field(string(t.field))
	if !ok || v == nil || len(t.globs) == 0 {
		return false, nil
	}
	s, ok := v.(string)
	if !ok {
		return false, fmt.Errorf("field %s is no text", t.field)
	}
	return anyMatch(t.globs, s), nil
}
func (t match[D]) Saw(data D) string { return t.saw(data) }

type items[D Fields] struct {
	field
	globs []Glob
	all   bool
}

func (t items[D]) Check(data D) (bool, error) {
	v, ok := data.Field(string(t.field))
	if !ok {
		return false, nil
	}
	switch list := v.(type) {
	case []string:
		for _, s := range list {
			if anyMatch(t.globs, s) != t.all {
				return !t.all, nil
			}
		}
		return t.all && len(list) > 0, nil
	case []any:
		for _, x := range list {
			if (x != nil && anyMatch(t.globs, pyString(x))) != t.all {
				return !t.all, nil
			}
		}
		return t.all && len(list) > 0, nil
	}
	return false, nil
}
func (t items[D]) Saw(data D) string { return t.saw(data) }

// pyString is Python's str of the values that XML-RPC and the database have.
func pyString(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		if v {
			return "True"
		}
		return "False"
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1e16 {
			return strconv.FormatFloat(v, 'f', 1, 64)
		}
	}
	return fmt.Sprint(v)
}

type compare[D Fields] struct {
	field
	op    string
	value float64
	whole int64
	exact bool // whole holds the value
}

func newCompare[D Fields](f field, args []string) (Test[D], error) {
	if len(args) != 2 {
		return nil, errors.New("write: compare FIELD OPERATOR NUMBER")
	}
	t := compare[D]{field: f, op: args[0]}
	switch t.op {
	case "<", ">", "<=", ">=", "=", "!=":
	default:
		return nil, fmt.Errorf("%q is no comparison; use < > <= >= = or !=", clip(t.op))
	}
	var err error
	if t.whole, err = strconv.ParseInt(args[1], 10, 64); err == nil {
		t.exact, t.value = true, float64(t.whole)
		return t, nil
	}
	if t.value, err = strconv.ParseFloat(args[1], 64); err != nil || math.IsNaN(t.value) || strings.ContainsAny(args[1], "xX_") {
		return nil, fmt.Errorf("%q is no number", clip(args[1]))
	}
	return t, nil
}

func (t compare[D]) Check(data D) (bool, error) {
	v, ok := data.Field(string(t.field))
	if !ok {
		return false, nil
	}
	var less, equal bool
	switch r := reflect.ValueOf(v); {
	case v != nil && r.Kind() == reflect.Bool:
		n := map[bool]float64{true: 1}[r.Bool()]
		less, equal = n < t.value, n == t.value
	case v != nil && r.CanInt() && t.exact:
		less, equal = r.Int() < t.whole, r.Int() == t.whole
	case v != nil && r.CanInt():
		less, equal = float64(r.Int()) < t.value, float64(r.Int()) == t.value
	case v != nil && r.CanFloat():
		if math.IsNaN(r.Float()) {
			return t.op == "!=", nil
		}
		less, equal = r.Float() < t.value, r.Float() == t.value
	case t.op == "=", t.op == "!=":
		return t.op == "!=", nil
	default:
		return false, fmt.Errorf("field %s is no number", t.field)
	}
	switch t.op {
	case "<":
		return less, nil
	case "<=":
		return less || equal, nil
	case ">":
		return !less && !equal, nil
	case ">=":
		return !less, nil
	case "=":
		return equal, nil
	}
	return !equal, nil
}
func (t compare[D]) Saw(data D) string { return t.saw(data) }

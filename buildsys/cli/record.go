package cli

import (
	"context"
	"strings"
	"time"

	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// record is a struct of the hub, for verbs that do little more than print what it holds.
type record map[string]any

// str is a member as Python prints it.
func (r record) str(key string) string { return pyStr(r[key]) }

// id is a member that is an id; 0 for None.
func (r record) id(key string) int64 {
	n, _ := r[key].(int64)
	return n
}

// seconds is a member that is a time in seconds, nil for None.
func (r record) seconds(key string) *float64 {
	switch v := r[key].(type) {
	case float64:
		return &v
	case int64:
		f := float64(v)
		return &f
	}
	return nil
}

// yes is a member's truth.
func (r record) yes(key string) bool { return xmlrpc.Truth(r[key]) }

// when is a member that is a time in seconds; ok is false for None and 0.
func (r record) when(key string) (t time.Time, ok bool) {
	switch v := r[key].(type) {
	case float64:
		return unixTime(v), v != 0
	case int64:
		return unixTime(float64(v)), v != 0
	}
	return time.Time{}, false
}

// pyStr is what Python's str makes of a value.
func pyStr(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return pyRepr(v)
}

func asRecord(v any) record {
	m, _ := v.(map[string]any)
	return m
}

func asRecords(v any) []record {
	list, _ := v.([]any)
	out := make([]record, 0, len(list))
	for _, e := range list {
		out = append(out, asRecord(e))
	}
	return out
}

// call calls a method.
func (s *session) call(ctx context.Context, method string, args ...any) (any, error) {
	return s.api.Caller.Call(ctx, method, args...)
}

// record calls a method that answers with a struct, or None: nil.
func (s *session) record(ctx context.Context, method string, args ...any) (record, error) {
	v, err := s.call(ctx, method, args...)
	return asRecord(v), err
}

// records calls a method that answers with a list of structs.
func (s *session) records(ctx context.Context, method string, args ...any) ([]record, error) {
	v, err := s.call(ctx, method, args...)
	return asRecords(v), err
}

// id calls a method that answers with an id.
func (s *session) id(ctx context.Context, method string, args ...any) (int64, error) {
	v, err := s.call(ctx, method, args...)
	n, _ := v.(int64)
	return n, err
}

// kwargs is short for keyword arguments.
type kwargs = xmlrpc.Kwargs

// asctime is a time as Python's time.asctime prints it, in the local zone.
func asctime(t time.Time) string { return t.Local().Format("Mon Jan _2 15:04:05 2006") }

// commaList is a list for people: a, b, and c.
func commaList(list []string) string {
	switch len(list) {
	case 0, 1:
		return strings.Join(list, "")
	case 2:
		return list[0] + " and " + list[1]
	}
	return strings.Join(list[:len(list)-1], ", ") + ", and " + list[len(list)-1]
}

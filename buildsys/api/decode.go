package api

import (
	"fmt"
	"math"
	"reflect"
	"strings"
)

// Decode fills dst, a pointer, from a value as the hub sends it. Structs take
// the members that their `koji:"name"` tags name and leave the others; nil makes
// a pointer nil and anything else its zero value. A value of another kind is an
// error that names the path to it.
func Decode(v, dst any) error {
	p := reflect.ValueOf(dst)
	if p.Kind() != reflect.Pointer || p.IsNil() {
		return fmt.Errorf("api: cannot decode into %T", dst)
	}
	if err := decode(v, p.Elem()); err != nil {
		return fmt.Errorf("unexpected answer of the hub: %w", err)
	}
	return nil
}

// kindError is a value of the wrong kind and the path to it, which is put
// together only when there is something to tell.
type kindError struct {
	path string
	v    any
	want reflect.Type
}

func (e *kindError) Error() string {
	path := strings.TrimPrefix(e.path, ".")
	if path == "" {
		path = "the reply"
	}
	return fmt.Sprintf("%s is %T, not %s", path, e.v, e.want)
}

// at puts a step in front of the path of an error.
func at(step string, err error) error {
	if e, ok := err.(*kindError); ok {
		e.path = step + e.path
	}
	return err
}

func decode(v any, dst reflect.Value) error {
	if v == nil {
		dst.SetZero()
		return nil
	}
	switch dst.Kind() {
	case reflect.Interface:
		if dst.NumMethod() == 0 {
			dst.Set(reflect.ValueOf(v))
			return nil
		}
	case reflect.Pointer:
		p := reflect.New(dst.Type().Elem())
		if err := decode(v, p.Elem()); err != nil {
			return err
		}
		dst.Set(p)
		return nil
	case reflect.Struct:
		return decodeStruct(v, dst)
	case reflect.Slice:
		return decodeSlice(v, dst)
	case reflect.Map:
		return decodeMap(v, dst)
	case reflect.String:
		if s, ok := v.(string); ok {
			dst.SetString(s)
			return nil
		}
	case reflect.Bool:
		switch x := v.(type) {
		case bool:
			dst.SetBool(x)
			return nil
		case int64:
			dst.SetBool(x != 0)
			return nil
		}
	case reflect.Int, reflect.Int64:
		if n, ok := asInt(v); ok {
			dst.SetInt(n)
			return nil
		}
	case reflect.Float64:
		switch x := v.(type) {
		case float64:
			dst.SetFloat(x)
			return nil
		case int64:
			dst.SetFloat(float64(x))
			return nil
		}
	}
	return &kindError{v: v, want: dst.Type()}
}

func asInt(v any) (int64, bool) {
	switch x := v.(type) {
	case int64:
		return x, true
	case int:
		return int64(x), true
	case float64:
		if x == math.Trunc(x) && math.Abs(x) < 1<<53 {
			return int64(x), true
		}
	}
	return 0, false
}

func decodeStruct(v any, dst reflect.Value) error {
	m, ok := v.(map[string]any)
	if !ok {
		return &kindError{v: v, want: dst.Type()}
	}
	t := dst.Type()
	for i := range t.NumField() {
		field := t.Field(i)
		if field.Anonymous {
			if err := decodeStruct(v, dst.Field(i)); err != nil {
				return err
			}
			continue
		}
		name := field.Tag.Get("koji")
		if name == "" {
			continue
		}
		member, ok := m[name]
		if !ok {
			continue
		}
		if err := decode(member, dst.Field(i)); err != nil {
			return at("."+name, err)
		}
	}
	return nil
}

func decodeSlice(v any, dst reflect.Value) error {
	if dst.Type().Elem().Kind() == reflect.Uint8 {
		if b, ok := v.([]byte); ok {
			dst.SetBytes(b)
			return nil
		}
		return &kindError{v: v, want: dst.Type()}
	}
	list, ok := v.([]any)
	if !ok {
		return &kindError{v: v, want: dst.Type()}
	}
	out := reflect.MakeSlice(dst.Type(), len(list), len(list))
	for i, item := range list {
		if err := decode(item, out.Index(i)); err != nil {
			return at(fmt.Sprintf("[%d]", i), err)
		}
	}
	dst.Set(out)
	return nil
}

func decodeMap(v any, dst reflect.Value) error {
	m, ok := v.(map[string]any)
	if !ok || dst.Type().Key().Kind() != reflect.String {
		return &kindError{v: v, want: dst.Type()}
	}
	out := reflect.MakeMapWithSize(dst.Type(), len(m))
	for key, item := range m {
		elem := reflect.New(dst.Type().Elem()).Elem()
		if err := decode(item, elem); err != nil {
			return at("."+key, err)
		}
		out.SetMapIndex(reflect.ValueOf(key).Convert(dst.Type().Key()), elem)
	}
	dst.Set(out)
	return nil
}

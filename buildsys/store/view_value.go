package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

func scanView(scan func(...any) error, fields []viewField) (ViewRow, error) {
	dst := make([]any, len(fields))
	for i, f := range fields {
		switch f.kind {
		case KindFloat:
			dst[i] = new(*float64)
		case KindBool:
			dst[i] = new(*bool)
		case KindText, KindJSON:
			dst[i] = new(*string)
		default:
			dst[i] = new(*int64)
		}
	}
	if err := scan(dst...); err != nil {
		return nil, err
	}
	r := make(ViewRow, len(fields))
	for i, f := range fields {
		v, err := f.read(dst[i])
		if err != nil {
			return nil, err
		}
		r[f.name] = v
	}
	return r, nil
}

// read is a scanned value as the field's kind has it; NULL is nil.
func (f viewField) read(dst any) (any, error) {
	switch p := dst.(type) {
	case **float64:
		if *p != nil {
			return **p, nil
		}
	case **bool:
		if *p != nil {
			return **p, nil
		}
	case **string:
		if *p == nil {
			break
		}
		if f.kind == KindText {
			return **p, nil
		}
		return decodeJSON(**p)
	case **int64:
		if *p == nil {
			break
		}
		switch f.kind {
		case KindTime:
			return fromMicros(**p), nil
		case KindSeconds:
			return float64(**p) / 1e6, nil
		}
		return **p, nil
	}
	return nil, nil
}

// decodeJSON reads JSON with its integers as integers.
func decodeJSON(text string) (any, error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("stored JSON: %w", err)
	}
	return plainNumbers(v), nil
}

func plainNumbers(v any) any {
	switch x := v.(type) {
	case json.Number:
		if n, err := x.Int64(); err == nil {
			return n
		}
		f, _ := x.Float64()
		return f
	case []any:
		for i := range x {
			x[i] = plainNumbers(x[i])
		}
	case map[string]any:
		for k := range x {
			x[k] = plainNumbers(x[k])
		}
	}
	return v
}

// CanonicalJSON writes JSON anew with sorted keys and no spaces, so that equal values are equal texts.
func CanonicalJSON(text []byte) (string, error) {
	v, err := decodeJSON(string(text))
	if err != nil {
		return "", err
	}
	return EncodeJSON(v)
}

// EncodeJSON writes a value as columns hold it: keys sorted, no spaces.
func EncodeJSON(v any) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return "", err
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// contains tells whether a JSON value holds all of another: of structs key by key, of lists value by value.
func contains(have, want any) bool {
	switch w := want.(type) {
	case map[string]any:
		h, ok := have.(map[string]any)
		if !ok {
			return false
		}
		for k, v := range w {
			if hv, ok := h[k]; !ok || !contains(hv, v) {
				return false
			}
		}
		return true
	case []any:
		h, ok := have.([]any)
		return ok && !slices.ContainsFunc(w, func(v any) bool {
			return !slices.ContainsFunc(h, func(hv any) bool { return contains(hv, v) })
		})
	}
	switch have.(type) {
	case map[string]any, []any:
		return false
	}
	return have == want
}

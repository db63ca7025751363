package xmlrpc

import (
	"iter"
)

// Member is one member of a Struct.
type Member struct {
	Name  string
	Value any
}

// Struct is a struct whose members are written in order.
type Struct []Member

// Row is a struct as one row of a long list: the names are shared by all rows.
type Row struct {
	Names  []string
	Values []any
}

// Seq is an array whose elements are made while it is written; an error ends it, and the message with it.
type Seq = iter.Seq2[any, error]

// Raw is an encoded value, as AppendValue makes it (without <value> around a bare string).
type Raw []byte

// Text64 is a string: the base64 of the bytes. It is written without having been made.
type Text64 []byte

// Kwargs, as the last argument of a call, are its keyword arguments.
type Kwargs map[string]any

// starstar marks the struct that carries keyword arguments.
const starstar = "__starstar"

// SplitKwargs takes the keyword arguments off the parameters of a call.
func SplitKwargs(params []any) (pos []any, kw map[string]any) {
	if len(params) == 0 {
		return params, nil
	}
	last, ok := params[len(params)-1].(map[string]any)
	if !ok {
		return params, nil
	}
	switch mark := last[starstar].(type) {
	case bool:
		ok = mark
	case int64:
		ok = mark != 0
	default:
		ok = false
	}
	if !ok {
		return params, nil
	}
	kw = make(map[string]any, len(last)-1)
	for k, v := range last {
		if k != starstar {
			kw[k] = v
		}
	}
	return params[:len(params)-1], kw
}

// Truth is what Python takes a decoded value for: None, false, 0 and what is empty are false.
func Truth(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case int64:
		return v != 0
	case float64:
		return v != 0
	case string:
		return v != ""
	case []byte:
		return len(v) > 0
	case []any:
		return len(v) > 0
	case map[string]any:
		return len(v) > 0
	}
	return true
}

// Fault is a failure told by the other side.
type Fault struct {
	Code   int
	String string
}

func (f *Fault) Error() string { return f.String }

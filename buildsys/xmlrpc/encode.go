package xmlrpc

import (
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"
)

// writer encodes values; the first error sticks. Large output is handed to w in pieces.
type writer struct {
	buf   []byte
	w     io.Writer // nil: keep everything in buf
	err   error
	depth int
}

// flushAt is how much is gathered before it is written.
const flushAt = 32 << 10

// maxEncodeDepth stops a value that contains itself.
const maxEncodeDepth = 200

func (e *writer) fail(err error) {
	if e.err == nil {
		e.err = err
	}
}

func (e *writer) flush() {
	if e.w == nil || len(e.buf) == 0 || e.err != nil {
		return
	}
	if _, err := e.w.Write(e.buf); err != nil {
		e.fail(err)
	}
	e.buf = e.buf[:0]
}

func (e *writer) raw(s string) { e.buf = append(e.buf, s...) }

// value writes <value>...</value>.
func (e *writer) value(v any) {
	if e.err != nil {
		return
	}
	if e.depth++; e.depth > maxEncodeDepth {
		e.fail(fmt.Errorf("xmlrpc: value nests deeper than %d", maxEncodeDepth))
		return
	}
	e.raw("<value>")
	e.inner(v)
	e.raw("</value>")
	e.depth--
	if e.w != nil && len(e.buf) >= flushAt {
		e.flush()
	}
}

func (e *writer) inner(v any) {
	switch v := v.(type) {
	case nil:
		e.raw("<nil/>")
	case string:
		e.raw("<string>")
		e.buf = appendText(e.buf, v)
		e.raw("</string>")
	case bool:
		if v {
			e.raw("<boolean>1</boolean>")
		} else {
			e.raw("<boolean>0</boolean>")
		}
	case int:
		e.int(int64(v))
	case int32:
		e.int(int64(v))
	case uint32:
		e.int(int64(v))
	case int64:
		e.int(v)
	case float64:
		e.float(v)
	case []byte:
		e.raw("<base64>")
		e.buf = base64.StdEncoding.AppendEncode(e.buf, v)
		e.raw("</base64>")
	case Text64:
		e.raw("<string>")
		e.buf = base64.StdEncoding.AppendEncode(e.buf, v)
		e.raw("</string>")
	case Raw:
		e.buf = append(e.buf, v...)
	case map[string]any:
		e.mapping(v)
	case Kwargs:
		m := make(map[string]any, len(v)+1)
		maps.Copy(m, v)
		m[starstar] = true
		e.mapping(m)
	case Struct:
		e.raw("<struct>")
		for _, m := range v {
			e.member(m.Name, m.Value)
		}
		e.raw("</struct>")
	case Row:
		e.raw("<struct>")
		for i, n := range v.Names {
			e.member(n, v.Values[i])
		}
		e.raw("</struct>")
	case *string:
		pointer(e, v)
	case *int64:
		pointer(e, v)
	case *bool:
		pointer(e, v)
	case *float64:
		pointer(e, v)
	case []any:
		array(e, v)
	case []string:
		array(e, v)
	case []int64:
		array(e, v)
	case []int:
		array(e, v)
	case []Struct:
		array(e, v)
	case []Row:
		array(e, v)
	case []map[string]any:
		array(e, v)
	case Seq:
		e.seq(v)
	case func(func(any, error) bool):
		e.seq(v)
	default:
		e.fail(fmt.Errorf("xmlrpc: cannot encode a %T", v))
	}
}

func (e *writer) int(n int64) {
	if n >= math.MinInt32 && n <= math.MaxInt32 {
		e.raw("<int>")
		e.buf = strconv.AppendInt(e.buf, n, 10)
		e.raw("</int>")
		return
	}
	e.raw("<i8>")
	e.buf = strconv.AppendInt(e.buf, n, 10)
	e.raw("</i8>")
}

func (e *writer) float(f float64) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		e.fail(fmt.Errorf("xmlrpc: cannot encode %v", f))
		return
	}
	e.raw("<double>")
	e.buf = strconv.AppendFloat(e.buf, f, 'f', -1, 64)
	e.raw("</double>")
}

func (e *writer) member(name string, v any) {
	e.raw("<member><name>")
	e.buf = appendText(e.buf, name)
	e.raw("</name>")
	e.value(v)
	e.raw("</member>")
}

// mapping writes the members in the order of their names, so that equal values are equal bytes.
func (e *writer) mapping(m map[string]any) {
	e.raw("<struct>")
	for _, k := range slices.Sorted(maps.Keys(m)) {
		e.member(k, m[k])
	}
	e.raw("</struct>")
}

func (e *writer) seq(s Seq) {
	e.raw("<array><data>")
	for v, err := range s {
		if err != nil {
			e.fail(err)
		}
		if e.err != nil {
			return
		}
		e.value(v)
	}
	e.raw("</data></array>")
}

func pointer[T any](e *writer, p *T) {
	if p == nil {
		e.raw("<nil/>")
		return
	}
	e.inner(*p)
}

func array[T any](e *writer, vs []T) {
	e.raw("<array><data>")
	for _, v := range vs {
		e.value(v)
	}
	e.raw("</data></array>")
}

// appendText appends s as character data.
func appendText(b []byte, s string) []byte {
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c < utf8.RuneSelf && c != '&' && c != '<' && c != '>' {
			i++
			continue
		}
		size, esc := 1, ""
		switch {
		case c == '&':
			esc = "&amp;"
		case c == '<':
			esc = "&lt;"
		case c == '>':
			esc = "&gt;"
		case c == '\r':
			esc = "&#13;"
		case c == '\n' || c == '\t':
			i++
			continue
		case c < ' ':
			esc = "\uFFFD"
		default:
			var r rune
			r, size = utf8.DecodeRuneInString(s[i:])
			if isChar(r) && (r != utf8.RuneError || size > 1) {
				i += size
				continue
			}
			esc = "\uFFFD"
		}
		b = append(b, s[start:i]...)
		b = append(b, esc...)
		i += size
		start = i
	}
	return append(b, s[start:]...)
}

// isChar tells whether XML 1.0 may carry the character at all.
func isChar(r rune) bool {
	return r >= 0x20 && r <= 0xD7FF || r == '\t' || r == '\n' || r == '\r' || r >= 0xE000 && r <= 0xFFFD || r >= 0x10000 && r <= 0x10FFFF
}

package xmlrpc

import (
	"bytes"
	"encoding/base64"
	"math"
	"strconv"
	"strings"
)

// Limits bound what a decoder accepts.
type Limits struct {
	Size  int // bytes of the document; 0: 64 MiB
	Depth int // nested values; 0: 64
}

func (l Limits) size() int {
	if l.Size == 0 {
		return 64 << 20
	}
	return l.Size
}

func (l Limits) depth() int {
	if l.Depth == 0 {
		return 64
	}
	return l.Depth
}

// DecodeCall reads a methodCall.
func DecodeCall(doc []byte, lim Limits) (method string, params []any, err error) {
	d, err := newDecoder(doc, lim)
	if err != nil {
		return "", nil, err
	}
	if _, err := d.start("methodCall"); err != nil {
		return "", nil, err
	}
	if method, err = d.named("methodName"); err != nil {
		return "", nil, err
	}
	method = strings.TrimSpace(method)
	if method == "" {
		return "", nil, d.errorf("the method has no name")
	}
	t, err := d.tag()
	if err != nil {
		return "", nil, err
	}
	if t == (tag{name: "methodCall", end: true}) { // a call without parameters may leave them out
		return method, nil, d.eof()
	}
	if t.end || t.name != "params" {
		return "", nil, d.errorf("%s where <params> belongs", t)
	}
	if params, err = d.params(t.empty); err != nil {
		return "", nil, err
	}
	if err := d.end("methodCall"); err != nil {
		return "", nil, err
	}
	return method, params, d.eof()
}

// DecodeResponse reads a methodResponse; a fault comes back as *Fault.
func DecodeResponse(doc []byte, lim Limits) (any, error) {
	d, err := newDecoder(doc, lim)
	if err != nil {
		return nil, err
	}
	if _, err := d.start("methodResponse"); err != nil {
		return nil, err
	}
	t, err := d.tag()
	if err != nil {
		return nil, err
	}
	var v any
	switch {
	case t == (tag{name: "fault"}):
		if v, err = d.fault(); err != nil {
			return nil, err
		}
	case t == (tag{name: "params"}):
		params, err := d.params(false)
		if err != nil {
			return nil, err
		}
		if len(params) != 1 {
			return nil, d.errorf("a response of %d values: want one", len(params))
		}
		v = params[0]
	default:
		return nil, d.errorf("%s where <params> or <fault> belongs", t)
	}
	if err := d.end("methodResponse"); err != nil {
		return nil, err
	}
	if err := d.eof(); err != nil {
		return nil, err
	}
	if f, ok := v.(*Fault); ok {
		return nil, f
	}
	return v, nil
}

type decoder struct {
	scanner
	depth, max int
}

func newDecoder(doc []byte, lim Limits) (*decoder, error) {
	if len(doc) > lim.size() {
		return nil, &SyntaxError{lim.size(), "the document is larger than " + strconv.Itoa(lim.size()) + " bytes"}
	}
	doc = bytes.TrimPrefix(doc, []byte("\xef\xbb\xbf"))
	return &decoder{scanner: scanner{b: doc, intrn: map[string]string{}}, max: lim.depth()}, nil
}

// eof makes sure that nothing follows.
func (d *decoder) eof() error {
	if err := d.skip(); err != nil {
		return err
	}
	if d.pos < len(d.b) {
		return d.errorf("more after the end of the document")
	}
	return nil
}

// named reads <name>text</name>.
func (d *decoder) named(name string) (string, error) {
	empty, err := d.start(name)
	if err != nil || empty {
		return "", err
	}
	s, err := d.text()
	if err != nil {
		return "", err
	}
	return s, d.end(name)
}

// params reads what follows <params>.
func (d *decoder) params(empty bool) ([]any, error) {
	if empty {
		return nil, nil
	}
	var out []any
	for {
		t, err := d.tag()
		if err != nil {
			return nil, err
		}
		if t == (tag{name: "params", end: true}) {
			return out, nil
		}
		if t != (tag{name: "param"}) {
			return nil, d.errorf("%s where <param> belongs", t)
		}
		empty, err := d.start("value")
		if err != nil {
			return nil, err
		}
		v, err := d.value(empty)
		if err != nil {
			return nil, err
		}
		if err := d.end("param"); err != nil {
			return nil, err
		}
		out = append(out, v)
	}
}

func (d *decoder) fault() (*Fault, error) {
	empty, err := d.start("value")
	if err != nil {
		return nil, err
	}
	v, err := d.value(empty)
	if err != nil {
		return nil, err
	}
	if err := d.end("fault"); err != nil {
		return nil, err
	}
	f, ok := FaultOf(v)
	if !ok {
		return nil, d.errorf("a fault without faultCode and faultString")
	}
	return f, nil
}

// FaultOf reads a fault from the struct that carries one, as items of a multicall do.
func FaultOf(v any) (*Fault, bool) {
	m, _ := v.(map[string]any)
	code, ok1 := m["faultCode"].(int64)
	text, ok2 := m["faultString"].(string)
	if !ok1 || !ok2 {
		return nil, false
	}
	return &Fault{Code: int(code), String: text}, true
}

// value reads what follows <value>, its end tag included.
func (d *decoder) value(empty bool) (any, error) {
	if empty {
		return "", nil
	}
	if d.depth++; d.depth > d.max {
		return nil, d.errorf("values nest deeper than %d", d.max)
	}
	defer func() { d.depth-- }()
	text, err := d.text() // white space before a tag, or a string without one
	if err != nil {
		return nil, err
	}
	t, err := d.tagHere()
	if err != nil {
		return nil, err
	}
	if t == (tag{name: "value", end: true}) {
		return text, nil
	}
	if t.end || strings.TrimSpace(text) != "" {
		return nil, d.errorf("%s inside a value", t)
	}
	v, err := d.typed(t)
	if err != nil {
		return nil, err
	}
	return v, d.end("value")
}

// typed reads the value that the tag t begins.
func (d *decoder) typed(t tag) (any, error) {
	switch t.name {
	case "array":
		return d.array(t.empty)
	case "struct":
		return d.structure(t.empty)
	case "nil":
		if t.empty {
			return nil, nil
		}
		return nil, d.end("nil")
	case "string", "int", "i1", "i2", "i4", "i8", "biginteger", "double", "float", "boolean", "base64", "dateTime.iso8601":
	default:
		return nil, d.errorf("%s inside a value", t)
	}
	text := ""
	if !t.empty {
		var err error
		if text, err = d.text(); err != nil {
			return nil, err
		}
	}
	v, ok := scalar(t.name, text)
	if !ok {
		if len(text) > 40 {
			text = text[:40]
		}
		return nil, d.errorf("%q is no <%s>", text, t.name)
	}
	if t.empty {
		return v, nil
	}
	return v, d.end(t.name)
}

func scalar(typ, text string) (any, bool) {
	switch typ {
	case "string":
		return text, true
	case "dateTime.iso8601":
		return strings.TrimSpace(text), true
	case "double", "float":
		f, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		return f, err == nil && !math.IsNaN(f) && !math.IsInf(f, 0)
	case "boolean":
		switch strings.TrimSpace(text) {
		case "1":
			return true, true
		case "0":
			return false, true
		}
		return nil, false
	case "base64":
		clean := strings.Map(func(r rune) rune {
			if r == ' ' || r == '\n' || r == '\t' || r == '\r' {
				return -1
			}
			return r
		}, text)
		b, err := base64.StdEncoding.DecodeString(clean)
		if b == nil {
			b = []byte{}
		}
		return b, err == nil
	}
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	return n, err == nil
}

func (d *decoder) array(empty bool) (any, error) {
	out := []any{}
	if empty {
		return out, nil
	}
	empty, err := d.start("data")
	if err != nil {
		return nil, err
	}
	for !empty {
		t, err := d.tag()
		if err != nil {
			return nil, err
		}
		if t == (tag{name: "data", end: true}) {
			break
		}
		if t.end || t.name != "value" {
			return nil, d.errorf("%s inside an array", t)
		}
		v, err := d.value(t.empty)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, d.end("array")
}

func (d *decoder) structure(empty bool) (any, error) {
	out := map[string]any{}
	if empty {
		return out, nil
	}
	for {
		t, err := d.tag()
		if err != nil {
			return nil, err
		}
		if t == (tag{name: "struct", end: true}) {
			return out, nil
		}
		if t != (tag{name: "member"}) {
			return nil, d.errorf("%s inside a struct", t)
		}
		name, err := d.memberName()
		if err != nil {
			return nil, err
		}
		empty, err := d.start("value")
		if err != nil {
			return nil, err
		}
		if out[name], err = d.value(empty); err != nil {
			return nil, err
		}
		if err := d.end("member"); err != nil {
			return nil, err
		}
	}
}

// memberName reads <name>text</name>, handing out one copy of each text: a long list repeats a few.
func (d *decoder) memberName() (string, error) {
	at := d.pos
	if empty, err := d.start("name"); err != nil || empty {
		return "", err
	}
	if n := bytes.IndexByte(d.b[d.pos:], '<'); n >= 0 {
		if kept, ok := d.intrn[string(d.b[d.pos:d.pos+n])]; ok {
			d.pos += n
			return kept, d.end("name")
		}
	}
	d.pos = at
	name, err := d.named("name")
	if err == nil && len(d.intrn) < maxInterned && !needsCare([]byte(name)) {
		d.intrn[name] = name
	}
	return name, err
}

// maxInterned bounds the table of names.
const maxInterned = 1000

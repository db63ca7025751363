package xmlrpc

import (
	"io"
)

const header = "<?xml version='1.0'?>\n"

// AppendValue appends the encoding of v, for Raw.
func AppendValue(b []byte, v any) ([]byte, error) {
	e := writer{buf: b}
	e.inner(v)
	return e.buf, e.err
}

// EncodeCall is a methodCall.
func EncodeCall(method string, params []any) ([]byte, error) {
	var e writer
	e.raw(header + "<methodCall><methodName>")
	e.buf = appendText(e.buf, method)
	e.raw("</methodName>")
	e.params(params)
	e.raw("</methodCall>\n")
	return e.buf, e.err
}

// EncodeResponse is a methodResponse that carries v.
func EncodeResponse(v any) ([]byte, error) {
	var e writer
	e.response(v)
	return e.buf, e.err
}

// WriteResponse writes a methodResponse that carries v, in pieces. After an error the message is broken: the caller cuts
// the connection.
func WriteResponse(w io.Writer, v any) error {
	e := writer{w: w}
	e.response(v)
	e.flush()
	return e.err
}

func (e *writer) response(v any) {
	e.raw(header + "<methodResponse>")
	e.params([]any{v})
	e.raw("</methodResponse>\n")
}

func (e *writer) params(params []any) {
	e.raw("<params>")
	for _, p := range params {
		e.raw("<param>")
		e.value(p)
		e.raw("</param>")
	}
	e.raw("</params>")
}

// EncodeFault is a methodResponse that tells of a failure.
func EncodeFault(f *Fault) []byte {
	var e writer
	e.raw(header + "<methodResponse><fault>")
	e.value(Struct{{"faultCode", f.Code}, {"faultString", f.String}})
	e.raw("</fault></methodResponse>\n")
	return e.buf
}

package hub_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// TestConformanceTransport sends requests that no client makes, byte by byte as the real hub got them.
func TestConformanceTransport(t *testing.T) {
	var raw map[string]rawExchange
	readJSON(t, "transport.json", &raw)
	s := newSite(t)
	quirks := newQuirks(transportQuirks)
	for _, name := range []string{"get", "not-xml", "unknown-method", "wrong-arity", "unknown-keyword", "system-multicall",
		"admin-anonymous", "bad-session"} {
		t.Run(name, func(t *testing.T) {
			x, ok := raw[name]
			if !ok {
				t.Fatal("not in transport.json")
			}
			res, body := s.post(t, "", x.Request.Method, x.Request.Path, x.Request.Headers, []byte(x.Request.Body))
			if res.StatusCode != x.Response.Status {
				t.Errorf("status %d, Koji's is %d", res.StatusCode, x.Response.Status)
			}
			for _, h := range []string{"Koji-Version", "Content-Type", "Allow"} {
				want, _, _ := strings.Cut(x.Response.Headers[h], ";")
				got, _, _ := strings.Cut(res.Header.Get(h), ";")
				if got != want {
					t.Errorf("%s: %q, Koji's is %q", h, got, want)
				}
			}
			if x.Response.Status != 200 {
				return // prose
			}
			want, got := rawAnswer([]byte(x.Response.Body)), rawAnswer(body)
			for i := range max(len(want), len(got)) {
				d := difference{name, "(transport)", "answer", at(want, i), at(got, i)}
				if d.Koji != d.Ours {
					quirks.report(t, d, name)
				}
			}
		})
	}
	quirks.unused(t)
}

func at(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return "(missing)"
}

// rawAnswer spells an answer: a value, a fault, or those of a multicall, whose tracebacks are left out.
func rawAnswer(doc []byte) []string {
	v, err := xmlrpc.DecodeResponse(doc, xmlrpc.Limits{})
	var f *xmlrpc.Fault
	switch list, ok := v.([]any); {
	case errors.As(err, &f):
		return []string{strconv.Itoa(f.Code), strconv.Quote(f.String)}
	case err != nil:
		return []string{err.Error()}
	case ok:
		var out []string
		for _, one := range list {
			if f, ok := xmlrpc.FaultOf(one); ok {
				out = append(out, strconv.Itoa(f.Code)+" "+f.String)
				continue
			}
			out = append(out, fmt.Sprint(one))
		}
		return out
	}
	return []string{fmt.Sprint(v)}
}

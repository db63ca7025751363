package hub_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/privyseal/privyseal/internal/lab"
)

// step is one file of testdata/koji: a command of the real client, and what it and the real hub said to each other.
// testdata/koji/README.md describes the fields and the marks in them.
type step struct {
	Name, Profile  string
	Argv           []string
	Exit           int
	Stdout, Stderr string
	Exchanges      []exchange
}

// exchange is one request of a step with Koji's answer.
type exchange struct {
	As      *string // common name of the client's certificate
	Session *string
	Path    string
	CallNum *int64
	Upload  *upload
	call
	Calls []call // of a multicall
}

// call is one method with Koji's answer.
type call struct {
	Method string
	Params []any
	Result any
	Fault  *fault
}

type fault struct {
	Code   int
	String string
}

type upload struct {
	Query map[string]string
	File  string
}

// steps reads the recordings, in order.
func steps(t *testing.T) []step {
	t.Helper()
	var index struct{ Steps []string }
	readJSON(t, "index.json", &index)
	if len(index.Steps) == 0 {
		t.Fatal("testdata/koji/index.json names no steps")
	}
	out := make([]step, len(index.Steps))
	for i, name := range index.Steps {
		readJSON(t, name, &out[i])
		for j := range out[i].Exchanges {
			x := &out[i].Exchanges[j]
			x.call.normal(t)
			for k := range x.Calls {
				x.Calls[k].normal(t)
			}
		}
	}
	return out
}

func readJSON(t *testing.T, name string, into any) {
	t.Helper()
	path := lab.Testdata(t, "koji", name)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %v", filepath.Base(path), err)
	}
}

func (c *call) normal(t *testing.T) {
	t.Helper()
	for i, p := range c.Params {
		c.Params[i] = goValue(t, p)
	}
	c.Result = goValue(t, c.Result)
}

// goValue turns a recorded value into what the XML-RPC decoder would give: a number with a point is a double.
func goValue(t *testing.T, v any) any {
	t.Helper()
	switch v := v.(type) {
	case json.Number:
		if strings.ContainsAny(v.String(), ".eE") {
			f, err := v.Float64()
			if err != nil {
				t.Fatal(err)
			}
			return f
		}
		n, err := v.Int64()
		if err != nil {
			t.Fatal(err)
		}
		return n
	case []any:
		for i := range v {
			v[i] = goValue(t, v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = goValue(t, v[k])
		}
	}
	return v
}

// rawExchange is an entry of transport.json.
type rawExchange struct {
	Request struct {
		Method, Path, Body string
		Headers            map[string]string
	}
	Response struct {
		Status  int
		Body    string
		Headers map[string]string
	}
}

// sighdr is what Koji's client sends of an RPM's signature header, before base64: from its magic, which follows the 96
// bytes of the lead, to the main header, so with the padding to 8 bytes. It is computed here and not by internal/rpmhead,
// so that the two check each other.
func sighdr(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(lab.Testdata(t, "koji", "rpms", file))
	if err != nil {
		t.Fatal(err)
	}
	const lead, intro = 96, 16
	if len(data) < lead+intro {
		t.Fatalf("%s: too short for an RPM", file)
	}
	be := func(at int) int {
		return int(data[at])<<24 | int(data[at+1])<<16 | int(data[at+2])<<8 | int(data[at+3])
	}
	end := lead + intro + (16*be(lead+8)+be(lead+12)+7)/8*8
	if end > len(data) {
		t.Fatalf("%s: signature header ends at %d of %d bytes", file, end, len(data))
	}
	return data[lead:end]
}

func (s step) String() string { return fmt.Sprintf("%s %q", s.Name, s.Argv) }

package differ

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// Left out of tapes: what every command says at its beginning and end, and the list of all methods, which has a file of
// its own.
var leftOut = map[string]bool{"sslLogin": true, "getAPIVersion": true, "logout": true, "_listapi": true}

// WriteTape writes a marked tape: one line a call, so that a difference between two of them can be read.
func WriteTape(file, note string, tape *Tape) error {
	var b bytes.Buffer
	ids, err := json.Marshal(tape.Marks)
	if err != nil {
		return err
	}
	fmt.Fprintf(&b, "{\n \"koji\": \"1.35.3\",\n \"note\": %s,\n \"ids\": %s,\n \"steps\": [", quote(note), ids)
	for i, s := range tape.Steps {
		if i > 0 {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, "\n  {\"profile\": %s, \"argv\": %s,", quote(s.Profile), encode(strs(s.Argv)))
		if s.Sets != "" {
			fmt.Fprintf(&b, " \"sets\": %s,", quote(s.Sets))
		}
		fmt.Fprintf(&b, " \"exit\": %d,\n   \"stdout\": %s,\n   \"stderr\": %s,\n   \"calls\": [", s.Exit, quote(s.Stdout), quote(s.Stderr))
		first := true
		for _, x := range s.Exchanges {
			if leftOut[x.Method] {
				continue
			}
			if !first {
				b.WriteString(",")
			}
			first = false
			b.WriteString("\n    " + x.line())
		}
		b.WriteString("]}")
	}
	b.WriteString("\n ]\n}\n")
	return os.WriteFile(file, b.Bytes(), 0o644)
}

func (x *Exchange) line() string {
	var b strings.Builder
	b.WriteString("{")
	if x.Session == "" {
		b.WriteString("\"anonymous\": true, ")
	}
	switch {
	case x.Upload != nil:
		q := map[string]any{}
		for k, v := range x.Upload.Query {
			q[k] = v
		}
		fmt.Fprintf(&b, "\"upload\": {\"query\": %s, \"file\": %s, \"size\": %d}, %s", encode(q), quote(x.Upload.File), x.Upload.Size, x.answerJSON())
	case x.Method == "multiCall":
		b.WriteString("\"method\": \"multiCall\", \"calls\": [")
		for i := range x.Calls {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString("{" + x.Calls[i].json() + "}")
		}
		b.WriteString("]")
	default:
		b.WriteString(x.json())
	}
	b.WriteString("}")
	return b.String()
}

func (c *Call) json() string {
	return fmt.Sprintf("\"method\": %s, \"params\": %s, %s", quote(c.Method), encode(c.Params), c.answerJSON())
}

func (c *Call) answerJSON() string {
	if c.Fault != nil {
		return fmt.Sprintf("\"fault\": {\"code\": %d, \"string\": %s}", c.Fault.Code, quote(c.Fault.String))
	}
	return "\"result\": " + encode(c.Result)
}

func strs(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}

func quote(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string always encodes
	return strings.TrimSuffix(b.String(), "\n")
}

// encode writes a value so that ints and doubles stay apart: a double has a point.
func encode(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return quote(v)
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		s := strconv.FormatFloat(v, 'g', -1, 64)
		if !strings.ContainsAny(s, ".e") {
			s += ".0"
		}
		return s
	case []any:
		parts := make([]string, len(v))
		for i := range v {
			parts[i] = encode(v[i])
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case map[string]any:
		parts := make([]string, 0, len(v))
		for _, k := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, quote(k)+": "+encode(v[k]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return quote(fmt.Sprint(v))
}

// A Tape is what Koji did with a script.
type Tape struct {
	Steps []Step
	// Marks are the ids that stand in printed text, by kind, each with the number of its mark.
	Marks map[string]map[int64]int
}

// SamePrinted compares what was printed with what another client prints. A number may be another one where it is an id.
func (tape *Tape) SamePrinted(koji, ours string) bool {
	return samePrinted(koji, ours, func(n, _ int64) bool {
		for _, ids := range tape.Marks {
			if _, ok := ids[n]; ok {
				return true
			}
		}
		return false
	})
}

// ReadTape reads what WriteTape wrote.
func ReadTape(file string) (*Tape, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	type fault struct {
		Code   int
		String string
	}
	type one struct {
		Method string
		Params []any
		Result any
		Fault  *fault
	}
	var doc struct {
		Ids   map[string]map[int64]int
		Steps []struct {
			Profile        string
			Argv           []string
			Sets           string
			Exit           int
			Stdout, Stderr string
			Calls          []struct {
				one
				Anonymous bool
				Upload    *Upload
				Calls     []one
			}
		}
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&doc); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	call := func(o one) Call {
		c := Call{Method: o.Method, Result: decoded(o.Result)}
		for _, p := range o.Params {
			c.Params = append(c.Params, decoded(p))
		}
		if o.Fault != nil {
			c.Fault = &xmlrpc.Fault{Code: o.Fault.Code, String: o.Fault.String}
		}
		return c
	}
	out := &Tape{Marks: doc.Ids}
	for _, s := range doc.Steps {
		st := Step{Profile: s.Profile, Argv: s.Argv, Sets: s.Sets, Exit: s.Exit, Stdout: s.Stdout, Stderr: s.Stderr}
		for _, c := range s.Calls {
			x := Exchange{Call: call(c.one), Upload: c.Upload}
			if !c.Anonymous {
				x.Session = "yes"
			}
			for _, o := range c.Calls {
				x.Calls = append(x.Calls, call(o))
			}
			st.Exchanges = append(st.Exchanges, x)
		}
		out.Steps = append(out.Steps, st)
	}
	return out, nil
}

// decoded turns a JSON value into what the XML-RPC decoder gives.
func decoded(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil && !strings.ContainsAny(v.String(), ".eE") {
			return n
		}
		f, _ := v.Float64()
		return f
	case []any:
		for i := range v {
			v[i] = decoded(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = decoded(v[k])
		}
	}
	return v
}

// Plain drops from a tape what WriteTape leaves out, so that one that was run compares with one that was read.
func Plain(tape []Exchange) []Exchange {
	return slices.DeleteFunc(tape, func(x Exchange) bool { return leftOut[x.Method] })
}

// Marks are the ids that a marker knows, for [SetMarks].
func (m *Marker) Marks() map[string]map[int64]int { return m.marks }

// SetMarks makes the marker know ids.
func (m *Marker) SetMarks(marks map[string]map[int64]int) { m.marks = marks }

package xmlrpc_test

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

// values are what both sides have to agree on.
func values() map[string]any {
	return map[string]any{
		"nil": nil, "true": true, "false": false, "zero": int64(0), "int": int64(-42), "i4max": int64(math.MaxInt32),
		"i8": int64(math.MaxInt32) + 1, "i8min": int64(math.MinInt64), "double": 1732477588.736647, "small": 1e-7, "empty": "",
		"text": "a <b> & \"c\" 'd' ]]> e", "lines": "one\ntwo\r\nthree\ttab", "utf8": "dobrý den — 你好 🔏",
		"space": "  kept  ", "bytes": []byte{0, 1, 2, 0xff, 0xfe, '\n'}, "nobytes": []byte{},
		"list": []any{int64(1), "two", nil, []any{}, map[string]any{}}, "struct": map[string]any{"a b": int64(1), "<k>": "v", "": nil},
	}
}

func TestRoundTrip(t *testing.T) {
	want := values()
	call, err := xmlrpc.EncodeCall("m.name", []any{want, int64(7)})
	if err != nil {
		t.Fatal(err)
	}
	name, params, err := xmlrpc.DecodeCall(call, xmlrpc.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]any{want, int64(7)}, params); name != "m.name" || d != "" {
		t.Fatalf("%s: %s", name, d)
	}
	resp, err := xmlrpc.EncodeResponse(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := xmlrpc.DecodeResponse(resp, xmlrpc.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(any(want), got); d != "" {
		t.Fatal(d)
	}
	_, err = xmlrpc.DecodeResponse(xmlrpc.EncodeFault(&xmlrpc.Fault{Code: 1003, String: "tag & <all>"}), xmlrpc.Limits{})
	var f *xmlrpc.Fault
	if !errors.As(err, &f) || f.Code != 1003 || f.String != "tag & <all>" {
		t.Fatalf("fault came back as %v", err)
	}
}

// python runs a script with the system's Python, whose xmlrpc.client is what Koji's client is made of.
func python(t *testing.T, script string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("/usr/bin/python3", append([]string{"-c", script}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("python3: %v", err)
	}
	return out
}

// jsonable turns bytes into text that JSON can carry, as the Python scripts below do.
func jsonable(v any) any {
	switch v := v.(type) {
	case []byte:
		var s strings.Builder
		s.WriteString("bytes:")
		for _, c := range v {
			s.WriteString(string(rune('a'+c>>4)) + string(rune('a'+c&15)))
		}
		return s.String()
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = jsonable(v[i])
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for k := range v {
			out[k] = jsonable(v[k])
		}
		return out
	}
	return v
}

const pyPlain = `
import json, sys, xmlrpc.client
def plain(v):
    if isinstance(v, xmlrpc.client.Binary): v = v.data
    if isinstance(v, bytes): return "bytes:" + "".join(chr(97 + (c >> 4)) + chr(97 + (c & 15)) for c in v)
    if isinstance(v, (list, tuple)): return [plain(x) for x in v]
    if isinstance(v, dict): return {k: plain(x) for k, x in v.items()}
    return v
`

func TestPythonReadsOurs(t *testing.T) {
	want := values()
	doc, err := xmlrpc.EncodeResponse(want)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "response.xml")
	if err := os.WriteFile(file, doc, 0o600); err != nil {
		t.Fatal(err)
	}
	out := python(t, pyPlain+`
params, name = xmlrpc.client.loads(open(sys.argv[1], "rb").read())
print(json.dumps(plain(params[0])))`, file)
	compareJSON(t, out, want)
	if err := os.WriteFile(file, xmlrpc.EncodeFault(&xmlrpc.Fault{Code: 1019, String: "bad <arg>"}), 0o600); err != nil {
		t.Fatal(err)
	}
	out = python(t, `
import sys, xmlrpc.client
try:
    xmlrpc.client.loads(open(sys.argv[1], "rb").read())
except xmlrpc.client.Fault as f:
    print(f.faultCode, f.faultString)`, file)
	if string(out) != "1019 bad <arg>\n" {
		t.Errorf("Python reads our fault as %q", out)
	}
}

func TestWeReadPythons(t *testing.T) {
	want := values()
	want["lines"] = "one\ntwo\nthree\ttab" // Python writes a carriage return bare, and XML reads that as a line end
	in, err := json.Marshal(jsonable(want))
	if err != nil {
		t.Fatal(err)
	}
	doc := python(t, `
import json, sys, xmlrpc.client
def rich(v):
    if isinstance(v, str) and v.startswith("bytes:"):
        s = v[6:]
        return xmlrpc.client.Binary(bytes((ord(s[i]) - 97) << 4 | (ord(s[i+1]) - 97) for i in range(0, len(s), 2)))
    if isinstance(v, list): return [rich(x) for x in v]
    if isinstance(v, dict): return {k: rich(x) for k, x in v.items()}
    return v
class M(xmlrpc.client.Marshaller):
    dispatch = dict(xmlrpc.client.Marshaller.dispatch)
    def dump_int(self, value, write):
        tag = "int" if -2**31 <= value < 2**31 else "i8"
        write("<value><%s>%d</%s></value>\n" % (tag, value, tag))
    dispatch[int] = dump_int
body = M("utf-8", allow_none=True).dumps((rich(json.loads(sys.argv[1])),))
sys.stdout.buffer.write(("<?xml version='1.0'?>\n<methodCall>\n<methodName>getTag</methodName>\n" + body + "</methodCall>\n").encode())`,
		string(in))
	name, params, err := xmlrpc.DecodeCall(doc, xmlrpc.Limits{})
	if err != nil {
		t.Fatalf("%v in\n%s", err, doc)
	}
	if d := cmp.Diff([]any{want}, params); name != "getTag" || d != "" {
		t.Fatalf("%s: %s", name, d)
	}
}

func compareJSON(t *testing.T, got []byte, want any) {
	t.Helper()
	b, err := json.Marshal(jsonable(want))
	if err != nil {
		t.Fatal(err)
	}
	var g, w any
	if err := json.Unmarshal(got, &g); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &w); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(w, g); d != "" {
		t.Fatal(d)
	}
}

func TestEncodeShapes(t *testing.T) {
	text, none := "x", (*string)(nil)
	for _, c := range []struct {
		v    any
		want string
	}{
		{xmlrpc.Struct{{Name: "b", Value: 1}, {Name: "a", Value: true}},
			"<struct><member><name>b</name><value><int>1</int></value></member><member><name>a</name><value><boolean>1</boolean></value></member></struct>"},
		{xmlrpc.Row{Names: []string{"n"}, Values: []any{&text}}, "<struct><member><name>n</name><value><string>x</string></value></member></struct>"},
		{none, "<nil/>"},
		{xmlrpc.Text64("\x00\xff"), "<string>AP8=</string>"},
		{[]string(nil), "<array><data></data></array>"},
		{xmlrpc.Kwargs{"k": nil}, "<struct><member><name>__starstar</name><value><boolean>1</boolean></value></member>" +
			"<member><name>k</name><value><nil/></value></member></struct>"},
		{xmlrpc.Seq(func(yield func(any, error) bool) { _ = yield(1, nil) && yield(xmlrpc.Raw("<nil/>"), nil) }),
			"<array><data><value><int>1</int></value><value><nil/></value></data></array>"},
		{"nul \x00, bad utf-8 \xff, cr \r", "<string>nul \uFFFD, bad utf-8 \uFFFD, cr &#13;</string>"},
		{1732477588.736647, "<double>1732477588.736647</double>"},
	} {
		got, err := xmlrpc.AppendValue(nil, c.v)
		if err != nil || string(got) != c.want {
			t.Errorf("%#v: %s, %v; want %s", c.v, got, err, c.want)
		}
	}
	for _, v := range []any{math.NaN(), struct{}{}, map[string]any{"x": make(chan int)}} {
		if got, err := xmlrpc.AppendValue(nil, v); err == nil {
			t.Errorf("%#v was encoded as %s", v, got)
		}
	}
	boom := errors.New("boom")
	seq := xmlrpc.Seq(func(yield func(any, error) bool) { yield(nil, boom) })
	if _, err := xmlrpc.EncodeResponse([]any{seq}); !errors.Is(err, boom) {
		t.Errorf("an error in a sequence came out as %v", err)
	}
}

func call(value string) string {
	return "<methodCall><methodName>m</methodName><params><param>" + value + "</param></params></methodCall>"
}

func TestDecodeDialect(t *testing.T) {
	for in, want := range map[string]any{
		"<value>bare &amp; text</value>":                          "bare & text",
		"<value>signed \u2014 by\r\nA&amp;B\t&lt; \u00e9</value>": "signed \u2014 by\nA&B\t< \u00e9",
		"<value/>":                                                   "",
		"<value></value>":                                            "",
		"<value>  </value>":                                          "  ",
		"<value><string/></value>":                                   "",
		"<value>\n <int> 5 </int>\n</value>":                         int64(5),
		"<value><i8>9007199254740993</i8></value>":                   int64(9007199254740993),
		"<value><ex:i8>5</ex:i8></value>":                            int64(5),
		"<value><ex:nil/></value>":                                   nil,
		"<value><nil></nil></value>":                                 nil,
		"<value><string><![CDATA[<&>]]>&#65;&#x42;</string></value>": "<&>AB",
		"<value><string>a<!-- no -->b</string></value>":              "ab",
		"<value><dateTime.iso8601>20261124T19:46:28</dateTime.iso8601></value>":                "20261124T19:46:28",
		"<value><base64>AAEC\n /w==</base64></value>":                                          []byte{0, 1, 2, 0xff},
		"<value><array><data/></array></value>":                                                []any{},
		"<value><struct/></value>":                                                             map[string]any{},
		"<value><struct> <member> <name>k</name> <value>v</value> </member> </struct></value>": map[string]any{"k": "v"},
	} {
		_, params, err := xmlrpc.DecodeCall([]byte("<?xml version='1.0' encoding='UTF-8'?>\n"+call(in)), xmlrpc.Limits{})
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if d := cmp.Diff([]any{want}, params); d != "" {
			t.Errorf("%s: %s", in, d)
		}
	}
	if name, params, err := xmlrpc.DecodeCall([]byte("<methodCall><methodName>m</methodName></methodCall>"), xmlrpc.Limits{}); err != nil || name != "m" || len(params) != 0 {
		t.Errorf("a call without params: %q, %v, %v", name, params, err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	deep := strings.Repeat("<value><array><data>", 100) + strings.Repeat("</data></array></value>", 100)
	for what, doc := range map[string]string{
		"nothing":                  "",
		"not XML":                  "getTag f1",
		"a DOCTYPE":                `<!DOCTYPE x [<!ENTITY a "aaaa">]>` + call("<value>&a;</value>"),
		"an unknown entity":        call("<value>&a;</value>"),
		"a reference to NUL":       call("<value>&#0;</value>"),
		"a reference to nothing":   call("<value>&#1114112;</value>"),
		"an endless reference":     call("<value>&#" + strings.Repeat("1", 1000) + ";</value>"),
		"a NUL":                    call("<value>\x00</value>"),
		"bytes that are no UTF-8":  call("<value>\xff\xfe</value>"),
		"an unknown element":       call("<value><what>1</what></value>"),
		"a wrong end":              call("<value><int>1</string></value>"),
		"two types":                call("<value><int>1</int><int>2</int></value>"),
		"text beside a type":       call("<value>x<int>1</int></value>"),
		"text in a struct":         call("<value><struct>x</struct></value>"),
		"a member without a value": call("<value><struct><member><name>k</name></member></struct></value>"),
		"no number":                call("<value><int>one</int></value>"),
		"an overlong number":       call("<value><i8>92233720368547758080</i8></value>"),
		"not a boolean":            call("<value><boolean>true</boolean></value>"),
		"a NaN":                    call("<value><double>NaN</double></value>"),
		"bad base64":               call("<value><base64>!!!!</base64></value>"),
		"an array of no values":    call("<value><array><data><int>1</int></data></array></value>"),
		"deep nesting":             call(deep),
		"half a document":          call("<value>x</value>")[:60],
		"more after the end":       call("<value>x</value>") + "<methodCall/>",
		"no method name":           "<methodCall><methodName></methodName></methodCall>",
		"a response":               "<methodResponse><params><param><value>x</value></param></params></methodResponse>",
	} {
		if name, params, err := xmlrpc.DecodeCall([]byte(doc), xmlrpc.Limits{}); err == nil {
			t.Errorf("%s was taken for %s(%v)", what, name, params)
		}
	}
	if _, _, err := xmlrpc.DecodeCall([]byte(call("<value>"+strings.Repeat("x", 1000)+"</value>")), xmlrpc.Limits{Size: 1000}); err == nil {
		t.Error("a document over the limit was taken")
	}
}

func TestSplitKwargs(t *testing.T) {
	for _, c := range []struct {
		params, pos []any
		kw          map[string]any
	}{
		{nil, nil, nil},
		{[]any{"a", map[string]any{"x": "y"}}, []any{"a", map[string]any{"x": "y"}}, nil},
		{[]any{"a", map[string]any{"x": "y", "__starstar": true}}, []any{"a"}, map[string]any{"x": "y"}},
		{[]any{map[string]any{"__starstar": int64(1)}}, []any{}, map[string]any{}},
		{[]any{map[string]any{"__starstar": false}}, []any{map[string]any{"__starstar": false}}, nil},
	} {
		pos, kw := xmlrpc.SplitKwargs(c.params)
		if d := cmp.Diff(c.pos, pos); d != "" {
			t.Errorf("%v: positional: %s", c.params, d)
		}
		if d := cmp.Diff(c.kw, kw); d != "" {
			t.Errorf("%v: keywords: %s", c.params, d)
		}
	}
}

func FuzzDecodeCall(f *testing.F) {
	b, err := xmlrpc.EncodeCall("m", []any{values(), xmlrpc.Kwargs{"k": 1}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	for _, s := range []string{"", call("<value>a&lt;b</value>"), call("<value><![CDATA[x]]></value>"), "<methodCall><methodName>m</methodName></methodCall>",
		call("<value><ex:nil/></value>"), call("<value><struct><member><name>a</name><value/></member></struct></value>")} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		name, params, err := xmlrpc.DecodeCall(doc, xmlrpc.Limits{Size: 1 << 20, Depth: 20})
		if err != nil {
			return
		}
		again, err := xmlrpc.EncodeCall(name, params)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		name2, params2, err := xmlrpc.DecodeCall(again, xmlrpc.Limits{Size: 16 << 20, Depth: 20})
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, again)
		}
		if d := cmp.Diff(params, params2); strings.TrimSpace(name2) != strings.TrimSpace(name) || d != "" {
			t.Fatalf("%q became %q: %s", name, name2, d)
		}
	})
}

func FuzzDecodeResponse(f *testing.F) {
	b, err := xmlrpc.EncodeResponse(values())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(xmlrpc.EncodeFault(&xmlrpc.Fault{Code: 1000, String: "x"}))
	f.Fuzz(func(t *testing.T, doc []byte) {
		v, err := xmlrpc.DecodeResponse(doc, xmlrpc.Limits{Size: 1 << 20, Depth: 20})
		if err == nil {
			if _, err := xmlrpc.EncodeResponse(v); err != nil {
				t.Fatalf("what was read cannot be written: %v", err)
			}
		}
	})
}

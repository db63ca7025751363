package policy

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func registry() Registry[Map] { return Registry[Map]{Tests: Builtin[Map]()} }

// TestRefusals wants the number of the line that is wrong, and a word that helps.
func TestRefusals(t *testing.T) {
	deep := strings.Repeat("all :: {\n", MaxDepth+1)
	for _, c := range []struct {
		text string
		line int
		want string
	}{
		{"all :: allow\n\nall allow", 3, "neither"},
		{"all :: allow\nnonesuch :: allow", 2, `no test "nonesuch"; the tests are all, bool`},
		{"all ::", 1, "no action"},
		{"all && :: allow", 1, "missing"},
		{":: allow", 1, "missing"},
		{"all :: {\n", 1, "not closed"},
		{"all :: allow\nall :: {\nall :: {\n}", 2, "not closed"},
		{"all :: allow\n}", 2, "closes nothing"},
		{"all :: {\nall :: }\n}", 2, "line of its own"},
		{"all :: { allow }", 1, "ends its line"},
		{"has :: a", 1, "field is missing"},
		{"bool :: a", 1, "field is missing"},
		{"match :: a", 1, "field is missing"},
		{"compare a ~ 1 :: a", 1, "no comparison"},
		{"compare a < x :: a", 1, "no number"},
		{"compare a < nan :: a", 1, "no number"},
		{"compare a < :: a", 1, "FIELD OPERATOR NUMBER"},
		{"all :: allow\nall :: a\x00b", 2, "does not show"},
		{"all :: allow # \u202e", 1, "U+202E"},
		{"all :: \xff", 1, "UTF-8"},
		{"all :: " + strings.Repeat("a", MaxLine), 1, "longer"},
		{strings.Repeat("\n", MaxLines) + "all :: a", MaxLines + 1, "more than"},
		{deep, MaxDepth + 1, "deep"},
		{strings.Repeat("all && ", MaxTests) + "all :: a", 1, "more than"},
		{"match" + strings.Repeat(" a", MaxArgs) + " :: a", 1, "more than"},
		{strings.Repeat("#"+strings.Repeat("a", 4000)+"\n", 300), 263, "longer"},
	} {
		_, err := ParseText("p", c.text, registry())
		var e *Error
		if !errors.As(err, &e) || e.Line != c.line || e.Policy != "p" || !strings.Contains(e.Msg, c.want) {
			t.Errorf("%.40q: %v, want line %d and %q", c.text, err, c.line, c.want)
		}
	}
	// Lines of a file, with what lies between them left out.
	if _, err := Parse("p", []string{"all :: a", "b"}, []int{17, 23}, registry()); err == nil || !strings.Contains(err.Error(), "policy p, line 23:") {
		t.Error(err)
	}
	reg := registry()
	reg.Action = func(a string) error {
		if a != "allow" {
			return errors.New("not allow")
		}
		return nil
	}
	if _, err := ParseText("p", "all :: {\nall :: allow\nall :: deny\n}", reg); err == nil || !strings.Contains(err.Error(), "line 3: not allow") {
		t.Error(err)
	}
}

func TestExplain(t *testing.T) {
	p, err := ParseText("p", `match user bob eve :: deny
has tag && match tag f40-* :: {
    match user alice !! deny    # others
    compare size < 10 :: small
}
has other && all :: other
all :: end`, registry())
	if err != nil {
		t.Fatal(err)
	}
	data := Map{"user": "alice", "tag": "f40-x", "size": 10}
	d, err := p.Explain(data)
	if err != nil {
		t.Fatal(err)
	}
	want := Decision{Matched: true, Action: "end", Rule: "all :: end", Line: 7, Trace: []Step{
		{1, 0, "match user bob eve :: deny", false, []Tested{{"match user bob eve", false, `user is "alice"`}}},
		{2, 0, "has tag && match tag f40-* :: {", true, []Tested{{"has tag", true, `tag is "f40-x"`}, {"match tag f40-*", true, `tag is "f40-x"`}}},
		{3, 1, "match user alice !! deny", false, []Tested{{"match user alice", true, `user is "alice"`}}},
		{4, 1, "compare size < 10 :: small", false, []Tested{{"compare size < 10", false, "size is 10"}}},
		{6, 0, "has other && all :: other", false, []Tested{{"has other", false, "there is no other"}}},
		{7, 0, "all :: end", true, []Tested{{"all", true, "always holds"}}},
	}}
	if !reflect.DeepEqual(d, want) {
		t.Errorf("got  %+v\nwant %+v", d, want)
	}
	d.Trace = nil
	if short, err := p.Decide(data); err != nil || !reflect.DeepEqual(short, d) {
		t.Errorf("Decide says %+v, Explain %+v", short, d)
	}
	// A test that cannot tell fails the decision, and says where.
	var e *Error
	if d, err := p.Explain(Map{"user": "alice", "tag": 5}); !errors.As(err, &e) || e.Line != 2 || d.Matched || len(d.Trace) != 1 {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestGlobSound(t *testing.T) {
	lower := func(r rune) bool { return r >= 'a' && r <= 'z' }
	for _, c := range []struct {
		pattern string
		want    string // "" for a pattern that can match
	}{
		{"a*", ""}, {"*", ""}, {"", ""}, {"[!x]", ""}, {"[a-c]?", ""}, {"[!z-a]", ""}, {"a]", "']'"}, {"[A-z]", ""},
		{"[a", "without"}, {"a[", "without"}, {"[]", "without"}, {"[!]", "without"}, {"[b-a]", "no characters"},
		{"A", "'A'"}, {"a b", "' '"}, {"[A-Z]", "set"}, {"abcdefghi", "too long"}, {"????????*?", "too long"},
	} {
		err := NewGlob(c.pattern).CanMatch(8, lower)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.pattern, err, c.want)
		}
	}
}

// TestGlobTime matches a pattern that a matcher with more than one memory is slow at.
func TestGlobTime(t *testing.T) {
	g := NewGlob(strings.Repeat("a*", 500) + "?b[b]")
	if g.Match(strings.Repeat("a", 100_000)) {
		t.Error("matched")
	}
}

func FuzzPolicy(f *testing.F) {
	cases, globs := recordings(f)
	for _, c := range cases[:70] {
		f.Add(c.Text, "x", "y")
	}
	for _, g := range globs[:100] {
		f.Add("match a "+g[0].(string)+" :: allow", g[1].(string), "y")
	}
	f.Fuzz(func(t *testing.T, text, a, b string) {
		p, err := ParseText("fuzz", text, registry())
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Line < 1 {
				t.Fatalf("an error without a line: %v", err)
			}
			return
		}
		data := Map{"a": a, "b": []any{b, nil}, "user": b, "c": int64(len(a))}
		short, err := p.Decide(data)
		full, err2 := p.Explain(data)
		if (err == nil) != (err2 == nil) || short.Action != full.Action || short.Rule != full.Rule || short.Line != full.Line {
			t.Fatalf("Decide: %+v, %v; Explain: %+v, %v", short, err, full, err2)
		}
		if short.Matched && (short.Action == "" || short.Line < 1) {
			t.Fatalf("a decision without action or line: %+v", short)
		}
	})
}

// BenchmarkDecide asks 100 rules, of which the last matches.
func BenchmarkDecide(b *testing.B) {
	var text strings.Builder
	for i := range 99 {
		fmt.Fprintf(&text, "match user u%d* && match key fedora-%d-* :: allow\n", i, i)
	}
	text.WriteString("all :: deny")
	p, err := ParseText("p", text.String(), registry())
	if err != nil {
		b.Fatal(err)
	}
	data := Map{"user": "releng", "key": "fedora-40"}
	b.ReportAllocs()
	for b.Loop() {
		if d, err := p.Decide(data); err != nil || d.Line != 100 {
			b.Fatal(d, err)
		}
	}
}

func TestUnreached(t *testing.T) {
	for _, c := range []struct {
		text string
		want [][2]int
	}{
		{"has a :: a\nall :: b", nil},
		{"all :: a\nhas b :: b\nhas c :: c", [][2]int{{2, 1}}},
		{"none !! a\nhas b :: b", [][2]int{{2, 1}}},
		{"has a && none !! a\nhas b :: b", [][2]int{{2, 1}}},
		{"has a && all !! a\nall && has b :: b\nall :: c", nil},
		{"none :: a\nall !! b\nall :: c", nil},
		{"all :: {\n has a :: a\n}\nall :: b", nil},
		{"all :: {\n has a :: a\n all :: b\n}\nall :: c", [][2]int{{5, 3}}},
		{"has a :: {\n all :: a\n has b :: b\n}\nall :: c", [][2]int{{3, 2}}},
		{"all :: {\n all :: {\n  all :: a\n }\n has b :: b\n}\nhas c :: c", [][2]int{{5, 3}, {7, 3}}},
	} {
		p, err := ParseText("p", c.text, registry())
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Unreached(); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q: %v, want %v", c.text, got, c.want)
		}
		// What is said never to be tried is not.
		for _, data := range []Map{{}, {"a": 1}, {"b": 1}, {"c": 1}, {"a": 1, "b": 1, "c": 1}} {
			d, err := p.Explain(data)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range d.Trace {
				for _, u := range c.want {
					if s.Line == u[0] {
						t.Errorf("%q, %v: line %d was tried", c.text, data, s.Line)
					}
				}
			}
		}
	}
}

func TestTests(t *testing.T) {
	p, err := ParseText("p", "has a && has b :: x\nall :: {\n has c :: y\n}\nhas d :: z", registry())
	if err != nil {
		t.Fatal(err)
	}
	var lines []int
	for line, test := range p.Tests() {
		if test == nil {
			t.Error("no test")
		}
		if lines = append(lines, line); len(lines) == 4 {
			break
		}
	}
	if !reflect.DeepEqual(lines, []int{1, 1, 2, 3}) {
		t.Errorf("lines %v", lines)
	}
}

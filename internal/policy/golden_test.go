package policy

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/privyseal/privyseal/internal/lab"
)

// recording is what Koji's own code made of a policy.
type recording struct {
	Name string
	Text string
	Data []Map
	Koji struct {
		Refused string
		Actions []string
		Answers []struct {
			Action *string
			Rule   string
			Error  string
		}
	}
}

func recordings(t testing.TB) (cases []recording, globs [][]any) {
	t.Helper()
	b, err := os.ReadFile(lab.Testdata(t, "policy", "koji.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all struct {
		Cases []recording
		Globs [][]any
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if err := dec.Decode(&all); err != nil {
		t.Fatal(err)
	}
	for _, c := range all.Cases {
		for _, data := range c.Data {
			for k, v := range data {
				data[k] = plain(v)
			}
		}
	}
	if len(all.Cases) < 200 || len(all.Globs) < 1000 {
		t.Fatalf("%d cases and %d patterns are recorded", len(all.Cases), len(all.Globs))
	}
	return all.Cases, all.Globs
}

// What Parse refuses and Koji takes, as the package comment lists it. For Koji
// these fail when a request comes, or mean what nobody meant.
var stricter = map[string]bool{
	"closing brace as action": true, "action after an opening brace": true, "no action": true,
	"bool without a field": true, "match without a field": true,
}

// TestAsKoji compares every decision with Koji's.
func TestAsKoji(t *testing.T) {
	cases, _ := recordings(t)
	compared, same := 0, 0
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			p, err := ParseText("test", c.Text, Registry[Map]{Tests: Builtin[Map]()})
			if refused := c.Koji.Refused != "" || stricter[c.Name]; (err != nil) != refused {
				t.Fatalf("refused: %v; Koji: %q", err, c.Koji.Refused)
			}
			if err != nil {
				return
			}
			actions := p.Actions()
			if slices.Sort(actions); !slices.Equal(actions, c.Koji.Actions) {
				t.Errorf("actions %q, Koji has %q", actions, c.Koji.Actions)
			}
			for i, data := range c.Data {
				want := c.Koji.Answers[i]
				got, err := p.Decide(data)
				if (err != nil) != (want.Error != "") {
					t.Errorf("%v: %v; Koji: %s", data, err, want.Error)
				}
				if err != nil {
					continue
				}
				compared++
				if got.Matched != (want.Action != nil) || got.Matched && got.Action != *want.Action {
					t.Errorf("%v: %+v, Koji decides otherwise", data, got)
				}
				switch {
				case got.Rule == want.Rule:
					same++
				case !got.Matched && strings.HasSuffix(want.Rule, NoMatch):
				case !within(strings.Split(got.Rule, "... "), strings.Split(want.Rule, "... ")):
					t.Errorf("%v: the rule is %q, Koji has %q", data, got.Rule, want.Rule)
				}
			}
		})
	}
	if compared < 500 || same < compared*9/10 {
		t.Errorf("%d decisions were compared, %d rules are spelt the same", compared, same)
	}
}

// within tells whether all parts stand among those of whole, in that order: Koji
// also names blocks that were entered and left.
func within(parts, whole []string) bool {
	for _, w := range whole {
		if len(parts) > 0 && parts[0] == w {
			parts = parts[1:]
		}
	}
	return len(parts) == 0
}

// plain makes of JSON's numbers what XML-RPC would have given.
func plain(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, _ := v.Float64()
		return f
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	}
	return v
}

// TestGlobAsFnmatch compares patterns with Python's fnmatch.
func TestGlobAsFnmatch(t *testing.T) {
	_, globs := recordings(t)
	for _, g := range globs {
		pattern, text, want := g[0].(string), g[1].(string), g[2].(bool)
		if got := NewGlob(pattern).Match(text); got != want {
			t.Errorf("%q matches %q: %v, Python says %v", pattern, text, got, want)
		}
	}
}

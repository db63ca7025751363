package differ

import (
	"bufio"
	"bytes"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
)

// A Difference is a place where our answer to a command is not Koji's.
type Difference struct {
	Script  string
	Command string
	Where   string // "stdout", "stderr", "exit", "own stdout", "own exit", "wire METHOD PLACE"
	Koji    string
	Ours    string
	Reason  string // why it is intended; "": it is not
}

// Wire compares two marked tapes.
func Wire(koji, ours []Exchange) []Difference {
	var out []Difference
	for i := range max(len(koji), len(ours)) {
		switch {
		case i >= len(koji):
			return append(out, Difference{Where: "wire " + ours[i].Method + " call", Koji: "(no such call)", Ours: show(ours[i].Params)})
		case i >= len(ours):
			return append(out, Difference{Where: "wire " + koji[i].Method + " call", Koji: show(koji[i].Params), Ours: "(no such call)"})
		}
		k, o := koji[i], ours[i]
		if k.Method != o.Method || len(k.Calls) != len(o.Calls) {
			return append(out, Difference{Where: "wire " + k.Method + " call", Koji: fmt.Sprintf("%s %d calls", k.Method, len(k.Calls)),
				Ours: fmt.Sprintf("%s %d calls", o.Method, len(o.Calls))})
		}
		out = append(out, calls(k.Call, o.Call)...)
		for j := range k.Calls {
			out = append(out, calls(k.Calls[j], o.Calls[j])...)
		}
	}
	return out
}

func calls(k, o Call) []Difference {
	at := func(place, koji, ours string) Difference {
		return Difference{Where: "wire " + k.Method + " " + place, Koji: koji, Ours: ours}
	}
	if k.Method != o.Method {
		return []Difference{at("call", k.Method, o.Method)}
	}
	out := tree(k.Params, o.Params, "params", at)
	switch {
	case k.broken != nil || o.broken != nil:
		if fmt.Sprint(k.broken) != fmt.Sprint(o.broken) {
			out = append(out, at("answer", answer(k), answer(o)))
		}
	case (k.Fault == nil) != (o.Fault == nil):
		out = append(out, at("answer", answer(k), answer(o)))
	case k.Fault != nil:
		if k.Fault.Code != o.Fault.Code {
			out = append(out, at("fault.code", answer(k), answer(o)))
		} else if k.Fault.String != o.Fault.String {
			out = append(out, at("fault.string", answer(k), answer(o)))
		}
	default:
		out = append(out, tree(k.Result, o.Result, "result", at)...)
	}
	return out
}

func answer(c Call) string {
	switch {
	case c.broken != nil:
		return c.broken.Error()
	case c.Fault != nil:
		return fmt.Sprintf("fault %d %q", c.Fault.Code, c.Fault.String)
	}
	return "result " + show(c.Result)
}

func tree(k, o any, place string, at func(place, koji, ours string) Difference) []Difference {
	switch k := k.(type) {
	case []any:
		list, ok := o.([]any)
		if !ok || len(list) != len(k) {
			return []Difference{at(place, show(k), show(o))}
		}
		var out []Difference
		for i := range k {
			out = append(out, tree(k[i], list[i], fmt.Sprintf("%s[%d]", place, i), at)...)
		}
		return out
	case map[string]any:
		m, ok := o.(map[string]any)
		if !ok {
			return []Difference{at(place, show(k), show(o))}
		}
		var out []Difference
		for _, key := range slices.Sorted(maps.Keys(k)) {
			v, ok := m[key]
			if !ok {
				out = append(out, at(place+"."+key, show(k[key]), "(missing)"))
				continue
			}
			out = append(out, tree(k[key], v, place+"."+key, at)...)
		}
		for _, key := range slices.Sorted(maps.Keys(m)) {
			if _, ok := k[key]; !ok {
				out = append(out, at(place+"."+key, "(missing)", show(m[key])))
			}
		}
		return out
	}
	if k != o {
		return []Difference{at(place, show(k), show(o))}
	}
	return nil
}

func show(v any) string {
	s := fmt.Sprintf("%#v", v)
	s = strings.NewReplacer("map[string]interface {}", "", "[]interface {}", "", "interface {}(nil)", "None", "<nil>", "None").Replace(s)
	if len(s) > 400 {
		s = s[:400] + "..."
	}
	return s
}

// An Intent is a difference that we chose: patterns of path.Match over script, command and place.
type Intent struct {
	Script, Command, Where, Reason string
	Used                           int
}

// ReadIntents reads them, one a line: SCRIPT ; COMMAND ; WHERE ; REASON. "The same" is the reason of the line before.
func ReadIntents(file string) ([]*Intent, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var out []*Intent
	for sc, line := bufio.NewScanner(bytes.NewReader(data)), 1; sc.Scan(); line++ {
		text := strings.TrimSpace(sc.Text())
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		f := strings.Split(text, " ; ")
		if len(f) != 4 {
			return nil, fmt.Errorf("%s:%d: want SCRIPT ; COMMAND ; WHERE ; REASON", file, line)
		}
		if f[3] == "the same" && len(out) > 0 {
			f[3] = out[len(out)-1].Reason
		}
		f[3] = strings.TrimPrefix(f[3], "the same: ")
		out = append(out, &Intent{Script: f[0], Command: f[1], Where: f[2], Reason: f[3]})
	}
	return out, nil
}

// Judge gives the reason of a difference that is intended.
func Judge(intents []*Intent, d *Difference) {
	for _, i := range intents {
		if glob(i.Script, d.Script) && glob(i.Command, d.Command) && glob(i.Where, d.Where) {
			i.Used++
			d.Reason = i.Reason
			return
		}
	}
}

// glob is path.Match in which a star also stands for slashes.
func glob(pattern, s string) bool {
	flat := func(s string) string { return strings.ReplaceAll(s, "/", "\x01") }
	s = strings.NewReplacer("[", "(", "]", ")").Replace(flat(s))
	ok, err := path.Match(strings.NewReplacer("[", "(", "]", ")").Replace(flat(pattern)), s)
	return ok && err == nil
}

package hub_test

import (
	"encoding/base64"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A difference is a place where our answer is not Koji's.
type difference struct {
	Step, Method string
	At           string // "result.id", "fault.code", "result[0].arches"
	Koji, Ours   string
}

func (d difference) String() string {
	return fmt.Sprintf("%s: %s: %s\n    Koji: %s\n    ours: %s", d.Step, d.Method, d.At, d.Koji, d.Ours)
}

// mark is a volatile int of the recordings: <tag:3>.
var mark = regexp.MustCompile(`^<([a-z]+):(\d+)>$`)

// timeText is how Koji writes a time.
var timeText = regexp.MustCompile(`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?\+00:00$`)

// binding tells which of our ids stands for which recorded one. Ids of one kind map one to one.
type binding struct {
	ours map[string]int64  // mark -> id
	mark map[string]string // kind and id -> mark
}

func newBinding() *binding { return &binding{map[string]int64{}, map[string]string{}} }

func (b *binding) clone() *binding { return &binding{maps.Clone(b.ours), maps.Clone(b.mark)} }

func (b *binding) key(m string, id int64) string {
	kind, _, _ := strings.Cut(m, ":")
	return kind + ":" + strconv.FormatInt(id, 10)
}

// learn binds the mark, or tells why it cannot.
func (b *binding) learn(m string, id int64) error {
	if have, ok := b.ours[m]; ok {
		if have != id {
			return fmt.Errorf("%d, but %s was %d before", id, m, have)
		}
		return nil
	}
	if other, ok := b.mark[b.key(m, id)]; ok {
		return fmt.Errorf("%d, which is %s already", id, other)
	}
	b.ours[m] = id
	b.mark[b.key(m, id)] = m
	return nil
}

// fill turns recorded parameters into ours.
func (b *binding) fill(t *testing.T, v any) (any, error) {
	switch v := v.(type) {
	case string:
		if mark.MatchString(v) {
			id, ok := b.ours[v]
			if !ok {
				return nil, fmt.Errorf("%s was never seen in an answer of ours", v)
			}
			return id, nil
		}
		if file, ok := strings.CutPrefix(v, "<sighdr:"); ok {
			return base64.StdEncoding.EncodeToString(sighdr(t, strings.TrimSuffix(file, ">"))), nil
		}
		return strings.ReplaceAll(v, "<random>", "conformance"), nil
	case []any:
		out := make([]any, len(v))
		for i := range v {
			x, err := b.fill(t, v[i])
			if err != nil {
				return nil, err
			}
			out[i] = x
		}
		return out, nil
	case map[string]any:
		out := make(map[string]any, len(v))
		for k := range v {
			x, err := b.fill(t, v[k])
			if err != nil {
				return nil, err
			}
			out[k] = x
		}
		return out, nil
	}
	return v, nil
}

// matcher compares answers; text undoes what differs in strings from run to run.
type matcher struct {
	*binding
	text func(string) string
}

// mismatch is a difference that does not know its step yet.
type mismatch struct{ at, koji, ours string }

// match compares our value with the recorded one: the same shape, the same types, and the same values where they are
// not marked as volatile.
func (m matcher) match(at string, want, got any) []mismatch {
	no := func(format string, args ...any) []mismatch {
		return []mismatch{{at, show(want), fmt.Sprintf(format, args...)}}
	}
	switch want := want.(type) {
	case string:
		return m.matchString(at, want, got)
	case []any:
		list, ok := got.([]any)
		if !ok {
			return no("%s", show(got))
		}
		if len(list) != len(want) {
			return no("%d elements, not %d: %s", len(list), len(want), show(got))
		}
		var out []mismatch
		for i := range want {
			out = append(out, m.match(fmt.Sprintf("%s[%d]", at, i), want[i], list[i])...)
		}
		return out
	case map[string]any:
		have, ok := got.(map[string]any)
		if !ok {
			return no("%s", show(got))
		}
		var out []mismatch
		for _, k := range slices.Sorted(maps.Keys(want)) {
			v, ok := have[k]
			if !ok {
				out = append(out, mismatch{at + "." + k, show(want[k]), "(missing)"})
				continue
			}
			out = append(out, m.match(at+"."+k, want[k], v)...)
		}
		for _, k := range slices.Sorted(maps.Keys(have)) {
			if _, ok := want[k]; !ok {
				out = append(out, mismatch{at + "." + k, "(missing)", show(have[k])})
			}
		}
		return out
	}
	if want != got {
		return no("%s", show(got))
	}
	return nil
}

func (m matcher) matchString(at, want string, got any) []mismatch {
	no := func(ours string) []mismatch { return []mismatch{{at, show(want), ours}} }
	if mark.MatchString(want) {
		id, ok := got.(int64)
		if !ok {
			return no(show(got))
		}
		if err := m.learn(want, id); err != nil {
			return no(err.Error())
		}
		return nil
	}
	ok := false
	s, isString := got.(string)
	switch want {
	case "<ts>":
		_, ok = got.(float64)
	case "<seconds>":
		_, ok = got.(int64)
	case "<time>":
		ok = isString && timeText.MatchString(s)
	case "<session-key>":
		ok = isString && s != ""
	case "<text>":
		ok = isString
	case "<xml>":
		ok = isString && strings.HasPrefix(s, "<?xml")
	default:
		ok = isString && m.text(s) == want
		if !ok && isString {
			return no(show(m.text(s)))
		}
	}
	if !ok {
		return no(show(got))
	}
	return nil
}

// matchAnyOrder compares lists whose order Koji does not promise.
func (m matcher) matchAnyOrder(at string, want, got any) []mismatch {
	w, ok1 := want.([]any)
	g, ok2 := got.([]any)
	if !ok1 || !ok2 || len(w) != len(g) {
		return m.match(at, want, got)
	}
	left := slices.Clone(g)
	var out []mismatch
	for i, row := range w {
		found := -1
		var best []mismatch
		for j, r := range left {
			trial := matcher{m.binding.clone(), m.text}
			diff := trial.match(fmt.Sprintf("%s[%d]", at, i), row, r)
			if len(diff) == 0 {
				found, best = j, nil
				break
			}
			if best == nil || len(diff) < len(best) {
				found, best = j, diff
			}
		}
		m.match(at, row, left[found]) // binds
		out = append(out, best...)
		left = slices.Delete(left, found, found+1)
	}
	return out
}

func show(v any) string {
	var s string
	switch v := v.(type) {
	case nil:
		s = "None"
	case string:
		s = strconv.Quote(v)
	case int64:
		s = strconv.FormatInt(v, 10)
	case float64:
		s = strconv.FormatFloat(v, 'g', -1, 64)
		if !strings.ContainsAny(s, ".e") {
			s += ".0"
		}
	default:
		s = fmt.Sprintf("%v", v)
	}
	if len(s) > 300 {
		s = s[:300] + "..."
	}
	return s
}

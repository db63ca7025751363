package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of a policy.
const (
	MaxText  = 1 << 20 // bytes in all lines together
	MaxLines = 10000
	MaxLine  = 4096
	MaxDepth = 32
	MaxTests = 64
	MaxArgs  = 1000
)

// ParseText parses rules that stand one a line in text.
func ParseText[D any](name, text string, reg Registry[D]) (*Policy[D], error) {
	return Parse(name, strings.Split(text, "\n"), nil, reg)
}

// Parse parses rules, one a line. numbers are the lines' numbers in the file
// that they come from; without them the first is line 1.
func Parse[D any](name string, lines []string, numbers []int, reg Registry[D]) (*Policy[D], error) {
	p := &parser[D]{policy: name, reg: reg}
	if len(lines) > MaxLines {
		return nil, p.errorf(numbered(numbers, MaxLines), "more than %d lines", MaxLines)
	}
	p.open = []*rule[D]{{}}
	size := 0
	for i, line := range lines {
		if size += len(line); size > MaxText {
			return nil, p.errorf(numbered(numbers, i), "the policy is longer than %d bytes", MaxText)
		}
		if err := p.line(numbered(numbers, i), line); err != nil {
			return nil, err
		}
	}
	if depth := len(p.open); depth > 1 {
		return nil, p.errorf(p.open[depth-1].line, "the \"{\" of this line is not closed: a line with nothing but \"}\" is missing")
	}
	return &Policy[D]{Name: name, rules: p.open[0].nested}, nil
}

func numbered(numbers []int, i int) int {
	if i < len(numbers) {
		return numbers[i]
	}
	return i + 1
}

type parser[D any] struct {
	policy string
	reg    Registry[D]
	open   []*rule[D] // blocks that are open, the whole policy first
}

func (p *parser[D]) errorf(line int, format string, args ...any) error {
	return &Error{Policy: p.policy, Line: line, Msg: fmt.Sprintf(format, args...)}
}

func (p *parser[D]) line(n int, line string) error {
	if len(line) > MaxLine {
		return p.errorf(n, "longer than %d bytes", MaxLine)
	}
	line = strings.TrimSuffix(line, "\r")
	if !utf8.ValidString(line) {
		return p.errorf(n, "not UTF-8")
	}
	if i := strings.IndexFunc(line, func(r rune) bool { return r != '\t' && !unicode.IsGraphic(r) }); i >= 0 {
		r, _ := utf8.DecodeRuneInString(line[i:])
		return p.errorf(n, "has a character that does not show (%U): remove it", r)
	}
	line, _, _ = strings.Cut(line, "#")
	switch line = strings.TrimSpace(line); line {
	case "":
		return nil
	case "}":
		return p.close(n)
	}
	r, err := p.rule(n, line)
	if err != nil {
		return err
	}
	if r.block {
		if len(p.open) > MaxDepth {
			return p.errorf(n, "blocks more than %d deep", MaxDepth)
		}
		p.open = append(p.open, r)
		return nil
	}
	in := p.open[len(p.open)-1]
	in.nested = append(in.nested, *r)
	return nil
}

func (p *parser[D]) close(n int) error {
	last := len(p.open) - 1
	if last == 0 {
		return p.errorf(n, "\"}\" closes nothing")
	}
	in := p.open[last-1]
	in.nested = append(in.nested, *p.open[last])
	p.open = p.open[:last]
	return nil
}

func (p *parser[D]) rule(n int, line string) (*rule[D], error) {
	r := &rule[D]{line: n, text: line}
	mark := "::"
	at := strings.LastIndex(line, mark)
	if at < 0 {
		mark, r.negate = "!!", true
		if at = strings.LastIndex(line, mark); at < 0 {
			return nil, p.errorf(n, "no rule: it has neither \":: ACTION\" nor \"!! ACTION\": %s", clip(line))
		}
	}
	tests := line[:at]
	r.action = strings.TrimSpace(line[at+len(mark):])
	if err := p.tests(r, tests); err != nil {
		return nil, err
	}
	switch {
	case r.action == "{":
		r.block = true
	case r.action == "":
		return nil, p.errorf(n, "no action after %q", mark)
	case r.action[0] == '{' || r.action[0] == '}':
		return nil, p.errorf(n, "%s is no action: \"{\" ends its line, \"}\" stands on a line of its own", clip(r.action))
	case p.reg.Action != nil:
		if err := p.reg.Action(r.action); err != nil {
			return nil, p.errorf(n, "%v", err)
		}
	}
	r.own = tests + mark + " "
	if r.block {
		r.own += "... "
	} else {
		r.own += r.action
	}
	return r, nil
}

func (p *parser[D]) tests(r *rule[D], text string) error {
	list := strings.Split(text, "&&")
	if len(list) > MaxTests {
		return p.errorf(r.line, "more than %d tests in one rule", MaxTests)
	}
	for _, text := range list {
		words := strings.Fields(text)
		if len(words) == 0 {
			return p.errorf(r.line, "a test is missing before, between or after \"&&\"")
		}
		if len(words) > MaxArgs {
			return p.errorf(r.line, "test %s has more than %d arguments", clip(words[0]), MaxArgs)
		}
		make := p.reg.Tests[words[0]]
		if make == nil {
			return p.errorf(r.line, "there is no test %q; the tests are %s", clip(words[0]), strings.Join(slices.Sorted(maps.Keys(p.reg.Tests)), ", "))
		}
		t, err := make(words[0], words[1:])
		if err != nil {
			return p.errorf(r.line, "test %s: %v", words[0], err)
		}
		r.tests = append(r.tests, bound[D]{strings.Join(words, " "), t})
	}
	return nil
}

func firstWord(s string) string {
	if words := strings.Fields(s); len(words) > 0 {
		return words[0]
	}
	return ""
}

// clip keeps what an error quotes short.
func clip(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	at := most
	for !utf8.RuneStart(s[at]) {
		at--
	}
	return s[:at] + "..."
}

package cli

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxLiteralDepth bounds the nesting of a Python literal.
const maxLiteralDepth = 100

// pyLiteral reads a Python literal, as "call --python" takes it: numbers,
// strings, None, True, False, lists, tuples and dictionaries with string keys.
func pyLiteral(s string) (any, error) {
	p := &literal{s: s}
	v, err := p.value(0)
	if err != nil {
		return nil, err
	}
	p.space()
	if p.s != "" {
		return nil, fmt.Errorf("unexpected %q", clip(p.s))
	}
	return v, nil
}

type literal struct{ s string }

func clip(s string) string {
	if len(s) > 20 {
		return s[:20] + "..."
	}
	return s
}

func (p *literal) space() { p.s = strings.TrimLeft(p.s, " \t\r\n") }

func (p *literal) eat(c byte) bool {
	p.space()
	if p.s != "" && p.s[0] == c {
		p.s = p.s[1:]
		return true
	}
	return false
}

func (p *literal) value(depth int) (any, error) {
	if depth > maxLiteralDepth {
		return nil, fmt.Errorf("nested more than %d deep", maxLiteralDepth)
	}
	p.space()
	if p.s == "" {
		return nil, fmt.Errorf("a value is missing")
	}
	switch c := p.s[0]; c {
	case '[', '(':
		return p.list(depth, c)
	case '{':
		return p.dict(depth)
	case '\'', '"':
		return p.str()
	}
	end := strings.IndexAny(p.s, ",:]})")
	if end < 0 {
		end = len(p.s)
	}
	word := strings.TrimSpace(p.s[:end])
	switch v := argValue(word).(type) {
	case string:
		return nil, fmt.Errorf("malformed value %q", clip(word))
	default:
		p.s = p.s[end:]
		return v, nil
	}
}

func (p *literal) list(depth int, open byte) (any, error) {
	end := byte(']')
	if open == '(' {
		end = ')'
	}
	p.s = p.s[1:]
	out := []any{}
	comma := false
	for !p.eat(end) {
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
		if p.eat(',') {
			comma = true
		} else if p.eat(end) {
			break
		} else {
			return nil, fmt.Errorf("expected a comma or %q", end)
		}
	}
	if open == '(' && len(out) == 1 && !comma {
		return out[0], nil // parentheses around one value
	}
	return out, nil
}

func (p *literal) dict(depth int) (any, error) {
	p.s = p.s[1:]
	out := map[string]any{}
	for !p.eat('}') {
		k, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		key, ok := k.(string)
		if !ok {
			return nil, fmt.Errorf("a dictionary's key must be a string")
		}
		if !p.eat(':') {
			return nil, fmt.Errorf("expected a colon after %q", clip(key))
		}
		if out[key], err = p.value(depth + 1); err != nil {
			return nil, err
		}
		if !p.eat(',') && !strings.HasPrefix(strings.TrimLeft(p.s, " \t\r\n"), "}") {
			return nil, fmt.Errorf("expected a comma or '}'")
		}
	}
	return out, nil
}

func (p *literal) str() (any, error) {
	quote := p.s[0]
	var b strings.Builder
	for i := 1; i < len(p.s); {
		switch c := p.s[i]; {
		case c == quote:
			p.s = p.s[i+1:]
			return b.String(), nil
		case c == '\\':
			n, err := escape(&b, p.s[i+1:])
			if err != nil {
				return nil, err
			}
			i += 1 + n
		default:
			b.WriteByte(c)
			i++
		}
	}
	return nil, fmt.Errorf("a string has no end")
}

// escape writes what the escape sequence after a backslash stands for and
// returns its length.
func escape(b *strings.Builder, s string) (int, error) {
	if s == "" {
		return 0, fmt.Errorf("a string has no end")
	}
	digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[s[0]]
	if digits > 0 {
		if len(s) < 1+digits {
			return 0, fmt.Errorf(`a \%c escape is cut off`, s[0])
		}
		n, err := strconv.ParseUint(s[1:1+digits], 16, 32)
		if err != nil || !utf8.ValidRune(rune(n)) {
			return 0, fmt.Errorf(`bad \%c escape`, s[0])
		}
		b.WriteRune(rune(n))
		return 1 + digits, nil
	}
	if i := strings.IndexByte("nrt0", s[0]); i >= 0 {
		b.WriteByte("\n\r\t\x00"[i])
		return 1, nil
	}
	if strings.IndexByte(`\'"`, s[0]) < 0 {
		b.WriteByte('\\')
	}
	b.WriteByte(s[0])
	return 1, nil
}

package cli

import (
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// pprintWidth is the line width of Python's pprint.
const pprintWidth = 80

// pformat formats a value of the hub as Python's pprint does, because that is
// what "koji call" and taginfo's options print and what scripts cut apart:
// dictionaries sorted by key, one line when it fits in 80 columns, else one
// item a line.
func pformat(v any) string {
	var b strings.Builder
	pformatTo(&b, v, 0, 0)
	return b.String()
}

// pformatTo writes v at column indent, with allowance columns to be left free
// for the closing brackets that follow it.
func pformatTo(b *strings.Builder, v any, indent, allowance int) {
	rep := pyRepr(v)
	if utf8.RuneCountInString(rep) <= pprintWidth-indent-allowance {
		b.WriteString(rep)
		return
	}
	switch x := v.(type) {
	case map[string]any:
		pformatDict(b, x, indent, allowance)
	case []any:
		b.WriteByte('[')
		for i, item := range x {
			if i > 0 {
				b.WriteString(",\n" + strings.Repeat(" ", indent+1))
			}
			free := 1
			if i == len(x)-1 {
				free = allowance + 1
			}
			pformatTo(b, item, indent+1, free)
		}
		b.WriteByte(']')
	case string:
		pformatString(b, x, indent, allowance)
	default:
		b.WriteString(rep)
	}
}

func pformatDict(b *strings.Builder, m map[string]any, indent, allowance int) {
	b.WriteByte('{')
	for i, key := range sortedKeys(m) {
		if i > 0 {
			b.WriteString(",\n" + strings.Repeat(" ", indent+1))
		}
		rep := pyString(key)
		b.WriteString(rep + ": ")
		free := 1
		if i == len(m)-1 {
			free = allowance + 1
		}
		pformatTo(b, m[key], indent+utf8.RuneCountInString(rep)+3, free)
	}
	b.WriteByte('}')
}

// pformatString splits a string that is too long for its line: at line ends
// first, then between words, each piece a literal of its own. At the top level
// the pieces stand in parentheses.
func pformatString(b *strings.Builder, s string, indent, allowance int) {
	top := indent == 0 && allowance == 0
	if top {
		indent++
		allowance++
	}
	lines := splitLines(s)
	var pieces []string
	room := pprintWidth - indent
	for i, line := range lines {
		width := room
		if i == len(lines)-1 {
			width -= allowance
		}
		rep := pyString(line)
		if utf8.RuneCountInString(rep) <= width {
			pieces = append(pieces, rep)
			continue
		}
		words := splitWords(line)
		current := ""
		for j, word := range words {
			candidate := current + word
			width := room
			if j == len(words)-1 && i == len(lines)-1 {
				width -= allowance
			}
			if current != "" && utf8.RuneCountInString(pyString(candidate)) > width {
				pieces = append(pieces, pyString(current))
				current = word
				continue
			}
			current = candidate
		}
		if current != "" {
			pieces = append(pieces, pyString(current))
		}
	}
	if len(pieces) == 1 {
		b.WriteString(pieces[0])
		return
	}
	if top {
		b.WriteByte('(')
	}
	b.WriteString(strings.Join(pieces, "\n"+strings.Repeat(" ", indent)))
	if top {
		b.WriteByte(')')
	}
}

// splitLines cuts after every line end.
func splitLines(s string) []string {
	var out []string
	for s != "" {
		i := strings.IndexByte(s, '\n')
		if i < 0 {
			return append(out, s)
		}
		out = append(out, s[:i+1])
		s = s[i+1:]
	}
	return out
}

// splitWords cuts after every run of white space.
func splitWords(s string) []string {
	var out []string
	start, inSpace := 0, false
	for i, r := range s {
		space := unicode.IsSpace(r)
		if inSpace && !space {
			out = append(out, s[start:i])
			start = i
		}
		inSpace = space
	}
	if start < len(s) {
		out = append(out, s[start:])
	}
	return out
}

// pyRepr is Python's repr of a value as the XML-RPC client gives it.
func pyRepr(v any) string {
	switch x := v.(type) {
	case nil:
		return "None"
	case bool:
		if x {
			return "True"
		}
		return "False"
	case int64:
		return strconv.FormatInt(x, 10)
	case int:
		return strconv.Itoa(x)
	case float64:
		return pyFloat(x)
	case string:
		return pyString(x)
	case []byte:
		return "b" + pyBytes(x)
	case []any:
		parts := make([]string, len(x))
		for i, item := range x {
			parts[i] = pyRepr(item)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case map[string]any:
		parts := make([]string, 0, len(x))
		for _, key := range sortedKeys(x) {
			parts = append(parts, pyString(key)+": "+pyRepr(x[key]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return fmt.Sprint(v)
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// pyFloat is the shortest text that reads back as f, with Python's threshold
// for an exponent.
func pyFloat(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	case math.IsNaN(f):
		return "nan"
	}
	if abs := math.Abs(f); abs != 0 && (abs < 1e-4 || abs >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

func pyQuote(s string) byte {
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		return '"'
	}
	return '\''
}

func pyString(s string) string {
	quote := pyQuote(s)
	var b strings.Builder
	b.WriteByte(quote)
	for _, r := range s {
		switch {
		case r == rune(quote) || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < ' ' || r >= 0x7f && r < 0xa0 || r == 0xad:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r < 0x7f || unicode.IsPrint(r):
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		case r > 0xff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\x%02x`, r)
		}
	}
	b.WriteByte(quote)
	return b.String()
}

func pyBytes(p []byte) string {
	quote := pyQuote(string(p))
	var b strings.Builder
	b.WriteByte(quote)
	for _, c := range p {
		switch {
		case c == quote || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\t':
			b.WriteString(`\t`)
		case c < ' ' || c >= 0x7f:
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte(quote)
	return b.String()
}

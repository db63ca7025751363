package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// A Glob is a pattern as Python's fnmatch reads it: "*" for any text, "?" for any
// one character, "[abc]", "[a-z]" and "[!a-z]" for one character of a set or
// outside of it. Upper and lower case differ, and there is no escape: a "*" itself
// is "[*]".
type Glob struct {
	text   string
	kind   globKind
	fixed  string // of the kinds that are one comparison
	pieces []piece
}

type globKind uint8

const (
	globPieces globKind = iota
	globExact
	globPrefix
	globSuffix
	globAny
)

// A piece matches one character, or any number of them.
type piece struct {
	star   bool
	any    bool
	set    bool
	negate bool
	char   rune
	ranges [][2]rune
}

// NewGlob compiles a pattern. Every text is a pattern; [Glob.Sound] tells whether
// it is one that somebody meant.
func NewGlob(pattern string) Glob {
	g := Glob{text: pattern}
	switch meta := strings.IndexAny(pattern, "*?["); {
	case meta < 0:
		g.kind, g.fixed = globExact, pattern
	case strings.Trim(pattern, "*") == "":
		g.kind = globAny
	case meta == len(pattern)-1 && pattern[meta] == '*':
		g.kind, g.fixed = globPrefix, pattern[:meta]
	case pattern[0] == '*' && !strings.ContainsAny(pattern[1:], "*?["):
		g.kind, g.fixed = globSuffix, pattern[1:]
	default:
		g.pieces = pieces([]rune(pattern))
	}
	return g
}

// String is the pattern.
func (g Glob) String() string { return g.text }

// Match tells whether the whole of s fits the pattern.
func (g Glob) Match(s string) bool {
	switch g.kind {
	case globExact:
		return s == g.fixed
	case globPrefix:
		return strings.HasPrefix(s, g.fixed)
	case globSuffix:
		return strings.HasSuffix(s, g.fixed)
	case globAny:
		return true
	}
	// One star is remembered at a time: a later one makes earlier ones
	// irrelevant, so the time is at most pattern times text.
	at, star, mark := 0, -1, 0
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case at < len(g.pieces) && g.pieces[at].star:
			star, mark = at, i
			at++
		case at < len(g.pieces) && g.pieces[at].match(r):
			at++
			i += n
		case star >= 0:
			_, n := utf8.DecodeRuneInString(s[mark:])
			mark += n
			at, i = star+1, mark
		default:
			return false
		}
	}
	for at < len(g.pieces) && g.pieces[at].star {
		at++
	}
	return at == len(g.pieces)
}

func (p *piece) match(r rune) bool {
	switch {
	case p.any:
		return true
	case !p.set:
		return r == p.char
	}
	for _, x := range p.ranges {
		if x[0] <= r && r <= x[1] {
			return !p.negate
		}
	}
	return p.negate
}

// pieces takes a pattern apart.
func pieces(pattern []rune) []piece {
	var out []piece
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; c {
		case '*':
			if len(out) == 0 || !out[len(out)-1].star {
				out = append(out, piece{star: true})
			}
		case '?':
			out = append(out, piece{any: true})
		case '[':
			end := setEnd(pattern, i+1)
			if end < 0 {
				out = append(out, piece{char: '['})
				continue
			}
			out = append(out, set(pattern[i+1:end]))
			i = end
		default:
			out = append(out, piece{char: c})
		}
	}
	return out
}

// setEnd finds the "]" of a set that begins at from; the first character of a set
// may itself be "]". It returns -1 where there is none: the "[" then is one.
func setEnd(pattern []rune, from int) int {
	j := from
	if j < len(pattern) && pattern[j] == '!' {
		j++
	}
	if j < len(pattern) && pattern[j] == ']' {
		j++
	}
	for j < len(pattern) && pattern[j] != ']' {
		j++
	}
	if j >= len(pattern) {
		return -1
	}
	return j
}

// set reads what stands between brackets. A "-" makes a range where it is neither
// the first character, nor the last, nor right after a range; a range that runs
// backwards is nothing.
func set(in []rune) piece {
	p := piece{set: true}
	if in[0] == '!' {
		p.negate = true
		in = in[1:]
	}
	for i := 0; i < len(in); i++ {
		if i+2 < len(in) && in[i+1] == '-' {
			if in[i] <= in[i+2] {
				p.ranges = append(p.ranges, [2]rune{in[i], in[i+2]})
			}
			i += 2
			continue
		}
		p.ranges = append(p.ranges, [2]rune{in[i], in[i]})
	}
	return p
}

// Sound refuses a pattern with a "[" that nothing closes and a set that no
// character is in: it cannot mean what its author wanted.
func (g Glob) Sound() error {
	pattern := []rune(g.text)
	for i := 0; i < len(pattern); i++ {
		if pattern[i] != '[' {
			continue
		}
		end := setEnd(pattern, i+1)
		if end < 0 {
			return fmt.Errorf("pattern %q has a \"[\" without \"]\"", clip(g.text))
		}
		if s := set(pattern[i+1 : end]); !s.negate && len(s.ranges) == 0 {
			return fmt.Errorf("pattern %q has a set of no characters: a range runs from the smaller to the greater", clip(g.text))
		}
		i = end
	}
	return nil
}

// CanMatch tells whether any text made of the characters that possible accepts,
// and no longer than most bytes, fits the pattern.
func (g Glob) CanMatch(most int, possible func(rune) bool) error {
	if err := g.Sound(); err != nil {
		return err
	}
	least := 0
	for _, p := range pieces([]rune(g.text)) {
		switch {
		case p.star:
			continue
		case p.any:
		case !p.set && !possible(p.char):
			return fmt.Errorf("pattern %q can never match: %q does not occur there", clip(g.text), p.char)
		case p.set && !p.negate && !slices.ContainsFunc(p.ranges, func(x [2]rune) bool { return anyIn(x, possible) }):
			return fmt.Errorf("pattern %q can never match: nothing of its set occurs there", clip(g.text))
		}
		least++
	}
	if least > most {
		return errors.New("pattern " + clip(g.text) + " can never match: it is too long")
	}
	return nil
}

// anyIn looks at the ASCII part of a range, and at its ends beyond that.
func anyIn(x [2]rune, possible func(rune) bool) bool {
	for r := x[0]; r <= x[1] && r < utf8.RuneSelf; r++ {
		if possible(r) {
			return true
		}
	}
	return possible(x[0]) || possible(x[1])
}

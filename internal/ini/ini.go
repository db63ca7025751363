// Package ini reads configuration files as Python's ConfigParser does, because
// koji.conf, kojid.conf, mash.conf and *.mash are ConfigParser files and must
// mean here what they mean there. Our own configuration uses the same form.
//
//	f, err := ini.ParseFile("/etc/mash/mash.conf")
//	dir, ok := f.Section("defaults").Get("configdir")
//
// The rules are those of configparser.ConfigParser() of Python 3.11 with no
// arguments (strict):
//
//   - "[name]" starts a section; what follows the last "]" on its line is ignored.
//   - "key = value" and "key: value"; the first "=" or ":" on the line counts.
//     Keys are folded to lower case. Every option needs a delimiter.
//   - A line indented deeper than its option's continues the value, blank lines
//     within it included; the value's lines are joined by newlines.
//   - A line whose first visible character is "#" or ";" is a comment, also
//     inside a value. There are no comments at the end of a line: "#" and ";"
//     after a value belong to it.
//   - [DEFAULT] gives values for keys that a section lacks.
//   - %(key)s in a value stands for another value of the section or of [DEFAULT],
//     up to ten deep, and %% for a percent sign (Get, Value); Raw leaves both alone.
//   - A section or key given twice is an error, as is a line before any section.
//
// Every key keeps its line number, so that an error can name file and line.
// Decode fills a struct and refuses keys that the struct does not know: a
// misspelt setting must not be ignored in silence.
//
// Limits: 1 MiB a file, UTF-8 only, 1 MiB and 2^20 references for an interpolated value. A file with
// a byte order mark is refused, as Python refuses it.
package ini

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxFile is the size beyond which a file is refused.
const MaxFile = 1 << 20

// defaultSection is the name of the section that all others fall back to.
const defaultSection = "DEFAULT"

// Error is a mistake in a file, at a line.
type Error struct {
	File string
	Line int // 0 where no one line is at fault
	Msg  string
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Msg
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Msg)
}

// File is a file that was read.
type File struct {
	Name     string
	sections map[string]*Section
	order    []string
	defaults *Section
}

// Section is one section of a File, with [DEFAULT] behind it.
type Section struct {
	Name  string
	Start int // line of its header; 0 for a [DEFAULT] that is not in the file
	file  *File
	items map[string]item
	order []string
}

type item struct {
	lines   []string
	numbers []int // of the lines of raw
	raw     string
	line    int
	from    string // the file, where Merge put several together
}

// ParseFile reads the file at path.
func ParseFile(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return Parse(f, path)
}

// Parse reads r; name is what errors call it.
func Parse(r io.Reader, name string) (*File, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	switch {
	case len(data) > MaxFile:
		return nil, &Error{File: name, Msg: fmt.Sprintf("larger than %d bytes", MaxFile)}
	case bytes.HasPrefix(data, []byte("\xef\xbb\xbf")):
		return nil, &Error{name, 1, "starts with a byte order mark: save it as UTF-8 without one"}
	case !utf8.Valid(data):
		return nil, &Error{name, badLine(data), "is not UTF-8"}
	}
	p := parser{file: &File{Name: name, sections: map[string]*Section{}}}
	p.file.defaults = &Section{Name: defaultSection, file: p.file, items: map[string]item{}}
	for i, line := range splitLines(string(data)) {
		if err := p.line(i+1, line); err != nil {
			return nil, err
		}
	}
	p.endOption()
	return p.file, nil
}

// badLine is the line of the first byte that is not UTF-8.
func badLine(data []byte) int {
	line := 1
	for len(data) > 0 {
		r, n := utf8.DecodeRune(data)
		if r == utf8.RuneError && n == 1 {
			break
		}
		if r == '\n' {
			line++
		}
		data = data[n:]
	}
	return line
}

// splitLines ends lines at \n, \r\n and \r, as Python's text files do.
func splitLines(s string) []string {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	s = strings.ReplaceAll(s, "\r", "\n")
	lines := strings.Split(s, "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

type parser struct {
	file   *File
	sect   *Section
	key    string // option that a deeper line would continue; "" for none
	indent int
}

func (p *parser) errorf(n int, format string, args ...any) error {
	return &Error{p.file.Name, n, fmt.Sprintf(format, args...)}
}

func (p *parser) line(n int, line string) error {
	value := strings.TrimFunc(line, isSpace)
	if value == "" {
		if p.key != "" {
			p.extend(n, "")
		}
		return nil
	}
	if value[0] == '#' || value[0] == ';' {
		return nil
	}
	// Python counts characters, not columns or bytes.
	indent := utf8.RuneCountInString(line) - utf8.RuneCountInString(strings.TrimLeftFunc(line, isSpace))
	if p.key != "" && indent > p.indent {
		p.extend(n, value)
		return nil
	}
	p.indent = indent
	if value[0] == '[' {
		if end := strings.LastIndexByte(value, ']'); end > 1 {
			return p.section(n, value[1:end])
		}
	}
	if p.sect == nil {
		return p.errorf(n, "expected a [section] before %q", clip(value))
	}
	return p.option(n, value)
}

func (p *parser) section(n int, name string) error {
	p.endOption()
	if name == defaultSection {
		p.sect = p.file.defaults
		if p.sect.Start == 0 {
			p.sect.Start = n
		}
		return nil
	}
	if old := p.file.sections[name]; old != nil {
		return p.errorf(n, "section [%s] is already on line %d", clip(name), old.Start)
	}
	p.sect = &Section{Name: name, Start: n, file: p.file, items: map[string]item{}}
	p.file.sections[name] = p.sect
	p.file.order = append(p.file.order, name)
	return nil
}

func (p *parser) option(n int, text string) error {
	p.endOption()
	at := strings.IndexAny(text, "=:")
	if at < 0 {
		return p.errorf(n, "expected \"key = value\", found %q", clip(text))
	}
	key := foldKey(strings.TrimRightFunc(text[:at], isSpace))
	if key == "" {
		return p.errorf(n, "no key before %q", clip(text[at:]))
	}
	if old, dup := p.sect.items[key]; dup {
		return p.errorf(n, "%s is already set on line %d", clip(key), old.line)
	}
	p.sect.order = append(p.sect.order, key)
	p.sect.items[key] = item{lines: []string{strings.TrimFunc(text[at+1:], isSpace)}, numbers: []int{n}, line: n}
	p.key = key
	return nil
}

func (p *parser) extend(n int, line string) {
	it := p.sect.items[p.key]
	it.lines = append(it.lines, line)
	it.numbers = append(it.numbers, n)
	p.sect.items[p.key] = it
}

// endOption joins the lines of the option that was being read.
func (p *parser) endOption() {
	if p.key == "" {
		return
	}
	it := p.sect.items[p.key]
	it.raw = strings.TrimRightFunc(strings.Join(it.lines, "\n"), isSpace)
	it.lines = nil
	p.sect.items[p.key] = it
	p.key = ""
}

func foldKey(key string) string { return strings.ToLower(key) }

// isSpace is Python's str.isspace: Unicode's white space and the four ASCII
// separators.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

// clip keeps what an error quotes short.
func clip(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	for !utf8.RuneStart(s[most]) {
		s = s[:len(s)-1]
		if len(s) <= most {
			return s
		}
	}
	return s[:most] + "..."
}

package ini

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

const (
	maxDepth = 10      // as Python
	maxValue = 1 << 20 // Python has no limit; ten levels can multiply without end
	maxRefs  = 1 << 20 // in one value, for references to empty values multiply too
)

// Sections lists the sections in the order of the file, without [DEFAULT].
func (f *File) Sections() []string { return slices.Clone(f.order) }

// Section gives the section of that name, nil if there is none. "DEFAULT" gives
// what all sections fall back to.
func (f *File) Section(name string) *Section {
	if name == defaultSection {
		return f.defaults
	}
	return f.sections[name]
}

// The methods below take a nil Section as an empty one, so that
// f.Section("x").Get("y") needs no test between.

func (s *Section) find(key string) (item, bool) {
	if s == nil {
		return item{}, false
	}
	key = foldKey(key)
	if it, ok := s.items[key]; ok {
		return it, true
	}
	it, ok := s.file.defaults.items[key]
	return it, ok
}

// FileName is the name of the file that the section is in.
func (s *Section) FileName() string {
	if s == nil {
		return ""
	}
	return s.file.Name
}

// Has tells whether the key is set, here or in [DEFAULT].
func (s *Section) Has(key string) bool {
	_, ok := s.find(key)
	return ok
}

// Keys lists the section's keys in the order of the file, then those that come
// from [DEFAULT].
func (s *Section) Keys() []string {
	if s == nil {
		return nil
	}
	keys := slices.Clone(s.order)
	if s == s.file.defaults {
		return keys
	}
	for _, k := range s.file.defaults.order {
		if _, own := s.items[k]; !own {
			keys = append(keys, k)
		}
	}
	return keys
}

// Line is the line that sets key, 0 if none does.
func (s *Section) Line(key string) int {
	it, _ := s.find(key)
	return it.line
}

// Lines are the lines of the value as they stand, and the number of each in the
// file: comments inside a value are not among them, so they are not all in a row.
func (s *Section) Lines(key string) (lines []string, numbers []int) {
	it, ok := s.find(key)
	if !ok {
		return nil, nil
	}
	lines = strings.Split(it.raw, "\n")
	return lines, it.numbers[:min(len(lines), len(it.numbers))]
}

// Raw is the value as it stands, percent signs and all.
func (s *Section) Raw(key string) (string, bool) {
	it, ok := s.find(key)
	return it.raw, ok
}

// Get is the value with %(key)s and %% replaced. A value in which that cannot be
// done comes back as it stands; Value tells the reason.
func (s *Section) Get(key string) (string, bool) {
	v, ok, err := s.Value(key)
	if err != nil {
		return s.Raw(key)
	}
	return v, ok
}

// Value is the value with %(key)s and %% replaced, or why that failed.
func (s *Section) Value(key string) (value string, ok bool, err error) {
	it, ok := s.find(key)
	if !ok {
		return "", false, nil
	}
	var b strings.Builder
	refs := 0
	if err := s.expand(&b, it.raw, 1, &refs); err != nil {
		return "", true, s.errorf(key, "%v", err)
	}
	return b.String(), true, nil
}

func (s *Section) expand(b *strings.Builder, rest string, depth int, refs *int) error {
	if depth > maxDepth {
		return fmt.Errorf("%%(...)s is nested more than %d deep: does a value refer to itself?", maxDepth)
	}
	for {
		p := strings.IndexByte(rest, '%')
		if p < 0 {
			p = len(rest)
		}
		if b.Len()+p > maxValue {
			return fmt.Errorf("the value grows beyond %d bytes", maxValue)
		}
		b.WriteString(rest[:p])
		if rest = rest[p:]; rest == "" {
			return nil
		}
		switch {
		case strings.HasPrefix(rest, "%%"):
			b.WriteByte('%')
			rest = rest[2:]
		case strings.HasPrefix(rest, "%("):
			end := strings.IndexByte(rest, ')')
			if end <= len("%(") || !strings.HasPrefix(rest[end:], ")s") {
				return fmt.Errorf("bad reference at %q: write %%(key)s, or %%%% for a percent sign", clip(rest))
			}
			name := rest[len("%("):end]
			it, ok := s.find(name)
			if !ok {
				return fmt.Errorf("refers to %q, which is not set", clip(name))
			}
			if *refs++; *refs > maxRefs {
				return fmt.Errorf("more than %d %%(...)s have to be replaced", maxRefs)
			}
			if err := s.expand(b, it.raw, depth+1, refs); err != nil {
				return err
			}
			rest = rest[end+len(")s"):]
		default:
			return fmt.Errorf("\"%%\" must be followed by \"%%\" or \"(\", found %q", clip(rest))
		}
	}
}

// Bool reads 1/yes/true/on and 0/no/false/off, in any case.
func (s *Section) Bool(key string) (value, ok bool, err error) {
	v, ok, err := s.Value(key)
	if !ok || err != nil {
		return false, ok, err
	}
	switch strings.ToLower(v) {
	case "1", "yes", "true", "on":
		return true, true, nil
	case "0", "no", "false", "off":
		return false, true, nil
	}
	return false, true, s.errorf(key, "%q is not a boolean: use yes or no", clip(v))
}

// Int reads a decimal number.
func (s *Section) Int(key string) (value int64, ok bool, err error) {
	v, ok, err := s.Value(key)
	if !ok || err != nil {
		return 0, ok, err
	}
	n, perr := strconv.ParseInt(v, 10, 64)
	if perr != nil {
		return 0, true, s.errorf(key, "%q is not a whole number", clip(v))
	}
	return n, true, nil
}

// errorf makes an error that names the line of key.
func (s *Section) errorf(key, format string, args ...any) error {
	return &Error{s.FileOf(key), s.Line(key), foldKey(key) + ": " + fmt.Sprintf(format, args...)}
}

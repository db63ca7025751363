package mash

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/privyseal/privyseal/internal/ini"
)

// reader reads a section's values and keeps the first error, with its line.
type reader struct {
	config   *Config
	section  *ini.Section
	warnings []string
	err      error
}

// where names the file and line that set a key.
func (r *reader) where(key string) string {
	for _, s := range []*ini.Section{r.section, r.config.defaults} {
		if s != nil && s.Has(key) {
			return fmt.Sprintf("%s:%d: %s", s.FileName(), s.Line(key), key)
		}
	}
	return fmt.Sprintf("%s:%d: [%s]: %s", r.section.FileName(), r.section.Start, r.section.Name, key)
}

func (r *reader) fail(key, format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%s: %s", r.where(key), fmt.Sprintf(format, args...))
	}
}

func (r *reader) str(key, fallback string) string {
	if v, ok := r.config.raw(r.section, key); ok {
		return v
	}
	return fallback
}

func (r *reader) bool(key string, fallback bool) bool {
	v, ok := r.config.raw(r.section, key)
	if !ok {
		return fallback
	}
	switch strings.ToLower(v) {
	case "1", "yes", "true", "on":
		return true
	case "0", "no", "false", "off":
		return false
	}
	r.fail(key, "%q is neither True nor False", v)
	return fallback
}

func (r *reader) int(key string, fallback int) int {
	v, ok := r.config.raw(r.section, key)
	if !ok {
		return fallback
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 || n > 1000 {
		r.fail(key, "%q is not a number from 0 to 1000", v)
	}
	return n
}

// latest is a boolean, or a number of builds of each package.
func (r *reader) latest() int {
	v := strings.ToLower(r.str("latest", "true"))
	if n, err := strconv.Atoi(v); err == nil && n > 1 {
		return n
	}
	if r.bool("latest", true) {
		return 1
	}
	return 0
}

func (r *reader) choice(key string, choices ...string) string {
	v := r.str(key, choices[0])
	if !slices.Contains(choices, v) {
		r.fail(key, "%q is not one of: %s", v, strings.Join(choices, ", "))
	}
	return v
}

// path reads a path inside the tree, which may hold %(arch)s and nothing else
// of the kind.
func (r *reader) path(key, fallback string) string {
	v := filepath.Clean(r.str(key, fallback))
	if strings.Contains(strings.ReplaceAll(v, archVariable, ""), "%") {
		r.fail(key, "%q: the only variable is %s", v, archVariable)
	}
	if !filepath.IsLocal(v) {
		r.fail(key, "%q leads out of the tree", v)
	}
	return v
}

const archVariable = "%(arch)s"

// fields splits a list at commas and white space.
func fields(s string) []string {
	return strings.FieldsFunc(s, func(c rune) bool { return c == ',' || c == ' ' || c == '\t' || c == '\n' })
}

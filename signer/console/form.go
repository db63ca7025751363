package console

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/privyseal/privyseal/internal/daemon"
	"github.com/privyseal/privyseal/keys"
)

// form is how one verb is written: its flags, the words that must stand, and the files that it touches. Everything that can be
// checked without the vault is checked by parse, so that a batch is checked whole before its first command runs.
type form struct {
	*flag.FlagSet
	c     *Console
	files []namedFile
	needs []func() error
}

// use is what a verb does with a file.
type use string

const (
	reads  use = "read"
	writes use = "written"
	secret use = "secret" // holds a passphrase: never shown, never hashed
)

// namedFile is a file that a command names.
type namedFile struct {
	use  use
	flag string // "" for a word without one
	path *string
	must bool // without a terminal it has to be named
}

func (c *Console) form() *form {
	return &form{FlagSet: flag.NewFlagSet(c.verb, flag.ContinueOnError), c: c}
}

func (f *form) file(u use, name, usage string) *string {
	p := f.String(name, "", usage)
	f.files = append(f.files, namedFile{use: u, flag: name, path: p})
	return p
}

// in is a file that the verb reads, out one that it writes.
func (f *form) in(name, usage string) *string  { return f.file(reads, name, usage) }
func (f *form) out(name, usage string) *string { return f.file(writes, name, usage) }

// passphrase is the flag for one passphrase that the verb cannot do without.
func (f *form) passphrase(of string) *string {
	p := f.file(secret, "passphrase-file", "`file` whose first line is "+of)
	f.files[len(f.files)-1].must = true
	return p
}

// asJSON is the flag that every listing has.
func (f *form) asJSON() *bool { return f.Bool("json", false, "answer in JSON") }

// need adds a check of what was typed.
func (f *form) need(check func() error) { f.needs = append(f.needs, check) }

// date is a flag that takes a day, a time or a length of time from now.
func (f *form) date(name, usage string) *moment {
	m := new(moment)
	f.Var(m, name, usage)
	return m
}

// ahead refuses a moment that is past; instead is what to do if that is what was meant, if anything.
func (f *form) ahead(name string, m *moment, instead string) {
	f.need(func() error {
		at := m.time()
		if at.IsZero() || at.After(time.Now()) {
			return nil
		}
		return daemon.Usagef("--%s %s is in the past (it is %s now)%s", name, m, time.Now().Format(time.RFC3339), instead)
	})
}

// days is a flag that takes a number of days in a range.
func (f *form) days(name string, def, least, most int, usage string) *int {
	n := def
	f.Func(name, fmt.Sprintf("`days`, %d to %d: %s (default %d)", least, most, usage, def), func(s string) error {
		var rest string
		if k, err := fmt.Sscanf(s+" .", "%d %s", &n, &rest); err != nil || k != 2 || rest != "." || n < least || n > most {
			return fmt.Errorf("--%s must be %d to %d", name, least, most)
		}
		return nil
	})
	return &n
}

func daysOf(n int) time.Duration { return time.Duration(n) * 24 * time.Hour }

// moment is a point of time as people write it.
type moment struct {
	text     string
	at       time.Time     // if absolute
	in       time.Duration // if relative
	mayNever bool
	past     bool // a length of time counts back
}

func (m *moment) String() string { return m.text }

func (m *moment) Set(s string) error {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly} {
		if at, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			m.text, m.at, m.in = s, at, 0
			return nil
		}
	}
	if m.mayNever && s == "never" {
		m.text, m.at, m.in = s, time.Time{}, 0
		return nil
	}
	text, unit := s, time.Duration(1)
	if d, ok := strings.CutSuffix(s, "d"); ok {
		text, unit = d+"h", 24
	}
	in, err := time.ParseDuration(text)
	if err != nil || in <= 0 || in > 100*365*24*time.Hour/unit {
		return errors.New("write a day (2027-03-01), a time (2027-03-01T18:00, of this machine's zone), or how long from now (8h, 90d)")
	}
	m.text, m.at, m.in = s, time.Time{}, in*unit
	return nil
}

func (m *moment) given() bool { return m.text != "" }

// time is when it is, counted from now if it says how long; zero if never or not given.
func (m *moment) time() time.Time {
	switch {
	case m.in > 0 && m.past:
		return time.Now().Add(-m.in)
	case m.in > 0:
		return time.Now().Add(m.in)
	}
	return m.at
}

// or is time, or another if none was given.
func (m *moment) or(other time.Time) time.Time {
	if !m.given() {
		return other
	}
	return m.time()
}

// parse reads flags and words in any order. names are what the words are, all of them wanted: KEY, USER and NAME are names of the
// vault, FILE is a file that is read, and the last may end in "..." for one or more of its kind. Flags that are wanted, too, are
// those in needed. For --help it tells the options and gives flag.ErrHelp, which ends a program with success.
func (f *form) parse(args, needed []string, names ...string) ([]string, error) {
	f.SetOutput(io.Discard)
	f.Usage = func() {}
	var words []string
	for {
		err := f.Parse(args)
		if errors.Is(err, flag.ErrHelp) {
			return nil, f.help()
		}
		if err != nil {
			return nil, daemon.Usagef("%w", err)
		}
		if f.NArg() == 0 {
			break
		}
		words = append(words, f.Arg(0))
		args = f.Args()[1:]
	}
	names, err := f.count(words, names)
	if err != nil {
		return nil, err
	}
	for i, word := range words {
		switch names[i] {
		case "NAME", "KEY", "USER", "NEWNAME":
			if err := keys.CheckName(word); err != nil {
				return nil, daemon.Usagef("%w", err)
			}
		case "FILE", "CSRFILE", "CEREMONYFILE":
			f.files = append(f.files, namedFile{use: reads, path: &words[i]})
		case "OUTFILE":
			f.files = append(f.files, namedFile{use: writes, path: &words[i]})
		}
	}
	for _, n := range needed {
		if f.Lookup(n).Value.String() == "" {
			return nil, daemon.Usagef("--%s is missing", n)
		}
	}
	for _, check := range f.needs {
		if err := check(); err != nil {
			return nil, err
		}
	}
	return words, f.c.checked(f)
}

func (f *form) count(words, names []string) ([]string, error) {
	if n := len(names); n > 0 && strings.HasSuffix(names[n-1], "...") {
		names = slices.Clone(names)
		names[n-1] = strings.TrimSuffix(names[n-1], "...")
		for len(names) < len(words) {
			names = append(names, names[n-1])
		}
	}
	if len(words) < len(names) {
		return nil, daemon.Usagef("%s is missing", names[len(words)])
	}
	if len(words) > len(names) {
		return nil, daemon.Usagef("unexpected argument %q", words[len(names)])
	}
	return names, nil
}

func (f *form) help() error {
	if f.c.mode == onlyCheck {
		return errChecked
	}
	if err := f.c.usage(func(v verb) bool { return v.name == f.Name() }); err != nil {
		return err
	}
	f.SetOutput(f.c.Out)
	f.PrintDefaults()
	return flag.ErrHelp
}

// checked ends a verb that was only checked for how it is written, and tells the transcript which files it touches.
func (c *Console) checked(f *form) error {
	if c.files != nil {
		*c.files = append(*c.files, f.files...)
	}
	if c.mode != onlyHelp {
		for _, file := range f.files {
			if file.use != writes || *file.path == "" {
				continue
			}
			// What a verb does first could not be undone when its file cannot appear in the end.
			if st, err := os.Stat(*file.path); err == nil && st.IsDir() {
				return daemon.Usagef("%s is a directory: name a file to be written", *file.path)
			}
		}
	}
	switch c.mode {
	case onlyCheck:
		for _, file := range f.files {
			if file.must && *file.path == "" && !c.Terminal.IsTerminal() {
				return daemon.Usagef("--%s is missing, and without a terminal nobody can be asked", file.flag)
			}
		}
		return errChecked
	case onlyHelp:
		return c.refusal
	}
	return nil
}

// printJSON answers a listing; an empty one is [].
func (c *Console) printJSON(v any) error {
	enc := json.NewEncoder(c.Out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

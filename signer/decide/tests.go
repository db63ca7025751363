package decide

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/privyseal/privyseal/internal/policy"
	"github.com/privyseal/privyseal/keys"
)

type (
	test  = policy.Test[*Facts]
	maker = policy.Maker[*Facts]
)

// registry is the list of the signer's tests.
func (d *Decider) registry() policy.Registry[*Facts] {
	builtin := policy.Builtin[*Facts]()
	tests := map[string]maker{
		"key":       globTest(func(f *Facts) string { return f.Key }, 64, nameRune),
		"user":      globTest(func(f *Facts) string { return f.User }, 64, nameRune),
		"operation": globTest(func(f *Facts) string { return f.Op }, 64, nameRune, Operations...),
		"lane":      globTest(func(f *Facts) string { return f.Lane }, 64, nameRune, Lanes...),
		"name":      globTest(func(f *Facts) string { return f.NEVRA.Name }, 4096, packageRune),
		"arch":      globTest((*Facts).arch, 64, archRune),
		"vendor":    globTest(func(f *Facts) string { return f.Vendor }, 4096, anyRune),
		"buildhost": globTest(func(f *Facts) string { return f.BuildHost }, 4096, hostRune),
		"nevra":     newNEVRA,
		"purpose":   newPurpose,
		"buildtime": newBuildTime,
		"hour":      newHour,
		"weekday":   newWeekday,
		"rate":      d.newRate,
		"total":     newTotal,
		"attested":  newAttested,
	}
	for _, name := range []string{"true", "all", "false", "none"} {
		make := builtin[name]
		tests[name] = func(name string, args []string) (test, error) {
			if len(args) > 0 {
				return nil, errors.New("takes no arguments")
			}
			return make(name, args)
		}
	}
	for _, name := range []string{"has", "bool", "match", "compare"} {
		make := builtin[name]
		tests[name] = func(name string, args []string) (test, error) {
			if len(args) > 0 && fields[args[0]] == nil {
				return nil, fmt.Errorf("there is no field %q; the fields are %s", args[0], strings.Join(slices.Sorted(maps.Keys(fields)), ", "))
			}
			switch {
			case len(args) > 1 && (name == "has" || name == "bool"):
				return nil, errors.New("takes one field and nothing more")
			case len(args) == 1 && name == "match":
				return nil, errors.New("has no pattern")
			}
			return make(name, args)
		}
	}
	for name, make := range tests {
		tests[name] = func(name string, args []string) (test, error) {
			args, err := unquote(args)
			if err != nil {
				return nil, err
			}
			return make(name, args)
		}
	}
	return policy.Registry[*Facts]{Tests: tests, Action: checkAction}
}

// unquote joins what stands between double quotes, so that a pattern may have
// blanks: vendor "Example Project".
func unquote(args []string) ([]string, error) {
	var out []string
	for i := 0; i < len(args); i++ {
		a, quoted := strings.CutPrefix(args[i], `"`)
		if !quoted {
			if strings.Contains(a, `"`) {
				return nil, errors.New("a quote stands at the beginning and at the end of an argument, not inside")
			}
			out = append(out, a)
			continue
		}
		for !strings.HasSuffix(a, `"`) {
			if i++; i == len(args) {
				return nil, errors.New("a quote is not closed")
			}
			a += " " + args[i]
		}
		if a = strings.TrimSuffix(a, `"`); a == "" || strings.Contains(a, `"`) {
			return nil, errors.New("nothing between two quotes, or a quote inside of them")
		}
		out = append(out, a)
	}
	return out, nil
}

// What names are made of.
func nameRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-+@", r)
}
func packageRune(r rune) bool { return r > ' ' && r != '/' && r != 0x7f && r != 0xfffd }
func archRune(r rune) bool    { return packageRune(r) && r != '-' && r != '.' }
func hostRune(r rune) bool    { return r > ' ' && r != 0x7f }
func anyRune(rune) bool       { return true }

// globList are patterns of which one must match.
type globList []policy.Glob

func newGlobs(args []string, most int, possible func(rune) bool) (globList, error) {
	if len(args) == 0 {
		return nil, errors.New("has no pattern")
	}
	var list globList
	for _, a := range args {
		g := policy.NewGlob(a)
		if err := g.CanMatch(most, possible); err != nil {
			return nil, err
		}
		list = append(list, g)
	}
	return list, nil
}

func (l globList) match(s string) bool {
	for i := range l {
		if l[i].Match(s) {
			return true
		}
	}
	return false
}

// oneText holds where one of the patterns matches a text that is not empty.
type oneText struct {
	name  string
	get   func(*Facts) string
	globs globList
}

// globTest makes the test of one text. Where the possible values are known, every
// pattern must match one of them.
func globTest(get func(*Facts) string, most int, possible func(rune) bool, known ...string) maker {
	return func(name string, args []string) (test, error) {
		globs, err := newGlobs(args, most, possible)
		if err != nil {
			return nil, err
		}
		for _, g := range globs {
			if len(known) > 0 && !slices.ContainsFunc(known, g.Match) {
				return nil, fmt.Errorf("there is no %s %q; there are %s", name, g, strings.Join(known, ", "))
			}
		}
		return oneText{name, get, globs}, nil
	}
}

func (t oneText) Check(f *Facts) (bool, error) {
	s := t.get(f)
	return s != "" && t.globs.match(s), nil
}

func (t oneText) Saw(f *Facts) string { return saw(t.name, t.get(f)) }

func saw(name, s string) string {
	if s == "" {
		return "there is no " + name
	}
	return fmt.Sprintf("%s is %q", name, s)
}

// nevra matches the package's full name, with the epoch or without it.
type nevra struct{ globs globList }

func newNEVRA(_ string, args []string) (test, error) {
	globs, err := newGlobs(args, 4096, packageRune)
	for _, g := range globs {
		if s := g.String(); !strings.ContainsAny(s, "*?[") && (strings.Count(s, "-") < 2 || !strings.Contains(s, ".")) {
			return nil, fmt.Errorf("pattern %q can never match: a package is NAME-[EPOCH:]VERSION-RELEASE.ARCH (test name looks at the name alone)", s)
		}
	}
	return nevra{globs}, err
}

func (t nevra) Check(f *Facts) (bool, error) {
	return f.IsRPM() && (t.globs.match(f.nevra) || f.nvra != f.nevra && t.globs.match(f.nvra)), nil
}
func (t nevra) Saw(f *Facts) string { return saw("nevra", f.nevra) }

// purpose holds where the key has one of the purposes.
type purpose struct{ purposes keys.Purposes }

func newPurpose(_ string, args []string) (test, error) {
	if len(args) == 0 {
		return nil, errors.New("has no purpose")
	}
	var t purpose
	for _, a := range args {
		p := keys.Purpose(a)
		if err := (keys.Purposes{p}).Check(); err != nil {
			return nil, err
		}
		t.purposes = append(t.purposes, p)
	}
	return t, nil
}

func (t purpose) Check(f *Facts) (bool, error) {
	for _, p := range t.purposes {
		if f.Purposes.Has(p) {
			return true, nil
		}
	}
	return false, nil
}
func (t purpose) Saw(f *Facts) string { return "the key is for " + f.Purposes.String() }

// maxWindow is the longest time that rates look back: the signer keeps what it
// signed within it in memory.
const maxWindow = 31 * 24 * time.Hour

// rate holds while this user had fewer signatures of this key in the window.
type rate struct {
	most   int64
	window time.Duration
}

func (d *Decider) newRate(_ string, args []string) (test, error) {
	if len(args) != 1 {
		return nil, errors.New("write: rate NUMBER/TIME, as rate 6000/1h")
	}
	number, window, ok := strings.Cut(args[0], "/")
	n, err := count(number)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, errors.New("write: rate NUMBER/TIME, as rate 6000/1h")
	}
	w, err := duration(window)
	if err != nil {
		return nil, err
	}
	if w > maxWindow {
		return nil, fmt.Errorf("%s is longer than 31d, the longest time of a rate", window)
	}
	d.window = max(d.window, w)
	return rate{n, w}, nil
}

var errNoCounts = errors.New("nobody counts signatures here")

func (t rate) Check(f *Facts) (bool, error) {
	if f.Counts == nil {
		return false, errNoCounts
	}
	return f.Counts.Recent(f, t.window) < t.most, nil
}

func (t rate) Saw(f *Facts) string {
	if f.Counts == nil {
		return errNoCounts.Error()
	}
	return fmt.Sprintf("%d signatures by %s with %s in the last %s", f.Counts.Recent(f, t.window), f.User, f.Key, spell(t.window))
}

// total holds while the key made fewer signatures in all.
type total struct{ most int64 }

func newTotal(_ string, args []string) (test, error) {
	if len(args) != 1 {
		return nil, errors.New("write: total NUMBER")
	}
	n, err := count(args[0])
	return total{n}, err
}

func (t total) Check(f *Facts) (bool, error) {
	if f.Counts == nil {
		return false, errNoCounts
	}
	return f.Counts.Total(f) < t.most, nil
}

func (t total) Saw(f *Facts) string {
	if f.Counts == nil {
		return errNoCounts.Error()
	}
	return fmt.Sprintf("%d signatures with %s in all", f.Counts.Total(f), f.Key)
}

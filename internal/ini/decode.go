package ini

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Decode fills the struct that dst points to from a section. Fields are named by
// a tag; fields without one are left alone, as are fields whose key is not set,
// so defaults are put in before. The fields of an embedded struct are the
// struct's own. Options after the name:
//
//	Listen []string      `ini:"listen,required"` // must be set, and not empty
//	Path   string        `ini:"rpm_path,raw"`    // no %(...)s
//	Wait   time.Duration `ini:"wait"`            // 1m30s, or a number of seconds
//
// Types: string, bool, integers, time.Duration, []string (separated by white
// space or commas), and string or integer types made of them.
//
// A key of the section that no field has is an error that names its line, and so
// is a value that does not fit. A nil section sets nothing.
func Decode(s *Section, dst any) error {
	v := reflect.ValueOf(dst)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("ini: Decode needs a pointer to a struct, not %T", dst)
	}
	v = v.Elem()
	known := map[string]bool{}
	fields := reflect.VisibleFields(v.Type())
	for _, f := range fields {
		if name, _, _ := strings.Cut(f.Tag.Get("ini"), ","); name != "" {
			known[foldKey(name)] = true
		}
	}
	// Unknown keys first: one is often the misspelled name of another that lacks.
	if s != nil {
		for _, k := range s.order {
			if !known[k] {
				return &Error{s.file.Name, s.items[k].line,
					fmt.Sprintf("unknown setting %q in section [%s]", clip(k), clip(s.Name))}
			}
		}
	}
	for _, f := range fields {
		name, opts, _ := strings.Cut(f.Tag.Get("ini"), ",")
		if name == "" {
			continue
		}
		if err := decodeField(s, name, opts, v.FieldByIndex(f.Index)); err != nil {
			return err
		}
	}
	return nil
}

// DecodeFile fills a struct from a file that has one section, the named one, and
// maybe [DEFAULT]. Another section is an error: it is a misspelt name, or a file of
// another program.
func DecodeFile(path, section string, dst any) error {
	f, err := ParseFile(path)
	if err != nil {
		return err
	}
	return f.Decode(section, dst)
}

// Decode fills a struct from a section of a file, which may have those sections besides that also names. Another one is an
// error, as for DecodeFile.
func (f *File) Decode(section string, dst any, also ...string) error {
	for _, name := range f.order {
		if name == section || slices.Contains(also, name) {
			continue
		}
		only := "the only one is"
		if len(also) > 0 {
			only = "there are [" + strings.Join(also, "], [") + "] and"
		}
		return &Error{f.Name, f.sections[name].Start, fmt.Sprintf("unknown section [%s]: %s [%s]", clip(name), only, section)}
	}
	if f.sections[section] == nil {
		return &Error{File: f.Name, Msg: fmt.Sprintf("section [%s] is missing", section)}
	}
	return Decode(f.sections[section], dst)
}

var durationType = reflect.TypeFor[time.Duration]()

func decodeField(s *Section, name, opts string, f reflect.Value) error {
	raw, required := hasOption(opts, "raw"), hasOption(opts, "required")
	text, ok := s.Raw(name)
	if !raw {
		var err error
		if text, ok, err = s.Value(name); err != nil {
			return err
		}
	}
	if !ok || required && text == "" {
		switch {
		case !required:
			return nil
		case s == nil:
			return fmt.Errorf("setting %q is missing", name)
		case ok:
			return s.errorf(name, "must not be empty")
		}
		return &Error{s.file.Name, s.Start, fmt.Sprintf("section [%s] lacks the setting %q", clip(s.Name), name)}
	}
	switch {
	case f.Type() == durationType:
		d, err := parseDuration(text)
		if err != nil {
			return s.errorf(name, "%v", err)
		}
		f.SetInt(int64(d))
	case f.Kind() == reflect.String:
		f.SetString(text)
	case f.Kind() == reflect.Bool:
		b, _, err := s.Bool(name)
		if err != nil {
			return err
		}
		f.SetBool(b)
	case f.CanInt():
		n, err := strconv.ParseInt(text, 10, f.Type().Bits())
		if err != nil {
			return s.errorf(name, "%q is not a whole number in range", clip(text))
		}
		f.SetInt(n)
	case f.CanUint():
		n, err := strconv.ParseUint(text, 10, f.Type().Bits())
		if err != nil {
			return s.errorf(name, "%q is not a whole number of zero or more in range", clip(text))
		}
		f.SetUint(n)
	case f.Kind() == reflect.Slice && f.Type().Elem().Kind() == reflect.String:
		list := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || isSpace(r) })
		out := reflect.MakeSlice(f.Type(), len(list), len(list))
		for i, e := range list {
			out.Index(i).SetString(e)
		}
		f.Set(out)
	default:
		return fmt.Errorf("ini: field for %q has type %s, which Decode does not know", name, f.Type())
	}
	return nil
}

func hasOption(opts, want string) bool {
	for o := range strings.SplitSeq(opts, ",") {
		if o == want {
			return true
		}
	}
	return false
}

func parseDuration(text string) (time.Duration, error) {
	if n, err := strconv.ParseInt(text, 10, 32); err == nil {
		if n < 0 {
			return 0, fmt.Errorf("%q: a length of time cannot be negative", text)
		}
		return time.Duration(n) * time.Second, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%q is not a length of time: write 30s, 5m, 1h30m, or a number of seconds", clip(text))
	}
	if d < 0 {
		return 0, fmt.Errorf("%q: a length of time cannot be negative", clip(text))
	}
	return d, nil
}

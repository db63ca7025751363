package sigul

import (
	"fmt"
	"slices"
	"strings"
)

// An Option is one option of the program or of a command.
type Option struct {
	Short   byte   // 0 without
	Long    string // without its dashes
	Value   string // what stands for the value in the help; "" for an option without one
	Choices []string
	Help    string // "" hides it
}

// Values are the options of a command line: of each long name what was given, in
// order; "" for an option without a value.
type Values map[string][]string

// Has says whether an option was given.
func (v Values) Has(long string) bool { return len(v[long]) > 0 }

// Get gives the last value of an option, "" without.
func (v Values) Get(long string) string {
	if list := v[long]; len(list) > 0 {
		return list[len(list)-1]
	}
	return ""
}

// UsageError is a command line that sigul would not take either.
type UsageError struct {
	Usage string // the line that shows how
	Msg   string
}

func (e *UsageError) Error() string { return e.Msg }

// parseOptions takes a command line apart. With interspersed, options may stand
// after arguments, too.
func parseOptions(options []Option, args []string, interspersed bool) (Values, []string, error) {
	v := Values{}
	var rest []string
	for i := 0; i < len(args); i++ {
		arg := args[i]
		next := func(name string) (string, error) {
			if i+1 >= len(args) {
				return "", fmt.Errorf("%s option requires 1 argument", name)
			}
			i++
			return args[i], nil
		}
		switch {
		case arg == "--":
			return v, append(rest, args[i+1:]...), nil
		case strings.HasPrefix(arg, "--"):
			if err := v.long(options, arg[2:], next); err != nil {
				return nil, nil, err
			}
		case len(arg) > 1 && arg[0] == '-':
			if err := v.short(options, arg[1:], next); err != nil {
				return nil, nil, err
			}
		case !interspersed:
			return v, args[i:], nil
		default:
			rest = append(rest, arg)
		}
	}
	return v, rest, nil
}

func (v Values) long(options []Option, text string, next func(string) (string, error)) error {
	name, value, given := strings.Cut(text, "=")
	o, err := find(options, name)
	if err != nil {
		return err
	}
	switch {
	case o.Value == "" && given:
		return fmt.Errorf("--%s option does not take a value", o.Long)
	case o.Value != "" && !given:
		if value, err = next("--" + o.Long); err != nil {
			return err
		}
	}
	return v.add(o, "--"+o.Long, value)
}

// find is the option of a long name or of a prefix that no other shares.
func find(options []Option, name string) (*Option, error) {
	var found []*Option
	for i := range options {
		o := &options[i]
		if o.Long == name {
			return o, nil
		}
		if name != "" && strings.HasPrefix(o.Long, name) {
			found = append(found, o)
		}
	}
	switch len(found) {
	case 0:
		return nil, fmt.Errorf("no such option: --%s", name)
	case 1:
		return found[0], nil
	}
	names := make([]string, len(found))
	for i, o := range found {
		names[i] = "--" + o.Long
	}
	slices.Sort(names)
	return nil, fmt.Errorf("ambiguous option: --%s (%s?)", name, strings.Join(names, ", "))
}

// short reads a cluster of short options; one that takes a value takes what is left.
func (v Values) short(options []Option, cluster string, next func(string) (string, error)) error {
	for i := 0; i < len(cluster); i++ {
		at := slices.IndexFunc(options, func(o Option) bool { return o.Short == cluster[i] })
		if at < 0 {
			return fmt.Errorf("no such option: -%c", cluster[i])
		}
		o := &options[at]
		if o.Value == "" {
			if err := v.add(o, "", ""); err != nil {
				return err
			}
			continue
		}
		name, value := "-"+cluster[i:i+1], cluster[i+1:]
		if value == "" {
			var err error
			if value, err = next(name); err != nil {
				return err
			}
		}
		return v.add(o, name, value)
	}
	return nil
}

func (v Values) add(o *Option, name, value string) error {
	if len(o.Choices) > 0 && !slices.Contains(o.Choices, value) {
		return fmt.Errorf("option %s: invalid choice: %q (choose from %s)", name, value, strings.Join(o.Choices, ", "))
	}
	v[o.Long] = append(v[o.Long], value)
	return nil
}

// helpText lists options as optparse does.
func helpText(usage, description string, options []Option) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Usage: %s\n\n%s\n\nOptions:\n  %-22s  show this help message and exit\n", usage, description, "-h, --help")
	for _, o := range options {
		if o.Help == "" {
			continue
		}
		name := "--" + o.Long
		if o.Value != "" {
			name += "=" + o.Value
		}
		if o.Short != 0 {
			short := "-" + string(o.Short)
			if o.Value != "" {
				short += " " + o.Value
			}
			name = short + ", " + name
		}
		if len(name) > 22 {
			fmt.Fprintf(&b, "  %s\n  %-22s  %s\n", name, "", o.Help)
		} else {
			fmt.Fprintf(&b, "  %-22s  %s\n", name, o.Help)
		}
	}
	return b.String()
}

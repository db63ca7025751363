package cli

import (
	"fmt"
	"sort"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// expandArgs rewrites a command line so that pflag and cobra read it as
// Python's optparse would: a long option may be shortened to any prefix that no
// other option of the same command shares ("--par f40" is "--parent f40"), and
// options before the verb belong to the program, options after it to the verb.
//
// It returns the rewritten line and the command that will run (root when the
// line names none). An unknown verb or an ambiguous prefix is a usage error.
func expandArgs(root *cobra.Command, args []string) ([]string, *cobra.Command, error) {
	cmd := root
	out := make([]string, 0, len(args))
	rest := args
	for {
		// A command with verbs below it takes options only before the verb.
		stop := cmd.HasSubCommands()
		done, left, err := expandOptions(cmd, rest, stop)
		if err != nil {
			return nil, cmd, err
		}
		out = append(out, done...)
		rest = left
		if !stop || len(rest) == 0 {
			return append(out, rest...), cmd, nil
		}
		next := findVerb(cmd, rest[0])
		if next == nil {
			return nil, cmd, &usageError{cmd: cmd, msg: "unknown command: " + rest[0], hint: suggest(cmd, rest[0])}
		}
		out = append(out, next.Name())
		cmd, rest = next, rest[1:]
	}
}

// expandOptions rewrites the options in args. With stop it ends at the first
// argument that is no option and returns the others untouched.
func expandOptions(cmd *cobra.Command, args []string, stop bool) (done, left []string, err error) {
	fs := cmd.Flags()
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch {
		case arg == "--":
			if stop {
				return done, args[i+1:], nil
			}
			return append(done, args[i:]...), nil, nil
		case strings.HasPrefix(arg, "--"):
			name, value, hasValue := strings.Cut(arg[2:], "=")
			flag, err := lookupPrefix(cmd, fs, name)
			if err != nil {
				return nil, nil, err
			}
			word := "--" + flag.Name
			if hasValue {
				word += "=" + value
			}
			done = append(done, word)
			if !hasValue && takesValue(flag) && i+1 < len(args) {
				i++
				done = append(done, args[i])
			}
		case len(arg) > 1 && arg[0] == '-':
			done = append(done, arg)
			if wantsNext(fs, arg[1:]) && i+1 < len(args) {
				i++
				done = append(done, args[i])
			}
		case stop:
			return done, args[i:], nil
		default:
			done = append(done, arg)
		}
	}
	return done, nil, nil
}

// lookupPrefix finds the option that name stands for: itself, or the only one
// that begins so. Hidden options are found by their whole name only.
func lookupPrefix(cmd *cobra.Command, fs *pflag.FlagSet, name string) (*pflag.Flag, error) {
	if flag := fs.Lookup(name); flag != nil {
		return flag, nil
	}
	var found []*pflag.Flag
	if name != "" {
		fs.VisitAll(func(f *pflag.Flag) {
			if !f.Hidden && strings.HasPrefix(f.Name, name) {
				found = append(found, f)
			}
		})
	}
	switch len(found) {
	case 0:
		return nil, &usageError{cmd: cmd, msg: "no such option: --" + name}
	case 1:
		return found[0], nil
	}
	names := make([]string, len(found))
	for i, f := range found {
		names[i] = "--" + f.Name
	}
	sort.Strings(names)
	return nil, &usageError{cmd: cmd, msg: fmt.Sprintf("ambiguous option: --%s (%s?)", name, strings.Join(names, ", "))}
}

func takesValue(f *pflag.Flag) bool { return f.NoOptDefVal == "" }

// wantsNext says whether the last option of a cluster of short ones ("-pFILE",
// "-qp") takes its value from the next argument.
func wantsNext(fs *pflag.FlagSet, cluster string) bool {
	for i := 0; i < len(cluster); i++ {
		flag := fs.ShorthandLookup(cluster[i : i+1])
		if flag == nil {
			return false
		}
		if takesValue(flag) {
			return i == len(cluster)-1
		}
	}
	return false
}

func findVerb(parent *cobra.Command, word string) *cobra.Command {
	for _, c := range parent.Commands() {
		if c.Name() == word || c.HasAlias(word) {
			return c
		}
	}
	// Koji's client takes list_tags for list-tags.
	if dashed := strings.ReplaceAll(word, "_", "-"); dashed != word {
		return findVerb(parent, dashed)
	}
	lower := strings.ToLower(word)
	for _, c := range parent.Commands() {
		if c.Name() == "moshimoshi" && c.HasAlias(lower) {
			return c
		}
	}
	return nil
}

// suggest names the verbs a mistyped one may have meant.
func suggest(cmd *cobra.Command, word string) string {
	cmd.SuggestionsMinimumDistance = 2
	names := cmd.SuggestionsFor(word)
	if len(names) == 0 {
		return fmt.Sprintf("%q lists the commands", cmd.CommandPath()+" help")
	}
	return "did you mean " + strings.Join(names, " or ") + "?"
}

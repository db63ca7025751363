package console

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"

	"github.com/privyseal/privyseal/internal/daemon"
	"github.com/privyseal/privyseal/keys"
)

// verb is one command.
type verb struct {
	name  string // words, the first of which is its group
	args  string // as help shows them
	about string
	run   func(c *Console, ctx context.Context, args []string) error
	// event is what the verb leaves in the log: the operation of a change of the vault, or the kind of an entry of its own. A verb without
	// one changes nothing.
	event string
	// anywhere says that the verb touches no vault, or is a reviewed file, and so needs no terminal.
	anywhere bool
}

// find gives the verb that args begin with, and the rest of them. The longest name wins.
func find(args []string) (*verb, []string) {
	var found *verb
	var length int
	for i := range verbs {
		words := strings.Fields(verbs[i].name)
		if len(words) > length && len(args) >= len(words) && slices.Equal(words, args[:len(words)]) {
			found, length = &verbs[i], len(words)
		}
	}
	return found, args[length:]
}

func (c *Console) run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return daemon.Usagef("no command given; help lists them")
	}
	v, rest := find(args)
	if v == nil {
		return c.unknown(args)
	}
	here := *c
	here.verb = v.name
	err := v.run(&here, ctx, rest)
	// One that is wrapped is about a line of a file of commands, and has been through here for its own verb.
	if usage, ok := err.(*daemon.UsageError); ok {
		return daemon.Usagef("%w\nusage: %s", usage.Err, v.usage())
	}
	return advise(err)
}

// advised is an error with the commands that are of use after it.
type advised struct {
	error
	advice string
}

func (e *advised) Error() string { return e.error.Error() + "; " + e.advice }
func (e *advised) Unwrap() error { return e.error }

// advise names the commands that help with a refusal, once: what a ceremony reports has been through here.
func advise(err error) error {
	var have *advised
	if errors.As(err, &have) {
		return err
	}
	for refusal, advice := range map[error]string{
		keys.ErrUnknownUser: "user list shows those there are, user add makes one",
		keys.ErrUnknownKey:  "key list shows those there are",
		keys.ErrNoGrant:     "grant list shows those there are, grant give makes one",
		keys.ErrNotAdmin:    "key info shows the admins, admin add makes one",
	} {
		if errors.Is(err, refusal) {
			return &advised{err, advice}
		}
	}
	return err
}

func (v *verb) usage() string {
	return strings.TrimSpace("privyseal-signer --vault DIR " + v.name + " " + v.args)
}

// unknown says what was probably meant.
func (c *Console) unknown(args []string) error {
	group := func(v verb) bool { return strings.HasPrefix(v.name, args[0]+" ") }
	if slices.ContainsFunc(verbs, group) {
		if len(args) == 2 && asksForHelp(args) {
			if c.mode == onlyCheck {
				return errChecked
			}
			return c.usage(group)
		}
		var have []string
		for _, v := range verbs {
			if group(v) {
				have = append(have, v.name)
			}
		}
		return daemon.Usagef("unknown command %.80q%s; there are: %s", strings.Join(args[:min(2, len(args))], " "), meant(args), strings.Join(have, ", "))
	}
	return daemon.Usagef("unknown command %.80q%s; help lists them", strings.Join(args[:min(2, len(args))], " "), meant(args))
}

// meant finds the verb that is one or two slips of the fingers away.
func meant(args []string) string {
	best, least := "", 3
	for _, v := range verbs {
		words := strings.Fields(v.name)
		if len(args) < len(words) {
			continue
		}
		if d := distance(strings.Join(args[:len(words)], " "), v.name); d < least {
			best, least = v.name, d
		}
	}
	// The first word alone says which group was meant.
	for _, v := range verbs {
		group, _, more := strings.Cut(v.name, " ")
		if d := distance(args[0], group); best == "" && more && d > 0 && d < least {
			best, least = group+" ...", d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(": did you mean %q?", best)
}

// distance counts the letters to add, leave out, change or swap with their neighbour that make b of a.
func distance(a, b string) int {
	if len(a) > 64 {
		return len(a)
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

var helpFlags = []string{"--help", "-help", "-h"}

func asksForHelp(args []string) bool {
	return len(args) > 0 && (args[0] == "help" || slices.Contains(helpFlags, args[len(args)-1]))
}

// help lists the verbs, or those of a group, or explains one.
func (c *Console) help(ctx context.Context, args []string) error {
	if len(args) > 0 && !asksForHelp(args) {
		// A word that is a command and a group of them too ("grant") means the group.
		group := func(v verb) bool { return strings.HasPrefix(v.name, args[0]+" ") }
		if v, rest := find(args); v != nil && len(rest) == 0 && (len(args) > 1 || !slices.ContainsFunc(verbs, group)) {
			return c.run(ctx, append(slices.Clone(args), "--help"))
		}
		return c.unknown(append(slices.Clone(args[:1]), "--help"))
	}
	if c.mode == onlyCheck {
		return errChecked
	}
	fmt.Fprint(c.Out, "usage: privyseal-signer --vault DIR COMMAND\n       privyseal-signer --vault DIR --batch FILE\n\n")
	return c.usage(func(verb) bool { return true })
}

func (c *Console) serve(ctx context.Context, args []string) error {
	if _, err := c.form().parse(args, nil); err != nil {
		return err
	}
	return c.Serve(ctx)
}

// usage lists verbs.
func (c *Console) usage(which func(verb) bool) error {
	var b bytes.Buffer
	for _, v := range verbs {
		if which(v) {
			fmt.Fprintf(&b, "  %s\n        %s\n", strings.TrimSpace(v.name+" "+v.args), v.about)
		}
	}
	_, err := c.Out.Write(b.Bytes())
	return err
}

// isHelp tells whether an error only says that help was given.
func isHelp(err error) bool { return errors.Is(err, flag.ErrHelp) }

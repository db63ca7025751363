package console

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/privyseal/privyseal/signer/decide"
)

// policyEdit changes the policy at the terminal. The signer starts no programs, so no editor of the system either: this one has the few
// commands that a policy of some dozen lines needs. A longer change is better written elsewhere, reviewed, and taken with policy set.
func (c *Console) policyEdit(ctx context.Context, args []string) error {
	if _, err := c.form().parse(args, nil); err != nil {
		return err
	}
	if !c.Terminal.IsTerminal() {
		return errors.New("policy edit asks line by line, and nobody sits here: write the policy into a file and use policy set FILE")
	}
	state, err := c.state()
	if err != nil {
		return err
	}
	e := &editor{c: c}
	if text := strings.TrimSuffix(state.Policy(), "\n"); text != "" {
		e.lines = strings.Split(text, "\n")
	} else {
		e.lines = []string{"[policy]", "sign ="}
	}
	e.print(0, len(e.lines))
	fmt.Fprintln(c.Out, editorHelp)
	for {
		line, err := c.Terminal.ReadLine("policy> ")
		if errors.Is(err, io.EOF) {
			return errors.New("left without setting anything")
		}
		if err != nil {
			return err
		}
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch word {
		case "q":
			fmt.Fprintln(c.Out, "left; nothing was changed")
			return nil
		case "s":
			text := e.text()
			if _, err := decide.Load(text); err != nil {
				fmt.Fprintf(c.Out, "not set: %v\n", err)
				continue
			}
			err := c.setPolicy(ctx, text)
			if err == nil || ctx.Err() != nil {
				return err
			}
			fmt.Fprintf(c.Out, "not set: %v\n", err)
			continue
		case "":
			continue
		}
		if err := e.do(word, strings.TrimSpace(rest)); err != nil {
			fmt.Fprintln(c.Out, err)
		}
	}
}

const editorHelp = `p [N[,M]] print   a [N] add after line N   i N insert before   c N[,M] change   d N[,M] delete
r FILE take the lines of a file   t test   s set it and leave   q leave without setting   h this help
lines are typed until one that holds a single full stop`

type editor struct {
	c     *Console
	lines []string
}

func (e *editor) text() string { return strings.Join(e.lines, "\n") + "\n" }

func (e *editor) print(from, to int) {
	for i := from; i < to; i++ {
		fmt.Fprintf(e.c.Out, "%4d  %s\n", i+1, printable(e.lines[i]))
	}
}

// do runs one command on the lines.
func (e *editor) do(word, rest string) error {
	switch word {
	case "h", "?":
		fmt.Fprintln(e.c.Out, editorHelp)
		return nil
	case "t":
		if _, err := decide.Load(e.text()); err != nil {
			return err
		}
		fmt.Fprintln(e.c.Out, "can be set")
		return nil
	case "r":
		data, err := readFile(rest, maxPolicy)
		if err != nil {
			return err
		}
		e.lines = strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
		e.print(0, len(e.lines))
		return nil
	case "p", "a", "i", "c", "d":
	default:
		return fmt.Errorf("unknown command %.20q; h lists them", word)
	}
	from, to, err := e.lineRange(word, rest)
	if err != nil {
		return err
	}
	switch word {
	case "p":
		e.print(from, to)
		return nil
	case "d":
		e.lines = slices.Delete(e.lines, from, to)
		return nil
	}
	typed, err := e.typed()
	if err != nil {
		return err
	}
	switch word {
	case "a":
		e.lines = slices.Insert(e.lines, to, typed...)
	case "i":
		e.lines = slices.Insert(e.lines, from, typed...)
	case "c":
		e.lines = slices.Replace(e.lines, from, to, typed...)
	}
	return nil
}

// lineRange reads N or N,M, counted from 1. Without it p means everything and a the end.
func (e *editor) lineRange(word, text string) (from, to int, err error) {
	if text == "" {
		switch word {
		case "p":
			return 0, len(e.lines), nil
		case "a":
			return len(e.lines), len(e.lines), nil
		}
		return 0, 0, fmt.Errorf("%s needs the number of a line", word)
	}
	first, last, both := strings.Cut(text, ",")
	if !both {
		last = first
	}
	from, err = strconv.Atoi(strings.TrimSpace(first))
	to, err2 := strconv.Atoi(strings.TrimSpace(last))
	least := 1
	if word == "a" {
		least = 0 // before the first line
	}
	if err != nil || err2 != nil || from < least || to < from || to > len(e.lines) {
		return 0, 0, fmt.Errorf("%q is no line or range of lines; there are %d", text, len(e.lines))
	}
	return max(0, from-1), to, nil
}

// typed takes lines until a full stop.
func (e *editor) typed() (lines []string, err error) {
	for {
		line, err := e.c.Terminal.ReadLine("      ")
		if err != nil {
			return nil, err
		}
		if line == "." {
			return lines, nil
		}
		if lines = append(lines, line); len(lines) > 10000 {
			return nil, errors.New("too many lines; nothing was taken")
		}
	}
}

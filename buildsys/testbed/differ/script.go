package differ

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Work is the command that is none: builder1 does the tasks that wait for it.
const Work = "(work)"

// A Command is one line of a script.
type Command struct {
	Profile string // whose certificate; "anon": none
	Argv    []string
	Sets    string // the variable that takes the first number it prints
}

func (c Command) String() string {
	words := make([]string, len(c.Argv))
	for i, w := range c.Argv {
		if w == "" || strings.ContainsAny(w, " \t\"'") {
			w = "'" + w + "'"
		}
		words[i] = w
	}
	return c.Profile + ": " + strings.Join(words, " ")
}

// Fill puts the values of variables in.
func (c Command) Fill(vars map[string]string) []string {
	argv := make([]string, len(c.Argv))
	for i, w := range c.Argv {
		argv[i] = variable.ReplaceAllStringFunc(w, func(v string) string {
			if val, ok := vars[v[1:]]; ok {
				return val
			}
			return v
		})
	}
	return argv
}

var (
	variable = regexp.MustCompile(`\$[A-Z]+\d+`)
	setsVar  = regexp.MustCompile(` => ([A-Z]+\d+)$`)
	number   = regexp.MustCompile(`\d+`)
)

// Take is the first number of what a command printed.
func Take(stdout string) string { return number.FindString(stdout) }

// A Script is a file of commands.
type Script struct {
	Name     string
	Commands []Command
}

// ReadScripts reads all scripts of a directory, in the order of their names.
func ReadScripts(dir string) ([]Script, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return nil, err
	}
	var out []Script
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		s := Script{Name: strings.TrimSuffix(filepath.Base(file), ".txt")}
		for sc, line := bufio.NewScanner(bytes.NewReader(data)), 1; sc.Scan(); line++ {
			text := strings.TrimSpace(sc.Text())
			if text == "" || strings.HasPrefix(text, "#") {
				continue
			}
			c, err := parseCommand(text)
			if err != nil {
				return nil, fmt.Errorf("%s:%d: %w", file, line, err)
			}
			s.Commands = append(s.Commands, c)
		}
		out = append(out, s)
	}
	return out, nil
}

func parseCommand(text string) (Command, error) {
	profile, rest, ok := strings.Cut(text, ": ")
	if !ok {
		return Command{}, fmt.Errorf("want USER: COMMAND")
	}
	c := Command{Profile: profile}
	if m := setsVar.FindStringSubmatch(rest); m != nil {
		c.Sets = m[1]
		rest = strings.TrimSuffix(rest, m[0])
	}
	argv, err := words(rest)
	if err != nil {
		return Command{}, err
	}
	if len(argv) == 0 {
		return Command{}, fmt.Errorf("no command")
	}
	c.Argv = argv
	return c, nil
}

// words splits a line as a shell would that knows quotes only.
func words(s string) ([]string, error) {
	var out []string
	var word strings.Builder
	quote, inWord := rune(0), false
	for _, r := range s {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, inWord = r, true
		case r == ' ' || r == '\t':
			if inWord {
				out = append(out, word.String())
				word.Reset()
				inWord = false
			}
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("a quote is not closed")
	}
	if inWord {
		out = append(out, word.String())
	}
	return out, nil
}

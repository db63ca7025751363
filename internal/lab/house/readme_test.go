package house

import (
	"fmt"
	"go/ast"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/privyseal/privyseal/internal/lab"
)

// documents are what a newcomer copies commands from.
func documents(t *testing.T) map[string]string {
	t.Helper()
	root := lab.Root(t)
	paths, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	docs := make(map[string]string)
	for _, path := range append(paths, filepath.Join(root, "README.md"), filepath.Join(root, "SECURITY.md")) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			t.Fatal(err)
		}
		docs[rel] = string(text)
	}
	return docs
}

// A command is one line of a code block that runs a program of ours or make.
type command struct {
	where string // file and line
	words []string
}

var ourPrograms = []string{"privyseal", "privyseal-signer", "privyseal-bridge", "privyseal-hub", "privyseal-builder", "make"}

// commands finds the command lines in the indented code blocks of a document.
func commands(name, text string) (list []command) {
	for i, line := range strings.Split(text, "\n") {
		line, ok := strings.CutPrefix(line, "    ")
		if !ok {
			continue
		}
		words := shellWords(strings.TrimPrefix(strings.TrimPrefix(line, "$ "), "bin/"))
		if len(words) > 0 && slices.Contains(ourPrograms, words[0]) {
			list = append(list, command{fmt.Sprintf("%s:%d", name, i+1), words})
		}
	}
	return list
}

// shellWords splits a line as a shell would, which for documents means double quotes
// and comments.
func shellWords(line string) (words []string) {
	var word strings.Builder
	quoted, started := false, false
	for _, r := range line + " " {
		switch {
		case r == '"':
			quoted, started = !quoted, true
		case r == ' ' && !quoted:
			if started {
				words = append(words, word.String())
			}
			word.Reset()
			started = false
		case r == '#' && !quoted && !started:
			return words
		default:
			word.WriteRune(r)
			started = true
		}
	}
	return words
}

// TestReadme asks the built programs whether the commands and options that the documents
// show exist, and the Makefile for its targets.
func TestReadme(t *testing.T) {
	bin := buildPrograms(t)
	seen := 0
	for name, text := range documents(t) {
		for _, target := range regexp.MustCompile("`make ([a-z-]+)`").FindAllStringSubmatch(text, -1) {
			checkTarget(t, name, target[1])
		}
		for _, c := range commands(name, text) {
			seen++
			switch c.words[0] {
			case "make":
				for _, target := range c.words[1:] {
					checkTarget(t, c.where, target)
				}
			case "privyseal":
				checkVerb(t, bin, c, []string{"-c", "-p"})
			case "privyseal-signer":
				checkVerb(t, bin, c, []string{"--vault", "--batch"})
			default:
				checkOptions(t, c, help(bin, c.words[0], "-h"), c.words[1:])
			}
		}
	}
	if seen < 20 {
		t.Errorf("only %d commands found in the documents", seen)
	}
}

func buildPrograms(t *testing.T) string {
	t.Helper()
	bin := t.TempDir()
	cmd := exec.Command("go", "build", "-trimpath", "-o", bin, "./cmd/...")
	cmd.Dir = lab.Root(t)
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return bin
}

func checkTarget(t *testing.T, where, target string) {
	t.Helper()
	cmd := exec.Command("make", "-n", target)
	cmd.Dir = lab.Root(t)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: make %s: %v\n%s", where, target, err, out)
	}
}

// checkVerb walks down the words that name commands and asks the last for its options.
// valued are the program's own options, which take a value and stand before the verb.
func checkVerb(t *testing.T, bin string, c command, valued []string) {
	t.Helper()
	rest := c.words[1:]
	for len(rest) > 1 && slices.Contains(valued, rest[0]) {
		rest = rest[2:]
	}
	if len(rest) == 0 {
		return
	}
	verb := []string{c.words[0], rest[0]}
	text := help(bin, append(verb, "--help")...)
	if text == "" {
		t.Errorf("%s: no command %q", c.where, strings.Join(verb, " "))
		return
	}
	rest = rest[1:]
	// A command with commands below it ("testbed up") is followed one step.
	if len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
		if below := help(bin, append(append(verb, rest[0]), "--help")...); below != "" {
			text, rest = below, rest[1:]
		}
	}
	checkOptions(t, c, text, rest)
}

func checkOptions(t *testing.T, c command, help string, words []string) {
	t.Helper()
	if help == "" {
		t.Errorf("%s: %s does not tell its options", c.where, c.words[0])
	}
	for _, w := range words {
		if !strings.HasPrefix(w, "-") {
			continue
		}
		option, _, _ := strings.Cut(w, "=")
		// Package flag prints one dash where two may be typed.
		if !regexp.MustCompile(`(?m)(^|[\s,\[(|])-?` + regexp.QuoteMeta(strings.TrimPrefix(option, "-")) + `\b`).MatchString(help) {
			t.Errorf("%s: %s has no option %s", c.where, strings.Join(c.words, " "), option)
		}
	}
}

// help is what a program says about a command, or "" when it has no such command.
func help(bin string, words ...string) string {
	out, err := exec.Command(filepath.Join(bin, words[0]), words[1:]...).CombinedOutput()
	if err != nil {
		return ""
	}
	return string(out)
}

// TestTestedClaims holds that a test which the documents name exists.
func TestTestedClaims(t *testing.T) {
	exists := make(map[string]bool)
	for _, s := range sources(t) {
		for _, decl := range s.file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && strings.HasSuffix(s.path, "_test.go") {
				exists[f.Name.Name] = true
			}
		}
	}
	for name, text := range documents(t) {
		for _, claim := range regexp.MustCompile(`\b(?:Test|Fuzz|Benchmark)[A-Z]\w+`).FindAllString(text, -1) {
			if !exists[claim] {
				t.Errorf("%s names %s, which is no test", name, claim)
			}
		}
	}
}

// TestDocumentLinks holds that the documents' links within the tree lead somewhere.
func TestDocumentLinks(t *testing.T) {
	for name, text := range documents(t) {
		for _, link := range regexp.MustCompile(`\]\(([^):#]+)(#[^)]*)?\)`).FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join(lab.Root(t), filepath.Dir(name), link[1])); err != nil {
				t.Errorf("%s links to %s: %v", name, link[1], err)
			}
		}
	}
}

package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestCompletion: the scripts are what their shell takes, and the program completes commands and options.
func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		code, out, stderr := runCLI(t, "", "completion", shell)
		if code != 0 || !strings.Contains(out, "__complete") {
			t.Errorf("%s: exit %d\n%s", shell, code, stderr)
		}
		if shell != "bash" {
			continue
		}
		path := filepath.Join(t.TempDir(), "completion")
		if err := os.WriteFile(path, []byte(out), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("bash", "-n", path).CombinedOutput(); err != nil {
			t.Errorf("bash: %v\n%s", err, out)
		}
	}
	for _, test := range []struct{ typed, want string }{
		{"list-tag", "list-tagged"}, {"add-tag --par", "--parent"}, {"ca rev", "revoke"}, {"--prof", "--profile"},
	} {
		code, out, _ := runCLI(t, "", append([]string{"__complete"}, strings.Fields(test.typed)...)...)
		if code != 0 || !strings.Contains(out, test.want) {
			t.Errorf("%s: exit %d\n%s", test.typed, code, out)
		}
	}
	if code, _, _ := runCLI(t, "", "completion", "csh"); code != 2 {
		t.Errorf("csh: exit %d", code)
	}
}

// TestManPages: there is one for every command, with its options, and no line of text is taken for a command of troff.
func TestManPages(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "man1")
	if code, _, stderr := runCLI(t, "", "man", dir); code != 0 {
		t.Fatal(stderr)
	}
	root := (&App{term: &terminal{}}).rootCommand("privyseal")
	n := 0
	_ = eachCommand(root, func(c *cobra.Command) error {
		n++
		data, err := os.ReadFile(filepath.Join(dir, manName(c)+".1"))
		if err != nil {
			t.Error(err)
			return nil
		}
		text := string(data)
		for _, want := range []string{".TH ", ".SH NAME\n", ".SH SYNOPSIS\n", ".SH DESCRIPTION\n"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q", manName(c), want)
			}
		}
		for line := range strings.SplitSeq(text, "\n") {
			if word, _, _ := strings.Cut(line, " "); strings.HasPrefix(line, ".") && !strings.Contains(" .TH .SH .SS .TP .PP .B .BR .I .nf .fi ", " "+word+" ") || strings.HasPrefix(line, "'") {
				t.Errorf("%s: troff would take %q for a command", manName(c), line)
			}
		}
		return nil
	})
	if clone, err := os.ReadFile(filepath.Join(dir, "privyseal-clone.1")); err != nil || !strings.Contains(string(clone), `.B \-\-from URL`) {
		t.Errorf("the page of clone: %v\n%s", err, clone)
	}
	if n < 100 {
		t.Errorf("only %d commands", n)
	}
}

// TestExamplesRun has each example of the help be a command line that the program takes as such.
func TestExamplesRun(t *testing.T) {
	root := (&App{term: &terminal{}}).rootCommand("privyseal")
	err := eachCommand(root, func(c *cobra.Command) error {
		for line := range strings.Lines(c.Example) {
			words := strings.Fields(line)
			switch {
			case len(words) == 0:
			case words[0] != "privyseal":
				if findVerb(root, words[0]) != nil {
					t.Errorf("%s: the example %q does not begin with the program", c.CommandPath(), line)
				}
			default:
				if _, cmd, err := expandArgs(root, words[1:]); err != nil || cmd == root {
					t.Errorf("%s: the example %q: %v", c.CommandPath(), line, err)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/privyseal/privyseal/internal/daemon"
	"github.com/privyseal/privyseal/internal/durable"
)

// completionCommand prints what makes a shell complete commands and options. The scripts ask the program itself for each
// completion, so they need not be made anew when it changes.
func completionCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupSite, "completion bash|zsh|fish", "Print what makes a shell complete commands and options")
	cmd.Long = "Put the output where the shell looks for it:\n\n" +
		"  privyseal completion bash > /etc/bash_completion.d/privyseal\n" +
		"  privyseal completion zsh > /usr/share/zsh/site-functions/_privyseal\n" +
		"  privyseal completion fish > /usr/share/fish/vendor_completions.d/privyseal.fish"
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usagef(cmd, "say for which shell: bash, zsh or fish")
		}
		root := cmd.Root()
		// The scripts are bound to the first word of the usage line.
		switch args[0] {
		case "bash":
			return root.GenBashCompletionV2(a.stdout, true)
		case "zsh":
			return root.GenZshCompletion(a.stdout)
		case "fish":
			return root.GenFishCompletion(a.stdout, true)
		}
		return usagef(cmd, "no completion for %q: there are bash, zsh and fish", args[0])
	}
	return cmd
}

// manCommand writes the manual pages, made from the commands themselves.
func manCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupSite, "man <directory>", "Write manual pages, one for the program and one for each command")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usagef(cmd, "give the directory that the pages go to, such as /usr/local/share/man/man1")
		}
		if err := durable.MkdirAll(args[0], 0o755); err != nil {
			return err
		}
		if info, err := os.Stat(args[0]); err != nil || !info.IsDir() {
			return failf("", "%s is no directory", args[0])
		}
		n := 0
		err := eachCommand(cmd.Root(), func(c *cobra.Command) error {
			n++
			return durable.WriteFile(filepath.Join(args[0], manName(c)+".1"), []byte(manPage(c)), 0o644)
		})
		if err == nil {
			a.term.note("%d pages in %s", n, args[0])
		}
		return err
	}
	return cmd
}

func eachCommand(c *cobra.Command, fn func(*cobra.Command) error) error {
	if err := fn(c); err != nil {
		return err
	}
	for _, sub := range c.Commands() {
		if sub.Hidden || sub.Name() == "help" {
			continue
		}
		if err := eachCommand(sub, fn); err != nil {
			return err
		}
	}
	return nil
}

func manName(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

// troff escapes text for a line of a manual page.
func troff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`).Replace(s)
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}

// manPage is the manual page of a command.
func manPage(c *cobra.Command) string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p(".TH %s 1 \"\" \"privyseal %s\" \"User Commands\"", troff(strings.ToUpper(manName(c))), daemon.Version)
	p(".SH NAME\n%s \\- %s", troff(manName(c)), troff(c.Short))
	p(".SH SYNOPSIS\n.nf\n%s\n.fi", troff(c.UseLine()))
	p(".SH DESCRIPTION")
	text := c.Long
	if text == "" {
		text = c.Short + "."
	}
	for para := range strings.SplitSeq(text, "\n\n") {
		if strings.HasPrefix(para, " ") {
			p(".nf\n%s\n.fi\n.PP", troff(para))
		} else {
			p("%s\n.PP", troff(para))
		}
	}
	if len(c.Aliases) > 0 {
		p(".SH ALIASES\n%s", troff(strings.Join(c.Aliases, ", ")))
	}
	manOptions(p, c)
	manCommands(p, c)
	if c.Example != "" {
		p(".SH EXAMPLES\n.nf\n%s\n.fi", troff(c.Example))
	}
	p(".SH EXIT STATUS\n0 done; 1 refused or failed; 2 wrong usage; 3 partly done, and running it again continues.")
	if c.HasParent() {
		p(".SH SEE ALSO\n.BR %s (1)", troff(manName(c.Parent())))
	} else {
		p(".SH FILES\n.TP\n.I %s\nthe site's configuration\n.TP\n.I %s\nthe user's", troff("/etc/koji.conf, /etc/koji.conf.d/*.conf"), troff("~/.koji/config, ~/.koji/config.d/*.conf"))
	}
	return b.String()
}

func manOptions(p func(string, ...any), c *cobra.Command) {
	begun := false
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		if !begun {
			begun = true
			p(".SH OPTIONS")
		}
		value, usage := pflag.UnquoteUsage(f)
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		if value != "" {
			name += " " + value
		}
		p(".TP\n.B %s\n%s", troff(name), troff(usage))
	})
}

func manCommands(p func(string, ...any), c *cobra.Command) {
	subs := slices.DeleteFunc(slices.Clone(c.Commands()), func(s *cobra.Command) bool { return s.Hidden || s.Name() == "help" })
	if len(subs) == 0 {
		return
	}
	p(".SH COMMANDS")
	groups := c.Groups()
	if len(groups) == 0 {
		groups = []*cobra.Group{{}}
	}
	for _, g := range groups {
		if g.Title != "" {
			p(".SS %s", troff(strings.TrimSuffix(g.Title, ":")))
		}
		for _, s := range subs {
			if s.GroupID == g.ID {
				p(".TP\n.BR %s (1)\n%s", troff(manName(s)), troff(s.Short))
			}
		}
	}
}

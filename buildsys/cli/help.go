package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// helpCommand is Koji's help: all commands, or those of some categories. The name of a command shows that command's help.
func helpCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupInfo, "help [<category>|<command> ...]", "List available commands", "list-commands")
	cmd.Long = "Without arguments all commands are listed, of categories only theirs. The help of a command shows\n" +
		"its options, as COMMAND --help does."
	cmd.Example = "  privyseal help sign\n  privyseal help list-tagged"
	all := cmd.Flags().Bool("all", false, "list the commands of all categories, as without arguments")
	admin := cmd.Flags().Bool("admin", false, "the same as: help admin")
	_ = cmd.Flags().MarkHidden("admin") // it is there
	cmd.ValidArgsFunction = func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return append(categories(cmd.Root()), "all"), cobra.ShellCompDirectiveNoFileComp
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		root := cmd.Root()
		if *admin {
			args = append(args, groupAdmin)
		}
		if *all || len(args) == 0 || slices.Contains(args, "all") {
			return root.Help()
		}
		known := categories(root)
		if !slices.Contains(known, args[0]) {
			return helpOf(root, cmd, args)
		}
		for _, arg := range args {
			if !slices.Contains(known, arg) {
				return noHelp(root, cmd, arg)
			}
		}
		a.println("Available commands:")
		for _, g := range root.Groups() {
			if !slices.Contains(args, g.ID) {
				continue
			}
			a.println("\n" + g.Title)
			for _, c := range root.Commands() {
				if c.GroupID == g.ID && !c.Hidden {
					a.printf("        %-25s %s\n", c.Name(), c.Short)
				}
			}
		}
		return nil
	}
	return cmd
}

// helpOf shows the help of a command, or of one below it.
func helpOf(root, cmd *cobra.Command, words []string) error {
	found := root
	for _, word := range words {
		next := findVerb(found, word)
		if next == nil {
			return noHelp(found, cmd, word)
		}
		found = next
	}
	found.InitDefaultHelpFlag()
	return found.Help()
}

func noHelp(parent, cmd *cobra.Command, word string) error {
	return &usageError{cmd: cmd, msg: "No such help category or command: " + word,
		hint: suggest(parent, word) + "; the categories are: all, " + strings.Join(categories(cmd.Root()), ", ")}
}

// categories are the groups of commands that help knows.
func categories(root *cobra.Command) []string {
	var out []string
	for _, g := range root.Groups() {
		out = append(out, g.ID)
	}
	slices.Sort(out)
	return out
}

package cli

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"
)

// Groups of verbs in the help.
const (
	groupSign     = "sign"
	groupAdmin    = "admin"
	groupBind     = "bind"
	groupInfo     = "info"
	groupSearch   = "search"
	groupMisc     = "misc"
	groupBuild    = "build"
	groupMonitor  = "monitor"
	groupDownload = "download"
	groupSite     = "site"
)

// execute runs one command line.
func (a *App) execute(ctx context.Context, program string, args []string) error {
	switch program {
	case "sigul":
		return a.runSigul(ctx, args)
	case gpgProgram:
		return a.runGPG(ctx, args)
	}
	root := a.rootCommand(program)
	if program == "mash" {
		args = append([]string{"mash"}, args...)
	}
	if len(args) > 0 && (args[0] == cobra.ShellCompRequestCmd || args[0] == cobra.ShellCompNoDescRequestCmd) {
		// A shell asks: what is typed so far is not whole, so it is left as it is.
		root.SetArgs(args)
		root.SetOut(a.stdout)
		root.SetErr(a.term.err)
		return root.ExecuteContext(ctx)
	}
	expanded, cmd, err := expandArgs(root, args)
	if err != nil {
		return err
	}
	for _, arg := range expanded {
		switch {
		case cmd != root && arg == cmd.Name():
		case arg == "--help-commands":
			root.SetOut(a.stdout)
			return root.Help()
		case arg == "--skip-main":
			return nil
		default:
			continue
		}
		break
	}
	root.SetArgs(expanded)
	root.SetOut(a.stdout)
	root.SetErr(a.term.err)
	err = root.ExecuteContext(ctx)
	var flagErr *flagError
	if errors.As(err, &flagErr) {
		return &usageError{cmd: cmd, msg: flagErr.Error()}
	}
	return err
}

// flagError is what pflag says of an option.
type flagError struct{ error }

// profileOf is the profile that is read without -p. As with koji, a link of
// another name reads the profile of that name.
func profileOf(program string) string {
	if program == "" || program == "mash" || program == "sigul" || strings.Contains(program, "privyseal") {
		return "koji"
	}
	return program
}

func (a *App) rootCommand(program string) *cobra.Command {
	root := &cobra.Command{
		Use:   "privyseal [global-options] command [command-options-and-arguments]",
		Short: "sign what a tag holds, and drive the build system",
		Long: "Privyseal signs packages through a signer that reads what it signs, and speaks to\n" +
			"the build system with the commands of the Koji client.",
		TraverseChildren:      true,
		SilenceErrors:         true,
		SilenceUsage:          true,
		DisableFlagsInUseLine: true,
		Args:                  cobra.ArbitraryArgs,
		RunE:                  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(*cobra.Command, []string) error {
			a.term.quiet = a.opts.quiet
			return nil
		},
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &flagError{err} })
	root.Flags().SetInterspersed(false)
	a.opts.register(root.Flags(), profileOf(program))
	root.AddGroup(
		&cobra.Group{ID: groupSign, Title: "signing commands:"},
		&cobra.Group{ID: groupInfo, Title: "info commands:"},
		&cobra.Group{ID: groupSearch, Title: "search commands:"},
		&cobra.Group{ID: groupBuild, Title: "build commands:"},
		&cobra.Group{ID: groupMonitor, Title: "monitor commands:"},
		&cobra.Group{ID: groupDownload, Title: "download commands:"},
		&cobra.Group{ID: groupBind, Title: "bind commands:"},
		&cobra.Group{ID: groupAdmin, Title: "admin commands:"},
		&cobra.Group{ID: groupSite, Title: "site commands:"},
		&cobra.Group{ID: groupMisc, Title: "miscellaneous commands:"},
	)
	for _, row := range table {
		root.AddCommand(row(a))
	}
	for _, r := range refused {
		root.AddCommand(refusedCommand(a, r.name, r.what))
	}
	help := helpCommand(a)
	root.SetHelpCommand(help)
	root.AddCommand(help)
	root.InitDefaultHelpFlag()
	for _, c := range root.Commands() {
		prepare(c)
	}
	return root
}

// prepare adds the help options now rather than when cobra runs the command, so
// that their prefixes are known, and makes wrong numbers of arguments wrong usage.
func prepare(c *cobra.Command) {
	c.InitDefaultHelpFlag()
	if check := c.Args; check != nil {
		c.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return &usageError{cmd: cmd, msg: err.Error()}
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		prepare(sub)
	}
}

package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys/testbed"
)

// testbedCommand starts and stops a whole site on this machine.
func testbedCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupSite, "testbed up|down|status|kill|start --dir D [options]",
		"Run a whole site on this machine, to try and test")
	cmd.Long = "Starts bridge, signer, hub and builders on this machine with throw-away certificates,\n" +
		"users and keys, all in one directory. Afterwards `. D/env` says where everything is."
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return usagef(cmd, "say what to do: up, down, status, kill or start")
	}
	cmd.AddCommand(testbedUp(a), testbedDown(a), testbedStatus(a), testbedKill(a), testbedStart(a))
	return cmd
}

func testbedUp(a *App) *cobra.Command {
	var o testbed.Options
	cmd := testbedVerb("up --dir D [options]", "Start it, with the data of an earlier one in D", &o.Dir)
	cmd.Args = cobra.NoArgs
	cmd.Flags().StringVar(&o.DB, "db", "", "where the hub keeps its data: sqlite (as if nothing was said) or postgres://USER@HOST/DATABASE")
	cmd.Flags().IntVar(&o.Builders, "builders", 1, "start `N` builders")
	cmd.Flags().BoolVar(&o.NoSign, "no-sign", false, "leave out bridge and signer")
	cmd.Flags().BoolVar(&o.MiniDistro, "minidistro", false, "with a small distribution to build in")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if !a.term.quiet {
			o.Progress = a.term.err
		}
		if err := testbed.Up(cmd.Context(), o); err != nil {
			return err
		}
		a.term.note("ready; . %s/env says where everything is", o.Dir)
		return nil
	}
	return cmd
}

func testbedDown(_ *App) *cobra.Command {
	var dir string
	var purge bool
	cmd := testbedVerb("down --dir D [--purge]", "Stop it and keep its data", &dir)
	cmd.Args = cobra.NoArgs
	cmd.Flags().BoolVar(&purge, "purge", false, "remove D and all the data")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return testbed.Down(cmd.Context(), dir, purge)
	}
	return cmd
}

func testbedStatus(a *App) *cobra.Command {
	var dir string
	cmd := testbedVerb("status --dir D", "List its processes; exit 0 if all are up", &dir)
	cmd.Args = cobra.NoArgs
	cmd.RunE = func(*cobra.Command, []string) error {
		list, err := testbed.Status(dir)
		if err != nil {
			return err
		}
		allUp := true
		for _, p := range list {
			word := "up"
			if !p.Up {
				word, allUp = "down", false
			}
			a.println(fmt.Sprintf("%s %d %s", p.Name, p.PID, word))
		}
		if !allUp {
			return &exitError{code: exitFailed}
		}
		return nil
	}
	return cmd
}

func testbedKill(_ *App) *cobra.Command {
	var dir string
	cmd := testbedVerb("kill NAME --dir D", "End a process at once (SIGKILL), as a crash would", &dir)
	cmd.Args = cobra.ExactArgs(1)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return testbed.Kill(cmd.Context(), dir, args[0])
	}
	return cmd
}

func testbedStart(_ *App) *cobra.Command {
	var dir string
	cmd := testbedVerb("start NAME --dir D", "Start a process that is down, return when it is ready", &dir)
	cmd.Args = cobra.ExactArgs(1)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return testbed.Start(cmd.Context(), dir, args[0])
	}
	return cmd
}

func testbedVerb(use, short string, dir *string) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, DisableFlagsInUseLine: true}
	cmd.Flags().StringVar(dir, "dir", "", "the testbed's directory")
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		if *dir == "" {
			return usagef(cmd, "give the testbed's directory with --dir")
		}
		return nil
	}
	return cmd
}

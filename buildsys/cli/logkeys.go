package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys/api"
)

func addLogKeyCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupSign, "add-log-key [options] <key> [<key> ...]", "Tell the hub the key of a signer's log")
	cmd.Long = "Tells the hub the public key of a signer's log, as \"privyseal-signer log key\" prints it, or a\n" +
		"file with it. From then on the hub verifies and keeps the proofs that signatures are in this\n" +
		"log, and refuses a log that does not continue what it saw of it."
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) < 1 {
			return usagef(cmd, "a log key is missing")
		}
		return a.eachLogKey(cmd, args, "added", (*api.Hub).AddLogKey)
	}
	return cmd
}

func retireLogKeyCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupSign, "retire-log-key [options] <key> [<key> ...]", "Have the hub take no new proofs by a log key")
	cmd.Long = "Has the hub take no new proofs and checkpoints by the key of a signer's log. The proofs that it\n" +
		"keeps stay. list-log-keys shows the keys."
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) < 1 {
			return usagef(cmd, "a log key is missing")
		}
		return a.eachLogKey(cmd, args, "retired", (*api.Hub).RetireLogKey)
	}
	return cmd
}

type logKeyCall func(h *api.Hub, ctx context.Context, vkey string) error

// eachLogKey reads all keys before it does something with the first.
func (a *App) eachLogKey(cmd *cobra.Command, args []string, done string, do logKeyCall) error {
	keys := make([]string, len(args))
	for i, arg := range args {
		key, err := readLogKey(arg)
		if err != nil {
			return err
		}
		keys[i] = key.String()
	}
	ctx := cmd.Context()
	s, err := a.login(ctx)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if err := do(s.api, ctx, key); err != nil {
			return err
		}
		a.printf("%s %s\n", done, key)
	}
	return nil
}

func listLogKeysCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupSign, "list-log-keys [options]", "List the logs whose proofs the hub keeps")
	a.listing(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) != 0 {
			return usagef(cmd, "this command takes no arguments")
		}
		ctx := cmd.Context()
		s, err := a.anonymous(ctx)
		if err != nil {
			return err
		}
		keys, err := s.api.LogKeys(ctx)
		if err != nil {
			return err
		}
		if a.opts.json {
			if keys == nil {
				keys = []api.LogKey{}
			}
			return a.printJSON(keys)
		}
		if !a.opts.quiet {
			a.printf("%-7s  %10s  %s\n", "State", "Entries", "Key")
			a.println("-------  ----------  " + strings.Repeat("-", 16))
		}
		for _, k := range keys {
			state := "active"
			if k.Retired {
				state = "retired"
			}
			a.printf("%-7s  %10d  %s\n", state, k.Size, k.VKey)
		}
		return nil
	}
	return cmd
}

package cli

import (
	"context"
	"slices"
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

func getLogCheckpointCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupSign, "get-log-checkpoint [options] [<signer>]", "Print the highest checkpoint that the hub saw of a signer's log")
	cmd.Long = "Prints the highest checkpoint that the hub saw of a signer's log, signed by the signer. Carried to\n" +
		"the signer's console, \"privyseal-signer log verify --against FILE\" tells whether its log still\n" +
		"continues it. The signer need not be named where the hub knows one log."
	out := cmd.Flags().StringP("output", "o", "", "write to `FILE` instead of standard output")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 1 {
			return usagef(cmd, "give the name of one signer")
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
		origin, err := pickLog(keys, args)
		if err != nil {
			return err
		}
		seen, err := s.api.LogCheckpoint(ctx, origin)
		if err != nil {
			return err
		}
		if seen == nil {
			return failf("it sees the first one when something is signed for it", "the hub saw no checkpoint of %s yet", origin)
		}
		return a.write(*out, []byte(seen.Note))
	}
	return cmd
}

// pickLog is the log that a signer's name means, or the only one.
func pickLog(keys []api.LogKey, args []string) (string, error) {
	var origins []string
	for _, k := range keys {
		if !slices.Contains(origins, k.Origin) && (len(args) == 0 || k.Origin == args[0] || k.Origin == "privyseal/"+args[0]) {
			origins = append(origins, k.Origin)
		}
	}
	switch {
	case len(origins) == 1:
		return origins[0], nil
	case len(origins) > 1:
		return "", failf("name the signer", "the hub knows %d logs: %s", len(origins), strings.Join(origins, ", "))
	case len(args) == 1:
		return "", failf("list-log-keys shows those there are", "the hub knows no log of a signer %.80q", args[0])
	}
	return "", failf("an administrator tells it one with add-log-key", "the hub knows no signer's log")
}

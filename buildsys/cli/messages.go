package cli

import (
	"errors"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys/xmlrpc"
)

func listMessagesCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupAdmin, "list-messages [--dead] [--sink NAME]", "List what the receivers of the hub's events are still to be told")
	cmd.Long = "The hub tells receivers (webhooks, AMQP) what happens. A message that a receiver refused, or did\n" +
		"not take in time, is dead: retry-message has it sent again, drop-message forgets it."
	dead := cmd.Flags().Bool("dead", false, "only what the hub has given up")
	sink := cmd.Flags().String("sink", "", "only messages for the receiver `NAME`")
	a.listing(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) != 0 {
			return usagef(cmd, "This command takes no arguments")
		}
		s, err := a.login(cmd.Context())
		if err != nil {
			return err
		}
		kw := xmlrpc.Kwargs{"dead": *dead}
		if *sink != "" {
			kw["sink"] = *sink
		}
		v, err := s.client.Call(cmd.Context(), "privyseal.listMessages", kw)
		if err != nil {
			return err
		}
		if a.opts.json {
			return a.printJSON(v)
		}
		if !a.opts.quiet {
			a.printf("%-8s %-16s %-20s %-19s %-8s %-6s %s\n", "ID", "Receiver", "Topic", "Created", "Attempts", "State", "Last error")
		}
		for _, m := range asRecords(v) {
			state := "due"
			if m.yes("dead") {
				state = "dead"
			}
			created := ""
			if t, ok := m.when("created_ts"); ok {
				created = t.Format(time.DateTime)
			}
			a.printf("%-8d %-16s %-20s %-19s %-8d %-6s %s\n", m.id("id"), strOf(m["sink"]), strOf(m["topic"]),
				created, m.id("attempts"), state, harmless(strOf(m["last_error"])))
		}
		return nil
	}
	return cmd
}

func retryMessageCommand(a *App) *cobra.Command {
	return deadMessageCommand(a, "retry-message", "Send dead messages again", "privyseal.retryMessages", "to be sent again")
}

func dropMessageCommand(a *App) *cobra.Command {
	return deadMessageCommand(a, "drop-message", "Forget dead messages", "privyseal.dropMessages", "dropped")
}

func deadMessageCommand(a *App, name, short, method, done string) *cobra.Command {
	cmd := a.newCommand(groupAdmin, name+" <id> [<id> ...] | --all [--sink NAME]", short)
	all := cmd.Flags().Bool("all", false, "all dead messages")
	sink := cmd.Flags().String("sink", "", "with --all: only those for the receiver `NAME`")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *all == (len(args) > 0) {
			return usagef(cmd, "give the ids that list-messages --dead shows, or --all")
		}
		ids := []any{}
		for _, arg := range args {
			id, err := strconv.ParseInt(arg, 10, 64)
			if err != nil {
				return usagef(cmd, "%q is no id of a message", arg)
			}
			ids = append(ids, id)
		}
		s, err := a.login(cmd.Context())
		if err != nil {
			return err
		}
		if *all {
			kw := xmlrpc.Kwargs{"dead": true, "limit": 100_000}
			if *sink != "" {
				kw["sink"] = *sink
			}
			v, err := s.client.Call(cmd.Context(), "privyseal.listMessages", kw)
			if err != nil {
				return err
			}
			for _, m := range rowsOf(v) {
				ids = append(ids, m["id"])
			}
		}
		n, err := s.client.Call(cmd.Context(), method, ids)
		if err != nil {
			return err
		}
		a.printf("%d %s\n", intOf(n), done)
		switch hint := "list-messages --dead shows the ids"; {
		case intOf(n) == 0 && len(args) > 0:
			return failf(hint, "no dead message has that id")
		case intOf(n) < int64(len(args)):
			return &exitError{code: exitPartly, err: errors.New("not every id is that of a dead message"), hint: hint}
		}
		return nil
	}
	return cmd
}

package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/client"
	"github.com/privyseal/privyseal/internal/pgp"
)

// Verbs that ask the signer and sign nothing.

// asking makes a verb of these: without arguments, in a session with the signer.
func (a *App) asking(use, short string, do func(context.Context, signerSession) error) *cobra.Command {
	cmd := a.newCommand(groupSign, use, short)
	a.listing(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) != 0 {
			return usagef(cmd, "this command takes no arguments")
		}
		s, err := a.dialSigner(cmd.Context())
		if err != nil {
			return err
		}
		defer s.close()
		return do(cmd.Context(), s)
	}
	return cmd
}

func listKeysCommand(a *App) *cobra.Command {
	cmd := a.asking("list-keys [options]", "List the keys that you may sign with", func(ctx context.Context, s signerSession) error {
		keys, err := s.ListKeys(ctx)
		if err != nil {
			return signerFailure(err)
		}
		if a.opts.json {
			if keys == nil {
				keys = []client.KeyInfo{}
			}
			return a.printJSON(keys)
		}
		const row = "%-20s  %-40s  %-8s  %-12s  %-20s  %-8s  %s\n"
		if !a.opts.quiet {
			a.printf(row, "Key", "Fingerprint", "Type", "Signs", "Expires", "State", "You may")
			a.println(strings.Repeat("-", 20) + "  " + strings.Repeat("-", 40) + "  --------  ------------  --------------------  --------  " + strings.Repeat("-", 16))
		}
		for _, k := range keys {
			a.printf(row, k.Name, k.Fingerprint, k.Algorithm, strings.Join(k.Purposes, ","), pgp.ShowEnd(k.Expires, time.Now()), k.State, strings.Join(allowed(k), " "))
		}
		return nil
	})
	cmd.Long = "Lists the keys that you were granted: name, fingerprint, algorithm, what they sign, when they\n" +
		"expire, and what you may have them do now. The signer's policy has a say about each request\n" +
		"besides; --dry-run of a signing command tells what it would say. With --json there is more."
	return cmd
}

// allowed is what the user may do with a key, and how.
func allowed(k client.KeyInfo) []string {
	may := append([]string(nil), k.May...)
	if len(may) == 0 {
		may = []string{"nothing"}
	}
	if k.Admin {
		may = append(may, "(key admin)")
	}
	if !k.Unlocked.IsZero() {
		may = append(may, "(unlocked until "+k.Unlocked.Local().Format("2006-01-02 15:04")+")")
	}
	return may
}

func whoAmICommand(a *App) *cobra.Command {
	return a.asking("whoami [options]", "Show whom the signer takes you for", func(ctx context.Context, s signerSession) error {
		who, err := s.WhoAmI(ctx)
		if err != nil {
			return signerFailure(err)
		}
		if a.opts.json {
			return a.printJSON(who)
		}
		a.printf("user:         %s\n", who.User)
		a.printf("signer:       %s\n", who.Signer)
		a.printf("certificate:  privyseal://%s/%s, SHA-256 %s\n", who.Role, who.Name, who.Certificate)
		a.printf("expires:      %s\n", pgp.ShowEnd(who.NotAfter, time.Now()))
		a.printf("keys:         %d\n", who.Keys)
		return nil
	})
}

// signerStatus is what status prints as JSON.
type signerStatus struct {
	Alive bool `json:"alive"`
	*client.Status
	SkewSeconds float64 `json:"clock_skew_seconds"`
	LogKey      string  `json:"log_key"`
}

// skewWorth is a difference of clocks that is worth a word.
const skewWorth = 5 * time.Second

func statusCommand(a *App) *cobra.Command {
	cmd := a.asking("status [options]", "Show whether the signer works, its queue and your limits", func(ctx context.Context, s signerSession) error {
		st, err := s.Status(ctx)
		if err != nil {
			return signerFailure(err)
		}
		skew := s.ClockSkew()
		if a.opts.json {
			return a.printJSON(signerStatus{Alive: true, Status: st, SkewSeconds: skew.Seconds(), LogKey: s.LogKey()})
		}
		a.printf("signer:       %s, alive, %s, since %s\n", st.Signer, st.Program, st.Since.Local().Format("2006-01-02 15:04:05"))
		a.printf("clock:        %s\n", skewText(skew))
		a.printf("log:          %d entries, key %s\n", st.LogSize, s.LogKey())
		a.printf("sessions:     %d, yours %d of %d\n", st.Sessions, st.Mine, st.Limits.Sessions)
		a.printf("queue:        %s waiting\n", lanes(st.Waiting))
		a.printf("yours:        %s waiting\n", lanes(st.WaitingMine))
		a.printf("limits:       %d requests at a time, %d payloads, %d MiB, a wait of at most %v for a turn\n",
			st.Limits.Window, st.Limits.Streams, st.Limits.MaxBytes>>20, time.Duration(st.Limits.QueueSeconds*float64(time.Second)))
		if st.Guesses > 0 {
			a.printf("passphrase:   %d wrong ones; the next is taken at %s\n", st.Guesses, st.RetryAt.Local().Format("15:04:05"))
		}
		return nil
	})
	ask := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		err := ask(cmd, args)
		var usage *usageError
		if err == nil || !a.opts.json || errors.As(err, &usage) {
			return err
		}
		// Not alive is an answer, too.
		dead := struct {
			Alive bool `json:"alive"`
			jsonError
		}{false, describeError(err)}
		return errors.Join(a.printJSON(dead), err)
	}
	cmd.Long = "Shows whether the signer works, how many requests wait for a turn, your limits, and by how much\n" +
		"its clock and this machine's differ. Exit code 1: it does not work, and which hop fails."
	return cmd
}

func skewText(d time.Duration) string {
	text := fmt.Sprintf("%v ahead of this machine's", d.Abs().Round(time.Millisecond))
	if d < 0 {
		text = fmt.Sprintf("%v behind this machine's", d.Abs().Round(time.Millisecond))
	}
	if d.Abs() > skewWorth {
		text += ": correct one of the clocks"
	}
	return text
}

func lanes(waiting map[string]int) string {
	return fmt.Sprintf("%d urgent, %d normal, %d bulk", waiting["urgent"], waiting["normal"], waiting["bulk"])
}

func changePassphraseCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupSign, "change-passphrase [options]", "Change your passphrase at the signer")
	cmd.Long = "Changes your passphrase. It is one for all keys that you were granted. With --batch the old one\n" +
		"and then the new one, each ended by a NUL byte, are read from standard input."
	var old, fresh passphraseSource
	old.register(cmd)
	cmd.Flags().StringVar(&fresh.file, "new-passphrase-file", "", "read the new passphrase from `FILE`")
	_ = cmd.Flags().MarkHidden("unattended")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) != 0:
			return usagef(cmd, "this command takes no arguments: the passphrase is one for all keys")
		case old.unattended:
			return usagef(cmd, "the old passphrase is needed, whatever the console unlocked")
		}
		if fresh.file == "" {
			fresh.batch = old.batch
		}
		return a.changePassphrase(cmd.Context(), old, fresh)
	}
	return cmd
}

func (a *App) changePassphrase(ctx context.Context, old, fresh passphraseSource) error {
	s, err := a.dialSigner(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	before, err := a.term.passphrase(ctx, old, "user "+s.User)
	if err != nil {
		return err
	}
	defer clear(before)
	after, err := a.term.newPassphrase(ctx, fresh)
	if err != nil {
		return err
	}
	defer clear(after)
	if err := s.ChangePassphrase(ctx, before, after); err != nil {
		return signerFailure(err)
	}
	a.term.note("the passphrase of user %s is changed, for all keys", s.User)
	return nil
}

func getPublicKeyCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupSign, "get-public-key [options] <key>", "Print a key's OpenPGP certificate")
	out := cmd.Flags().StringP("output", "o", "", "write to `FILE` instead of standard output")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usagef(cmd, "give the name of one key")
		}
		return a.getPublicKey(cmd.Context(), args[0], *out)
	}
	return cmd
}

func (a *App) getPublicKey(ctx context.Context, name, output string) error {
	s, err := a.dialSigner(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	armored, err := s.PublicKey(ctx, name)
	if err != nil {
		return keyFailure(name, err)
	}
	return a.write(output, armored)
}

package console

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/privyseal/privyseal/internal/daemon"
	"github.com/privyseal/privyseal/internal/durable"
	"github.com/privyseal/privyseal/keys"
	"github.com/privyseal/privyseal/keys/vault"
)

func (c *Console) userAdd(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("user add", flag.ContinueOnError)
	pass := fs.String("passphrase-file", "", "`file` whose first line is the passphrase")
	words, err := c.parse(fs, args, nil, "NAME")
	if err != nil {
		return err
	}
	state, err := c.state()
	if err != nil {
		return err
	}
	// Nobody should type a passphrase twice to learn that the name is taken.
	if _, err := state.User(words[0]); err == nil {
		return fmt.Errorf("user %s: %w", words[0], keys.ErrExists)
	}
	passphrase, err := c.newPassphrase(*pass, "user "+words[0])
	if err != nil {
		return err
	}
	defer clear(passphrase)
	change, err := state.AddUser(ctx, author(), words[0], passphrase)
	if err != nil {
		return err
	}
	if err := c.apply(ctx, change); err != nil {
		return err
	}
	fmt.Fprintf(c.Out, "user %s added\n", words[0])
	return nil
}

func (c *Console) keyNew(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("key new", flag.ContinueOnError)
	kind := fs.String("type", "", "eddsa or rsa4096")
	purpose := fs.String("purpose", "", "what it may sign, for ever: rpm, repomd, or data alone")
	uid := fs.String("uid", "", "OpenPGP user `ID`, like 'Release <releng@example.org>'")
	users := fs.String("for", "", "`USERS` who may use it, separated by commas")
	out := fs.String("public-out", "", "`file` for the armored public key")
	words, err := c.parse(fs, args, []string{"type", "purpose", "uid", "for"}, "NAME")
	if err != nil {
		return err
	}
	algorithm, err := keys.ParseAlgorithm(*kind)
	if err != nil {
		return daemon.Usagef("%w", err)
	}
	purposes, err := keys.ParsePurposes(*purpose)
	if err != nil {
		return daemon.Usagef("%w", err)
	}
	state, err := c.state()
	if err != nil {
		return err
	}
	if algorithm == keys.RSA4096 && c.Terminal.IsTerminal() {
		fmt.Fprintln(c.Out, "generating an RSA-4096 key; this takes some seconds")
	}
	change, certificate, err := state.AddKey(author(), vault.KeySpec{
		Name: words[0], Algorithm: algorithm, Purposes: purposes, UserID: *uid, For: strings.Split(*users, ","),
	})
	if err != nil {
		return err
	}
	if *out == "" {
		if err := c.apply(ctx, change); err != nil {
			return err
		}
	} else if err := c.applyWithFile(ctx, change, *out, certificate); err != nil {
		return err
	}
	fmt.Fprintf(c.Out, "%s\n", change.What())
	if *out == "" {
		return c.give("", certificate)
	}
	return nil
}

func (c *Console) keyShow(_ context.Context, args []string) error {
	fs := flag.NewFlagSet("key show", flag.ContinueOnError)
	out := fs.String("public-out", "", "`file` for the armored public key")
	words, err := c.parse(fs, args, nil, "NAME")
	if err != nil {
		return err
	}
	state, err := c.state()
	if err != nil {
		return err
	}
	k, err := state.Key(words[0])
	if err != nil {
		return err
	}
	return c.give(*out, k.Certificate)
}

func (c *Console) grant(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("grant", flag.ContinueOnError)
	by := fs.String("by", "", "`USER` who holds the key")
	pass := fs.String("passphrase-file", "", "`file` whose first line is the passphrase")
	words, err := c.parse(fs, args, []string{"by"}, "KEY", "USER")
	if err != nil {
		return err
	}
	state, err := c.state()
	if err != nil {
		return err
	}
	passphrase, err := c.passphrase(*pass, "user "+*by)
	if err != nil {
		return err
	}
	defer clear(passphrase)
	change, err := state.AddGrant(ctx, author(), words[0], words[1], *by, passphrase)
	if err != nil {
		return err
	}
	if err := c.apply(ctx, change); err != nil {
		return err
	}
	fmt.Fprintf(c.Out, "%s\n", change.What())
	return nil
}

func (c *Console) list(_ context.Context, args []string) error {
	if _, err := c.parse(flag.NewFlagSet("list", flag.ContinueOnError), args, nil); err != nil {
		return err
	}
	state, err := c.state()
	if err != nil {
		return err
	}
	fmt.Fprintf(c.Out, "signer %s, state generation %d\n", state.Name(), state.Generation())
	w := tabwriter.NewWriter(c.Out, 0, 8, 2, ' ', 0)
	for _, u := range state.Users() {
		fmt.Fprintf(w, "user\t%s\t%d certificates\n", u.Name, len(u.Certificates))
	}
	for _, k := range state.Keys("") {
		fmt.Fprintf(w, "key\t%s\t%s\t%s\t%s\t%s\n", k.Name, k.Algorithm, k.Purposes, k.Fingerprint, k.Created.Format(time.DateOnly))
	}
	for _, g := range state.Grants() {
		fmt.Fprintf(w, "grant\t%s\t%s\tby %s\t%s\n", g.Key, g.User, g.By, g.Created.Format(time.DateOnly))
	}
	return w.Flush()
}

// give writes data to a file, or shows it.
func (c *Console) give(file string, data []byte) error {
	if file == "" {
		_, err := c.Out.Write(data)
		return err
	}
	return durable.WriteFile(file, data, 0o644)
}

// applyWithFile applies a change and then lets a file appear. That the file can be written is found out before.
func (c *Console) applyWithFile(ctx context.Context, change *vault.Change, file string, data []byte) error {
	f, err := durable.Create(file, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(data); err != nil {
		return fmt.Errorf("writing %s: %w", file, err)
	}
	if err := c.apply(ctx, change); err != nil {
		return err
	}
	if err := f.Commit(); err != nil {
		return fmt.Errorf("the change was made, but its file was not written: %w", err)
	}
	return nil
}

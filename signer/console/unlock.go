package console

import (
	"context"
	"fmt"

	"github.com/privyseal/privyseal/keys/vault"
)

// unlock opens a key in the memory of the running serve, for a user who signs without a passphrase until a stated time.
func (c *Console) unlock(ctx context.Context, args []string) error {
	f := c.form()
	user := f.String("for", "", "`USER` who may then sign with it without a passphrase")
	until := f.date("until", "`when` it is locked again")
	by := f.String("by", "", "`HOLDER` of the key whose passphrase opens it; USER if not given")
	pass := f.passphrase("the holder's passphrase")
	f.ahead("until", until, "")
	words, err := f.parse(args, []string{"for", "until"}, "KEY")
	if err != nil {
		return err
	}
	holder := *by
	if holder == "" {
		holder = *user
	}
	state, err := c.state()
	if err != nil {
		return err
	}
	start, err := vault.ReadStartKey(c.Dir)
	if err != nil {
		return err
	}
	return c.withHolder(holder, *pass, func(passphrase []byte) error {
		change, err := state.UnlockFor(ctx, c.author(), start, vault.UnlockSpec{Key: words[0], User: *user, Until: until.time(), Holder: holder}, passphrase)
		if err != nil {
			return err
		}
		if err := c.apply(ctx, change); err != nil {
			return err
		}
		fmt.Fprintf(c.Out, "%s\na restart of serve, a freeze, or lock %s --for %s ends it before\n", change.What(), words[0], *user)
		return nil
	})
}

func (c *Console) lock(ctx context.Context, args []string) error {
	f := c.form()
	user := f.String("for", "", "`USER` who may no longer sign without a passphrase")
	words, err := f.parse(args, []string{"for"}, "KEY")
	if err != nil {
		return err
	}
	return c.change(ctx, func(s *vault.State) (*vault.Change, error) { return s.LockAgain(c.author(), words[0], *user) })
}

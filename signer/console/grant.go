package console

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/privyseal/privyseal/internal/daemon"
	"github.com/privyseal/privyseal/internal/pgp"
	"github.com/privyseal/privyseal/keys"
	"github.com/privyseal/privyseal/keys/vault"
)

func (c *Console) grantGive(ctx context.Context, args []string) error {
	f := c.form()
	by, pass := f.holder()
	words, err := f.parse(args, []string{"by"}, "KEY", "USER")
	if err != nil {
		return err
	}
	return c.withHolder(*by, *pass, func(passphrase []byte) error {
		return c.change(ctx, func(s *vault.State) (*vault.Change, error) {
			return s.AddGrant(ctx, c.author(), words[0], words[1], *by, passphrase)
		})
	})
}

// grantRevoke takes a key away. With a holder's passphrase the wrapping key is replaced in the same act.
func (c *Console) grantRevoke(ctx context.Context, args []string) error {
	f := c.form()
	by := f.String("by", "", "`USER` who keeps the key: the wrapping key is replaced at once")
	pass := f.file(secret, "passphrase-file", "`file` whose first line is that user's passphrase")
	f.need(func() error {
		switch {
		case *by == "" && *pass != "":
			return daemon.Usagef("--passphrase-file without --by: whose passphrase is it?")
		case *by != "" && *pass == "" && !c.Terminal.IsTerminal():
			return daemon.Usagef("--passphrase-file is missing, and without a terminal nobody can be asked")
		}
		return nil
	})
	words, err := f.parse(args, nil, "KEY", "USER")
	if err != nil {
		return err
	}
	var passphrase []byte
	if *by != "" {
		if passphrase, err = c.passphrase(*pass, "user "+*by); err != nil {
			return err
		}
		defer clear(passphrase)
	}
	err = c.change(ctx, func(s *vault.State) (*vault.Change, error) {
		return s.RevokeGrant(ctx, c.author(), words[0], words[1], *by, passphrase)
	})
	if err == nil && *by == "" {
		fmt.Fprintf(c.Out, "the grant is gone; somebody who holds the key should now run: key rotate %s --by HOLDER\n", words[0])
	}
	return err
}

type grantView struct {
	Key     string    `json:"key"`
	User    string    `json:"user"`
	Admin   bool      `json:"admin"`
	By      string    `json:"by"`
	Created time.Time `json:"created"`
}

func (c *Console) grantList(_ context.Context, args []string) error {
	f := c.form()
	key, user := f.String("key", "", "only those of this `KEY`"), f.String("user", "", "only those of this `USER`")
	asJSON := f.asJSON()
	if _, err := f.parse(args, nil); err != nil {
		return err
	}
	state, err := c.state()
	if err != nil {
		return err
	}
	if *key != "" {
		k, err := state.Key(*key)
		if err != nil {
			return err
		}
		*key = k.Name
	}
	if *user != "" {
		if _, err := state.User(*user); err != nil {
			return err
		}
	}
	views := []grantView{}
	for _, g := range state.Grants() {
		if (*key == "" || g.Key == *key) && (*user == "" || g.User == *user) {
			views = append(views, viewGrant(g))
		}
	}
	if *asJSON {
		return c.printJSON(views)
	}
	w := tabwriter.NewWriter(c.Out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "KEY\tUSER\tROLE\tGIVEN BY\tON")
	for _, v := range views {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", v.Key, v.User, role(v.Admin), v.By, pgp.ShowDay(v.Created))
	}
	return w.Flush()
}

func role(admin bool) string {
	if admin {
		return "admin"
	}
	return "user"
}

// setAdmin makes a holder of a key its admin, or a plain user again.
func setAdmin(admin bool) func(s *vault.State, by, key, user string) (*vault.Change, error) {
	return func(s *vault.State, by, key, user string) (*vault.Change, error) {
		return s.SetAdmin(by, key, user, admin)
	}
}

func viewGrant(g keys.Grant) grantView {
	return grantView{Key: g.Key, User: g.User, Admin: g.Admin, By: g.By, Created: g.Created}
}

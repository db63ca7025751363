package console

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/privyseal/privyseal/internal/pgp"
	"github.com/privyseal/privyseal/keys"
	"github.com/privyseal/privyseal/keys/vault"
)

func (c *Console) userAdd(ctx context.Context, args []string) error {
	f := c.form()
	pass := f.passphrase("the passphrase of the new user")
	words, err := f.parse(args, nil, "NAME")
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
	change, err := state.AddUser(ctx, c.author(), words[0], passphrase)
	if err != nil {
		return err
	}
	if err := c.apply(ctx, change); err != nil {
		return err
	}
	fmt.Fprintf(c.Out, "user %s added\n", words[0])
	return nil
}

// userReset gives somebody who lost the passphrase a new key pair.
func (c *Console) userReset(ctx context.Context, args []string) error {
	f := c.form()
	pass := f.passphrase("the new passphrase of the user")
	yes := f.yes()
	words, err := f.parse(args, nil, "NAME")
	if err != nil {
		return err
	}
	state, err := c.state()
	if err != nil {
		return err
	}
	if _, err := state.User(words[0]); err != nil {
		return err
	}
	if err := c.confirm(*yes, words[0]); err != nil {
		return err
	}
	passphrase, err := c.newPassphrase(*pass, "user "+words[0])
	if err != nil {
		return err
	}
	defer clear(passphrase)
	change, err := state.ResetUser(ctx, c.author(), words[0], passphrase)
	if err != nil {
		return err
	}
	if err := c.apply(ctx, change); err != nil {
		return err
	}
	fmt.Fprintf(c.Out, "%s\nthe grants and certificates of %s went with the old key pair: give and issue them anew\n", change.What(), words[0])
	return nil
}

// userPassphrase changes a user's own, for people who stand at the console anyway.
func (c *Console) userPassphrase(ctx context.Context, args []string) error {
	f := c.form()
	oldFile := f.passphrase("the passphrase as it is")
	newFile := f.file(secret, "new-passphrase-file", "`file` whose first line is the new passphrase")
	f.files[len(f.files)-1].must = true
	words, err := f.parse(args, nil, "NAME")
	if err != nil {
		return err
	}
	state, err := c.state()
	if err != nil {
		return err
	}
	if _, err := state.User(words[0]); err != nil {
		return err
	}
	old, err := c.passphrase(*oldFile, "user "+words[0])
	if err != nil {
		return err
	}
	defer clear(old)
	fresh, err := c.newPassphrase(*newFile, "user "+words[0])
	if err != nil {
		return err
	}
	defer clear(fresh)
	return c.change(ctx, func(s *vault.State) (*vault.Change, error) {
		return s.ChangePassphrase(ctx, c.author(), words[0], old, fresh)
	})
}

// onWord is a verb that needs one name and does one change.
func onWord(word string, make func(s *vault.State, by, name string) (*vault.Change, error)) func(*Console, context.Context, []string) error {
	return func(c *Console, ctx context.Context, args []string) error {
		words, err := c.form().parse(args, nil, word)
		if err != nil {
			return err
		}
		return c.change(ctx, func(s *vault.State) (*vault.Change, error) { return make(s, c.author(), words[0]) })
	}
}

// forEver is onWord for what has no way back: at a terminal the word is asked for again.
func forEver(word string, make func(s *vault.State, by, name string) (*vault.Change, error)) func(*Console, context.Context, []string) error {
	return func(c *Console, ctx context.Context, args []string) error {
		f := c.form()
		yes := f.yes()
		words, err := f.parse(args, nil, word)
		if err != nil {
			return err
		}
		return c.change(ctx, func(s *vault.State) (*vault.Change, error) {
			change, err := make(s, c.author(), words[0])
			if err != nil {
				return nil, err
			}
			return change, c.confirm(*yes, words[0])
		})
	}
}

// yes is the flag of a verb that asks whether it is meant.
func (f *form) yes() *bool { return f.Bool("yes", false, "do not ask whether it is meant") }

// confirm asks a person at a terminal to type a word again, before something that cannot be undone.
func (c *Console) confirm(yes bool, word string) error {
	if yes || c.reviewed || !c.Terminal.IsTerminal() {
		return nil
	}
	again, err := c.Terminal.ReadLine(fmt.Sprintf("%s %s cannot be undone. Type %s again to do it: ", c.verb, word, word))
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if strings.TrimSpace(again) != word {
		return errors.New("not confirmed; nothing was changed (--yes does not ask)")
	}
	return nil
}

// onTwo is a verb that needs two words and does one change.
func onTwo(first, second string, make func(s *vault.State, by, first, second string) (*vault.Change, error)) func(*Console, context.Context, []string) error {
	return func(c *Console, ctx context.Context, args []string) error {
		words, err := c.form().parse(args, nil, first, second)
		if err != nil {
			return err
		}
		return c.change(ctx, func(s *vault.State) (*vault.Change, error) { return make(s, c.author(), words[0], words[1]) })
	}
}

// What listings say in JSON.
type (
	userView struct {
		Name         string     `json:"name"`
		ID           string     `json:"id"`
		State        string     `json:"state"` // active, disabled or frozen
		Created      time.Time  `json:"created"`
		Certificates []certView `json:"certificates"`
		Keys         []string   `json:"keys"`
		AdminOf      []string   `json:"admin_of"`
	}
	certView struct {
		SHA256   string    `json:"sha256"`
		Serial   string    `json:"serial"`
		User     string    `json:"user,omitempty"`
		SAN      string    `json:"san"`
		NotAfter time.Time `json:"not_after"`
		State    string    `json:"state"` // valid, expired or revoked
	}
)

func userState(u keys.User) string {
	switch {
	case u.Frozen:
		return "frozen"
	case u.Disabled:
		return "disabled"
	}
	return "active"
}

func viewUser(s *vault.State, u keys.User) userView {
	v := userView{Name: u.Name, ID: u.ID, State: userState(u), Created: u.Created, Certificates: []certView{}, Keys: []string{}, AdminOf: []string{}}
	for _, cert := range u.Certificates {
		v.Certificates = append(v.Certificates, viewCertificate(cert, ""))
	}
	for _, g := range s.Grants() {
		if g.User == u.Name {
			v.Keys = append(v.Keys, g.Key)
			if g.Admin {
				v.AdminOf = append(v.AdminOf, g.Key)
			}
		}
	}
	return v
}

func viewCertificate(cert keys.Certificate, user string) certView {
	v := certView{SHA256: cert.SHA256, Serial: cert.Serial, User: user, SAN: cert.SAN, NotAfter: cert.NotAfter, State: "valid"}
	if time.Now().After(cert.NotAfter) {
		v.State = "expired"
	}
	return v
}

func (c *Console) userList(_ context.Context, args []string) error {
	f := c.form()
	asJSON := f.asJSON()
	if _, err := f.parse(args, nil); err != nil {
		return err
	}
	state, err := c.state()
	if err != nil {
		return err
	}
	views := []userView{}
	for _, u := range state.Users() {
		views = append(views, viewUser(state, u))
	}
	if *asJSON {
		return c.printJSON(views)
	}
	w := tabwriter.NewWriter(c.Out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "USER\tSTATE\tCERTIFICATES\tKEYS")
	for _, v := range views {
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\n", v.Name, v.State, len(v.Certificates), orNone(v.Keys))
	}
	return w.Flush()
}

func (c *Console) userInfo(_ context.Context, args []string) error {
	f := c.form()
	asJSON := f.asJSON()
	words, err := f.parse(args, nil, "NAME")
	if err != nil {
		return err
	}
	state, err := c.state()
	if err != nil {
		return err
	}
	u, err := state.User(words[0])
	if err != nil {
		return err
	}
	v := viewUser(state, u)
	if *asJSON {
		return c.printJSON(v)
	}
	w := tabwriter.NewWriter(c.Out, 0, 8, 2, ' ', 0)
	fmt.Fprintf(w, "user\t%s\nid\t%s\nstate\t%s\nsince\t%s\nkeys\t%s\nadmin of\t%s\n",
		v.Name, v.ID, v.State, pgp.ShowDay(v.Created), orNone(v.Keys), orNone(v.AdminOf))
	for _, cert := range v.Certificates {
		fmt.Fprintf(w, "certificate\t%s\n\tserial %s, %s, %s, until %s\n", cert.SHA256, cert.Serial, cert.SAN, cert.State, pgp.ShowDay(cert.NotAfter))
	}
	return w.Flush()
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

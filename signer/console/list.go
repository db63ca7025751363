package console

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/privyseal/privyseal/internal/pgp"
	"github.com/privyseal/privyseal/keys"
	"github.com/privyseal/privyseal/keys/vault"
)

type keyView struct {
	Name        string     `json:"name"`
	Fingerprint string     `json:"fingerprint"`
	KeyID       string     `json:"key_id"`
	Algorithm   string     `json:"algorithm"`
	Purposes    []string   `json:"purposes"`
	UserID      string     `json:"user_id"`
	State       string     `json:"state"`
	Created     time.Time  `json:"created"`
	Expires     *time.Time `json:"expires,omitempty"`
	RetiredAt   *time.Time `json:"retired,omitempty"`
	DeleteAfter *time.Time `json:"delete_after,omitempty"`
	RotationDue bool       `json:"rotation_due"`
	Imported    bool       `json:"imported"`
	Generation  uint32     `json:"generation"`
	Users       []string   `json:"users"`
	Admins      []string   `json:"admins"`
	// By serve's last word.
	Unlocked []vault.Unlocked `json:"unlocked,omitempty"`
}

func viewKey(s *vault.State, k keys.Key, open []vault.Unlocked) keyView {
	v := keyView{
		Name: k.Name, Fingerprint: k.Fingerprint, KeyID: k.KeyID, Algorithm: string(k.Algorithm), UserID: k.UserID, State: string(k.State),
		Created: k.Created, Expires: timeOrNil(k.Expires), RetiredAt: timeOrNil(k.RetiredAt), DeleteAfter: timeOrNil(k.DeleteAfter),
		RotationDue: k.RotationDue, Imported: k.Imported, Generation: k.Generation, Users: []string{}, Admins: []string{},
	}
	for _, p := range k.Purposes {
		v.Purposes = append(v.Purposes, string(p))
	}
	for _, g := range s.Grants() {
		if g.Key == k.Name {
			v.Users = append(v.Users, g.User)
			if g.Admin {
				v.Admins = append(v.Admins, g.User)
			}
		}
	}
	for _, u := range open {
		if u.Key == k.Name {
			v.Unlocked = append(v.Unlocked, u)
		}
	}
	return v
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func (c *Console) keyList(_ context.Context, args []string) error {
	f := c.form()
	asJSON := f.asJSON()
	if _, err := f.parse(args, nil); err != nil {
		return err
	}
	state, err := c.state()
	if err != nil {
		return err
	}
	open, err := vault.ReadUnlocked(c.Dir)
	if err != nil {
		return err
	}
	views := []keyView{}
	for _, k := range state.Keys("") {
		views = append(views, viewKey(state, k, open))
	}
	if *asJSON {
		return c.printJSON(views)
	}
	w := tabwriter.NewWriter(c.Out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "KEY\tALGORITHM\tPURPOSES\tSTATE\tEXPIRES\tFINGERPRINT")
	for _, k := range state.Keys("") {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", k.Name, k.Algorithm, k.Purposes, k.State, pgp.ShowEnd(k.Expires, time.Now()), k.Fingerprint)
	}
	return w.Flush()
}

func (c *Console) keyInfo(_ context.Context, args []string) error {
	f := c.form()
	asJSON := f.asJSON()
	words, err := f.parse(args, nil, "KEY")
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
	open, err := vault.ReadUnlocked(c.Dir)
	if err != nil {
		return err
	}
	v := viewKey(state, k, open)
	if *asJSON {
		return c.printJSON(v)
	}
	w := tabwriter.NewWriter(c.Out, 0, 8, 2, ' ', 0)
	fmt.Fprintf(w, "key\t%s\nuser id\t%s\nalgorithm\t%s\nfingerprint\t%s\nkey id\t%s\npurposes\t%s\nstate\t%s\n",
		k.Name, k.UserID, k.Algorithm, k.Fingerprint, k.KeyID, k.Purposes, k.State)
	fmt.Fprintf(w, "made\t%s\nexpires\t%s\n", pgp.ShowDay(k.Created), pgp.ShowEnd(k.Expires, time.Now()))
	if v.RetiredAt != nil {
		fmt.Fprintf(w, "retired\t%s\n", pgp.ShowDay(k.RetiredAt))
	}
	if v.DeleteAfter != nil {
		fmt.Fprintf(w, "deleted after\t%s (key undelete %s calls it off)\n", k.DeleteAfter.UTC().Format(time.RFC3339), k.Name)
	}
	fmt.Fprintf(w, "generation\t%d\nusers\t%s\nadmins\t%s\n", k.Generation, orNone(v.Users), orNone(v.Admins))
	for _, u := range v.Unlocked {
		fmt.Fprintf(w, "unlocked\tfor %s until %s, by %s, as of serve's last word (lock %s --for %s ends it)\n", u.User, u.Until.UTC().Format(time.RFC3339), u.Holder, k.Name, u.User)
	}
	if k.RotationDue {
		fmt.Fprintf(w, "rotation due\ta grant was revoked without a passphrase: key rotate %s --by HOLDER\n", k.Name)
	}
	return w.Flush()
}

// list shows everything at a glance.
func (c *Console) list(_ context.Context, args []string) error {
	f := c.form()
	asJSON := f.asJSON()
	if _, err := f.parse(args, nil); err != nil {
		return err
	}
	state, err := c.state()
	if err != nil {
		return err
	}
	open, err := vault.ReadUnlocked(c.Dir)
	if err != nil {
		return err
	}
	if *asJSON {
		all := struct {
			Signer     string      `json:"signer"`
			Generation uint64      `json:"generation"`
			SHA256     string      `json:"sha256"`
			Users      []userView  `json:"users"`
			Keys       []keyView   `json:"keys"`
			Grants     []grantView `json:"grants"`
		}{state.Name(), state.Generation(), state.SHA256(), []userView{}, []keyView{}, []grantView{}}
		for _, u := range state.Users() {
			all.Users = append(all.Users, viewUser(state, u))
		}
		for _, k := range state.Keys("") {
			all.Keys = append(all.Keys, viewKey(state, k, open))
		}
		for _, g := range state.Grants() {
			all.Grants = append(all.Grants, viewGrant(g))
		}
		return c.printJSON(all)
	}
	fmt.Fprintf(c.Out, "signer %s, state generation %d\n", state.Name(), state.Generation())
	w := tabwriter.NewWriter(c.Out, 0, 8, 2, ' ', 0)
	for _, u := range state.Users() {
		fmt.Fprintf(w, "user\t%s\t%s\t%d certificates\n", u.Name, userState(u), len(u.Certificates))
	}
	for _, k := range state.Keys("") {
		fmt.Fprintf(w, "key\t%s\t%s\t%s\t%s\t%s\t%s\n", k.Name, k.Algorithm, k.Purposes, k.State, k.Fingerprint, pgp.ShowDay(k.Created))
	}
	for _, g := range state.Grants() {
		fmt.Fprintf(w, "grant\t%s\t%s\t%s\tby %s\t%s\n", g.Key, g.User, role(g.Admin), g.By, pgp.ShowDay(g.Created))
	}
	for _, u := range open {
		fmt.Fprintf(w, "unlocked\t%s\t%s\tuntil %s\tby %s\tas of serve's last word\n", u.Key, u.User, u.Until.UTC().Format(time.RFC3339), u.Holder)
	}
	return w.Flush()
}

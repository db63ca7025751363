package console

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/privyseal/privyseal/internal/pgp"
	"github.com/privyseal/privyseal/keys/vault"
)

const maxPEM = 64 << 10

// trustAdd trusts a hub's attestation key.
func (c *Console) trustAdd(ctx context.Context, args []string) error {
	words, err := c.form().parse(args, nil, "NAME", "FILE")
	if err != nil {
		return err
	}
	pem, err := readFile(words[1], maxPEM)
	if err != nil {
		return err
	}
	return c.change(ctx, func(s *vault.State) (*vault.Change, error) {
		change, err := s.AddHubKey(c.author(), words[0], pem)
		if err != nil {
			err = fmt.Errorf("%s: %w", words[1], err)
		}
		return change, err
	})
}

type hubKeyView struct {
	Name    string     `json:"name"`
	ID      string     `json:"id"`
	State   string     `json:"state"` // trusted or retired
	Added   time.Time  `json:"added"`
	Retired *time.Time `json:"retired,omitempty"`
}

func (c *Console) trustList(_ context.Context, args []string) error {
	f := c.form()
	asJSON := f.asJSON()
	if _, err := f.parse(args, nil); err != nil {
		return err
	}
	state, err := c.state()
	if err != nil {
		return err
	}
	views := []hubKeyView{}
	for _, k := range state.HubKeys() {
		v := hubKeyView{Name: k.Name, ID: k.ID, State: "trusted", Added: k.Added}
		if !k.Retired.IsZero() {
			v.State, v.Retired = "retired", &k.Retired
		}
		views = append(views, v)
	}
	if *asJSON {
		return c.printJSON(views)
	}
	w := tabwriter.NewWriter(c.Out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "HUB KEY\tSTATE\tSINCE\tSHA-256 OF THE PUBLIC KEY")
	for _, v := range views {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", v.Name, v.State, pgp.ShowDay(v.Added), v.ID)
	}
	return w.Flush()
}

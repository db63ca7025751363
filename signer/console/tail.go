package console

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/privyseal/privyseal/internal/daemon"
	"github.com/privyseal/privyseal/internal/seal"
	"github.com/privyseal/privyseal/keys/vault"
	"github.com/privyseal/privyseal/signer/seallog"
)

// entryView is an entry in JSON.
type entryView struct {
	Index       int64           `json:"index"`
	Time        time.Time       `json:"time"`
	Kind        string          `json:"kind"`
	Key         string          `json:"key,omitempty"` // name, if the vault still knows it
	Fingerprint string          `json:"fingerprint,omitempty"`
	User        string          `json:"user,omitempty"`
	Op          string          `json:"op,omitempty"`
	What        string          `json:"what,omitempty"`
	Digest      string          `json:"sha256,omitempty"`
	Generation  uint32          `json:"generation,omitempty"`
	Event       json.RawMessage `json:"event,omitempty"`
}

func viewEntry(s *vault.State, it seallog.Item) entryView {
	e := it.Entry
	v := entryView{Index: it.Index, Time: e.Time, Kind: e.Kind()}
	if sig := e.Signature; sig != nil {
		v.Fingerprint, v.User, v.Op, v.What, v.Generation = sig.KeyFingerprint, sig.User, sig.Op, sig.What, sig.Generation
		v.Digest = hex.EncodeToString(sig.Digest[:])
		if k, err := s.Key(sig.KeyFingerprint); err == nil {
			v.Key = k.Name
		}
		return v
	}
	if json.Valid(e.Event.Data) {
		v.Event = e.Event.Data
	} else {
		v.What = string(e.Event.Data)
	}
	return v
}

// line is an entry for a person.
func (v entryView) line() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%8d  %s  ", v.Index, v.Time.UTC().Format("2006-01-02 15:04:05Z"))
	if v.Fingerprint != "" {
		key := v.Key
		if key == "" {
			key = v.Fingerprint
		}
		fmt.Fprintf(&b, "signature  %s  %s  by %s: %s", key, v.Op, v.User, printable(v.What))
		return b.String()
	}
	var said struct{ By, What string }
	if json.Unmarshal(v.Event, &said) == nil && said.What != "" {
		fmt.Fprintf(&b, "%s  %s", v.Kind, printable(said.What))
		if said.By != "" {
			fmt.Fprintf(&b, "  by %s", printable(said.By))
		}
		return b.String()
	}
	text := v.What
	if said := guessed(v.Event); v.Kind == "passphrase-guess" && said != "" {
		text = said
	} else if len(v.Event) > 0 {
		text = string(v.Event)
	}
	fmt.Fprintf(&b, "%s  %s", v.Kind, printable(text))
	return b.String()
}

// guessed says in words what package signer writes about a wrong passphrase, or "" if it is something else.
func guessed(event []byte) string {
	var g struct {
		User, Certificate string
		Wrong             int
		RetryAt           time.Time `json:"retry_at"`
	}
	if json.Unmarshal(event, &g) != nil || g.User == "" || g.Wrong < 1 {
		return ""
	}
	said := "wrong passphrase of user " + g.User
	if g.Wrong > 1 {
		said += fmt.Sprintf(", number %d in a row", g.Wrong)
	}
	if !g.RetryAt.IsZero() {
		said += ", the next is taken from " + g.RetryAt.UTC().Format("15:04:05Z")
	}
	return said + "; certificate " + g.Certificate
}

// printable keeps what a client or an old version put into the log from steering the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r >= 0x2028 && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return '\ufffd'
		}
		return r
	}, s)
}

func (c *Console) logTail(ctx context.Context, args []string) error {
	f := c.form()
	n := f.Int64("n", 20, "how many of the last `entries`")
	since := f.date("since", "only entries from `then` on")
	since.past = true
	kind := f.String("kind", "", "only entries of this `kind`: signature, or that of an event")
	key, user := f.String("key", "", "only signatures with this `KEY`"), f.String("user", "", "only signatures for this `USER`")
	follow := f.Bool("follow", false, "go on with what is added, until interrupted")
	asJSON := f.asJSON()
	f.need(func() error {
		if *n < 0 || *n > 1<<20 {
			return daemon.Usagef("-n must be 0 to %d", 1<<20)
		}
		return nil
	})
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
		*key = k.Fingerprint
	}
	wanted := func(e *seal.Entry) bool {
		sig := e.Signature
		return (*kind == "" || e.Kind() == *kind) && (*key == "" || sig != nil && sig.KeyFingerprint == *key) &&
			(*user == "" || sig != nil && sig.User == *user) && (!since.given() || !e.Time.Before(since.time()))
	}
	var next int64
	show := func(from int64, keep int64) error {
		return c.withLog(func(log *seallog.Log) error {
			var last []entryView
			for it, err := range log.Entries(from) {
				if err != nil {
					return err
				}
				next = it.Index + 1
				if !wanted(it.Entry) {
					continue
				}
				last = append(last, viewEntry(state, it))
				if keep >= 0 && int64(len(last)) > keep {
					last = last[1:]
				}
			}
			next = max(next, from)
			return c.showEntries(last, *asJSON, *follow)
		})
	}
	from, err := c.tailStart(*n, since, *kind == "" && *key == "" && *user == "")
	if err != nil {
		return err
	}
	if err := show(from, *n); err != nil || !*follow {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
		if err := show(next, -1); err != nil {
			return err
		}
	}
}

// tailStart says where to begin reading: a log of ten million entries is not read through for its last twenty.
func (c *Console) tailStart(n int64, since *moment, unfiltered bool) (from int64, err error) {
	err = c.withLog(func(log *seallog.Log) error {
		if since.given() {
			from, err = log.Since(since.time())
			return err
		}
		if unfiltered {
			from = max(0, log.Size()-n)
		}
		return nil
	})
	return from, err
}

// showEntries prints entries: JSON as a list, or one object a line where more may follow.
func (c *Console) showEntries(list []entryView, asJSON, follow bool) error {
	switch {
	case asJSON && follow:
		enc := json.NewEncoder(c.Out)
		enc.SetEscapeHTML(false)
		for _, v := range list {
			if err := enc.Encode(v); err != nil {
				return err
			}
		}
	case asJSON:
		if list == nil {
			list = []entryView{}
		}
		return c.printJSON(list)
	default:
		for _, v := range list {
			if _, err := fmt.Fprintln(c.Out, v.line()); err != nil {
				return err
			}
		}
	}
	return nil
}

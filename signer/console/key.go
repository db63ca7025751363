package console

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/privyseal/privyseal/internal/daemon"
	"github.com/privyseal/privyseal/keys"
	"github.com/privyseal/privyseal/keys/vault"
)

const maxKeyFile = 1 << 20

// keySpec adds the flags that key new and key import share.
type keySpec struct {
	purpose keys.Purposes
	users   *string
	admins  *string
	out     *string
}

func (f *form) keySpec() *keySpec {
	s := &keySpec{
		users:  f.String("for", "", "`USERS` who may use it, separated by commas"),
		admins: f.String("admin", "", "those of the `USERS` who may grant it to others; the first of --for if not given"),
		out:    f.out("public-out", "`file` for the armored public key"),
	}
	f.Func("purpose", "`PURPOSES`: what it may sign, for ever, separated by commas: rpm, repomd, git, container, ostree, text; data or ima alone", func(text string) (err error) {
		s.purpose, err = keys.ParsePurposes(text)
		return err
	})
	return s
}

// spec checks what parse could not.
func (s *keySpec) spec(name string) (vault.KeySpec, error) {
	if len(s.purpose) == 0 {
		return vault.KeySpec{}, daemon.Usagef("--purpose is missing")
	}
	return vault.KeySpec{Name: name, Purposes: s.purpose, For: commas(*s.users), Admins: commas(*s.admins)}, nil
}

func commas(text string) []string {
	if text == "" {
		return nil
	}
	list := strings.Split(text, ",")
	for i := range list {
		list[i] = strings.TrimSpace(list[i])
	}
	return list
}

func (c *Console) keyNew(ctx context.Context, args []string) error {
	f := c.form()
	var algorithm keys.Algorithm
	f.Func("type", "`TYPE`: eddsa or rsa4096", func(text string) (err error) {
		algorithm, err = keys.ParseAlgorithm(text)
		return err
	})
	uid := f.String("uid", "", "OpenPGP user `ID`, like 'Release <releng@example.org>'")
	expires := f.date("expires", "`when` it expires; never if not given")
	f.ahead("expires", expires, "")
	more := f.keySpec()
	f.need(func() error {
		switch {
		case algorithm == "":
			return daemon.Usagef("--type is missing")
		case len(more.purpose) == 0:
			return daemon.Usagef("--purpose is missing")
		}
		return nil
	})
	words, err := f.parse(args, []string{"uid", "for"}, "NAME")
	if err != nil {
		return err
	}
	spec, err := more.spec(words[0])
	if err != nil {
		return err
	}
	spec.Algorithm, spec.UserID, spec.Expires = algorithm, *uid, expires.time()
	state, err := c.state()
	if err != nil {
		return err
	}
	if algorithm == keys.RSA4096 && c.Terminal.IsTerminal() {
		fmt.Fprintln(c.Out, "generating an RSA-4096 key; this takes some seconds")
	}
	change, certificate, err := state.AddKey(c.author(), spec)
	if err != nil {
		return err
	}
	return c.born(ctx, change, *more.out, certificate)
}

// born applies the change that brings a key, and gives its public half.
func (c *Console) born(ctx context.Context, change *vault.Change, out string, certificate []byte) error {
	if err := c.applyWithFile(ctx, change, out, certificate); err != nil {
		return err
	}
	fmt.Fprintln(c.Out, change.What())
	if out == "" {
		return c.give("", certificate)
	}
	return nil
}

func (c *Console) keyImport(ctx context.Context, args []string) error {
	f := c.form()
	more := f.keySpec()
	pass := f.file(secret, "passphrase-file", "`file` whose first line is the passphrase that protects the key in FILE")
	open := f.Bool("unprotected", false, "the key in FILE has no passphrase")
	f.need(func() error {
		switch {
		case len(more.purpose) == 0:
			return daemon.Usagef("--purpose is missing")
		case *open && *pass != "":
			return daemon.Usagef("--unprotected and --passphrase-file exclude each other")
		case !*open && *pass == "" && !c.Terminal.IsTerminal():
			return daemon.Usagef("--passphrase-file or --unprotected is missing")
		}
		return nil
	})
	words, err := f.parse(args, []string{"for"}, "NAME", "FILE")
	if err != nil {
		return err
	}
	spec, err := more.spec(words[0])
	if err != nil {
		return err
	}
	state, err := c.state()
	if err != nil {
		return err
	}
	data, err := readFile(words[1], maxKeyFile)
	if err != nil {
		return err
	}
	defer clear(data)
	var passphrase []byte
	if !*open {
		if passphrase, err = c.passphrase(*pass, "the key in "+words[1]); err != nil {
			return err
		}
		defer clear(passphrase)
	}
	change, certificate, err := state.ImportKey(c.author(), spec, data, passphrase)
	if err != nil {
		return fmt.Errorf("%s: %w", words[1], err)
	}
	return c.born(ctx, change, *more.out, certificate)
}

// readFile reads a file of at most limit bytes.
func readFile(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s is longer than the limit of %d bytes", name, limit)
	}
	return data, nil
}

// keyShow gives a public key; key export is the same verb by another name.
func (c *Console) keyShow(_ context.Context, args []string) error {
	f := c.form()
	out := f.out("public-out", "`file` for the armored public key")
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
	return c.give(*out, k.Certificate)
}

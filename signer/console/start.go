package console

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/privyseal/privyseal/internal/durable"
	"github.com/privyseal/privyseal/keys"
	"github.com/privyseal/privyseal/keys/vault"
)

// startFiles lie under the start passphrase where there is one. A change that is cut short between the two leaves one under the old and one under
// the new passphrase; giving the command again, which tries both, mends that.
var startFiles = []string{logKeyFile, innerFile}

// startSet puts what serve reads at its start under a passphrase, or under another one.
func (c *Console) startSet(ctx context.Context, args []string) error {
	f := c.form()
	oldFile := f.file(secret, "old-passphrase-file", "`file` whose first line is the start passphrase as it is, if there is one")
	newFile := f.passphrase("the new start passphrase")
	if _, err := f.parse(args, nil); err != nil {
		return err
	}
	fresh, err := c.newPassphrase(*newFile, "serve's start")
	if err != nil {
		return err
	}
	defer clear(fresh)
	return c.restart(ctx, *oldFile, fresh, "start passphrase set")
}

// startRemove lets serve start without a passphrase.
func (c *Console) startRemove(ctx context.Context, args []string) error {
	f := c.form()
	oldFile := f.passphrase("the start passphrase as it is")
	if _, err := f.parse(args, nil); err != nil {
		return err
	}
	return c.restart(ctx, *oldFile, nil, "start passphrase removed")
}

// restart opens what serve reads at its start and writes it anew, under fresh or, with nil, in the clear. Both files are opened, and both new ones
// made, before the first is written.
func (c *Console) restart(ctx context.Context, oldFile string, fresh []byte, what string) error {
	mine, err := c.mine()
	if err != nil {
		return err
	}
	if !mine {
		return errors.New("only the owner of the vault can do this")
	}
	state, err := c.state()
	if err != nil {
		return err
	}
	old := sync.OnceValues(func() ([]byte, error) { return c.passphrase(oldFile, "serve's start (as it is)") })
	files := make([][]byte, len(startFiles))
	for i, name := range startFiles {
		data, err := os.ReadFile(c.path(name))
		if err != nil {
			return err
		}
		plain, opened, err := openStart(ctx, name, data, fresh, old)
		if err != nil {
			return err
		}
		defer clear(plain)
		if i == 0 && opened != nil {
			c.started(opened) // for the entry below
		}
		files[i] = plain
		if fresh != nil {
			if files[i], err = vault.SealStart(ctx, name, plain, fresh, state.Argon2()); err != nil {
				return err
			}
		}
	}
	if err := c.note(ctx, vault.NoteStart, what); err != nil {
		return err
	}
	for i, name := range startFiles {
		if err := durable.WriteFile(c.path(name), files[i], 0o600); err != nil {
			return fmt.Errorf("the log says %q, and %s was not written: give the command again: %w", what, c.path(name), err)
		}
	}
	c.started(fresh)
	fmt.Fprintf(c.Out, "%s; it counts from the next start of serve on, so change the credential %s as well\n", what, vault.StartCredentialName)
	return nil
}

// openStart opens a file with the new passphrase, if that is its already, or the old one. It tells which.
func openStart(ctx context.Context, name string, data, fresh []byte, old func() ([]byte, error)) (plain, opened []byte, err error) {
	if fresh != nil && vault.IsSealed(data) {
		plain, err = vault.OpenStart(ctx, name, data, func() ([]byte, error) { return fresh, nil })
		if !errors.Is(err, keys.ErrBadPassphrase) {
			return plain, fresh, err
		}
	}
	plain, err = vault.OpenStart(ctx, name, data, func() ([]byte, error) {
		opened, err = old()
		return opened, err
	})
	return plain, opened, err
}

package console

import (
	"context"
	"errors"
	"fmt"

	"github.com/privyseal/privyseal/keys/vault"
)

// holder adds the flags of a verb that needs somebody who holds the key.
func (f *form) holder() (by, pass *string) {
	return f.String("by", "", "`USER` who holds the key and proves it with the passphrase"), f.passphrase("that user's passphrase")
}

// withHolder asks for a holder's passphrase and does something with it.
func (c *Console) withHolder(by, pass string, do func(passphrase []byte) error) error {
	passphrase, err := c.passphrase(pass, "user "+by)
	if err != nil {
		return err
	}
	defer clear(passphrase)
	return do(passphrase)
}

// endNow is what to do about a key that is to end at once: a certificate that says that it ended earlier would cast doubt on what it signed since.
const endNow = ": to end a key now, key expire without --at lets it expire in a minute; freeze key stops all signing with it at once, and key retire for good"

// keyExtend sets another moment of expiry.
func (c *Console) keyExtend(ctx context.Context, args []string) error {
	f := c.form()
	until := f.date("until", "`when` it expires instead; or never")
	until.mayNever = true
	f.ahead("until", until, endNow)
	by, pass := f.holder()
	out := f.out("public-out", "`file` for the new armored public key")
	words, err := f.parse(args, []string{"until", "by"}, "KEY")
	if err != nil {
		return err
	}
	return c.reexpire(ctx, words[0], until, *by, *pass, *out)
}

// keyExpire lets a key expire soon: what extend does, by the name that people look for.
func (c *Console) keyExpire(ctx context.Context, args []string) error {
	f := c.form()
	at := f.date("at", "`when`; in a minute if not given")
	f.ahead("at", at, endNow)
	by, pass := f.holder()
	out := f.out("public-out", "`file` for the new armored public key")
	words, err := f.parse(args, []string{"by"}, "KEY")
	if err != nil {
		return err
	}
	if !at.given() {
		if err := at.Set("1m"); err != nil {
			return err
		}
	}
	return c.reexpire(ctx, words[0], at, *by, *pass, *out)
}

func (c *Console) reexpire(ctx context.Context, key string, when *moment, by, pass, out string) error {
	state, err := c.state()
	if err != nil {
		return err
	}
	return c.withHolder(by, pass, func(passphrase []byte) error {
		change, certificate, err := state.ExtendKey(ctx, c.author(), key, when.time(), by, passphrase)
		if err != nil {
			return err
		}
		if err := c.applyWithFile(ctx, change, out, certificate); err != nil {
			return err
		}
		fmt.Fprintf(c.Out, "%s\ngive the new public key to everybody who has the old one; signatures made before stay as they are\n", change.What())
		return nil
	})
}

func (c *Console) keyDelete(ctx context.Context, args []string) error {
	f := c.form()
	wait := f.days("wait", 30, 1, 3650, "how long it can still be undeleted")
	words, err := f.parse(args, nil, "KEY")
	if err != nil {
		return err
	}
	return c.change(ctx, func(s *vault.State) (*vault.Change, error) {
		return s.DeleteKey(c.author(), words[0], daysOf(*wait))
	})
}

func (c *Console) keyRotate(ctx context.Context, args []string) error {
	f := c.form()
	by, pass := f.holder()
	words, err := f.parse(args, []string{"by"}, "KEY")
	if err != nil {
		return err
	}
	return c.withHolder(*by, *pass, func(passphrase []byte) error {
		return c.change(ctx, func(s *vault.State) (*vault.Change, error) {
			return s.RotateWrap(ctx, c.author(), words[0], *by, passphrase)
		})
	})
}

// keyRevocation gives the revocation certificate that was made with the key. Whoever publishes it revokes the key, so the log says that it was given out.
func (c *Console) keyRevocation(ctx context.Context, args []string) error {
	f := c.form()
	by, pass := f.holder()
	out := f.out("out", "`file` to write")
	words, err := f.parse(args, []string{"by", "out"}, "KEY")
	if err != nil {
		return err
	}
	state, err := c.state()
	if err != nil {
		return err
	}
	return c.withHolder(*by, *pass, func(passphrase []byte) error {
		certificate, err := state.Revocation(ctx, words[0], *by, passphrase)
		if err != nil {
			return err
		}
		note, err := state.Note(c.author(), vault.NoteRevocation, "key revocation "+words[0]+" given out")
		if err != nil {
			return err
		}
		if err := c.applyWithFile(ctx, note, *out, certificate); err != nil {
			return err
		}
		fmt.Fprintf(c.Out, "revocation certificate of key %s written to %s: whoever imports it takes the key for revoked, for ever\n", words[0], *out)
		return nil
	})
}

// keyExportIMA gives the certificate that a kernel needs to verify file signatures of the key.
func (c *Console) keyExportIMA(ctx context.Context, args []string) error {
	f := c.form()
	by, pass := f.holder()
	out := f.out("out", "`file` to write, DER")
	words, err := f.parse(args, []string{"by", "out"}, "KEY")
	if err != nil {
		return err
	}
	state, err := c.state()
	if err != nil {
		return err
	}
	return c.withHolder(*by, *pass, func(passphrase []byte) error {
		key, err := state.OpenKey(ctx, words[0], *by, passphrase)
		if err != nil {
			return err
		}
		der, err := key.X509()
		id, idErr := key.IMAKeyID()
		if err := errors.Join(err, idErr); err != nil {
			return err
		}
		if err := c.give(*out, der); err != nil {
			return err
		}
		fmt.Fprintf(c.Out, "certificate of key %s for the kernel's keyring written to %s; file signatures name it %s\n", words[0], *out, id)
		return nil
	})
}

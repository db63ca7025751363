package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys/release"
	"github.com/privyseal/privyseal/client"
	"github.com/privyseal/privyseal/internal/durable"
	"github.com/privyseal/privyseal/internal/pgp"
)

// signerSession is a session with the signer.
type signerSession struct{ *client.Session }

func (s signerSession) close() { _ = s.Session.Close() }

// dialSigner reaches the signer that the section [signing] names, or says within
// 5 s which hop fails and why.
func (a *App) dialSigner(ctx context.Context) (signerSession, error) {
	c, err := a.config()
	if err != nil {
		return signerSession{}, err
	}
	cfg, err := client.ConfigFromINI(c.Signing)
	if err != nil {
		return signerSession{}, err
	}
	s, err := client.Dial(ctx, cfg)
	if err != nil {
		return signerSession{}, signerFailure(err)
	}
	return signerSession{s}, nil
}

// signerFailure puts the advice of an error on its own line.
func signerFailure(err error) error {
	var se *client.SessionError
	if errors.As(err, &se) && se.Advice != "" {
		plain := *se
		plain.Advice = ""
		return &exitError{code: exitFailed, err: &plain, hint: se.Advice}
	}
	return err
}

// key describes one of the user's keys, which must be for a purpose.
func (s signerSession) key(ctx context.Context, name, purpose string) (release.Key, error) {
	keys, err := s.ListKeys(ctx)
	if err != nil {
		return release.Key{}, signerFailure(err)
	}
	for _, k := range keys {
		if k.Name == name && !slices.Contains(k.Purposes, purpose) {
			return release.Key{}, failf("list-keys shows what each of your keys is for",
				"key %s signs %s, not %s: a key's purposes never change", name, strings.Join(k.Purposes, " and "), purpose)
		}
	}
	armored, err := s.PublicKey(ctx, name)
	if err != nil {
		return release.Key{}, keyFailure(name, err)
	}
	certs, err := pgp.ReadCertificates(bytes.NewReader(armored))
	if err != nil {
		return release.Key{}, fmt.Errorf("the signer's certificate of key %s: %w", name, err)
	}
	if len(certs) != 1 {
		return release.Key{}, fmt.Errorf("the signer gave %d certificates for key %s", len(certs), name)
	}
	return release.NewKey(name, certs[0])
}

// keyFailure tells what to do about a key that the signer does not open.
func keyFailure(name string, err error) error {
	switch {
	case errors.Is(err, client.ErrNoKey):
		return fmt.Errorf("key %s: %w", name, err) // which says what to do
	case errors.Is(err, client.ErrBadPassphrase):
		return failf("the passphrase is yours at the signer, the same for all keys", "key %s: %w", name, err)
	}
	return signerFailure(err)
}

// unlock asks for the passphrase and opens a key.
func (s signerSession) unlock(ctx context.Context, a *App, name string, src passphraseSource) (*client.Key, error) {
	a.flush()
	p, err := a.term.passphrase(ctx, src, "key "+name)
	if err != nil {
		return nil, err
	}
	k, err := s.Unlock(ctx, name, p)
	clear(p)
	if err != nil {
		return nil, keyFailure(name, err)
	}
	return k, nil
}

func listKeysCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupSign, "list-keys [options]", "List the keys that you may sign with")
	a.listing(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) != 0 {
			return usagef(cmd, "this command takes no arguments")
		}
		ctx := cmd.Context()
		s, err := a.dialSigner(ctx)
		if err != nil {
			return err
		}
		defer s.close()
		keys, err := s.ListKeys(ctx)
		if err != nil {
			return signerFailure(err)
		}
		if a.opts.json {
			if keys == nil {
				keys = []client.KeyInfo{}
			}
			return a.printJSON(keys)
		}
		if !a.opts.quiet {
			a.printf("%-20s  %-40s  %-8s  %-12s  %s\n", "Key", "Fingerprint", "Type", "Signs", "User ID")
			a.println(strings.Repeat("-", 20) + "  " + strings.Repeat("-", 40) + "  --------  ------------  " + strings.Repeat("-", 16))
		}
		for _, k := range keys {
			a.printf("%-20s  %-40s  %-8s  %-12s  %s\n", k.Name, k.Fingerprint, k.Algorithm, strings.Join(k.Purposes, ","), k.UserID)
		}
		return nil
	}
	return cmd
}

func getPublicKeyCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupSign, "get-public-key [options] <key>", "Print a key's OpenPGP certificate")
	out := cmd.Flags().StringP("output", "o", "", "write to `FILE` instead of standard output")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usagef(cmd, "give the name of one key")
		}
		ctx := cmd.Context()
		s, err := a.dialSigner(ctx)
		if err != nil {
			return err
		}
		defer s.close()
		armored, err := s.PublicKey(ctx, args[0])
		if err != nil {
			return keyFailure(args[0], err)
		}
		if *out != "" {
			return durable.WriteFile(*out, armored, os.FileMode(0o644))
		}
		a.stdout.Write(armored)
		return nil
	}
	return cmd
}

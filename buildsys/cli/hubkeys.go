package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys/api"
	"github.com/privyseal/privyseal/internal/pgp"
)

// maxCertificateFile bounds a file of certificates.
const maxCertificateFile = 4 << 20

func addSigningKeyCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupSign, "add-signing-key [options] <file> [<file> ...]", "Tell the hub a key whose signatures count")
	cmd.Long = "Tells the hub OpenPGP certificates, armored or binary. From then on it verifies and keeps\n" +
		"signatures of these keys; signatures that came before it knew them are verified now."
	a.listing(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) < 1 {
			return usagef(cmd, "a file with a certificate is missing")
		}
		texts := make([]string, len(args))
		for i, path := range args {
			armored, err := readCertificates(path)
			if err != nil {
				return err
			}
			texts[i] = armored
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		added := []api.AddedKey{}
		for _, text := range texts {
			keys, err := s.api.AddSigningKey(ctx, text)
			if err != nil {
				return err
			}
			added = append(added, keys...)
		}
		if a.opts.json {
			return a.printJSON(added)
		}
		for _, k := range added {
			verb := "added"
			if k.Known {
				verb = "updated"
			}
			a.printf("%s %s %s (%s), signs as %s\n", verb, k.Fingerprint, k.UID, k.Algorithm, strings.Join(k.Sigkeys, ", "))
			if k.Verified > 0 {
				a.printf("  %d older signatures count from now on\n", k.Verified)
			}
			for _, nvra := range k.Bad {
				a.flush()
				a.term.warn("  the older signature of %s is bad", nvra)
			}
		}
		return nil
	}
	return cmd
}

// readCertificates reads a file and makes sure that it holds certificates and
// nothing secret, before any of it leaves this machine.
func readCertificates(path string) (armored string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxCertificateFile+1))
	if err != nil {
		return "", err
	}
	if len(raw) > maxCertificateFile {
		return "", failf("", "%s: larger than %d bytes, which is no file of certificates", path, maxCertificateFile)
	}
	certs, err := pgp.ReadCertificates(bytes.NewReader(raw))
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	if len(certs) == 0 {
		return "", failf("", "%s: no OpenPGP certificate in this file", path)
	}
	var b strings.Builder
	for _, c := range certs {
		b.Write(c.Armor())
	}
	return b.String(), nil
}

func retireSigningKeyCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupSign, "retire-signing-key [options] <fingerprint> [<fingerprint> ...]", "Have the hub take no new signatures of a key")
	cmd.Long = "Has the hub take no new signatures of a key. What the key signed stays good.\n" +
		"list-signing-keys shows the fingerprints."
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) < 1 {
			return usagef(cmd, "a fingerprint is missing")
		}
		ctx := cmd.Context()
		s, err := a.login(ctx)
		if err != nil {
			return err
		}
		for _, fpr := range args {
			if err := s.api.RetireSigningKey(ctx, fpr); err != nil {
				return err
			}
			a.printf("retired %s\n", strings.ToUpper(strings.ReplaceAll(fpr, " ", "")))
		}
		return nil
	}
	return cmd
}

func listSigningKeysCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupSign, "list-signing-keys [options]", "List the keys whose signatures the hub can verify")
	a.listing(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) != 0 {
			return usagef(cmd, "this command takes no arguments")
		}
		ctx := cmd.Context()
		s, err := a.anonymous(ctx)
		if err != nil {
			return err
		}
		keys, err := s.api.SigningKeys(ctx)
		if err != nil {
			return err
		}
		if a.opts.json {
			if keys == nil {
				keys = []api.SigningKey{}
			}
			return a.printJSON(keys)
		}
		if !a.opts.quiet {
			a.printf("%-40s  %-8s  %-8s  %-7s  %s\n", "Fingerprint", "Signs as", "Type", "State", "User ID")
			a.println(strings.Repeat("-", 40) + "  --------  --------  -------  " + strings.Repeat("-", 16))
		}
		for _, k := range keys {
			state := "active"
			if k.Retired {
				state = "retired"
			}
			a.printf("%-40s  %-8s  %-8s  %-7s  %s\n", k.Fingerprint, strings.Join(k.Sigkeys, ","), k.Algorithm, state, k.UID)
		}
		return nil
	}
	return cmd
}

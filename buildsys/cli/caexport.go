package cli

import (
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"software.sslmate.com/src/go-pkcs12"

	"github.com/privyseal/privyseal/internal/pki"
)

// minExport is how long the passphrase of an exported key has to be: the file is carried around, and guessed at leisure.
const minExport = 8

func caExport(a *App) *cobra.Command {
	var dir, out string
	var legacy bool
	var src passphraseSource
	cmd := &cobra.Command{
		Use: "export FILE [--out FILE.p12] [--legacy] [--passphrase-file F | --batch] [--dir D]", Short: "Pack certificate, key and CA as PKCS#12, for browsers",
		Args: cobra.ExactArgs(1), DisableFlagsInUseLine: true,
	}
	cmd.Long = "FILE holds certificate and key, as `ca user` makes it. The CA's certificate is taken from --dir\n" +
		"where it is there, so that a browser can check the hub too."
	cmd.Flags().StringVar(&dir, "dir", ".", "where the CA's files are")
	cmd.Flags().StringVar(&out, "out", "", "the `FILE` to make (FILE with .p12)")
	cmd.Flags().BoolVar(&legacy, "legacy", false, "encrypt as programs before 2018 understand it (3DES and SHA-1)")
	cmd.Flags().StringVar(&src.file, "passphrase-file", "", "read the passphrase of the new file from `FILE`")
	cmd.Flags().BoolVar(&src.batch, "batch", false, "read the passphrase, ended by a NUL byte, from standard input")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		data, err := os.ReadFile(args[0])
		if err != nil {
			return err
		}
		cert, err := pki.ParseCertificate(data)
		if err != nil {
			return fmt.Errorf("%s: %w", args[0], err)
		}
		key, err := pki.ParseKey(data)
		if err != nil {
			return fmt.Errorf("%s: %w", args[0], err)
		}
		var cas []*x509.Certificate
		for _, kind := range caKinds {
			if ca, err := caCertificate(dir, kind); err == nil && cert.CheckSignatureFrom(ca) == nil {
				cas = append(cas, ca)
			}
		}
		pass, err := a.term.newPassphrase(cmd.Context(), src)
		if err != nil {
			return err
		}
		defer clear(pass)
		if len(pass) < minExport {
			return failf("", "the passphrase has %d characters: a file that is carried around needs at least %d", len(pass), minExport)
		}
		how := pkcs12.Modern2023
		if legacy {
			how = pkcs12.LegacyDES
		}
		packed, err := how.Encode(key, cert, cas, string(pass))
		if err != nil {
			return fmt.Errorf("packing %s: %w", args[0], err)
		}
		if out == "" {
			out = strings.TrimSuffix(args[0], filepath.Ext(args[0])) + ".p12"
		}
		if err := writeNew(out, packed, 0o600); err != nil {
			return err
		}
		a.term.note("%s: import it into the browser with its passphrase, then delete it", out)
		return nil
	}
	return cmd
}

package cli

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/internal/durable"
	"github.com/privyseal/privyseal/internal/pgp"
)

// maxData is the largest file that sign-data takes; the signer reads all of it.
const maxData = 64 << 20

func signDataCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupSign, "sign-data [options] --key <key> <file>", "Make a detached signature of a file")
	cmd.Long = "Makes a detached OpenPGP signature of a file of at most 64 MiB. The signer refuses what a\n" +
		"signature for something else could be made of: packages, their headers, repomd.xml, git\n" +
		"objects and container signatures have keys and commands of their own."
	var secret passphraseSource
	key := cmd.Flags().StringP("key", "k", "", "sign with this key, by the signer's name for it")
	armor := cmd.Flags().BoolP("armor", "a", false, "write text instead of bytes")
	out := cmd.Flags().StringP("output", "o", "", "write to `FILE` instead of standard output")
	secret.register(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) != 1:
			return usagef(cmd, "give one file")
		case *key == "":
			return usagef(cmd, "give the key with --key; %s list-keys shows those you may use", a.term.name)
		}
		data, err := readData(args[0])
		if err != nil {
			return err
		}
		sig, err := a.signData(cmd.Context(), *key, secret, data)
		if err != nil {
			return err
		}
		if *armor {
			sig = pgp.ArmorSignature(sig)
		}
		if *out != "" {
			return durable.WriteFile(*out, sig, 0o644)
		}
		a.stdout.Write(sig)
		return nil
	}
	return cmd
}

func readData(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxData+1))
	if err == nil && len(data) > maxData {
		err = fmt.Errorf("%s: larger than 64 MiB; sign a file of its checksums instead", name)
	}
	return data, err
}

// signData gives the signature packet.
func (a *App) signData(ctx context.Context, name string, secret passphraseSource, data []byte) ([]byte, error) {
	s, err := a.dialSigner(ctx)
	if err != nil {
		return nil, err
	}
	defer s.close()
	if _, err := s.key(ctx, name, "data"); err != nil {
		return nil, err
	}
	key, err := s.unlock(ctx, a, name, secret)
	if err != nil {
		return nil, err
	}
	sig, err := key.SignData(ctx, data)
	if err != nil {
		return nil, signerFailure(err)
	}
	return sig, nil
}

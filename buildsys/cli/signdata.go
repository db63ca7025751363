package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/client"
	"github.com/privyseal/privyseal/internal/pgp"
)

func signDataCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupSign, "sign-data [options] --key <key> <file>", "Make a detached signature of a file")
	cmd.Long = "Makes a detached OpenPGP signature of a file of at most 64 MiB. \"-\" is standard input. The signer\n" +
		"refuses what a signature for something else could be made of: packages, their headers,\n" +
		"repomd.xml, git objects and container signatures have keys and commands of their own."
	var o bytesOptions
	o.register(a, cmd)
	armor := cmd.Flags().BoolP("armor", "a", false, "write text instead of bytes")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) != 1:
			return usagef(cmd, "give one file")
		case o.key == "":
			return a.needKey(cmd)
		}
		return a.signData(cmd.Context(), o, *armor, args[0])
	}
	return cmd
}

func (a *App) signData(ctx context.Context, o bytesOptions, armor bool, file string) error {
	data, err := a.readData(ctx, file)
	if err != nil {
		return err
	}
	o.secret.tty = file == "-"
	made, err := a.signBytes(ctx, o, client.OpData, "data", data)
	if err != nil || made == nil {
		return err
	}
	sig := made.Packet
	if armor {
		sig = pgp.ArmorSignature(sig)
	}
	return a.write(o.output, sig)
}

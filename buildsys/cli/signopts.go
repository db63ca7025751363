package cli

import "github.com/spf13/cobra"

// signOptions are those that the signing verbs share.
type signOptions struct {
	key    string
	lane   string
	dryRun bool
	secret passphraseSource

	// tag is the tag that the hub attests the packages for, "" for the one that each
	// build was put into last; inherit counts its parents.
	tag     string
	inherit bool
}

func (o *signOptions) register(a *App, cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVarP(&o.key, "key", "k", "", "sign with this key, by the signer's name for it")
	fs.StringVar(&o.lane, "lane", "", "how much it is in a hurry: urgent, normal or bulk")
	fs.BoolVarP(&o.dryRun, "dry-run", "n", false, "show what would be signed, and sign nothing; with a passphrase, the signer's decision, too")
	o.secret.register(cmd)
	a.listing(cmd)
}

func (p *passphraseSource) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.file, "passphrase-file", "", "read the passphrase from `FILE`")
	cmd.Flags().BoolVar(&p.batch, "batch", false, "read the passphrase, ended by a NUL byte, from standard input")
	cmd.Flags().BoolVar(&p.unattended, "unattended", false, "no passphrase: use the key as the signer's console unlocked it for you")
}

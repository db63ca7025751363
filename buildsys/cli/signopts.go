package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys/release"
	"github.com/privyseal/privyseal/client"
)

// signOptions are those that the signing verbs share.
type signOptions struct {
	key    string
	lane   string
	dryRun bool
	secret passphraseSource

	// fileKey signs the files in the packages for IMA, "" for none.
	fileKey    string
	fileSecret passphraseSource

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

// registerFileKey adds the options of verbs that sign packages.
func (o *signOptions) registerFileKey(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&o.fileKey, "file-signing-key", "", "add IMA signatures of the packages' files, by this `key` of purpose ima")
	fs.StringVar(&o.fileSecret.file, "file-signing-key-passphrase-file", "", "read the passphrase for that key from `FILE`, where it is another")
}

func (p *passphraseSource) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.file, "passphrase-file", "", "read the passphrase from `FILE`")
	cmd.Flags().BoolVar(&p.batch, "batch", false, "read the passphrase, ended by a NUL byte, from standard input")
	cmd.Flags().BoolVar(&p.unattended, "unattended", false, "no passphrase: use the key as the signer's console unlocked it for you")
}

// decide is how a dry run asks the signer for its decisions. That takes an unlocked
// key, so it is done where the passphrase comes without asking a person.
func (o *signOptions) decide(toSign int, unlock func() (release.Signer, error)) (release.Decide, error) {
	if toSign == 0 || !o.secret.given() {
		return nil, nil
	}
	s, err := unlock()
	if err != nil {
		return nil, err
	}
	explainer, ok := s.(interface {
		Explain(ctx context.Context, op string, data, attestation []byte) (*client.Decision, error)
	})
	if !ok {
		return nil, nil
	}
	return explainer.Explain, nil
}

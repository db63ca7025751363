package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/client"
)

// beginSignature is the line that begins a signature in a git object.
const beginSignature = "-----BEGIN PGP SIGNATURE-----"

func signGitTagCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupSign, "sign-git-tag [options] --key <key> <tag>", "Sign an annotated git tag")
	cmd.Long = "Signs an annotated tag of the git repository in the working directory (or -C DIR) and moves the\n" +
		"tag to the signed object; git tag -v verifies it. A tag that is signed already is left alone.\n\n" +
		"git tag -s can do the same while it makes the tag: link privyseal-gpg to this program, and\n" +
		"    git config gpg.program privyseal-gpg\n" +
		"    git config user.signingKey KEY"
	var o bytesOptions
	cmd.Flags().StringVarP(&o.key, "key", "k", "", "sign with this key, by the signer's name for it")
	dir := cmd.Flags().StringP("directory", "C", ".", "the repository is in `DIR`")
	o.registerLess(a, cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) != 1:
			return usagef(cmd, "give one tag")
		case o.key == "":
			return a.needKey(cmd)
		}
		return a.signGitTag(cmd.Context(), o, git{*dir}, args[0])
	}
	return cmd
}

func (a *App) signGitTag(ctx context.Context, o bytesOptions, repo git, name string) error {
	ref := "refs/tags/" + name
	old, err := repo.run(ctx, nil, "rev-parse", "--verify", "--end-of-options", ref)
	if err != nil {
		return fmt.Errorf("no tag %s: %w", name, err)
	}
	oid := strings.TrimSpace(string(old))
	kind, err := repo.run(ctx, nil, "cat-file", "-t", oid)
	if err != nil {
		return err
	}
	if k := strings.TrimSpace(string(kind)); k != "tag" {
		return failf(fmt.Sprintf("make it an annotated one: git tag -a %s", name), "tag %s names a %s directly: there is no tag object to sign", name, k)
	}
	object, err := repo.run(ctx, nil, "cat-file", "tag", oid)
	if err != nil {
		return err
	}
	if bytes.Contains(object, []byte("\n"+beginSignature)) {
		a.term.note("tag %s is signed already", name)
		return nil
	}
	made, err := a.signBytes(ctx, o, client.OpGitTag, "git", object)
	if err != nil || made == nil {
		return err
	}
	signed, err := repo.run(ctx, append(object, made.Document...), "hash-object", "-t", "tag", "-w", "--stdin")
	if err != nil {
		return err
	}
	// Only if nobody moved the tag meanwhile.
	_, err = repo.run(ctx, nil, "update-ref", ref, strings.TrimSpace(string(signed)), oid)
	return err
}

// git runs git in a directory.
type git struct{ dir string }

func (g git) run(ctx context.Context, stdin []byte, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", g.dir}, args...)...)
	cmd.Stdin = bytes.NewReader(stdin)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil, fmt.Errorf("git %s: %s", args[0], strings.TrimSpace(string(exit.Stderr)))
	}
	return out, err
}

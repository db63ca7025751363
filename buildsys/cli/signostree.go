package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/client"
	"github.com/privyseal/privyseal/internal/ostree"
)

// ostreeOptions say what is signed and what is made of it.
type ostreeOptions struct {
	bytesOptions
	repo     string
	detached bool
}

func signOstreeCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupSign, "sign-ostree [options] --key <key> <checksum> <commit file>", "Sign an ostree commit")
	cmd.Long = "Signs an ostree commit object, as it lies in a repository's objects/XX/REST.commit, and gives its\n" +
		"detached metadata (commitmeta) with the signature; what -o held before is kept in it. With\n" +
		"--repo the argument is a ref or a checksum, and the signature goes into the repository."
	var o ostreeOptions
	o.register(a, cmd)
	cmd.Flags().StringVar(&o.repo, "repo", "", "sign a commit in the repository `DIR`")
	cmd.Flags().BoolVar(&o.detached, "detached", false, "write the signature alone")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case o.key == "":
			return a.needKey(cmd)
		case o.repo != "" && len(args) != 1:
			return usagef(cmd, "give one ref or checksum of the repository")
		case o.repo == "" && len(args) != 2:
			return usagef(cmd, "give the commit's checksum and its file")
		}
		if o.repo == "" {
			return a.signOstree(cmd.Context(), o, args[0], args[1])
		}
		hash, file, err := ostreeCommit(o.repo, args[0])
		if err != nil {
			return err
		}
		if o.output == "" && !o.detached {
			o.output = file + "meta"
		}
		return a.signOstree(cmd.Context(), o, hash, file)
	}
	return cmd
}

// ostreeCommit finds a commit in a repository by its checksum or by a ref.
func ostreeCommit(repo, name string) (hash, file string, err error) {
	hash = name
	if checkHash(name) != nil {
		ref := filepath.Join(repo, "refs", "heads", filepath.FromSlash(name))
		if !filepath.IsLocal(name) {
			return "", "", fmt.Errorf("%q is no ref", name)
		}
		b, err := os.ReadFile(ref)
		if err != nil {
			return "", "", fmt.Errorf("no such ref: %w", err)
		}
		if hash = strings.TrimSpace(string(b)); checkHash(hash) != nil {
			return "", "", fmt.Errorf("%s: %w", ref, errNotHash)
		}
	}
	return hash, filepath.Join(repo, "objects", hash[:2], hash[2:]+".commit"), nil
}

func (a *App) signOstree(ctx context.Context, o ostreeOptions, hash, file string) error {
	if err := checkHash(hash); err != nil {
		return fmt.Errorf("%s: %w", hash, err)
	}
	object, err := a.readData(ctx, file)
	if err != nil {
		return err
	}
	if sum := sha256.Sum256(object); hex.EncodeToString(sum[:]) != hash {
		return failf("the file must be the commit object as it lies in the repository", "%s: its checksum is %x, not %s", file, sum, hash)
	}
	made, err := a.signBytes(ctx, o.bytesOptions, client.OpOstree, "ostree", object)
	if err != nil || made == nil {
		return err
	}
	if o.detached {
		return a.write(o.output, made.Packet)
	}
	var before []byte
	if info, err := os.Stat(o.output); err == nil && info.Mode().IsRegular() {
		if before, err = os.ReadFile(o.output); err != nil {
			return err
		}
	}
	meta, err := ostree.AddSignature(before, made.Packet)
	if err != nil {
		return failf("-o names a file of detached metadata, or one that is not there yet", "%s: %w", o.output, err)
	}
	return a.write(o.output, meta)
}

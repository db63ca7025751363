package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/client"
	"github.com/privyseal/privyseal/internal/durable"
	"github.com/privyseal/privyseal/internal/wire"
)

// Verbs that sign one thing on this machine: data, texts, git tags, containers and
// ostree commits. Each is an operation of the signer with a purpose of its own.

// maxData is the largest file that these verbs take; the signer reads all of it.
const maxData = 64 << 20

// bytesOptions are those that these verbs share.
type bytesOptions struct {
	signOptions
	output string
	proof  string
}

func (o *bytesOptions) register(a *App, cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVarP(&o.key, "key", "k", "", "sign with this key, by the signer's name for it")
	fs.StringVarP(&o.output, "output", "o", "", "write to `FILE` instead of standard output")
	o.registerLess(a, cmd)
}

// registerLess leaves out the options of the key and of the output.
func (o *bytesOptions) registerLess(a *App, cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&o.proof, "proof", "", "write the proof that the signer's log has the signature to `FILE`")
	fs.StringVar(&o.lane, "lane", "", "how much it is in a hurry: urgent, normal or bulk")
	fs.BoolVarP(&o.dryRun, "dry-run", "n", false, "sign nothing; show the signer's decision and the rule that makes it")
	fs.BoolVar(&a.opts.json, "json", a.opts.json, "print the decision of --dry-run as JSON")
	o.secret.register(cmd)
}

// needKey says that a verb was given no key.
func (a *App) needKey(cmd *cobra.Command) error {
	return usagef(cmd, "give the key with --key; %s list-keys shows those you may use", a.term.name)
}

// readData reads a file, or standard input as "-".
func (a *App) readData(ctx context.Context, name string) ([]byte, error) {
	return orInterrupted(ctx, func() ([]byte, error) { return a.readAll(name) })
}

func (a *App) readAll(name string) ([]byte, error) {
	var r io.Reader = a.term.in
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		r = f
	}
	data, err := io.ReadAll(io.LimitReader(r, maxData+1))
	if err == nil && len(data) > maxData {
		err = fmt.Errorf("%s: larger than 64 MiB; sign a file of its checksums instead", name)
	}
	return data, err
}

// write writes what a verb made: to a file, also one that a link leads to, whole or not
// at all; to a pipe or a device (/dev/stdout is one of these) as it is; or to standard
// output ("" or "-").
func (a *App) write(output string, data []byte) error {
	if output == "" || output == "-" {
		a.stdout.Write(data)
		return nil
	}
	if path, err := durable.Through(output); err == nil {
		if info, err := os.Stat(path); err != nil || info.Mode().IsRegular() {
			return durable.WriteFile(path, data, 0o644)
		}
	}
	// Renaming over it would replace the device itself.
	f, err := os.OpenFile(output, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}

// withKey opens a session and a key of it, which must be for a purpose.
func (a *App) withKey(ctx context.Context, o signOptions, purpose string, do func(*client.Key) error) error {
	s, err := a.dialLane(ctx, o.lane)
	if err != nil {
		return err
	}
	defer s.close()
	if _, err := s.key(ctx, o.key, purpose); err != nil {
		return err
	}
	key, err := s.unlock(ctx, a, o.key, o.secret)
	if err != nil {
		return err
	}
	return signerFailure(do(key))
}

// signBytes has data signed by an operation, and gives the signature; nil after a dry
// run.
func (a *App) signBytes(ctx context.Context, o bytesOptions, op, purpose string, data []byte) (made *client.Signed, err error) {
	err = a.withKey(ctx, o.signOptions, purpose, func(key *client.Key) error {
		if o.dryRun {
			d, err := key.Explain(ctx, op, data, nil)
			if err != nil {
				return err
			}
			return a.showDecision(d)
		}
		made, err = key.Sign(ctx, op, data, nil)
		return err
	})
	if err != nil {
		return nil, err
	}
	if made != nil && o.proof != "" {
		err = a.write(o.proof, made.Proof)
	}
	return made, err
}

// showDecision prints what the signer would do, and why. A refusal is exit code 1.
func (a *App) showDecision(d *client.Decision) error {
	if a.opts.json {
		if err := a.printJSON(d); err != nil {
			return err
		}
	} else {
		for _, line := range decisionText(d) {
			a.println(line)
		}
	}
	if !d.Allow {
		return &exitError{code: exitFailed}
	}
	return nil
}

// decisionText is a decision in lines for people: the verdict first, then the tests
// that led to it.
func decisionText(d *client.Decision) []string {
	verdict := "would sign"
	if !d.Allow {
		verdict = "would refuse"
	}
	if d.What != "" {
		verdict += " " + d.What
	}
	if d.Existed {
		verdict += ", as before: the signature is in the log"
	}
	if d.Reason != "" {
		verdict += ": " + d.Reason
	}
	lines := []string{harmless(verdict)}
	switch {
	case d.Rule != "" && d.Line > 0:
		lines = append(lines, harmless(fmt.Sprintf("  rule, line %d of the policy: %s", d.Line, d.Rule)))
	case d.Rule != "": // one of the signer's own, which stands before every policy
		lines = append(lines, harmless("  rule, whatever the policy says: "+d.Rule))
	}
	for _, step := range d.Trace {
		answer := "no"
		if step.Result {
			answer = "yes"
		}
		line := fmt.Sprintf("  line %d: %s: %s", step.Line, step.Test, answer)
		if step.Why != "" {
			line += " (" + step.Why + ")"
		}
		lines = append(lines, harmless(line))
	}
	return lines
}

func signTextCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupSign, "sign-text [options] --key <key> <file>", "Sign a text so that it stays readable")
	cmd.Long = "Makes a clear-signed OpenPGP document of a UTF-8 text of at most 64 MiB. \"-\" is standard input.\n" +
		"White space at the ends of lines is not covered by the signature, and is left out."
	var o bytesOptions
	o.register(a, cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) != 1:
			return usagef(cmd, "give one file")
		case o.key == "":
			return a.needKey(cmd)
		}
		return a.signText(cmd.Context(), o, args[0])
	}
	return cmd
}

func (a *App) signText(ctx context.Context, o bytesOptions, file string) error {
	text, err := a.readData(ctx, file)
	if err != nil {
		return err
	}
	o.secret.tty = file == "-"
	made, err := a.signBytes(ctx, o, client.OpText, "text", text)
	if err != nil || made == nil {
		return err
	}
	return a.write(o.output, made.Document)
}

func signContainerCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupSign, "sign-container [options] --key <key> <manifest> <reference>", "Sign a container image")
	cmd.Long = "Makes a signature (\"simple signing\") that says: the image with this manifest is the one that\n" +
		"registry/repository:tag names. The manifest is the file as the registry has it, byte for byte\n" +
		"(skopeo inspect --raw). Put the signature where the registry's signature store has it:\n" +
		"STORE/REPOSITORY@sha256=DIGEST/signature-1; skopeo standalone-verify checks it by hand."
	var o bytesOptions
	o.register(a, cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) != 2:
			return usagef(cmd, "give the manifest's file and the image's reference")
		case o.key == "":
			return a.needKey(cmd)
		}
		return a.signContainer(cmd.Context(), o, args[0], args[1])
	}
	return cmd
}

func (a *App) signContainer(ctx context.Context, o bytesOptions, file, reference string) error {
	manifest, err := a.readData(ctx, file)
	if err != nil {
		return err
	}
	o.secret.tty = file == "-"
	sum := sha256.Sum256(manifest)
	doc, err := wire.SimpleSigning{Reference: reference, Digest: "sha256:" + hex.EncodeToString(sum[:])}.Encode()
	if err != nil {
		return err
	}
	made, err := a.signBytes(ctx, o, client.OpContainer, "container", doc)
	if err != nil || made == nil {
		return err
	}
	return a.write(o.output, made.Document)
}

// errNotHash is an ostree checksum that is none.
var errNotHash = errors.New("an ostree checksum is 64 lower case hex digits")

func checkHash(hash string) error {
	if len(hash) != 64 || strings.Trim(hash, "0123456789abcdef") != "" {
		return errNotHash
	}
	return nil
}

package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/privyseal/privyseal/buildsys/api"
	"github.com/privyseal/privyseal/buildsys/mash"
	"github.com/privyseal/privyseal/buildsys/xmlrpc"
	"github.com/privyseal/privyseal/client"
)

// mashTopDir stands for a repodir that mash.conf does not set: then koji.conf's
// topdir counts, which is the same directory by default.
const mashTopDir = "/mnt/koji"

// mashOptions are those of the verb.
type mashOptions struct {
	output, config, key string
	secret              passphraseSource
}

func mashCommand(a *App) *cobra.Command {
	cmd := a.newCommand(groupSign, "mash [options] <name> [<name> ...]", "Publish what a tag holds as a tree that dnf reads")
	cmd.Long = "Makes DIR/NAME, a link to a tree with the signed packages of a tag. The sections of mash.conf\n" +
		"say which; a package whose signature is missing, unknown or bad refuses the compose before\n" +
		"anything is written. repomd.xml is signed by the signer.\n\n" +
		"The options before the verb say which koji.conf and hub; -c after it names mash.conf.\n" +
		"Called as mash, the program takes these options directly."
	var o mashOptions
	fs := cmd.Flags()
	fs.StringVarP(&o.output, "outputdir", "o", "", "make the tree in `DIR` instead of the section's outputdir")
	fs.StringVarP(&o.config, "config", "c", mash.DefaultConfig, "read `FILE` instead of the usual mash.conf")
	fs.StringVar(&o.key, "repomd-key", "", "the signer's `KEY` for repomd.xml instead of repomd_key in mash.conf (or the only one you may use)")
	fs.Bool("no-delta", false, "make no delta packages, as ever")
	o.secret.register(cmd)
	a.listing(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) < 1 {
			return usagef(cmd, "the name of a section of mash.conf is missing")
		}
		return a.mash(cmd.Context(), o, args)
	}
	return cmd
}

// mashJSON is a published tree.
type mashJSON struct {
	Name     string         `json:"name"`
	Link     string         `json:"link"`
	Tree     string         `json:"tree"`
	Serial   int64          `json:"serial"`
	Packages int            `json:"packages"`
	Repos    []mashRepoJSON `json:"repos"`
}

type mashRepoJSON struct {
	Dir      string `json:"dir"`
	Packages int    `json:"packages"`
}

func (a *App) mash(ctx context.Context, o mashOptions, names []string) error {
	conf, err := mash.Load(o.config)
	if err != nil {
		return err
	}
	dists := make([]*mash.Dist, len(names))
	for i, name := range names {
		if dists[i], err = conf.Dist(name); err != nil {
			return err
		}
	}
	c, err := a.config()
	if err != nil {
		return err
	}
	m := &masher{a: a, secret: o.secret}
	defer m.close()
	// Everything that can be wrong with keys is found before the first tree.
	for _, d := range dists {
		if d.TopDir == mashTopDir {
			d.TopDir = c.TopDir
		}
		if o.key != "" {
			d.RepomdKey = o.key
		}
		if d.RepomdKey == "" {
			d.RepomdKey = c.RepomdKey
		}
		if d.RepomdKey == "" {
			if d.RepomdKey, err = m.onlyKey(ctx); err != nil {
				return err
			}
		}
		if _, err := m.signer(ctx, d.RepomdKey); err != nil {
			return err
		}
	}
	s, err := a.anonymous(ctx)
	if err != nil {
		return err
	}
	trees := []mashJSON{}
	for _, d := range dists {
		for _, w := range d.Warnings {
			a.term.note("%s", w)
		}
		r, err := mash.Compose(ctx, d, mash.Options{
			Output: o.output, Hub: mashHub{s.api}, Signer: m.signers[d.RepomdKey], Log: slog.New(noteHandler{a.term}),
		})
		if err != nil {
			return mashFailure(err, len(trees) > 0)
		}
		for _, w := range r.Warnings {
			a.term.note("%s", w)
		}
		tree := mashJSON{Name: d.Name, Link: r.Link, Tree: r.Tree, Serial: r.Serial, Packages: r.Packages, Repos: []mashRepoJSON{}}
		for _, repo := range r.Repos {
			tree.Repos = append(tree.Repos, mashRepoJSON{repo.Dir, repo.Packages})
		}
		trees = append(trees, tree)
		if !a.opts.json && !a.opts.quiet {
			a.printf("published %s: compose %d, %d packages in %d repositories\n", r.Link, r.Serial, r.Packages, len(r.Repos))
			a.flush()
		}
	}
	if a.opts.json {
		return a.printJSON(trees)
	}
	return nil
}

// mashFailure sets the exit code by whether other trees were published.
func mashFailure(err error, some bool) error {
	code := exitFailed
	if some {
		code = exitPartly
	}
	var exit *exitError
	if errors.As(signerFailure(err), &exit) {
		return &exitError{code: code, err: exit.err, hint: exit.hint}
	}
	return &exitError{code: code, err: err}
}

// masher opens the keys for repomd.xml, each once.
type masher struct {
	a       *App
	secret  passphraseSource
	session *signerSession
	signers map[string]mash.Signer
}

func (m *masher) close() {
	if m.session != nil {
		m.session.close()
	}
}

// dial reaches the signer, once.
func (m *masher) dial(ctx context.Context) error {
	if m.session != nil {
		return nil
	}
	s, err := m.a.dialSigner(ctx)
	if err != nil {
		return err
	}
	m.session, m.signers = &s, map[string]mash.Signer{}
	return nil
}

// onlyKey is the user's key for repomd.xml, if there is but one.
func (m *masher) onlyKey(ctx context.Context) (string, error) {
	if err := m.dial(ctx); err != nil {
		return "", err
	}
	keys, err := m.session.ListKeys(ctx)
	if err != nil {
		return "", signerFailure(err)
	}
	var names []string
	for _, k := range keys {
		if slices.Contains(k.Purposes, "repomd") {
			names = append(names, k.Name)
		}
	}
	switch len(names) {
	case 0:
		return "", failf("the signer's administrator makes one: key new NAME --purpose repomd --for USER", "you may use no key for repomd.xml")
	case 1:
		return names[0], nil
	}
	return "", failf("set repomd_key in mash.conf, or give --repomd-key KEY", "which key signs repomd.xml? you may use %s", strings.Join(names, ", "))
}

func (m *masher) signer(ctx context.Context, key string) (mash.Signer, error) {
	if s := m.signers[key]; s != nil {
		return s, nil
	}
	if err := m.dial(ctx); err != nil {
		return nil, err
	}
	if _, err := m.session.key(ctx, key, "repomd"); err != nil {
		return nil, err
	}
	k, err := m.session.unlock(ctx, m.a, key, m.secret)
	if err != nil {
		return nil, err
	}
	m.signers[key] = repomdSigner{k}
	return m.signers[key], nil
}

// repomdSigner is an unlocked key as mash wants it.
type repomdSigner struct{ *client.Key }

func (s repomdSigner) PublicKey() []byte { return s.Certificate.Armor() }

// mashHub is the hub as mash wants it.
type mashHub struct{ hub *api.Hub }

func (h mashHub) TaggedRPMs(ctx context.Context, tag string, o mash.TagOptions) ([]mash.RPM, error) {
	t, err := h.hub.Tag(ctx, tag, 0)
	if err != nil {
		return nil, err
	}
	if t == nil {
		return nil, noSuchTag(tag)
	}
	list := api.ListOptions{Sigs: true}
	if o.Inherit {
		list.Inherit = true
	}
	switch {
	case o.Latest == 1:
		list.Latest = true
	case o.Latest > 1:
		list.Latest = int64(o.Latest)
	}
	rpms, builds, err := h.hub.TaggedRPMs(ctx, tag, list)
	if err != nil {
		return nil, err
	}
	byID := make(map[int64]*api.Build, len(builds))
	for i := range builds {
		byID[builds[i].ID] = &builds[i]
	}
	index := make(map[int64]int, len(rpms))
	var out []mash.RPM
	for i := range rpms {
		r := &rpms[i]
		at, seen := index[r.ID]
		if !seen {
			if r.BuildID == nil || byID[*r.BuildID] == nil {
				return nil, fmt.Errorf("unexpected answer of the hub: %s without its build", r.NVRA())
			}
			at = len(out)
			index[r.ID] = at
			out = append(out, mashRPM(r, byID[*r.BuildID]))
		}
		if r.Sigkey != nil && *r.Sigkey != "" {
			out[at].Sigkeys = append(out[at].Sigkeys, *r.Sigkey)
		}
	}
	return out, nil
}

func mashRPM(r *api.RPM, b *api.Build) mash.RPM {
	out := mash.RPM{
		ID: r.ID, Name: r.Name, Version: r.Version, Release: r.Release, Arch: r.Arch,
		BuildName: b.Name, BuildVersion: b.Version, BuildRelease: b.Release,
	}
	if r.Epoch != nil {
		out.Epoch = itoa(*r.Epoch)
	}
	if b.VolumeName != nil {
		out.Volume = *b.VolumeName
	}
	return out
}

func (h mashHub) Certificates(ctx context.Context) ([]byte, error) {
	keys, err := h.hub.SigningKeys(ctx)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	for _, k := range keys {
		b.WriteString(k.Armored)
		b.WriteByte('\n')
	}
	return []byte(b.String()), nil
}

func (h mashHub) Proofs(ctx context.Context, signatures []mash.Signature) (map[mash.Signature][]byte, error) {
	byKey := map[string][]int64{}
	for _, s := range signatures {
		byKey[s.Sigkey] = append(byKey[s.Sigkey], s.RPMID)
	}
	out := make(map[mash.Signature][]byte, len(signatures))
	for sigkey, ids := range byKey {
		for len(ids) > 0 {
			part := ids[:min(len(ids), 2000)]
			ids = ids[len(part):]
			proofs, err := h.hub.RPMProofs(ctx, part, sigkey)
			var fault *xmlrpc.Fault
			if errors.As(err, &fault) && strings.HasPrefix(fault.String, "Invalid method") {
				return nil, nil // Koji's own hub, with certificates from keyring: it keeps no proofs
			}
			if err != nil {
				return nil, err
			}
			for _, p := range proofs {
				out[mash.Signature{RPMID: p.RPMID, Sigkey: sigkey}] = []byte(p.Proof)
			}
		}
	}
	return out, nil
}

// noteHandler prints log records as lines of progress.
type noteHandler struct{ t *terminal }

func (h noteHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }

func (h noteHandler) Handle(_ context.Context, r slog.Record) error {
	line := r.Message
	r.Attrs(func(at slog.Attr) bool {
		line += fmt.Sprintf(" %s=%v", at.Key, at.Value)
		return true
	})
	h.t.note("%s", line)
	return nil
}

func (h noteHandler) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h noteHandler) WithGroup(string) slog.Handler      { return h }

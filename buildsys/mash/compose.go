package mash

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/privyseal/privyseal/buildsys/repomd"
	"github.com/privyseal/privyseal/internal/durable"
	"github.com/privyseal/privyseal/internal/pgp"
)

// Options of a compose.
type Options struct {
	Output string // directory of the trees; the section's outputdir if empty
	Hub    Hub
	Signer Signer
	Log    *slog.Logger     // nil for none
	Now    func() time.Time // nil for the clock
}

// A Result says what was published.
type Result struct {
	Link     string // DIR/NAME
	Tree     string // DIR/.NAME/SERIAL
	Serial   int64
	Packages int // distinct files
	Repos    []Repo
	Warnings []string // about packages; Dist.Warnings are about the configuration
}

// A Repo is one directory with metadata in a published tree.
type Repo struct {
	Dir      string // relative to the tree
	Packages int
}

// Compose publishes a tag. What was live before stays live until the new tree
// is complete and on disk, and stays on disk afterwards. A *RefusedError means
// that packages cannot be published and nothing was written.
func Compose(ctx context.Context, d *Dist, o Options) (*Result, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Output == "" {
		o.Output = d.Output
	}
	if o.Signer == nil {
		return nil, fmt.Errorf("[%s]: no key for repomd.xml: set repomd_key", d.Name)
	}
	certs, err := pgp.ReadCertificates(bytes.NewReader(o.Signer.PublicKey()))
	if err != nil {
		return nil, fmt.Errorf("the public key for repomd.xml: %w", err)
	}
	p, err := makePlan(ctx, d, o.Hub)
	if err != nil {
		return nil, err
	}
	o.Log.Info("verified", "tag", d.Tag, "packages", len(p.chosen))
	s, err := openStore(o.Output, d.Subdir)
	if err != nil {
		return nil, err
	}
	defer s.close()
	w := &weaver{plan: p, opts: o, keyring: pgp.NewKeyring(certs...), made: map[string]bool{}}
	serial, tree, err := s.publish(o.Now(), func(tree string, when time.Time) error { return w.weave(ctx, tree, when) })
	if err != nil {
		return nil, err
	}
	r := &Result{Link: s.link, Tree: tree, Serial: serial, Packages: len(p.chosen), Warnings: p.warnings}
	for _, repo := range p.repos {
		r.Repos = append(r.Repos, Repo{Dir: repo.dir, Packages: len(repo.members)})
	}
	if err := s.prune(d.Keep); err != nil {
		// The compose is published; what could not be removed is for next time.
		r.Warnings = append(r.Warnings, err.Error())
	}
	return r, nil
}

// weaver writes one tree where nobody looks yet.
type weaver struct {
	*plan
	opts    Options
	keyring *pgp.Keyring
	tree    string
	made    map[string]bool // directories to be synced
}

func (w *weaver) weave(ctx context.Context, tree string, when time.Time) error {
	w.tree = tree
	for _, r := range w.repos {
		if err := w.repo(ctx, r, when); err != nil {
			return err
		}
	}
	for dir := range w.made {
		if err := durable.SyncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

// mkdir makes a directory of the tree and its parents, and remembers them.
func (w *weaver) mkdir(rel string) (string, error) {
	full := filepath.Join(w.tree, rel)
	for dir := full; len(dir) >= len(w.tree); dir = filepath.Dir(dir) {
		w.made[dir] = true
	}
	return full, os.MkdirAll(full, 0o777)
}

func (w *weaver) repo(ctx context.Context, r *repo, when time.Time) error {
	home, err := w.mkdir(r.dir)
	if err != nil {
		return err
	}
	entries := make([]repomd.Entry, len(r.members))
	for i, c := range r.members {
		if err := ctx.Err(); err != nil {
			return err
		}
		rel := r.packages
		if w.dist.HashPackages {
			rel = filepath.Join(rel, strings.ToLower(c.rpm.Name[:1]))
		}
		dir, err := w.mkdir(rel)
		if err != nil {
			return err
		}
		path := filepath.Join(dir, c.rpm.NVRA()+".rpm")
		if err := place(c.path, path); err != nil {
			return err
		}
		href, err := filepath.Rel(home, path)
		if err != nil {
			return err
		}
		entries[i] = repomd.Entry{Path: path, Href: filepath.ToSlash(href), SHA256: &c.digest}
	}
	dir := filepath.Join(home, "repodata")
	xml, err := repomd.Write(ctx, dir, entries, repomd.Options{Checksum: w.dist.Hash, Time: when})
	if err != nil {
		return err
	}
	w.opts.Log.Info("indexed", "repository", r.dir, "packages", len(entries))
	if err := w.proofs(r); err != nil {
		return err
	}
	return w.sign(ctx, dir, xml)
}

// sign puts the signature of repomd.xml and the key beside it, after checking
// the one with the other.
func (w *weaver) sign(ctx context.Context, dir string, xml []byte) error {
	asc, err := w.opts.Signer.SignRepomd(ctx, xml)
	if err != nil {
		return fmt.Errorf("signing repomd.xml: %w", err)
	}
	packet, err := pgp.Dearmor(asc)
	if err != nil {
		return fmt.Errorf("the signature of repomd.xml: %w", err)
	}
	result, err := w.keyring.Verify(packet, xml)
	if err != nil {
		return fmt.Errorf("the signature of repomd.xml: %w", err)
	}
	if result.State != pgp.Verified {
		return fmt.Errorf("the signature of repomd.xml does not verify with the key published beside it: %s %s", result.State, result.Reason)
	}
	w.made[dir] = true
	if err := writeSynced(filepath.Join(dir, "repomd.xml.asc"), asc); err != nil {
		return err
	}
	return writeSynced(filepath.Join(dir, "repomd.xml.key"), w.opts.Signer.PublicKey())
}

// writeSynced writes a new file of a tree that nobody sees yet. Its directory
// is synced with all others before the tree is published.
func writeSynced(path string, data []byte) error {
	return writeSyncedBy(path, func(to io.Writer) error {
		_, err := to.Write(data)
		return err
	})
}

func writeSyncedBy(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := write(f); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.Close()
}

// place links a file into the tree, or copies it where a link cannot be made:
// another file system, or one that limits or forbids hard links.
func place(from, to string) error {
	err := os.Link(from, to)
	if err == nil || errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return copyFile(from, to)
}

func copyFile(from, to string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	st, err := src.Stat()
	if err != nil {
		return err
	}
	dst, err := durable.Create(to, st.Mode().Perm())
	if err != nil {
		return err
	}
	defer dst.Close()
	if _, err := dst.ReadFrom(src); err != nil {
		return fmt.Errorf("copying %s: %w", from, err)
	}
	if err := os.Chtimes(dst.TempPath(), time.Time{}, st.ModTime()); err != nil {
		return err
	}
	return dst.Commit()
}

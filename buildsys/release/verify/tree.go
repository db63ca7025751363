package verify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"github.com/privyseal/privyseal/internal/durable"
	"github.com/privyseal/privyseal/internal/pgp"
	"github.com/privyseal/privyseal/internal/rpmhead"
)

// Tree verifies every RPM file below a directory, and calls each for every one in the
// order of their paths, never twice at a time. Where a repomd.xml has a signature that
// is wrong, that is reported, too; one by a key that is not known here is not, since
// repositories have keys of their own. The error is that the tree could not be walked
// or holds no package.
func (v *Verifier) Tree(ctx context.Context, root string, each func(Report)) error {
	// A published tree is a symbolic link to the newest one.
	real, err := filepath.EvalSymlinks(root)
	if err != nil {
		return err
	}
	w := walk{seen: map[string]bool{}}
	if err := w.dir(ctx, real); err != nil {
		return err
	}
	files := w.files
	packages := 0
	var mu sync.Mutex // of the bundles, which are read once for all
	b := newBundles()
	defer b.close()
	shared := func(path string) Proofs {
		find := beside(path, b)
		return func(header [32]byte) ([][]byte, error) {
			mu.Lock()
			defer mu.Unlock()
			return find(header)
		}
	}
	err = ordered(ctx, files, func(path string) *Report {
		if filepath.Base(path) == "repomd.xml" {
			return v.repomd(path)
		}
		r := v.FileWith(path, shared(path))
		return &r
	}, func(r *Report) {
		if r == nil {
			return
		}
		if rel, err := filepath.Rel(real, r.File); err == nil {
			r.File = filepath.Join(root, rel)
		}
		packages++
		each(*r)
	})
	if err == nil && packages == 0 {
		err = fmt.Errorf("%s: no RPM file in it", root)
	}
	return err
}

// walk lists the files of a tree that are to be verified. Links to directories are
// followed, each directory once: dnf and a web server would follow them, too.
type walk struct {
	seen  map[string]bool // real paths of directories
	files []string
}

func (w *walk) dir(ctx context.Context, root string) error {
	real, err := filepath.EvalSymlinks(root)
	if err != nil {
		return err
	}
	if w.seen[real] {
		return nil
	}
	w.seen[real] = true
	entries, err := os.ReadDir(root)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		path := filepath.Join(root, e.Name())
		isDir := e.IsDir()
		if e.Type()&fs.ModeSymlink != 0 {
			// One that leads nowhere is no directory; as a package it will be bad.
			info, err := os.Stat(path)
			isDir = err == nil && info.IsDir()
		}
		_, isRPM := rpmhead.CutSuffix(e.Name())
		switch {
		case isDir:
			if err := w.dir(ctx, path); err != nil {
				return err
			}
		case isRPM || e.Name() == "repomd.xml":
			w.files = append(w.files, path)
		}
	}
	return nil
}

// repomd verifies the signature beside a repomd.xml; nil when there is nothing to say.
func (v *Verifier) repomd(path string) *Report {
	r := Report{File: path, NVRA: "repodata/repomd.xml", LogIndex: -1}
	sig, err := readShort(path+".asc", maxProof)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	bad := func(err error) *Report { r := r.end(Bad, err); return &r }
	if err != nil {
		return bad(err)
	}
	packet, err := pgp.Dearmor(sig)
	if err != nil {
		return bad(fmt.Errorf("%s.asc: %w", path, err))
	}
	f, err := durable.OpenRegular(path)
	if err != nil {
		return bad(err)
	}
	defer f.Close()
	res, err := v.Keys.VerifyReader(packet, f)
	if err == nil && res.State == pgp.Bad {
		r.name(res.Certificate)
		err = errors.New(res.Reason)
	}
	if err != nil {
		return bad(fmt.Errorf("%s.asc: %w", path, err))
	}
	return nil
}

// ordered does work on all cores and hands on the results in the order of the input.
func ordered(ctx context.Context, paths []string, work func(string) *Report, out func(*Report)) error {
	n := runtime.GOMAXPROCS(0)
	slots := make(chan chan *Report, 2*n)
	go func() {
		defer close(slots)
		busy := make(chan struct{}, n)
		for _, p := range paths {
			if ctx.Err() != nil {
				return
			}
			slot := make(chan *Report, 1)
			slots <- slot
			busy <- struct{}{}
			go func() {
				slot <- work(p)
				<-busy
			}()
		}
	}()
	for slot := range slots {
		out(<-slot)
	}
	return ctx.Err()
}

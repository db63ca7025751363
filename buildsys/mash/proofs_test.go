package mash_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/privyseal/privyseal/buildsys/mash"
	"github.com/privyseal/privyseal/buildsys/release/releasetest"
	"github.com/privyseal/privyseal/buildsys/release/verify"
	"github.com/privyseal/privyseal/internal/lab"
	"github.com/privyseal/privyseal/internal/pgp"
	"github.com/privyseal/privyseal/internal/seal"
	"github.com/privyseal/privyseal/internal/seal/bundle"
)

// proven is a rig whose signatures are in a signer's log.
func proven(t *testing.T) (*rig, *releasetest.Log) {
	t.Helper()
	r := signed(t)
	log, err := releasetest.NewLog("signer1")
	if err != nil {
		t.Fatal(err)
	}
	r.hub.Prove(t, tag, r.key, log)
	return r, log
}

func certificates(t *testing.T, armored []byte) *pgp.Keyring {
	t.Helper()
	certs, err := pgp.ReadCertificates(bytes.NewReader(armored))
	if err != nil {
		t.Fatal(err)
	}
	return pgp.NewKeyring(certs...)
}

// outcomes verifies a tree with nothing but itself, the keys' certificate and the
// log's key, and counts.
func outcomes(t *testing.T, tree string, keys *pgp.Keyring, log seal.LogKey) map[verify.Outcome]int {
	t.Helper()
	counts := map[verify.Outcome]int{}
	v := &verify.Verifier{Keys: keys, Log: log}
	if err := v.Tree(t.Context(), tree, func(r verify.Report) { counts[r.Outcome]++ }); err != nil {
		t.Fatal(err)
	}
	return counts
}

// A compose can be verified where there is no hub and no signer.
func TestComposeBringsItsProofs(t *testing.T) {
	r, log := proven(t)
	r.extra = "debuginfo = True\n"
	res := r.mustCompose(t)
	keys := certificates(t, lab.KeyNamed(t, lab.KeyEdDSA).Public)
	for _, tree := range []string{res.Link, filepath.Join(res.Link, "x86_64"), filepath.Join(res.Link, "SRPMS")} {
		got := outcomes(t, tree, keys, log.Key)
		if len(got) != 1 || got[verify.Verified] == 0 {
			t.Errorf("%s: %v", tree, got)
		}
	}
	// Each repository has those of its own packages.
	for _, repo := range res.Repos {
		n := 0
		f, err := os.Open(filepath.Join(res.Tree, repo.Dir, bundle.FileName))
		if err != nil {
			t.Fatal(err)
		}
		if err := bundle.Read(f, func(bundle.Item) error { n++; return nil }); err != nil {
			t.Error(err)
		}
		f.Close()
		if n != repo.Packages {
			t.Errorf("%s: %d proofs of %d packages", repo.Dir, n, repo.Packages)
		}
	}
	// Another log's proofs are none.
	other, err := releasetest.NewLog("signer1")
	if err != nil {
		t.Fatal(err)
	}
	if got := outcomes(t, res.Link, keys, other.Key); got[verify.Verified] != 0 {
		t.Errorf("by another log's key: %v", got)
	}
}

// A proof that is not of the file's signature is left out, and said so; what has none
// is published without.
func TestComposeLeavesOutWrongProofs(t *testing.T) {
	r, log := proven(t)
	sigkey := r.key.Sigkey(t)
	rpms := r.hub.Tags[tag]
	first, second, third := mash.Signature{RPMID: rpms[0].ID, Sigkey: sigkey}, mash.Signature{RPMID: rpms[1].ID, Sigkey: sigkey},
		mash.Signature{RPMID: rpms[2].ID, Sigkey: sigkey}
	r.hub.Kept[first] = r.hub.Kept[second]
	delete(r.hub.Kept, second)
	r.hub.Kept[third] = []byte("nonsense")
	res := r.mustCompose(t)
	var warned []string
	for _, w := range res.Warnings {
		if strings.Contains(w, "is left out") {
			warned = append(warned, w)
		}
	}
	if len(warned) != 2 {
		t.Errorf("warnings: %q", res.Warnings)
	}
	got := outcomes(t, res.Link, certificates(t, lab.KeyNamed(t, lab.KeyEdDSA).Public), log.Key)
	if got[verify.NoProof] == 0 || got[verify.Verified] == 0 || len(got) != 2 {
		t.Errorf("outcomes: %v", got)
	}
}

func TestComposeWithoutProofs(t *testing.T) {
	r := signed(t)
	res := r.mustCompose(t)
	err := filepath.WalkDir(res.Tree, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == bundle.FileName {
			err = errors.New(path + " is there")
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	d := r.dist(t)
	d.RPMPath = "%(arch)s/tlog-proofs"
	if _, err := mash.Compose(t.Context(), d, mash.Options{Output: r.output, Hub: r.hub, Signer: r.repo}); err == nil ||
		!strings.Contains(err.Error(), "tlog-proofs") {
		t.Errorf("with packages where the proofs would be: %v", err)
	}
}

// Package mashtest has a hub and a signer for tests of what composes: a topdir
// on disk with tags in memory, and an OpenPGP key in memory.
package mashtest

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"github.com/privyseal/privyseal/buildsys/mash"
	"github.com/privyseal/privyseal/buildsys/release/releasetest"
	"github.com/privyseal/privyseal/internal/pgp"
	"github.com/privyseal/privyseal/internal/rpmhead"
	"github.com/privyseal/privyseal/internal/seal"
)

// A Key is an OpenPGP key in memory. It is a mash.Signer.
type Key struct {
	entity *openpgp.Entity
	public []byte

	// Before runs before each signature of a repomd.xml and may fail it.
	Before func(repomd []byte) error
	// Signed are the files that were signed.
	Signed [][]byte
}

// NewKey reads an armored secret key without a passphrase and its certificate.
func NewKey(t testing.TB, secret, public []byte) *Key {
	t.Helper()
	ring, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(secret))
	if err != nil || len(ring) != 1 {
		t.Fatalf("mashtest: %d keys, %v", len(ring), err)
	}
	return &Key{entity: ring[0], public: public}
}

// PublicKey is the armored certificate.
func (k *Key) PublicKey() []byte { return k.public }

// SignRepomd signs without looking at what it signs.
func (k *Key) SignRepomd(_ context.Context, repomd []byte) ([]byte, error) {
	if k.Before != nil {
		if err := k.Before(repomd); err != nil {
			return nil, err
		}
	}
	sig, err := k.detach(repomd)
	if err != nil {
		return nil, err
	}
	k.Signed = append(k.Signed, bytes.Clone(repomd))
	return pgp.ArmorSignature(sig), nil
}

func (k *Key) detach(data []byte) ([]byte, error) {
	var out bytes.Buffer
	config := &packet.Config{Time: func() time.Time { return time.Unix(1781600000, 0) }}
	err := openpgp.DetachSign(&out, []*openpgp.Entity{k.entity}, bytes.NewReader(data), config)
	return out.Bytes(), err
}

// Sigkey is Koji's name of the key.
func (k *Key) Sigkey(t testing.TB) string {
	t.Helper()
	b, err := k.detach(nil)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := pgp.ParseSignature(b)
	if err != nil {
		t.Fatal(err)
	}
	return sig.Sigkey()
}

// SignRPM puts a header signature into an RPM file.
func (k *Key) SignRPM(t testing.TB, path string) { k.sign(t, path, false) }

// SignWhole puts a signature of header and payload into an RPM file, as was
// usual before headers had a digest of the payload.
func (k *Key) SignWhole(t testing.TB, path string) { k.sign(t, path, true) }

func (k *Key) sign(t testing.TB, path string, payload bool) {
	t.Helper()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	pkg, err := rpmhead.Read(bytes.NewReader(whole))
	if err != nil {
		t.Fatal(err)
	}
	data := pkg.Header.Bytes()
	if payload {
		data = whole[pkg.HeaderStart:]
	}
	sig, err := k.detach(data)
	if err != nil {
		t.Fatal(err)
	}
	tag := rpmhead.SignatureTag(sig)
	switch {
	case payload && tag == rpmhead.SigRSA:
		tag = rpmhead.SigPGP
	case payload:
		tag = rpmhead.SigGPG
	}
	region, _, err := rpmhead.WithSignature(pkg.Signature, tag, sig)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, slices.Concat(pkg.Lead, region, whole[pkg.HeaderStart:]), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Hub is a topdir with tags.
type Hub struct {
	TopDir string
	Tags   map[string][]mash.RPM
	Known  [][]byte // armored certificates
	Err    error    // what every call fails with
	Asked  []mash.TagOptions
	Kept   map[mash.Signature][]byte // proofs

	last int64
}

// NewHub makes an empty hub that knows the certificates of keys.
func NewHub(t testing.TB, known ...*Key) *Hub {
	h := &Hub{TopDir: t.TempDir(), Tags: map[string][]mash.RPM{}, Kept: map[mash.Signature][]byte{}}
	for _, k := range known {
		h.Known = append(h.Known, k.public)
	}
	return h
}

// TaggedRPMs lists what Import put into a tag.
func (h *Hub) TaggedRPMs(_ context.Context, tag string, o mash.TagOptions) ([]mash.RPM, error) {
	h.Asked = append(h.Asked, o)
	if h.Err != nil {
		return nil, h.Err
	}
	rpms, ok := h.Tags[tag]
	if !ok {
		return nil, fmt.Errorf("no such tag: %s", tag)
	}
	return slices.Clone(rpms), nil
}

// Certificates returns the certificates that the hub knows.
func (h *Hub) Certificates(context.Context) ([]byte, error) {
	return bytes.Join(h.Known, []byte("\n")), h.Err
}

// Proofs returns what Prove kept.
func (h *Hub) Proofs(_ context.Context, signatures []mash.Signature) (map[mash.Signature][]byte, error) {
	out := map[mash.Signature][]byte{}
	for _, s := range signatures {
		if p := h.Kept[s]; p != nil {
			out[s] = p
		}
	}
	return out, h.Err
}

// Prove records the signatures by a key of everything in a tag in a signer's log, and
// keeps the proofs.
func (h *Hub) Prove(t testing.TB, tag string, key *Key, log *releasetest.Log) {
	t.Helper()
	sigkey := key.Sigkey(t)
	for _, r := range h.Tags[tag] {
		pkg, err := rpmhead.ReadFile(h.SignedPath(r, sigkey))
		if err != nil {
			t.Fatal(err)
		}
		index, err := log.Add(&seal.Entry{Time: time.Now(), Signature: &seal.SignatureEntry{
			KeyFingerprint: strings.ToUpper(hex.EncodeToString(key.entity.PrimaryKey.Fingerprint)),
			Op:             "rpm-header", Digest: pkg.Header.SHA256(), Signature: pkg.Signatures()[0].Packet}})
		if err != nil {
			t.Fatal(err)
		}
		if h.Kept[mash.Signature{RPMID: r.ID, Sigkey: sigkey}], err = log.Proof(index); err != nil {
			t.Fatal(err)
		}
	}
}

// Import puts RPM files into the topdir and a tag, each as part of the build
// that its source package names.
func (h *Hub) Import(t testing.TB, tag string, paths ...string) {
	t.Helper()
	for _, path := range paths {
		pkg, err := rpmhead.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		n := pkg.Header.NEVRA()
		h.last++
		r := mash.RPM{ID: h.last, Name: n.Name, Epoch: n.Epoch, Version: n.Version, Release: n.Release, Arch: n.RPMArch()}
		build, ok := pkg.Header.String(rpmhead.TagSourceRPM)
		if !ok {
			build = n.NVRA() + ".rpm"
		}
		parts := strings.Split(strings.TrimSuffix(build, ".src.rpm"), "-")
		if len(parts) < 3 {
			t.Fatalf("mashtest: %s comes from %q", path, build)
		}
		last := len(parts)
		r.BuildName = strings.Join(parts[:last-2], "-")
		r.BuildVersion, r.BuildRelease = parts[last-2], parts[last-1]
		h.put(t, path, h.Path(r))
		h.Tags[tag] = append(h.Tags[tag], r)
	}
}

func (h *Hub) build(r mash.RPM) string {
	return filepath.Join(h.TopDir, "packages", r.BuildName, r.BuildVersion, r.BuildRelease)
}

// Path is where the topdir has an imported file.
func (h *Hub) Path(r mash.RPM) string {
	return filepath.Join(h.build(r), r.Arch, r.NVRA()+".rpm")
}

// SignedPath is where the topdir has a signed copy.
func (h *Hub) SignedPath(r mash.RPM, sigkey string) string {
	return filepath.Join(h.build(r), "data", "signed", sigkey, r.Arch, r.NVRA()+".rpm")
}

func (h *Hub) put(t testing.TB, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// Sign makes the signed copies of everything in a tag that want accepts (nil
// for all), as sign-tag does.
func (h *Hub) Sign(t testing.TB, tag string, key *Key, want func(mash.RPM) bool) {
	t.Helper()
	sigkey := key.Sigkey(t)
	for i := range h.Tags[tag] {
		r := &h.Tags[tag][i]
		if want != nil && !want(*r) {
			continue
		}
		path := h.SignedPath(*r, sigkey)
		h.put(t, h.Path(*r), path)
		key.SignRPM(t, path)
		r.Sigkeys = append(r.Sigkeys, sigkey)
	}
}

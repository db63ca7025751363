package verify

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/md5"
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/privyseal/privyseal/buildsys/release/releasetest"
	"github.com/privyseal/privyseal/internal/lab"
	"github.com/privyseal/privyseal/internal/pgp"
	"github.com/privyseal/privyseal/internal/rpmhead"
	"github.com/privyseal/privyseal/internal/seal"
	"github.com/privyseal/privyseal/internal/seal/bundle"
)

// site is a signer with a log of its own, as far as somebody who verifies can tell.
type site struct {
	signer *releasetest.Signer
	key    seal.LogKey
	priv   ed25519.PrivateKey
	seed   byte
}

func newSite(t *testing.T, name string, seed byte) *site {
	t.Helper()
	k := lab.KeyNamed(t, name)
	s, err := releasetest.NewSigner(k.Secret, k.Public)
	if err != nil {
		t.Fatal(err)
	}
	priv := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
	key, err := seal.NewLogKey("privyseal/signer1", priv.Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	return &site{signer: s, key: key, priv: priv, seed: seed}
}

func (s *site) verifier(certs ...*pgp.Certificate) *Verifier {
	return &Verifier{Keys: pgp.NewKeyring(append(certs, s.signer.Certificate)...), Log: s.key}
}

// sign puts a signature into the file and returns the proof that the log has it. tag 0
// is a signature of the header, SigGPG one of header and payload.
func (s *site) sign(t *testing.T, path string, tag int32) []byte {
	t.Helper()
	pkg, err := rpmhead.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	signed, op := pkg.Header.Bytes(), "rpm-header"
	if tag != 0 {
		all, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		signed, op = all[pkg.HeaderStart:], "rpm-payload"
	}
	packet, _, _, err := s.signer.Sign(signed)
	if err != nil {
		t.Fatal(err)
	}
	if tag == 0 {
		tag = rpmhead.SignatureTag(packet)
	}
	if _, err := rpmhead.SignInPlace(path, tag, packet); err != nil {
		t.Fatal(err)
	}
	return s.proof(t, &seal.SignatureEntry{KeyFingerprint: s.signer.Certificate.Fingerprint(), Op: op, Hash: 8,
		Digest: sha256.Sum256(signed), User: "releng", What: pkg.Header.NEVRA().String(), Signature: packet})
}

// proof makes a log of three entries, the second of which is e.
func (s *site) proof(t *testing.T, e *seal.SignatureEntry) []byte {
	t.Helper()
	e.KeyFingerprint = strings.ToUpper(e.KeyFingerprint)
	now := time.Unix(1781500000, 0).UTC()
	var leaves [][32]byte
	var entry []byte
	tree := seal.NewTree()
	for i, one := range []*seal.Entry{
		{Time: now, Event: &seal.EventEntry{Kind: "init", Data: []byte("{}")}},
		{Time: now, Signature: e},
		{Time: now, Event: &seal.EventEntry{Kind: "stop", Data: []byte("{}")}},
	} {
		b, err := seal.EncodeEntry(one)
		if err != nil {
			t.Fatal(err)
		}
		if i == 1 {
			entry = b
		}
		leaves = append(leaves, seal.LeafHash(b))
		tree.Append(seal.LeafHash(b), nil)
	}
	root := tree.Root()
	// RFC 6962: the leaf's siblings in a tree of three are leaf 0 and leaf 2.
	p := seal.Proof{Entry: entry, Index: 1, Path: [][32]byte{leaves[0], leaves[2]},
		Checkpoint: s.key.Note(3, root, s.key.SignCheckpoint(s.priv, 3, root))}
	return p.Marshal()
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func expect(t *testing.T, r Report, o Outcome, words ...string) {
	t.Helper()
	if r.Outcome != o || (o == Verified) != (r.Reason == "") {
		t.Errorf("%s: %s (%s), want %s", r.File, r.Outcome, r.Reason, o)
	}
	for _, w := range words {
		if !strings.Contains(r.Reason, w) {
			t.Errorf("%s: %q does not say %q", r.File, r.Reason, w)
		}
	}
}

func TestFile(t *testing.T) {
	s := newSite(t, lab.KeyEdDSA, 1)
	dir := t.TempDir()
	path := lab.RPM{Name: "hello"}.Write(t, dir)
	expect(t, s.verifier().File(path), Unsigned)

	proof := s.sign(t, path, 0)
	r := s.verifier().File(path)
	expect(t, r, NoProof, "no proof")
	if r.NVRA != "hello-1.0-1.noarch" || r.LogIndex != -1 {
		t.Errorf("%+v", r)
	}
	without := s.verifier()
	without.Log = seal.LogKey{}
	expect(t, without.File(path), Verified)

	for _, place := range []string{path + ".tlog-proof", filepath.Join(dir, "proofs", "hello-1.0-1.noarch.rpm.tlog-proof")} {
		write(t, place, proof)
		r := s.verifier().File(path)
		expect(t, r, Verified)
		if r.LogIndex != 1 || r.Fingerprint != strings.ToUpper(s.signer.Certificate.Fingerprint()) || len(r.HeaderSHA256) != 64 || !strings.Contains(r.Key, "@") {
			t.Errorf("%s: %+v", place, r)
		}
		if err := os.Remove(place); err != nil {
			t.Fatal(err)
		}
	}

	// Proofs that do not hold.
	other := newSite(t, lab.KeyEdDSA, 2)
	for what, bad := range map[string][]byte{
		"another log's":     other.sign(t, lab.RPM{Name: "hello"}.Write(t, t.TempDir()), 0),
		"another package's": s.sign(t, lab.RPM{Name: "bye"}.Write(t, t.TempDir()), 0),
		"cut":               proof[:len(proof)/2],
		"changed":           bytes.Replace(proof, []byte("index 1"), []byte("index 0"), 1),
		"no proof at all":   []byte("hello"),
		"endless":           bytes.Repeat([]byte("x"), 1<<20),
	} {
		write(t, path+".tlog-proof", bad)
		r := s.verifier().File(path)
		if r.Outcome != BadProof || r.LogIndex != -1 {
			t.Errorf("%s: %s (%s)", what, r.Outcome, r.Reason)
		}
	}

	stranger := newSite(t, lab.KeyOtherEdDSA, 1)
	r = stranger.verifier().File(path)
	expect(t, r, UnknownKey, "not known here")
	if r.Fingerprint == "" {
		t.Error("the unknown key has no name")
	}

	// Every bit of the payload is covered, and of the signature.
	pkg, err := rpmhead.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int64{pkg.HeaderStart + 20, pkg.HeaderEnd + 5, int64(len(good)) - 1} {
		broken := bytes.Clone(good)
		broken[at] ^= 1
		write(t, path, broken)
		expect(t, s.verifier().File(path), Bad)
	}
	write(t, path, good[:len(good)-3])
	expect(t, s.verifier().File(path), Bad)
	write(t, path, []byte("no package"))
	expect(t, s.verifier().File(path), Bad)
	expect(t, s.verifier().File(filepath.Join(dir, "none.rpm")), Bad, "no such file")
}

// TestForgedSignature holds that a signature by a known key over something else is bad.
func TestForgedSignature(t *testing.T) {
	s := newSite(t, lab.KeyEdDSA, 1)
	path := lab.RPM{Name: "hello"}.Write(t, t.TempDir())
	packet, _, _, err := s.signer.Sign([]byte("something else"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rpmhead.SignInPlace(path, rpmhead.SigDSA, packet); err != nil {
		t.Fatal(err)
	}
	expect(t, s.verifier().File(path), Bad, "tag 267")
}

// TestPayloadSignature holds that a package without a payload digest counts only with a
// signature that covers its payload, as those of EL5 and EL6 have it.
func TestPayloadSignature(t *testing.T) {
	s := newSite(t, lab.KeyEdDSA, 1)
	path := filepath.Join(t.TempDir(), "old-1.0-1.noarch.rpm")
	write(t, path, withoutPayloadDigest(t, lab.RPM{Name: "old"}.Bytes(t)))
	header := s.sign(t, path, 0)
	expect(t, s.verifier().File(path), Bad, "no signature covers the payload")
	proof := s.sign(t, path, rpmhead.SigGPG)
	write(t, path+".tlog-proof", header)
	expect(t, s.verifier().File(path), BadProof, "operation")
	write(t, path+".tlog-proof", proof)
	expect(t, s.verifier().File(path), Verified)
}

// TestOtherOperation holds that an entry which the signer made for something else than a
// package proves nothing about one.
func TestOtherOperation(t *testing.T) {
	s := newSite(t, lab.KeyEdDSA, 1)
	path := lab.RPM{Name: "hello"}.Write(t, t.TempDir())
	s.sign(t, path, 0)
	pkg, err := rpmhead.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, op := range []string{"data", "rpm-payload"} {
		write(t, path+".tlog-proof", s.proof(t, &seal.SignatureEntry{KeyFingerprint: s.signer.Certificate.Fingerprint(), Op: op, Hash: 8,
			Digest: pkg.Header.SHA256(), User: "releng", Signature: pkg.Signatures()[0].Packet}))
		expect(t, s.verifier().File(path), BadProof, op)
	}
}

// TestNoFiles holds that what is no file is not waited for, wherever one is looked for.
func TestNoFiles(t *testing.T) {
	s := newSite(t, lab.KeyEdDSA, 1)
	root := t.TempDir()
	fifo := func(path string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mkfifo(path, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{"beside", "below", "bundle"} {
		if err := os.Mkdir(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
		s.sign(t, lab.RPM{Name: dir}.Write(t, filepath.Join(root, dir)), 0)
	}
	fifo(filepath.Join(root, "beside", "beside-1.0-1.noarch.rpm.tlog-proof"))
	fifo(filepath.Join(root, "below", "proofs", "below-1.0-1.noarch.rpm.tlog-proof"))
	fifo(filepath.Join(root, "bundle", bundle.FileName))
	fifo(filepath.Join(root, "pipe.rpm"))
	fifo(filepath.Join(root, "a", "repomd.xml"))
	write(t, filepath.Join(root, "a", "repomd.xml.asc"), []byte("x"))
	write(t, filepath.Join(root, "b", "repomd.xml"), []byte("<repomd/>\n"))
	fifo(filepath.Join(root, "b", "repomd.xml.asc"))
	// A signature without an end.
	write(t, filepath.Join(root, "c", "repomd.xml"), []byte("<repomd/>\n"))
	if err := os.Symlink("/dev/zero", filepath.Join(root, "c", "repomd.xml.asc")); err != nil {
		t.Fatal(err)
	}
	got := make(chan map[string]Outcome, 1)
	go func() {
		m := map[string]Outcome{}
		if err := s.verifier().Tree(context.Background(), root, func(r Report) { m[strings.TrimPrefix(r.File, root+"/")] = r.Outcome }); err != nil {
			t.Error(err)
		}
		got <- m
	}()
	select {
	case m := <-got:
		want := map[string]Outcome{
			"a/repomd.xml": Bad, "b/repomd.xml": Bad, "c/repomd.xml": Bad, "pipe.rpm": Bad,
			"beside/beside-1.0-1.noarch.rpm": BadProof, "below/below-1.0-1.noarch.rpm": BadProof, "bundle/bundle-1.0-1.noarch.rpm": BadProof,
		}
		if !maps.Equal(m, want) {
			t.Errorf("%v, want %v", m, want)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it waits for what is no file")
	}
}

// withoutPayloadDigest takes the payload's digest out of a package's header.
func withoutPayloadDigest(t *testing.T, b []byte) []byte {
	t.Helper()
	pkg, err := rpmhead.Read(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	drop := func(fields []rpmhead.Field, tags ...int32) (left []rpmhead.Field) {
	next:
		for _, f := range fields {
			for _, tag := range tags {
				if f.Tag == tag {
					continue next
				}
			}
			left = append(left, f)
		}
		return left
	}
	header, err := rpmhead.Marshal(rpmhead.TagRegion, drop(pkg.Header.Fields(), rpmhead.TagRegion, rpmhead.TagPayloadDigest, rpmhead.TagPayloadDigestAlgo))
	if err != nil {
		t.Fatal(err)
	}
	payload := b[pkg.HeaderEnd:]
	sum := md5.Sum(append(bytes.Clone(header), payload...))
	sig, err := rpmhead.Marshal(rpmhead.SigRegion, []rpmhead.Field{
		rpmhead.Int32Field(rpmhead.SigSize, uint32(len(header)+len(payload))), rpmhead.BinField(rpmhead.SigMD5, sum[:])})
	if err != nil {
		t.Fatal(err)
	}
	for len(sig)%8 != 0 {
		sig = append(sig, 0)
	}
	return bytes.Join([][]byte{pkg.Lead, sig, header, payload}, nil)
}

func TestTree(t *testing.T) {
	s := newSite(t, lab.KeyEdDSA, 1)
	root := t.TempDir()
	var want []string
	for _, repo := range []string{"aarch64", "x86_64"} {
		var items []bundle.Item
		for i := range 20 {
			dir := filepath.Join(root, "1", repo, "Packages", string(rune('a'+i)))
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			name := fmt.Sprintf("%c%s", 'a'+i, repo)
			path := lab.RPM{Name: name}.Write(t, dir)
			proof := s.sign(t, path, 0)
			pkg, err := rpmhead.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			items = append(items, bundle.Item{Name: filepath.Base(path), Header: pkg.Header.SHA256(), Proof: proof})
			want = append(want, name+"-1.0-1.noarch")
		}
		var b bytes.Buffer
		if err := bundle.Write(&b, items); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(root, "1", repo, bundle.FileName), b.Bytes())
		write(t, filepath.Join(root, "1", repo, "repodata", "repomd.xml"), []byte("<repomd/>\n"))
	}
	live := filepath.Join(root, "live")
	if err := os.Symlink("1", live); err != nil {
		t.Fatal(err)
	}
	walk := func() (reports []Report) {
		t.Helper()
		if err := s.verifier().Tree(t.Context(), live, func(r Report) { reports = append(reports, r) }); err != nil {
			t.Fatal(err)
		}
		return reports
	}
	got := walk()
	if len(got) != len(want) {
		t.Fatalf("%d reports, want %d", len(got), len(want))
	}
	for i, r := range got {
		expect(t, r, Verified)
		if r.NVRA != want[i] || !strings.HasPrefix(r.File, live) {
			t.Errorf("report %d is of %s, %s; want %s", i, r.NVRA, r.File, want[i])
		}
	}

	// What a link leads to is looked at, once, and one that goes round ends.
	elsewhere := t.TempDir()
	stray := lab.RPM{Name: "stray"}.Write(t, elsewhere)
	for name, target := range map[string]string{"more": elsewhere, "again": elsewhere, "round": "..", "none.rpm": "nowhere"} {
		if err := os.Symlink(target, filepath.Join(root, "1", name)); err != nil {
			t.Fatal(err)
		}
	}
	// Letters of another case hide no package.
	if err := os.Rename(lab.RPM{Name: "loud"}.Write(t, elsewhere), filepath.Join(elsewhere, "LOUD.Rpm")); err != nil {
		t.Fatal(err)
	}
	strays := map[string]Outcome{}
	for _, r := range walk() {
		if r.Outcome != Verified {
			strays[filepath.Base(r.File)] = r.Outcome
		}
	}
	if len(strays) != 3 || strays[filepath.Base(stray)] != Unsigned || strays["none.rpm"] != Bad || strays["LOUD.Rpm"] != Unsigned {
		t.Errorf("behind links: %v", strays)
	}
	for _, name := range []string{"more", "again", "round", "none.rpm"} {
		if err := os.Remove(filepath.Join(root, "1", name)); err != nil {
			t.Fatal(err)
		}
	}

	// A repodata signature counts when it is wrong.
	packet, _, _, err := s.signer.Sign([]byte("<other/>\n"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(root, "1", "x86_64", "repodata", "repomd.xml.asc"), pgp.ArmorSignature(packet))
	// Without its bundle a repository has no proofs.
	if err := os.Remove(filepath.Join(root, "1", "aarch64", bundle.FileName)); err != nil {
		t.Fatal(err)
	}
	counts := map[Outcome]int{}
	for _, r := range walk() {
		counts[r.Outcome]++
	}
	if counts[Verified] != 20 || counts[NoProof] != 20 || counts[Bad] != 1 {
		t.Errorf("%v", counts)
	}
	write(t, filepath.Join(root, "1", "aarch64", bundle.FileName), []byte("no bundle"))
	counts = map[Outcome]int{}
	for _, r := range walk() {
		counts[r.Outcome]++
	}
	if counts[BadProof] != 20 {
		t.Errorf("with a broken bundle: %v", counts)
	}
	if err := s.verifier().Tree(t.Context(), t.TempDir(), func(Report) {}); err == nil {
		t.Error("a tree without packages is verified")
	}
}

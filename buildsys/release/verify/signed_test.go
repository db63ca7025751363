package verify

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/privyseal/privyseal/internal/lab"
	"github.com/privyseal/privyseal/internal/ostree"
	"github.com/privyseal/privyseal/internal/pgp"
	"github.com/privyseal/privyseal/internal/seal"
	"github.com/privyseal/privyseal/internal/wire"
)

// signBytes signs data, and gives the packet and the proof that the log has it as made by op.
func (s *site) signBytes(t *testing.T, op, data string) (packet, proof []byte) {
	t.Helper()
	packet, _, _, err := s.signer.Sign([]byte(data))
	if err != nil {
		t.Fatal(err)
	}
	return packet, s.proof(t, &seal.SignatureEntry{KeyFingerprint: s.signer.Certificate.Fingerprint(), Op: op, Hash: 8,
		Digest: sha256.Sum256([]byte(data)), User: "releng", What: "x", Signature: packet})
}

// TestSigned verifies each form of what is no package; clear-signed texts are in the testbed's trials, with the real signer.
func TestSigned(t *testing.T) {
	s, other := newSite(t, lab.KeyEdDSA, 1), newSite(t, lab.KeyOtherEdDSA, 2)
	v := s.verifier()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	ok := func(r Report, nvra string) {
		t.Helper()
		expect(t, r, Verified)
		if r.LogIndex != 1 || r.NVRA != nvra || r.Fingerprint == "" || r.HeaderSHA256 != "" {
			t.Errorf("%+v", r)
		}
	}

	packet, proof := s.signBytes(t, "data", "some data\n")
	write(t, at("data"), []byte("some data\n"))
	write(t, at("data.sig"), packet)
	write(t, at("p"), proof)
	ok(v.Signed(at("data"), "", at("p")), "data")
	write(t, at("armor"), pgp.ArmorSignature(packet))
	ok(v.Signed(at("data"), at("armor"), at("p")), "data")
	expect(t, v.Signed(at("data"), "", ""), NoProof)
	expect(t, v.Signed(at("data"), "", at("none")), BadProof, "none")
	write(t, at("data.sig.tlog-proof"), proof)
	ok(v.Signed(at("data"), "", ""), "data")
	expect(t, (&Verifier{Keys: v.Keys}).Signed(at("data"), "", at("none")), Verified)
	expect(t, other.verifier().Signed(at("data"), "", at("p")), UnknownKey)
	expect(t, other.verifier(s.signer.Certificate).Signed(at("data"), "", at("p")), BadProof)
	write(t, at("changed"), []byte("some dati\n"))
	expect(t, v.Signed(at("changed"), at("data.sig"), at("p")), Bad)
	expect(t, v.Signed(at("data"), at("changed"), at("p")), Bad)
	expect(t, v.Signed(at("changed"), "", at("p")), Bad, "no signature")
	expect(t, v.Signed(at("gone"), at("armor"), at("p")), Bad, "gone")
	if err := unix.Mkfifo(at("fifo"), 0o644); err != nil {
		t.Fatal(err)
	}
	expect(t, v.Signed(at("fifo"), at("data.sig"), at("p")), Bad)
	expect(t, v.Signed(at("data"), at("fifo"), at("p")), Bad)
	expect(t, v.Signed(at("data"), "", at("fifo")), BadProof)

	// Of something else: other data, another operation, another signature.
	for op, data := range map[string]string{"data": "other data\n", "rpm-header": "some data\n", "text": "some data\n"} {
		_, proof := s.signBytes(t, op, data)
		write(t, at("q"), proof)
		expect(t, v.Signed(at("data"), "", at("q")), BadProof, "log entry is of")
	}

	const tag = "object 0123456789012345678901234567890123456789\ntype commit\ntag v1\ntagger x <x> 0 +0000\n\nVersion 1\n"
	packet, proof = s.signBytes(t, "git-tag", tag)
	write(t, at("tag"), append([]byte(tag), pgp.ArmorSignature(packet)...))
	write(t, at("tag.tlog-proof"), proof)
	ok(v.Signed(at("tag"), "", ""), "tag")
	write(t, at("tag"), append([]byte(tag+"more\n"), pgp.ArmorSignature(packet)...))
	expect(t, v.Signed(at("tag"), "", ""), Bad)

	packet, proof = s.signBytes(t, "ostree", "a commit")
	write(t, at("c.commit"), []byte("a commit"))
	meta, err := ostree.AddSignature(nil, packet)
	if err != nil {
		t.Fatal(err)
	}
	write(t, at("c.commitmeta"), meta)
	ok(v.Signed(at("c.commit"), "", func() string { write(t, at("p"), proof); return at("p") }()), "c.commit")
	write(t, at("meta"), meta) // by any name
	ok(v.Signed(at("c.commit"), at("meta"), at("p")), "c.commit")
	many := meta
	for i := range maxOf {
		if many, err = ostree.AddSignature(many, []byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
	}
	write(t, at("many"), many)
	expect(t, v.Signed(at("c.commit"), at("many"), at("p")), Bad, "more than")
	foreign, _ := other.signBytes(t, "ostree", "a commit")
	if meta, err = ostree.AddSignature(meta, foreign); err != nil {
		t.Fatal(err)
	}
	write(t, at("c.commitmeta"), meta)
	ok(v.Signed(at("c.commit"), "", at("p")), "c.commit")
	write(t, at("c.commitmeta"), nil)
	expect(t, v.Signed(at("c.commit"), "", at("p")), Unsigned)
	write(t, at("c.commitmeta"), []byte("no metadata"))
	expect(t, v.Signed(at("c.commit"), "", at("p")), Bad)

	manifest := sha256.Sum256([]byte("{}"))
	image := wire.SimpleSigning{Reference: "registry.example.org/a/b:1", Digest: "sha256:" + hex.EncodeToString(manifest[:])}
	doc, err := image.Encode()
	if err != nil {
		t.Fatal(err)
	}
	packet, proof = s.signBytes(t, "container", string(doc))
	msg, err := pgp.EncodeInline(doc, packet)
	if err != nil {
		t.Fatal(err)
	}
	write(t, at("signature-1"), msg)
	write(t, at("signature-1.tlog-proof"), proof)
	write(t, at("manifest"), []byte("{}"))
	ok(v.Signed(at("signature-1"), "", ""), image.Reference+" "+image.Digest)
	ok(v.Signed(at("manifest"), at("signature-1"), ""), image.Reference+" "+image.Digest)
	expect(t, v.Signed(at("data"), at("signature-1"), ""), Bad, "another")
	if err := os.WriteFile(at("signature-1"), append(msg, 0), 0o644); err != nil {
		t.Fatal(err)
	}
	expect(t, v.Signed(at("signature-1"), "", ""), Bad)
}

package releasetest

import (
	"bytes"
	"crypto/ed25519"
	"io"
	"strings"
	"testing"

	"github.com/privyseal/privyseal/buildsys/release"
	"github.com/privyseal/privyseal/internal/rpmhead"
	"github.com/privyseal/privyseal/internal/seal"
)

func testProofs(t *testing.T, f Fixture) {
	ctx := t.Context()
	tagged, err := f.Hub.Tagged(ctx, f.Tag, release.TagOptions{})
	if err != nil {
		t.Fatal(err)
	}
	hs := headers(t, f.Hub, ids(tagged))
	first, second := sign(t, f.Signer, hs[0], hs[0].Main), sign(t, f.Signer, hs[1], hs[1].Main)
	prove := func(l *Log, index int64) []byte {
		t.Helper()
		proof, err := l.Proof(index)
		if err != nil {
			t.Fatal(err)
		}
		return proof
	}
	proof := func(main []byte) []byte {
		_, index, existed, err := f.Signer.Sign(main)
		if err != nil || !existed {
			t.Fatalf("signed anew: %v, %v", !existed, err)
		}
		return prove(f.Signer.Log, index)
	}
	good := proof(hs[0].Main)
	store := func(s release.Signed, proof []byte) release.Stored {
		t.Helper()
		s.Proof = proof
		got, err := f.Hub.Store(ctx, []release.Signed{s})
		if err != nil || len(got) != 1 {
			t.Fatalf("%d answers, %v", len(got), err)
		}
		return got[0]
	}
	for name, bad := range map[string][]byte{
		"of another signature": proof(hs[1].Main),
		"changed":              bytes.Replace(good, []byte("index 0"), []byte("index 1"), 1),
		"of nothing":           []byte("nothing"),
	} {
		if got := store(first, bad); got.Err == nil {
			t.Errorf("a proof %s was taken: %+v", name, got)
		}
	}
	if got := store(first, good); got.Err != nil || !got.Proven || got.Already {
		t.Errorf("with its proof: %+v", got)
	}
	// A log that the hub was not told of says nothing, and is no reason to refuse what is well signed.
	stranger, err := NewLog("stranger")
	if err != nil {
		t.Fatal(err)
	}
	packet, _, _, err := f.Signer.Sign(hs[1].Main)
	if err != nil {
		t.Fatal(err)
	}
	index, err := stranger.Add(&seal.Entry{Signature: &seal.SignatureEntry{KeyFingerprint: f.Signer.Certificate.Fingerprint(),
		Op: "rpm-header", Signature: packet}})
	if err != nil {
		t.Fatal(err)
	}
	if got := store(second, prove(stranger, index)); got.Err != nil || got.Proven {
		t.Errorf("with the proof of an unknown log: %+v", got)
	}
	// The proof may come later.
	if got := store(second, proof(hs[1].Main)); got.Err != nil || !got.Proven || !got.Already {
		t.Errorf("with its proof, later: %+v", got)
	}
	kept, err := f.Hub.Signatures(ctx, ids(tagged[:1]))
	if err != nil || len(kept[tagged[0].ID]) == 0 {
		t.Fatalf("%v, %v", kept, err)
	}
	plan := release.NewPlan(keyOf(t, f.Signer), tagged[:1], kept)
	if len(plan.Already) != 1 || plan.Already[0].Signature.LogIndex != 0 {
		t.Errorf("the plan does not know the place in the log: %+v", plan.Already)
	}
	for _, vkey := range []string{f.Signer.LogKey(), stranger.Key.String()} {
		if known, err := f.Hub.KnowsLog(ctx, vkey); err != nil || known != (vkey == f.Signer.LogKey()) {
			t.Errorf("log %s known: %v, %v", vkey, known, err)
		}
	}
}

func testAttests(t *testing.T, f Fixture) {
	ctx := t.Context()
	built, err := f.Hub.Build(ctx, f.Build)
	if err != nil {
		t.Fatal(err)
	}
	trusted := []seal.HubKeyInfo{{Name: "fake", ID: seal.KeyID(HubKey.Public().(ed25519.PublicKey)), Key: HubKey.Public().(ed25519.PublicKey)}}
	for _, tag := range []string{f.Tag, ""} {
		got, err := f.Hub.Attest(ctx, tag, false, ids(built))
		if err != nil || len(got) != len(built) {
			t.Fatalf("%d attestations of %d packages, %v", len(got), len(built), err)
		}
		for i, a := range got {
			if built[i].Legacy { // which is not in the tag
				if a.Err == nil {
					t.Errorf("attested in tag %q: %s", tag, built[i].NVRA)
				}
				continue
			}
			if a.RPMID != built[i].ID || a.Err != nil {
				t.Errorf("%s: %+v", built[i].NVRA, a)
				continue
			}
			said, err := seal.OpenAttestation(a.Envelope, trusted)
			if err != nil || said.Tag != f.Tag || said.NVR != f.Build {
				t.Errorf("%s: the hub says %+v, %v", built[i].NVRA, said, err)
			}
		}
	}
}

func testCheckpoints(t *testing.T, f Fixture) {
	ctx := t.Context()
	log := f.Signer.Log
	grow := func(l *Log, what string) {
		t.Helper()
		if _, err := l.Add(&seal.Entry{Event: &seal.EventEntry{Kind: "test", Data: []byte(what)}}); err != nil {
			t.Fatal(err)
		}
	}
	relay := func(l *Log) error {
		t.Helper()
		size, err := f.Hub.Checkpoint(ctx, l.Key.Name())
		if err != nil {
			t.Fatal(err)
		}
		proof, err := l.Consistency(size)
		if err != nil {
			t.Fatal(err)
		}
		moved, err := f.Hub.AddCheckpoint(ctx, l.Checkpoint(), proof, size)
		if moved {
			t.Error("the highest checkpoint has moved by itself")
		}
		return err
	}
	for range 5 {
		grow(log, "a")
		if err := relay(log); err != nil {
			t.Fatalf("a log that grows: %v", err)
		}
	}
	if size, err := f.Hub.Checkpoint(ctx, log.Key.Name()); err != nil || size != 5 {
		t.Errorf("the highest checkpoint is of %d entries, %v", size, err)
	}
	// One who was slower is told, and nothing happens.
	if moved, err := f.Hub.AddCheckpoint(ctx, log.Fork(3).Checkpoint(), nil, 2); err != nil || !moved {
		t.Errorf("an older checkpoint of somebody slower: moved %v, %v", moved, err)
	}
	if err := relay(log.Fork(3)); err == nil || !strings.Contains(err.Error(), "went back") {
		t.Errorf("a log that went back: %v", err)
	}
	fork := log.Fork(4)
	grow(fork, "b")
	if err := relay(fork); err == nil || !strings.Contains(err.Error(), "rewritten") {
		t.Errorf("a forked log of the same size: %v", err)
	}
	grow(fork, "b")
	if err := relay(fork); err == nil || !strings.Contains(err.Error(), "rewritten") {
		t.Errorf("a forked log: %v", err)
	}
	if size, err := f.Hub.Checkpoint(ctx, log.Key.Name()); err != nil || size != 5 {
		t.Errorf("after them the highest checkpoint is of %d entries, %v", size, err)
	}
}

func testPayloads(t *testing.T, f Fixture) {
	built, err := f.Hub.Build(t.Context(), f.Build)
	if err != nil {
		t.Fatal(err)
	}
	var old []release.RPM
	for _, r := range built {
		if r.Legacy {
			old = append(old, r)
		}
	}
	if len(old) != 1 || old[0].NVRA != f.Legacy {
		t.Fatalf("signed with the payload: %v, want %s", old, f.Legacy)
	}
	h := headers(t, f.Hub, ids(old))[0]
	body, err := f.Hub.Payload(t.Context(), old[0], rpmhead.LeadSize+int64(len(h.Signature)+len(h.Main)))
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	payload, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	// Lead, headers and payload are an RPM file whose digests are right.
	lead := make([]byte, rpmhead.LeadSize)
	copy(lead, []byte{0xed, 0xab, 0xee, 0xdb, 3, 0})
	lead[79] = 5
	file := bytes.Join([][]byte{lead, h.Signature, h.Main, payload}, nil)
	pkg, err := rpmhead.Read(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if n := pkg.Signature.Bin(rpmhead.SigMD5); n == nil {
		t.Error("the package has no MD5 to check the payload with")
	}
	if size, ok := pkg.Signature.Uint64(rpmhead.SigSize); !ok || int(size) != len(h.Main)+len(payload) {
		t.Errorf("header and payload have %d bytes, the package says %d", len(h.Main)+len(payload), size)
	}
}

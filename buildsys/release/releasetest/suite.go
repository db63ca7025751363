package releasetest

import (
	"errors"
	"testing"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/release"
	"github.com/privyseal/privyseal/internal/rpmhead"
)

// Fixture is what TestHub needs to know of a hub that makes attestations: a tag and
// a build of it that holds at least two packages, none signed, and a signer whose
// key and log the hub knows.
type Fixture struct {
	Hub        release.Hub
	Tag, Build string
	Signer     *Signer
	// Legacy is a package of the build, but not of the tag, that is signed with its
	// payload.
	Legacy string
	// Unknown is a signer whose key the hub does not know.
	Unknown *Signer
}

// TestHub holds a release.Hub to what package release relies on. open gives a
// fresh one.
func TestHub(t *testing.T, open func(t *testing.T) Fixture) {
	t.Run("lists", func(t *testing.T) { testLists(t, open(t)) })
	t.Run("headers", func(t *testing.T) { testHeaders(t, open(t)) })
	t.Run("stores", func(t *testing.T) { testStores(t, open(t)) })
	t.Run("refuses", func(t *testing.T) { testRefuses(t, open(t)) })
	t.Run("proofs", func(t *testing.T) { testProofs(t, open(t)) })
	t.Run("attests", func(t *testing.T) { testAttests(t, open(t)) })
	t.Run("checkpoints", func(t *testing.T) { testCheckpoints(t, open(t)) })
	t.Run("payloads", func(t *testing.T) { testPayloads(t, open(t)) })
}

func keyOf(t *testing.T, s *Signer) release.Key {
	t.Helper()
	k, err := release.NewKey("key", s.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func testLists(t *testing.T, f Fixture) {
	ctx := t.Context()
	tagged, err := f.Hub.Tagged(ctx, f.Tag, release.TagOptions{})
	if err != nil || len(tagged) < 2 {
		t.Fatalf("the tag holds %d packages, %v", len(tagged), err)
	}
	for _, r := range tagged {
		if r.ID == 0 || r.NVRA == "" || r.Build == "" || r.Package == "" || r.Unsignable != "" {
			t.Errorf("package %+v", r)
		}
	}
	built, err := f.Hub.Build(ctx, f.Build)
	if err != nil || len(built) < 2 {
		t.Errorf("the build has %d packages, %v", len(built), err)
	}
	if got, err := f.Hub.Tagged(ctx, "no-such-tag", release.TagOptions{}); err == nil {
		t.Errorf("an unknown tag holds %v", got)
	}
	if got, err := f.Hub.Build(ctx, "no-such-1-1"); err == nil {
		t.Errorf("an unknown build has %v", got)
	}
	for _, s := range []struct {
		signer *Signer
		want   bool
	}{{f.Signer, true}, {f.Unknown, false}} {
		if got, err := f.Hub.Knows(ctx, keyOf(t, s.signer)); err != nil || got != s.want {
			t.Errorf("knows the key: %v, %v; want %v", got, err, s.want)
		}
	}
	sigs, err := f.Hub.Signatures(ctx, ids(tagged))
	if err != nil || release.NewPlan(keyOf(t, f.Signer), tagged, sigs).Sign == nil {
		t.Errorf("before anything is signed the hub keeps %v, %v", sigs, err)
	}
}

func ids(rpms []release.RPM) []int64 {
	out := make([]int64, len(rpms))
	for i, r := range rpms {
		out[i] = r.ID
	}
	return out
}

// headers asks until all have come.
func headers(t *testing.T, hub release.Hub, ids []int64) []release.Headers {
	t.Helper()
	var out []release.Headers
	for len(ids) > 0 {
		got, err := hub.Headers(t.Context(), ids)
		if err != nil || len(got) == 0 || len(got) > len(ids) {
			t.Fatalf("%d headers for %d packages, %v", len(got), len(ids), err)
		}
		for i, h := range got {
			if h.RPMID != ids[i] {
				t.Fatalf("the header of package %d came for package %d", h.RPMID, ids[i])
			}
		}
		out = append(out, got...)
		ids = ids[len(got):]
	}
	return out
}

func testHeaders(t *testing.T, f Fixture) {
	tagged, err := f.Hub.Tagged(t.Context(), f.Tag, release.TagOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i, h := range headers(t, f.Hub, ids(tagged)) {
		main, err := rpmhead.Parse(h.Main, rpmhead.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if n := main.NEVRA(); n.NVRA() != tagged[i].NVRA {
			t.Errorf("the header of %s came for %s", n.NVRA(), tagged[i].NVRA)
		}
		if _, err := rpmhead.ParseSignature(h.Signature); err != nil {
			t.Errorf("%s: signature header: %v", tagged[i].NVRA, err)
		}
	}
	var bad *release.PackageError
	if _, err := f.Hub.Headers(t.Context(), []int64{tagged[0].ID, 1 << 40}); !errors.As(err, &bad) {
		t.Errorf("a package that is not there: %v, want a PackageError", err)
	}
}

// sign puts a signature into a package's signature header.
func sign(t *testing.T, s *Signer, h release.Headers, over []byte) release.Signed {
	t.Helper()
	packet, _, _, err := s.Sign(over)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := rpmhead.ParseSignature(h.Signature)
	if err != nil {
		t.Fatal(err)
	}
	region, _, err := rpmhead.WithSignature(sig, rpmhead.SignatureTag(packet), packet)
	if err != nil {
		t.Fatal(err)
	}
	return release.Signed{RPMID: h.RPMID, Signature: region}
}

func testStores(t *testing.T, f Fixture) {
	ctx := t.Context()
	rpms, err := f.Hub.Build(ctx, f.Build)
	if err != nil {
		t.Fatal(err)
	}
	var signed []release.Signed
	for _, h := range headers(t, f.Hub, ids(rpms)) {
		signed = append(signed, sign(t, f.Signer, h, h.Main))
	}
	for _, already := range []bool{false, true} {
		stored, err := f.Hub.Store(ctx, signed)
		if err != nil || len(stored) != len(signed) {
			t.Fatalf("%d answers to %d signatures, %v", len(stored), len(signed), err)
		}
		for i, s := range stored {
			if s.RPMID != signed[i].RPMID || s.Err != nil || s.Already != already {
				t.Errorf("package %d: %+v, want already %v", signed[i].RPMID, s, already)
			}
		}
	}
	key := keyOf(t, f.Signer)
	kept, err := f.Hub.Signatures(ctx, ids(rpms))
	if err != nil {
		t.Fatal(err)
	}
	plan := release.NewPlan(key, rpms, kept)
	if len(plan.Already) != len(rpms) {
		t.Fatalf("%d of %d packages count as signed: %v", len(plan.Already), len(rpms), kept)
	}
	var copies []release.Copy
	for _, a := range plan.Already {
		if !a.Signature.Copy || a.Signature.State != buildsys.SignatureVerified || a.Signature.HeaderSHA256 == "" {
			t.Errorf("%s: %+v", a.NVRA, a.Signature)
		}
		copies = append(copies, release.Copy{RPMID: a.ID, Sigkey: a.Signature.Sigkey})
	}
	copies = append(copies, release.Copy{RPMID: rpms[0].ID, Sigkey: "00000000"})
	stored, err := f.Hub.WriteCopies(ctx, copies)
	if err != nil || len(stored) != len(copies) {
		t.Fatalf("%d answers to %d copies, %v", len(stored), len(copies), err)
	}
	for i, s := range stored {
		if last := i == len(stored)-1; (s.Err != nil) != last {
			t.Errorf("copy %d: %v", i, s.Err)
		}
	}
}

func testRefuses(t *testing.T, f Fixture) {
	ctx := t.Context()
	rpms, err := f.Hub.Build(ctx, f.Build)
	if err != nil {
		t.Fatal(err)
	}
	hs := headers(t, f.Hub, ids(rpms))
	stored, err := f.Hub.Store(ctx, []release.Signed{
		sign(t, f.Signer, hs[0], hs[1].Main), // over another header
		sign(t, f.Unknown, hs[1], hs[1].Main),
	})
	if err != nil || len(stored) != 2 {
		t.Fatalf("%d answers, %v", len(stored), err)
	}
	for i, s := range stored {
		if s.Err == nil {
			t.Errorf("signature %d was taken", i)
		}
	}
	kept, err := f.Hub.Signatures(ctx, ids(rpms))
	if err != nil {
		t.Fatal(err)
	}
	if plan := release.NewPlan(keyOf(t, f.Signer), rpms, kept); len(plan.Already) > 0 {
		t.Errorf("refused signatures count: %v", plan.Already)
	}
}

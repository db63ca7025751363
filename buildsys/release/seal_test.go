package release_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/privyseal/privyseal/buildsys/release"
	"github.com/privyseal/privyseal/buildsys/release/releasetest"
	"github.com/privyseal/privyseal/internal/lab"
	"github.com/privyseal/privyseal/internal/rpmhead"
	"github.com/privyseal/privyseal/internal/seal"
)

// addLegacy adds packages to the tag that are signed with their payload, and returns
// their numbers.
func addLegacy(t *testing.T, hub *releasetest.Hub, n int) (ids []int64) {
	t.Helper()
	for i := range n {
		name := fmt.Sprintf("el5-%d", i)
		path := filepath.Join(t.TempDir(), name+".rpm")
		writeLegacy(t, path, name)
		id, err := hub.Add(tag, name+"-1.2-3", path)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

// Packages without a payload digest are counted in the plan, and signed with their
// payload beside the others.
func TestRunSignsOldPackagesWithTheirPayload(t *testing.T) {
	for _, name := range []string{lab.KeyEdDSA, lab.KeyRSA4096} {
		t.Run(name, func(t *testing.T) {
			s := signer(t, name)
			hub := filled(t, s)
			old := addLegacy(t, hub, 5)
			rpms, err := hub.Tagged(t.Context(), tag, release.TagOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if plan := release.NewPlan(key(t, s), rpms, nil); plan.Legacy() != 5 || len(plan.Sign) != 9 {
				t.Errorf("the plan counts %d of %d", plan.Legacy(), len(plan.Sign))
			}
			results, sum, err := do(t, hub, s)
			if err != nil || sum.String() != "signed 9, already 0, refused 0" || sum.Unproven != 0 {
				t.Fatalf("%v, %v: %v", sum, err, results)
			}
			signing := key(t, s).Signing[0]
			for _, id := range old {
				sig, err := rpmhead.ParseSignature(hub.Stored(id, strings.ToLower(signing[len(signing)-8:])))
				if err != nil {
					t.Fatal(err)
				}
				if sigs := rpmhead.Signatures(sig); len(sigs) != 1 || !sigs[0].CoversPayload() {
					t.Errorf("package %d: signatures %+v", id, sigs)
				}
			}
			if hub.Calls("Payload") != 5 {
				t.Errorf("%d payloads were read", hub.Calls("Payload"))
			}
			if _, sum, err := do(t, hub, s); err != nil || sum.Already != 9 {
				t.Errorf("again: %v, %v", sum, err)
			}
		})
	}
}

// Where the policy does not take them they are named, and the others are signed; so
// is one whose payload cannot be read.
func TestRunNamesOldPackagesThatAreRefused(t *testing.T) {
	s := signer(t, lab.KeyEdDSA)
	s.Refuse = func(_ *rpmhead.Header, payload bool, _ []byte) error {
		if payload {
			return errors.New("sign_legacy: no rule allows it")
		}
		return nil
	}
	hub := filled(t, s)
	old := addLegacy(t, hub, 3)
	hub.Fail = func(method string, before int) error {
		if method == "Payload" && before == 1 {
			return &release.PackageError{Err: errors.New("the file is gone")}
		}
		return nil
	}
	results, sum, err := do(t, hub, s)
	if err != nil || sum.Signed != 4 || sum.Refused != len(old) {
		t.Fatalf("%v, %v", sum, err)
	}
	reasons := map[string]int{}
	for _, r := range results {
		for _, words := range []string{"no rule allows it", "the file is gone"} {
			if strings.Contains(r.Reason, words) {
				reasons[words]++
			}
		}
	}
	if reasons["no rule allows it"] != 2 || reasons["the file is gone"] != 1 {
		t.Errorf("reasons: %v", results)
	}
}

// A payload that is not the one of the headers is not signed: neither one that was damaged on its way, nor a part of it.
func TestRunSignsNoDamagedPayload(t *testing.T) {
	for name, damage := range map[string]func([]byte) []byte{
		"a bit": func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
		"cut":   func(b []byte) []byte { return b[:len(b)-10] },
		"more":  func(b []byte) []byte { return append(b, 0) },
	} {
		s := signer(t, lab.KeyEdDSA)
		hub := filled(t, s)
		path := filepath.Join(t.TempDir(), "damaged-1.2-3.noarch.rpm")
		writeLegacy(t, path, "damaged")
		if _, err := hub.Add(tag, "damaged-1.2-3", path); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, damage(b), 0o644); err != nil {
			t.Fatal(err)
		}
		results, sum, err := do(t, hub, s)
		if err != nil || sum.Refused != 1 || s.Signed() != 4 {
			t.Errorf("%s: %v, %v, %d signatures made", name, sum, err, s.Signed())
		}
		for _, r := range results {
			if r.Outcome == release.OutcomeRefused && !strings.Contains(r.Reason, "damaged or altered") {
				t.Errorf("%s: %s", name, r.Reason)
			}
		}
	}
}

// Where headers are prepared by the signer (IMA), its end is told as the signer's.
func TestRunSaysWhoFailed(t *testing.T) {
	s := signer(t, lab.KeyEdDSA)
	hub := filled(t, s)
	hub.Fail = func(method string, _ int) error {
		if method == "Headers" {
			return &release.CutOff{Who: "the signer", Err: errors.New("it went away")}
		}
		return nil
	}
	_, _, err := do(t, hub, s)
	if err == nil || err.Error() != "the signer failed in the middle: it went away" {
		t.Errorf("%v", err)
	}
}

// Each header goes to the signer with the hub's word about it, and a package that
// left the tag meanwhile is not signed for it.
func TestRunAttests(t *testing.T) {
	s := signer(t, lab.KeyEdDSA)
	public := releasetest.HubKey.Public().(ed25519.PublicKey)
	trusted := []seal.HubKeyInfo{{Name: "hub1", ID: seal.KeyID(public), Key: public}}
	s.Refuse = func(h *rpmhead.Header, _ bool, attestation []byte) error {
		a, err := seal.OpenAttestation(attestation, trusted)
		if err == nil && (a.Tag != tag || a.HeaderSHA256 != fmt.Sprintf("%x", h.SHA256())) {
			err = fmt.Errorf("it is of %s in %s", a.NVR, a.Tag)
		}
		return err
	}
	hub := many(t, s, 150)
	hub.Attests = true
	addLegacy(t, hub, 1)
	rpms, err := hub.Tagged(t.Context(), tag, release.TagOptions{})
	if err != nil {
		t.Fatal(err)
	}
	hub.Untag(tag, 100)
	for _, of := range []string{tag, ""} {
		plan := release.NewPlan(key(t, s), rpms, nil)
		plan.Tag = of
		var refused []release.Result
		sum, err := release.Run(t.Context(), hub, s, plan, func(r release.Result) {
			if r.Outcome == release.OutcomeRefused {
				refused = append(refused, r)
			}
		})
		if err != nil || sum.Refused != 1 || sum.Signed+sum.Already != 150 {
			t.Fatalf("%v, %v", sum, err)
		}
		want := "the hub: "
		if of == "" {
			want = "the signer refused" // without the hub's word it is for the policy to decide
		}
		if refused[0].ID != 100 || !strings.HasPrefix(refused[0].Reason, want) {
			t.Errorf("tag %q: refused %+v", of, refused)
		}
	}
}

// The signer's log is shown to the hub before and after each run; one that lost what
// the hub has seen signs nothing.
func TestRunShowsTheLogToTheHub(t *testing.T) {
	s := signer(t, lab.KeyEdDSA)
	hub := filled(t, s)
	if _, _, err := do(t, hub, s); err != nil {
		t.Fatal(err)
	}
	size := func() int64 {
		t.Helper()
		n, err := hub.Checkpoint(context.Background(), s.Log.Key.Name())
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if size() != 4 {
		t.Errorf("the hub saw %d entries", size())
	}
	path := filepath.Join(t.TempDir(), "more.rpm")
	write5092As(t, path, "more", 5092&0xff)
	if _, err := hub.Add(tag, "more-1.2-3", path); err != nil {
		t.Fatal(err)
	}
	s.Log = s.Log.Fork(2)
	var cut *release.CutOff
	if _, sum, err := do(t, hub, s); !errors.As(err, &cut) || !strings.Contains(err.Error(), "went back") || sum.Signed != 0 || s.Signed() != 4 {
		t.Errorf("with a log that went back: %v, %v", sum, err)
	}
	if size() != 4 {
		t.Errorf("then the hub saw %d entries", size())
	}
}

// A hub that was not told of the log keeps the signatures; the summary says that it
// keeps no proofs.
func TestRunCountsWhatHasNoProof(t *testing.T) {
	s := signer(t, lab.KeyEdDSA)
	hub := filled(t, s)
	hub.Logs = nil
	if _, sum, err := do(t, hub, s); err != nil || sum.Signed != 4 || sum.Unproven != 4 {
		t.Errorf("%+v, %v", sum, err)
	}
}

// A signer in demand lets headers wait: the hub is asked for its word again when that
// has become old.
func TestRunAsksForFreshAttestations(t *testing.T) {
	const age = 50 * time.Millisecond
	release.SetAttestationAge(t, age)
	s := signer(t, lab.KeyEdDSA)
	hub := many(t, s, 200)
	hub.Attests = true
	s.Refuse = func(*rpmhead.Header, bool, []byte) error {
		time.Sleep(2 * time.Millisecond)
		return nil
	}
	began := time.Now()
	_, sum, err := do(t, hub, s)
	if err != nil || sum.Signed != 200 {
		t.Fatalf("%v, %v", sum, err)
	}
	took := time.Since(began)
	if chunks, asked := 4, hub.Calls("Attest"); asked <= chunks || asked > chunks+int(took/age) {
		t.Errorf("the hub was asked %d times in %v", asked, took)
	}
}

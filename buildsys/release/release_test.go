package release_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/buildsys/release"
	"github.com/privyseal/privyseal/buildsys/release/releasetest"
	"github.com/privyseal/privyseal/internal/lab"
	"github.com/privyseal/privyseal/internal/rpmhead"
)

func key(t testing.TB, s *releasetest.Signer) release.Key {
	t.Helper()
	k, err := release.NewKey("fedora-40", s.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestNewPlan(t *testing.T) {
	s := signer(t, lab.KeyRSASubkey)
	k := key(t, s)
	signing := k.Signing[0]
	short := strings.ToLower(signing[len(signing)-8:])
	if k.Fingerprint == signing {
		t.Fatal("the key of this test signs with a subkey")
	}
	sig := func(state buildsys.SignatureState, sigkey, fingerprint string) []release.Signature {
		return []release.Signature{{Sigkey: sigkey, Fingerprint: fingerprint, State: state, Copy: true}}
	}
	rpms := []release.RPM{
		{ID: 1, NVRA: "z-1-1.noarch"}, {ID: 2, NVRA: "b-1-1.noarch"}, {ID: 3, NVRA: "c-1-1.noarch"}, {ID: 4, NVRA: "d-1-1.noarch"},
		{ID: 5, NVRA: "e-1-1.noarch"}, {ID: 6, NVRA: "f-1-1.noarch", Unsignable: "no file"}, {ID: 7, NVRA: "g-1-1.noarch", Unsignable: "no file"},
		{ID: 8, NVRA: "h-1-1.noarch"}, {ID: 1, NVRA: "z-1-1.noarch"},
	}
	kept := map[int64][]release.Signature{
		2: sig(buildsys.SignatureVerified, short, signing),
		3: sig(buildsys.SignatureVerified, short, k.Fingerprint),                // the certificate's
		4: sig(buildsys.SignatureUnknownKey, short, ""),                         // never counts
		5: sig(buildsys.SignatureVerified, "01234567", strings.Repeat("A", 40)), // another key's
		7: sig(buildsys.SignatureVerified, short, ""),                           // by the short id
		8: sig(buildsys.SignatureVerified, short, strings.Repeat("A", 40)),      // a short id that clashes
	}
	plan := release.NewPlan(k, rpms, kept)
	var got []string
	for _, r := range plan.Sign {
		got = append(got, "sign "+r.NVRA[:1])
	}
	for _, a := range plan.Already {
		got = append(got, "already "+a.NVRA[:1])
	}
	for _, r := range plan.Unsignable {
		got = append(got, "unsignable "+r.NVRA[:1])
	}
	want := "sign d, sign e, sign h, sign z, already b, already c, already g, unsignable f"
	if s := strings.Join(got, ", "); s != want || plan.Len() != 8 {
		t.Errorf("plan of %d: %s\nwant %s", plan.Len(), s, want)
	}
}

func TestFilter(t *testing.T) {
	rpms := []release.RPM{
		{NVRA: "hello-1-1.x86_64", Build: "hello-1-1", Package: "hello"},
		{NVRA: "hello-doc-1-1.noarch", Build: "hello-1-1", Package: "hello"},
		{NVRA: "tool-2-1.x86_64", Build: "tool-2-1", Package: "tool"},
	}
	for _, tc := range []struct {
		patterns string
		want     int
		err      string
	}{
		{"", 3, ""}, {"hello", 2, ""}, {"hello-1-1", 2, ""}, {"hello-doc-1-1.noarch", 1, ""}, {"*.x86_64", 2, ""}, {"hello tool", 3, ""},
		{"hello nosuch", 0, `nothing here is named "nosuch"`}, {"[", 0, "bad pattern"},
	} {
		got, err := release.Filter(rpms, strings.Fields(tc.patterns))
		if len(got) != tc.want || (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
			t.Errorf("%q: %d packages, %v", tc.patterns, len(got), err)
		}
	}
}

// do plans and runs, and collects the outcomes by package.
func do(t testing.TB, hub release.Hub, s *releasetest.Signer) (map[string]release.Result, release.Summary, error) {
	t.Helper()
	ctx := context.Background()
	rpms, err := hub.Tagged(ctx, tag, release.TagOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var ids []int64
	for _, r := range rpms {
		ids = append(ids, r.ID)
	}
	kept, err := hub.Signatures(ctx, ids)
	if err != nil {
		t.Fatal(err)
	}
	results := map[string]release.Result{}
	sum, err := release.Run(ctx, hub, s, release.NewPlan(key(t, s), rpms, kept), func(r release.Result) {
		if old, twice := results[r.NVRA]; twice {
			t.Errorf("%s was reported twice: %v, %v", r.NVRA, old.Outcome, r.Outcome)
		}
		results[r.NVRA] = r
	})
	return results, sum, err
}

func TestRun(t *testing.T) {
	for _, name := range []string{lab.KeyEdDSA, lab.KeyRSA4096, lab.KeyRSASubkey} {
		t.Run(name, func(t *testing.T) {
			s := signer(t, name)
			hub := filled(t, s)
			packed, err := hub.Add(tag, "packed-1.0-1", lab.Testdata(t, "rpms", "packed-1.0-1.noarch.rpm"))
			if err != nil {
				t.Fatal(err)
			}
			results, sum, err := do(t, hub, s)
			if err != nil || sum.String() != "signed 5, already 0, refused 0" || len(results) != 5 {
				t.Fatalf("%v, %v: %v", sum, err, results)
			}
			for nvra, r := range results {
				if r.Outcome != release.OutcomeSigned || len(r.HeaderSHA256) != 64 || r.LogIndex < 0 {
					t.Errorf("%s: %+v", nvra, r)
				}
			}
			signing := key(t, s).Signing[0]
			short := strings.ToLower(signing[len(signing)-8:])
			for id := int64(1); id <= packed; id++ {
				if hub.Legacy(id) { // not in the tag
					continue
				}
				region := hub.Stored(id, short)
				if region == nil || !hub.HasCopy(id, short) {
					t.Fatalf("package %d: no signature or signed copy at the hub", id)
				}
				if sig, err := rpmhead.ParseSignature(region); err != nil || len(rpmhead.Signatures(sig)) != 1 {
					t.Errorf("package %d: signature header: %v", id, err)
				}
			}
			// Again: nothing is fetched or signed, a lost signed copy comes back.
			hub.DropCopy(2)
			before := hub.Calls("Headers")
			results, sum, err = do(t, hub, s)
			if err != nil || sum.String() != "signed 0, already 5, refused 0" || hub.Calls("Headers") != before || s.Signed() != 5 {
				t.Errorf("again: %v, %v", sum, err)
			}
			if !hub.HasCopy(2, short) {
				t.Error("the lost signed copy did not come back")
			}
			for nvra, r := range results {
				if r.Outcome != release.OutcomeAlready || len(r.HeaderSHA256) != 64 {
					t.Errorf("again: %s: %+v", nvra, r)
				}
			}
		})
	}
}

// many is a hub with n small packages.
func many(t testing.TB, s *releasetest.Signer, n int) *releasetest.Hub {
	t.Helper()
	hub := releasetest.NewHub(s.Certificate)
	dir := t.TempDir()
	for i, path := range lab.WriteRPMs(t, dir, "small", n) {
		if _, err := hub.Add(tag, fmt.Sprintf("small%d-1-1", i), path); err != nil {
			t.Fatal(err)
		}
	}
	return hub
}

func TestRunRefusesSome(t *testing.T) {
	s := signer(t, lab.KeyEdDSA)
	hub := many(t, s, 130)
	hub.MaxHeaders = 50
	hub.Break(70)
	results, sum, err := do(t, hub, s)
	if err != nil || sum.Signed != 129 || sum.Refused != 1 {
		t.Fatalf("%v, %v", sum, err)
	}
	for nvra, r := range results {
		if r.Outcome == release.OutcomeRefused && !strings.Contains(r.Reason, "the file is damaged") {
			t.Errorf("%s: refused with %q", nvra, r.Reason)
		}
	}
}

// A header that breaks the signer's rules is refused with the rule, the others
// are signed.
func TestRunStrict(t *testing.T) {
	s := signer(t, lab.KeyEdDSA)
	hub := filled(t, s)
	path := filepath.Join(t.TempDir(), "old.rpm")
	writeTwice(t, path, "old")
	if _, err := hub.Add(tag, "old-1-1", path); err != nil {
		t.Fatal(err)
	}
	results, sum, err := do(t, hub, s)
	if err != nil || sum.Signed != 4 || sum.Refused != 1 {
		t.Fatalf("%v, %v: %v", sum, err, results)
	}
	var would, refused int
	rpms, err := hub.Tagged(t.Context(), tag, release.TagOptions{})
	if err != nil {
		t.Fatal(err)
	}
	err = release.Check(t.Context(), hub, release.NewPlan(key(t, s), rpms, nil), nil, func(r release.Result) {
		switch r.Outcome {
		case release.OutcomeWould:
			would++
		case release.OutcomeRefused:
			refused++
			if !strings.Contains(r.Reason, "tag occurs twice") {
				t.Errorf("dry run refuses %s with %q", r.NVRA, r.Reason)
			}
		}
	})
	if err != nil || would != 4 || refused != 1 {
		t.Errorf("dry run: would sign %d, refused %d, %v", would, refused, err)
	}
}

// Whoever goes away in the middle: the error names him, what was reported is at
// the hub, and the next run signs nothing twice.
func TestRunCutOff(t *testing.T) {
	const n = 400
	for _, tc := range []struct {
		name, who string
		fail      func(hub *releasetest.Hub, s *releasetest.Signer)
	}{
		{"signer", "the signer", func(_ *releasetest.Hub, s *releasetest.Signer) { s.FailAfter = 200 }},
		{"hub while fetching", "the hub", func(hub *releasetest.Hub, _ *releasetest.Signer) {
			hub.Fail = func(method string, before int) error {
				if method == "Headers" && before >= 3 {
					return errGone
				}
				return nil
			}
		}},
		{"hub while storing", "the hub", func(hub *releasetest.Hub, _ *releasetest.Signer) {
			hub.Fail = func(method string, before int) error {
				if method == "Store" && before >= 1 {
					return errGone
				}
				return nil
			}
		}},
		{"hub at once", "the hub", func(hub *releasetest.Hub, _ *releasetest.Signer) {
			hub.Fail = func(method string, _ int) error {
				if method == "Store" || method == "Headers" {
					return errGone
				}
				return nil
			}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := signer(t, lab.KeyEdDSA)
			hub := many(t, s, n)
			tc.fail(hub, s)
			results, sum, err := do(t, hub, s)
			var cut *release.CutOff
			if !errors.As(err, &cut) || cut.Who != tc.who {
				t.Fatalf("%v, %v", sum, err)
			}
			if !errors.Is(err, errGone) && !errors.Is(err, releasetest.ErrLost) {
				t.Errorf("the cause is lost: %v", err)
			}
			if sum.Signed != len(results) || sum.Signed >= n {
				t.Errorf("%v, %d results", sum, len(results))
			}
			hub.Fail, s.FailAfter = nil, 0
			again, sum2, err := do(t, hub, s)
			if err != nil || len(again) != n || sum2.Signed != n-sum.Signed || sum2.Already != sum.Signed {
				t.Errorf("cut off: %v; again: %v, %v", sum, sum2, err)
			}
			if s.Signed() != n {
				t.Errorf("%d signatures were made for %d packages", s.Signed(), n)
			}
		})
	}
}

func TestRunInterrupted(t *testing.T) {
	s := signer(t, lab.KeyEdDSA)
	hub := many(t, s, 300)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	rpms, err := hub.Tagged(ctx, tag, release.TagOptions{})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := release.Run(ctx, hub, s, release.NewPlan(key(t, s), rpms, nil), func(release.Result) { cancel() })
		done <- err
	}()
	select {
	case err := <-done:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("interrupted: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("an interrupted run does not end")
	}
}

// A hub that stores slowly holds up the signer: the headers under way stay few.
func TestRunBounded(t *testing.T) {
	s := signer(t, lab.KeyEdDSA)
	hub := many(t, s, 1000)
	hub.Fail = func(method string, _ int) error {
		if method == "Store" {
			time.Sleep(20 * time.Millisecond)
		}
		return nil
	}
	if _, sum, err := do(t, hub, s); err != nil || sum.Signed != 1000 {
		t.Fatalf("%v, %v", sum, err)
	}
	if got := s.MaxHeld(); got > 2*release.ChunkSize {
		t.Errorf("%d headers were with the signer at a time", got)
	}
}

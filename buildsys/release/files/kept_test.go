package files

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/privyseal/privyseal/buildsys/release"
	"github.com/privyseal/privyseal/buildsys/release/releasetest"
	"github.com/privyseal/privyseal/client"
	"github.com/privyseal/privyseal/internal/lab"
	"github.com/privyseal/privyseal/internal/rpmhead"
)

// TestCutOffElsewhere holds that runs that write elsewhere and are all cut off early come to an end together.
func TestCutOffElsewhere(t *testing.T) {
	in, out := t.TempDir(), t.TempDir()
	lab.WriteRPMs(t, in, "pkg", 50)
	items, err := Find([]string{in}, out)
	if err != nil {
		t.Fatal(err)
	}
	s := newSigner(t)
	for run, already := range []int{0, 20, 40} {
		s.FailAfter = 20
		counts, _, err := do(t, s, items, true)
		var cut *release.CutOff
		if last := run == 2; counts[release.OutcomeAlready] != already || counts[release.OutcomeSigned] != min(20, 50-already) || errors.As(err, &cut) == last {
			t.Fatalf("run %d: %v: %v", run, counts, err)
		}
	}
	s.FailAfter = 0
	if counts, _, err := do(t, s, items, true); err != nil || counts[release.OutcomeAlready] != 50 {
		t.Fatalf("all there: %v: %v", counts, err)
	}
	counts := map[release.Outcome]int{}
	job := Job{Certificate: s.Certificate, Items: items, Proofs: true}
	if err := job.Check(t.Context(), nil, func(r release.Result) { counts[r.Outcome]++ }); err != nil || counts[release.OutcomeAlready] != 50 {
		t.Errorf("a dry run: %v: %v", counts, err)
	}
	if s.Signed() != 50 {
		t.Errorf("%d signatures were made", s.Signed())
	}
}

// TestNotKept holds that a copy which is not what would be written now does not count.
func TestNotKept(t *testing.T) {
	type place struct{ in, out string }
	rewrite := func(t *testing.T, path string, change func([]byte) []byte) {
		t.Helper()
		b, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(path, change(b), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	other, err := newOther(t)
	if err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*testing.T, place){
		"gone":            func(t *testing.T, p place) { os.Remove(p.out) },
		"without proof":   func(t *testing.T, p place) { os.Remove(p.out + proofSuffix) },
		"payload":         func(t *testing.T, p place) { rewrite(t, p.out, func(b []byte) []byte { b[len(b)-1] ^= 1; return b }) },
		"cut off":         func(t *testing.T, p place) { rewrite(t, p.out, func(b []byte) []byte { return b[:len(b)-1] }) },
		"more at the end": func(t *testing.T, p place) { rewrite(t, p.out, func(b []byte) []byte { return append(b, 0) }) },
		"lead":            func(t *testing.T, p place) { rewrite(t, p.out, func(b []byte) []byte { b[20] ^= 1; return b }) },
		"unsigned": func(t *testing.T, p place) {
			b, _ := os.ReadFile(p.in)
			rewrite(t, p.out, func([]byte) []byte { return b })
		},
		"of another package": func(t *testing.T, p place) {
			rewrite(t, p.in, func([]byte) []byte { return lab.RPM{Name: "kept", Release: "2"}.Bytes(t) })
		},
		"of another signature": func(t *testing.T, p place) { other(t, p.out) },
	} {
		t.Run(name, func(t *testing.T) {
			p := place{lab.RPM{Name: "kept"}.Write(t, t.TempDir()), filepath.Join(t.TempDir(), "kept.rpm")}
			s := newSigner(t)
			items := []Item{{Path: p.in, Out: p.out}}
			sign := func(want release.Outcome) {
				t.Helper()
				if counts, all, err := do(t, s, items, true); err != nil || counts[want] != 1 {
					t.Errorf("want %s: %v: %v", want, all, err)
				}
			}
			sign(release.OutcomeSigned)
			whole, _ := os.ReadFile(p.out)
			spoil(t, p)
			sign(release.OutcomeSigned)
			again, err := os.ReadFile(p.out)
			if err != nil || name != "of another package" && !bytes.Equal(again, whole) {
				t.Errorf("what was written is something else: %v", err)
			}
			sign(release.OutcomeAlready)
		})
	}
}

// newOther gives a function that puts the signature of another key over that of a file.
func newOther(t *testing.T) (func(*testing.T, string), error) {
	k := lab.KeyNamed(t, lab.KeyOtherEdDSA)
	s, err := releasetest.NewSigner(k.Secret, k.Public)
	return func(t *testing.T, path string) {
		t.Helper()
		pkg, err := rpmhead.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		packet, _, _, err := s.Sign(pkg.Header.Bytes())
		if err == nil {
			_, err = rpmhead.SignInPlace(path, rpmhead.SignatureTag(packet), packet)
		}
		if err != nil {
			t.Fatal(err)
		}
	}, err
}

// fileSigner makes signatures of files that are none, but look like it.
type fileSigner struct{ asked int }

func (s *fileSigner) SignFiles(_ context.Context, header, _ []byte) ([]string, *client.Signed, error) {
	h, err := rpmhead.Parse(header, rpmhead.Limits{})
	if err != nil {
		return nil, nil, err
	}
	s.asked++
	list := make([]string, len(h.Strings(rpmhead.TagFileDigests)))
	for i := range list {
		list[i] = "03020400000000" + "0004" + "01020304"
	}
	return list, &client.Signed{}, nil
}

// TestKeptKinds holds the same of packages that are signed with their payload, of sources, and of those with IMA signatures.
func TestKeptKinds(t *testing.T) {
	in, out := t.TempDir(), t.TempDir()
	for _, name := range []string{"old-1.0-1.el5.noarch.rpm", "old-1.0-1.el6.src.rpm", "tool-1.2-3.x86_64.rpm", "tool-1.2-3.src.rpm"} {
		b, err := os.ReadFile(filepath.Join("../../../testdata/rpms", name))
		if err == nil {
			err = os.WriteFile(filepath.Join(in, name), b, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	items, err := Find([]string{in}, out)
	if err != nil {
		t.Fatal(err)
	}
	s, ima := newSigner(t), &fileSigner{}
	run := func(ima FileSigner, want release.Outcome, n int) {
		t.Helper()
		counts := map[release.Outcome]int{}
		job := Job{Certificate: s.Certificate, Signer: s, FileSigner: ima, Items: items, Proofs: true}
		err := job.Run(t.Context(), func(r release.Result) {
			if counts[r.Outcome]++; r.Outcome == release.OutcomeRefused {
				t.Log(r.Reason)
			}
		})
		if err != nil || counts[want] != n {
			t.Errorf("want %d %s, got %v: %v", n, want, counts, err)
		}
	}
	run(nil, release.OutcomeSigned, 4)
	read := s.streamed
	run(nil, release.OutcomeAlready, 4)
	run(ima, release.OutcomeAlready, 2) // the sources
	asked := ima.asked
	run(ima, release.OutcomeAlready, 4)
	if asked != 2 || ima.asked != asked {
		t.Errorf("IMA signatures were asked for %d, then %d times", asked, ima.asked-asked)
	}
	// Without them what is there is not what would be written.
	run(nil, release.OutcomeAlready, 2)
	if read == 0 {
		t.Error("nothing was signed with its payload")
	}
}

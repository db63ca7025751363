package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/privyseal/privyseal/buildsys/release"
	"github.com/privyseal/privyseal/buildsys/release/releasetest"
	"github.com/privyseal/privyseal/internal/lab"
)

// signing is a signing verb over a fake hub and signer.
type signing struct {
	hub    *releasetest.Hub
	signer *releasetest.Signer
	asked  int // for the passphrase
}

func newSigning(t *testing.T, rpms int) *signing {
	t.Helper()
	k := lab.KeyNamed(t, lab.KeyEdDSA)
	s, err := releasetest.NewSigner(k.Secret, k.Public)
	if err != nil {
		t.Fatal(err)
	}
	hub := releasetest.NewHub(s.Certificate)
	for i, path := range lab.WriteRPMs(t, t.TempDir(), "small", rpms) {
		if _, err := hub.Add("f40", fmt.Sprintf("small-%04d-1.0-1", i+1), path); err != nil {
			t.Fatal(err)
		}
	}
	return &signing{hub: hub, signer: s}
}

func (s *signing) run(t *testing.T, opts globalOptions, dryRun bool, patterns ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	a := &App{term: &terminal{name: "privyseal", out: &out, err: &errs, quiet: opts.quiet}, opts: opts, stdout: bufio.NewWriter(&out)}
	key, err := release.NewKey("fedora-40", s.signer.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	err = a.signOver(t.Context(), s.hub, key, signOptions{dryRun: dryRun}, func(ctx context.Context, hub release.Hub) ([]release.RPM, error) {
		rpms, err := hub.Tagged(ctx, "f40", release.TagOptions{})
		if err != nil {
			return nil, err
		}
		return release.Filter(rpms, patterns)
	}, func() (release.Signer, error) {
		s.asked++
		return s.signer, nil
	})
	a.flush()
	if err != nil {
		a.term.report(err)
	}
	return exitCode(err), out.String(), errs.String()
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return lines[len(lines)-1]
}

func TestSignTag(t *testing.T) {
	s := newSigning(t, 20)
	code, out, errs := s.run(t, globalOptions{}, true)
	if code != 0 || lastLine(out) != "would sign 20, already 0, refused 0" || strings.Count(out, "would sign small-") != 20 || s.asked != 0 {
		t.Errorf("dry run: exit code %d, asked %d times\n%s%s", code, s.asked, out, errs)
	}
	if s.hub.Calls("Store") > 0 || s.signer.Signed() > 0 {
		t.Error("a dry run signed something")
	}
	code, out, errs = s.run(t, globalOptions{}, false, "small-0001", "small-0002*")
	if code != 1 || !strings.Contains(errs, `nothing here is named "small-0001"`) {
		t.Errorf("a pattern that names nothing: exit code %d\n%s%s", code, out, errs)
	}
	code, out, errs = s.run(t, globalOptions{}, false, "small-0001-1.0-1", "small-0002*")
	if code != 0 || out != "signed 2, already 0, refused 0\n" {
		t.Errorf("two of them: exit code %d\n%s%s", code, out, errs)
	}
	code, out, errs = s.run(t, globalOptions{json: true}, false)
	var rows []map[string]any
	if err := json.Unmarshal([]byte(out), &rows); err != nil || code != 0 || len(rows) != 20 {
		t.Fatalf("JSON: exit code %d, %v\n%s%s", code, err, out, errs)
	}
	if lastLine(errs) != "signed 18, already 2, refused 0" {
		t.Errorf("with --json the last line of standard error is %q", lastLine(errs))
	}
	hex64 := regexp.MustCompile(`^[0-9a-f]{64}$`)
	results := map[any]int{}
	for _, row := range rows {
		results[row["result"]]++
		_, index := row["log_index"].(float64)
		if row["key"] != "fedora-40" || row["fingerprint"] != s.signer.Certificate.Fingerprint() ||
			!hex64.MatchString(fmt.Sprint(row["header_sha256"])) || index != (row["result"] == "signed") {
			t.Errorf("JSON row %v", row)
		}
	}
	if results["signed"] != 18 || results["already"] != 2 {
		t.Errorf("JSON results %v", results)
	}
	asked := s.asked
	code, out, _ = s.run(t, globalOptions{}, false)
	if code != 0 || out != "signed 0, already 20, refused 0\n" || s.asked != asked {
		t.Errorf("again: exit code %d, asked %d more times\n%s", code, s.asked-asked, out)
	}
	code, out, errs = s.run(t, globalOptions{quiet: true}, false)
	if code != 0 || out+errs != "" {
		t.Errorf("with --quiet: exit code %d, printed %q and %q", code, out, errs)
	}
}

func TestSignTagEndings(t *testing.T) {
	gone := func(method string, from int) func(string, int) error {
		return func(m string, before int) error {
			if m == method && before >= from {
				return errors.New("connection refused")
			}
			return nil
		}
	}
	for _, tc := range []struct {
		name string
		rpms int
		set  func(*signing)
		code int
		last string // a pattern
		says []string
	}{
		{"one refused", 5, func(s *signing) { s.hub.Break(2) }, 3, "signed 4, already 0, refused 1", []string{"refused small-0002-1.0-1.noarch: ", "damaged"}},
		{"all refused", 1, func(s *signing) { s.hub.Break(1) }, 1, "signed 0, already 0, refused 1", []string{"refused small-0001-1.0-1.noarch: "}},
		{"hub gone at once", 5, func(s *signing) { s.hub.Fail = gone("Headers", 0) }, 1, "signed 0, already 0, refused 0",
			[]string{"the hub failed in the middle: connection refused", "run it again: it continues"}},
		{"hub gone later", 400, func(s *signing) { s.hub.Fail = gone("Headers", 3) }, 3, `signed \d+, already 0, refused 0`,
			[]string{"the hub failed in the middle: connection refused", "run it again: it continues"}},
		{"signer gone", 400, func(s *signing) { s.signer.FailAfter = 100 }, 3, "signed 100, already 0, refused 0",
			[]string{"the signer failed in the middle", "run it again: it continues"}},
		{"key unknown to the hub", 1, func(s *signing) { s.hub = releasetest.NewHub() }, 1, "", []string{"the hub does not know key fedora-40", "add-signing-key"}},
		{"nothing in the tag", 0, func(s *signing) {}, 1, "", []string{"no such tag: f40"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSigning(t, tc.rpms)
			tc.set(s)
			if strings.HasSuffix(tc.name, " refused") {
				// A dry run ends as the run would.
				if code, out, errs := s.run(t, globalOptions{}, true); code != tc.code || !strings.HasSuffix(lastLine(out), "refused 1") {
					t.Errorf("dry run: exit code %d\n%s%s", code, out, errs)
				}
			}
			code, out, errs := s.run(t, globalOptions{}, false)
			if code != tc.code || !regexp.MustCompile("^"+tc.last+"$").MatchString(lastLine(out)) {
				t.Errorf("exit code %d\n%s%s", code, out, errs)
			}
			for _, want := range tc.says {
				if !strings.Contains(errs, want) {
					t.Errorf("said\n%s\nwithout %q", errs, want)
				}
			}
		})
	}
}

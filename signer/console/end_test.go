package console

import (
	"strings"
	"testing"
	"time"
)

// When something ends is shown to the minute where the day alone would mislead.
func TestEndShowsTheTimeWhereItMatters(t *testing.T) {
	now := time.Date(2026, 11, 25, 1, 30, 0, 0, time.UTC)
	for _, tc := range []struct {
		at   time.Time
		want string
	}{
		{time.Time{}, "never"},
		{time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC), "2027-03-01"},
		{time.Date(2027, 3, 1, 1, 0, 0, 0, time.FixedZone("", 3600)), "2027-03-01"},
		{time.Date(2027, 3, 1, 18, 0, 0, 0, time.UTC), "2027-03-01 18:00:00Z"},
		{time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC), "2026-11-27 00:00:00Z"},
		{time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC), "2026-11-28"},
		{time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC), "2026-11-25 00:00:00Z"},
		{time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC), "2026-11-20"},
	} {
		if got := end(tc.at, now); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.at, got, tc.want)
		}
	}
}

func TestKeyListTellsTheTimeOfExpiry(t *testing.T) {
	r := newRoom(t)
	r.must(setup...)
	r.must("key expire release --at 90m --by ann --passphrase-file @ann.pass")
	want := r.state().Keys("")[0].Expires.UTC().Format("2006-01-02 15:04:05Z")
	for _, line := range []string{"key list", "key info release"} {
		if out := r.must(line); !strings.Contains(out, want) {
			t.Errorf("%s lacks %s:\n%s", line, want, out)
		}
	}
}

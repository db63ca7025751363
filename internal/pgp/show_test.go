package pgp_test

import (
	"testing"
	"time"

	"github.com/privyseal/privyseal/internal/pgp"
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
		if got := pgp.ShowEnd(tc.at, now); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.at, got, tc.want)
		}
	}
}

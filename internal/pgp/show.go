package pgp

import "time"

// ShowDay is the day of a time of a key, in UTC, for people; "never" when there is none.
func ShowDay(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format(time.DateOnly)
}

// ShowEnd is when a key ends, in UTC, for people: with its time when that is near or just over, or is not the first moment of a day.
// Of something that ends in an hour the day would say that it was over, or had long to go.
func ShowEnd(t, now time.Time) string {
	t = t.UTC()
	if t.IsZero() || t.Sub(now).Abs() > 48*time.Hour && t.Equal(t.Truncate(24*time.Hour)) {
		return ShowDay(t)
	}
	return t.Format("2006-01-02 15:04:05Z")
}

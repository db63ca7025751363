package decide

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// skew is how far in the future a time may lie that another machine wrote.
const skew = 5 * time.Minute

// count reads a number of signatures.
func count(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 1 || s[0] == '+' {
		return 0, fmt.Errorf("%q is not a number of 1 or more", s)
	}
	return n, nil
}

var units = map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}

// duration reads a length of time: 90s, 15m, 6h, 30d, 2w.
func duration(s string) (time.Duration, error) {
	if s != "" {
		unit := units[s[len(s)-1]]
		n, err := strconv.ParseUint(s[:len(s)-1], 10, 32)
		if unit > 0 && err == nil && n > 0 && n <= uint64(100*365*24*time.Hour/unit) {
			return time.Duration(n) * unit, nil
		}
	}
	return 0, fmt.Errorf("%q is no length of time: write a number of 1 or more and s, m, h, d or w, as 90s, 6h, 30d", s)
}

// spell is the shortest form that duration reads.
func spell(d time.Duration) string {
	for _, u := range []byte("wdhm") {
		if d >= units[u] && d%units[u] == 0 {
			return fmt.Sprintf("%d%c", d/units[u], u)
		}
	}
	return fmt.Sprintf("%ds", d/time.Second)
}

// A bound is one comparison.
type bound struct {
	op  string
	age time.Duration // compared where day is zero
	day time.Time
}

// cutBound takes "<=VALUE" and the like apart.
func cutBound(s string) (op, value string, ok bool) {
	for _, op := range []string{"<=", ">=", "<", ">"} {
		if value, ok := strings.CutPrefix(s, op); ok {
			return op, value, true
		}
	}
	return "", "", false
}

// newAge reads what follows the word age.
func newAge(s string) (bound, error) {
	op, value, ok := cutBound(s)
	if !ok {
		return bound{}, errors.New("age is compared with < or > and a length of time, as age<1d")
	}
	d, err := duration(value)
	return bound{op: op, age: d}, err
}

// newMoment reads a comparison with a day or a moment, in UTC.
func newMoment(s string) (bound, error) {
	op, value, ok := cutBound(s)
	if ok {
		for _, layout := range []string{time.DateOnly, time.RFC3339} {
			if t, err := time.Parse(layout, value); err == nil {
				return bound{op: op, day: t}, nil
			}
		}
	}
	return bound{}, fmt.Errorf("%q is no comparison of times: write age<30d, >=2026-01-31 or <2026-01-31T12:00:00Z", s)
}

// holds tells whether a time fits. What lies in the future has no age.
func (b bound) holds(t, now time.Time) bool {
	c := t.Compare(b.day)
	if b.day.IsZero() {
		age := now.Sub(t)
		if age < -skew {
			return false
		}
		c = int(max(-1, min(1, age-b.age)))
	}
	switch b.op {
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	}
	return c >= 0
}

// ago tells the age of a time.
func ago(t, now time.Time) string {
	switch age := now.Sub(t).Truncate(time.Second); {
	case age < 0:
		return spell(-age) + " in the future"
	case age >= 2*units['d']:
		return spell(age.Truncate(units['d'])) + " ago"
	default:
		return spell(age) + " ago"
	}
}

// buildTime holds where the header's build time fits all comparisons.
type buildTime struct{ bounds []bound }

func newBuildTime(_ string, args []string) (test, error) {
	if len(args) == 0 {
		return nil, errors.New("has no comparison: write age<30d, or >=2026-01-31")
	}
	var t buildTime
	for _, a := range args {
		read := newMoment
		if rest, ok := strings.CutPrefix(a, "age"); ok {
			a, read = rest, newAge
		}
		b, err := read(a)
		if err != nil {
			return nil, err
		}
		t.bounds = append(t.bounds, b)
	}
	return t, nil
}

func (t buildTime) Check(f *Facts) (bool, error) {
	if f.BuildTime.IsZero() {
		return false, nil
	}
	for _, b := range t.bounds {
		if !b.holds(f.BuildTime, f.Now) {
			return false, nil
		}
	}
	return true, nil
}

func (t buildTime) Saw(f *Facts) string {
	if f.BuildTime.IsZero() {
		return "there is no build time"
	}
	return fmt.Sprintf("built %s, %s", f.BuildTime.UTC().Format(time.RFC3339), ago(f.BuildTime, f.Now))
}

const dayMinutes = 24 * 60

// hour holds between times of the day, in UTC; the end is not part of it.
type hour struct{ spans [][2]int }

func newHour(_ string, args []string) (test, error) {
	var t hour
	for _, a := range args {
		from, to, ok := strings.Cut(a, "-")
		begin, err1 := clock(from)
		end, err2 := clock(to)
		if !ok || err1 != nil || err2 != nil || begin == end || begin == dayMinutes {
			return nil, fmt.Errorf("%q is no range of hours: write 8-18, 22-6 or 7:30-16, in UTC, from the first until before the second", a)
		}
		t.spans = append(t.spans, [2]int{begin, end})
	}
	if len(t.spans) == 0 {
		return nil, errors.New("has no range: write 8-18")
	}
	return t, nil
}

// clock reads H or H:MM.
func clock(s string) (int, error) {
	h, m, long := strings.Cut(s, ":")
	hours, err := strconv.ParseUint(h, 10, 8)
	minutes := uint64(0)
	if long && err == nil {
		minutes, err = strconv.ParseUint(m, 10, 8)
	}
	if n := hours*60 + minutes; err == nil && minutes < 60 && n <= dayMinutes && len(h) <= 2 && (!long || len(m) == 2) {
		return int(n), nil
	}
	return 0, errors.New("no time of the day")
}

func (t hour) Check(f *Facts) (bool, error) {
	now := f.Now.UTC()
	m := now.Hour()*60 + now.Minute()
	for _, s := range t.spans {
		if s[0] < s[1] && s[0] <= m && m < s[1] || s[0] > s[1] && (m >= s[0] || m < s[1]) {
			return true, nil
		}
	}
	return false, nil
}
func (t hour) Saw(f *Facts) string { return "it is " + f.Now.UTC().Format("15:04 UTC") }

var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// weekday holds on days of the week, in UTC.
type weekday struct{ days [7]bool }

func newWeekday(_ string, args []string) (test, error) {
	var t weekday
	for _, a := range args {
		from, to, ok := strings.Cut(a, "-")
		if !ok {
			to = from
		}
		i, j := day(from), day(to)
		if i < 0 || j < 0 {
			return nil, fmt.Errorf("%q is no day of the week: write mon, tue, wed, thu, fri, sat, sun, or mon-fri", a)
		}
		for ; i != j; i = (i + 1) % 7 {
			t.days[i] = true
		}
		t.days[j] = true
	}
	if len(args) == 0 {
		return nil, errors.New("has no day: write mon-fri")
	}
	return t, nil
}

func day(s string) int {
	for i, d := range weekdays {
		if s == d {
			return i
		}
	}
	return -1
}

func (t weekday) Check(f *Facts) (bool, error) { return t.days[f.Now.UTC().Weekday()], nil }
func (t weekday) Saw(f *Facts) string          { return "it is " + weekdays[f.Now.UTC().Weekday()] + " in UTC" }

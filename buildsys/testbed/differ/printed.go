package differ

import (
	"regexp"
	"strconv"
	"strings"
)

// printedRules replace in printed text what differs from run to run, in order.
var printedRules = []struct {
	re *regexp.Regexp
	by string
}{
	{regexp.MustCompile(`(?s)\A(?:Usage|usage): .*\n\n?(koji: error: )`), "Usage: ...\n\n$1"},
	{regexp.MustCompile(`(?m)^.*(, (?:kojiadmin|releng|plain|anonymous user)!)$`), "<greeting>$1"},
	{regexp.MustCompile(`\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? (?:\d\d \w{3}|\w{3} [ \d]\d) (?:\d{4} )?\d\d:\d\d:\d\d(?: \d{4}| \w+)?`), "<time>"},
	{regexp.MustCompile(`(?m)^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+ `), "<time> "},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?(?:\+00:00)?`), "<time>"},
	{regexp.MustCompile(`\b\d{10}\.\d+\b`), "<ts>"},
	{regexp.MustCompile(`\d+:\d\d:\d\d(?:\.\d+)?\b`), "<duration>"},
	{regexp.MustCompile(`\b(cli-[a-z]+)/\d+\.\d+\.[A-Za-z]+|(cli-[a-z]+)/<ts>\.[A-Za-z]+`), "$1$2/<random>"},
}

// Printed undoes in printed text what differs from run to run, but for ids.
func Printed(s string) string {
	for _, r := range printedRules {
		s = r.re.ReplaceAllString(s, r.by)
	}
	return s
}

var spaces = regexp.MustCompile(` +`)

// SamePrinted compares what two clients printed: numbers may differ where they are ids of the same thing.
func SamePrinted(a *Marker, x string, b *Marker, y string) bool {
	return samePrinted(Printed(a.Text(x)), Printed(b.Text(y)), func(n, k int64) bool { return Same(a, n, b, k) })
}

func samePrinted(x, y string, same func(n, k int64) bool) bool {
	if x == y {
		return true
	}
	// The width of a number moves what stands beside it.
	x, y = spaces.ReplaceAllString(x, " "), spaces.ReplaceAllString(y, " ")
	xs, ys := number.FindAllStringIndex(x, -1), number.FindAllStringIndex(y, -1)
	if len(xs) != len(ys) {
		return false
	}
	px, py := 0, 0
	for i := range xs {
		if x[px:xs[i][0]] != y[py:ys[i][0]] {
			return false
		}
		px, py = xs[i][1], ys[i][1]
		n, err1 := strconv.ParseInt(x[xs[i][0]:px], 10, 64)
		k, err2 := strconv.ParseInt(y[ys[i][0]:py], 10, 64)
		if err1 != nil || err2 != nil || n != k && !same(n, k) {
			return false
		}
	}
	return x[px:] == y[py:]
}

// Diff shows the lines in which two texts differ.
func Diff(koji, ours string) string {
	k, o := strings.Split(koji, "\n"), strings.Split(ours, "\n")
	for len(k) > 0 && len(o) > 0 && k[0] == o[0] {
		k, o = k[1:], o[1:]
	}
	for len(k) > 0 && len(o) > 0 && k[len(k)-1] == o[len(o)-1] {
		k, o = k[:len(k)-1], o[:len(o)-1]
	}
	var b strings.Builder
	show := func(sign string, lines []string) {
		for i, l := range lines {
			if i == 12 {
				b.WriteString("      " + sign + " ... " + strconv.Itoa(len(lines)-i) + " more\n")
				return
			}
			if len(l) > 240 {
				l = l[:240] + "..."
			}
			b.WriteString("      " + sign + " " + l + "\n")
		}
	}
	show("-", k)
	show("+", o)
	return b.String()
}

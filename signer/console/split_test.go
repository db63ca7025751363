package console

import (
	"slices"
	"strings"
	"testing"
)

func TestSplitLine(t *testing.T) {
	for _, tc := range []struct {
		line string
		want []string
	}{
		{"", nil},
		{"   \t ", nil},
		{"# comment", nil},
		{"  # comment 'open", nil},
		{"a b\tc", []string{"a", "b", "c"}},
		{"a#b #c", []string{"a#b"}},
		{`--uid "Name <a@b>"`, []string{"--uid", "Name <a@b>"}},
		{`'a b'c"d e"`, []string{"a bcd e"}},
		{`'' ""`, []string{"", ""}},
		{`a\ b \# \'`, []string{"a b", "#", "'"}},
		{`"a\"b\\c\n$x"`, []string{`a"b\c\n$x`}},
		{`'a\'`, []string{`a\`}},
		{"é", []string{"é"}},
	} {
		got, err := splitLine(tc.line)
		if err != nil || !slices.Equal(got, tc.want) {
			t.Errorf("%q: %q %v, want %q", tc.line, got, err, tc.want)
		}
	}
	for line, want := range map[string]string{
		"a 'b":                          "column 3: ' is not closed",
		`a "b`:                          `column 3: " is not closed`,
		`"a\"`:                          "is not closed",
		`a \`:                           "ends with a backslash",
		"\xff":                          "not UTF-8",
		"a\x00b":                        "NUL",
		strings.Repeat("x", maxLine+1):  "longer than the limit",
		`"` + strings.Repeat(`\`, 3):    "is not closed",
		"'" + strings.Repeat("x", 1000): "is not closed",
	} {
		if got, err := splitLine(line); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: %q %v, want ...%s...", line, got, err, want)
		}
	}
}

func FuzzSplitLine(f *testing.F) {
	for _, line := range append(setup, `a 'b c' "d\"e" f\ g # h`, `"`, `\`) {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		words, err := splitLine(line)
		if err != nil {
			return
		}
		// Quoting the words and splitting again gives the words.
		var quoted []string
		for _, w := range words {
			quoted = append(quoted, "'"+strings.ReplaceAll(w, "'", `'\''`)+"'")
		}
		line = strings.Join(quoted, " ")
		if len(line) > maxLine {
			return
		}
		if again, err := splitLine(line); err != nil || !slices.Equal(again, words) {
			t.Fatalf("%q: %v", words, err)
		}
	})
}

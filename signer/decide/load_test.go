package decide

import (
	"strings"
	"testing"
)

// TestLoadRefuses wants everything that can never be meant refused, with its line.
func TestLoadRefuses(t *testing.T) {
	for _, c := range []struct{ rule, want string }{
		{"nonesuch x :: allow", `no test "nonesuch"`},
		{"user :: allow", "no pattern"},
		{"user a/b :: allow", "can never match"},
		{"user " + strings.Repeat("a", 65) + " :: allow", "too long"},
		{"user [a :: allow", "without"},
		{"key [z-a]* :: allow", "no characters"},
		{"name bash/x :: allow", "can never match"},
		{"arch x86-64 :: allow", "can never match"},
		{"arch a.b :: allow", "can never match"},
		{"nevra bash :: allow", "can never match"},
		{"nevra bash-5.x86_64 :: allow", "can never match"},
		{"operation rpm :: allow", "no operation \"rpm\"; there are rpm-header"},
		{"operation sign-* :: allow", "no operation"},
		{"lane fast :: allow", "no lane"},
		{"purpose log :: allow", "unknown purpose"},
		{"purpose :: allow", "no purpose"},
		{"has colour :: allow", "no field \"colour\"; the fields are arch"},
		{"has name epoch :: allow", "one field"},
		{"bool :: allow", "field is missing"},
		{"match name :: allow", "no pattern"},
		{"match colour x :: allow", "no field"},
		{"compare size > 5 :: allow", "no field"},
		{"compare buildtime > x :: allow", "no number"},
		{"target f40 :: allow", "no test"},
		{"match_any name x :: allow", "no test"},
		{"all of it :: allow", "no arguments"},
		{"hour :: allow", "no range"},
		{"hour 8 :: allow", "8-18"}, {"hour 8-8 :: allow", "8-18"}, {"hour 8-25 :: allow", "8-18"}, {"hour 24-8 :: allow", "8-18"},
		{"hour 8:60-9 :: allow", "8-18"}, {"hour -1-5 :: allow", "8-18"}, {"hour 8:5-9 :: allow", "8-18"}, {"hour 008-9 :: allow", "8-18"},
		{"weekday :: allow", "no day"}, {"weekday monday :: allow", "no day"}, {"weekday mon-tue-wed :: allow", "no day"},
		{"rate 5 :: allow", "NUMBER/TIME"}, {"rate :: allow", "NUMBER/TIME"}, {"rate 0/1h :: allow", "1 or more"}, {"rate -5/1h :: allow", "1 or more"},
		{"rate +5/1h :: allow", "1 or more"}, {"rate 5/0h :: allow", "length of time"}, {"rate 5/h :: allow", "length of time"},
		{"rate 5/1y :: allow", "length of time"}, {"rate 5/32d :: allow", "31d"}, {"rate 5/1h 6/2h :: allow", "NUMBER/TIME"},
		{"total :: allow", "total NUMBER"}, {"total many :: allow", "1 or more"}, {"total 9999999999999999999 :: allow", "1 or more"},
		{"attested f40 :: allow", "tag=PATTERN"}, {"attested tag= :: allow", "no pattern"}, {"attested age=1d :: allow", "compared"},
		{"attested age<never :: allow", "length of time"}, {"attested build=5 :: allow", "tag=PATTERN"},
		{"buildtime :: allow", "no comparison"}, {"buildtime 2026 :: allow", "no comparison"}, {"buildtime <2026-13-01 :: allow", "no comparison"},
		{"buildtime age<99999999999w :: allow", "length of time"}, {"buildtime <30d :: allow", "no comparison"},
		{`vendor "Example :: allow`, "not closed"}, {`vendor "" :: allow`, "nothing between"}, {`vendor a"b :: allow`, "quote"},
		{"all :: maybe", "no action"}, {"all :: allow it", "no action"}, {"all :: Deny", "no action"}, {"all ::", "no action"},
		{"all :: denyall", "no action"},
		{"all :: deny " + strings.Repeat("x", 500), "no action"},
		{"all allow", "neither"}, {"all :: {", "not closed"}, {"}", "closes nothing"},
	} {
		_, err := Load("# a policy\n[policy]\n\nsign =\n    user good :: allow\n    # a comment\n    " + c.rule + "\n")
		if err == nil || !strings.Contains(err.Error(), "policy sign, line 7: ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want line 7 and %q", c.rule, err, c.want)
		}
	}
	for _, c := range []struct{ text, want string }{
		{"sign = all :: allow", "policy:1: expected a [section]"},
		{"[polcy]\nsign = all :: allow", "policy:1: unknown section [polcy]"},
		{"[DEFAULT]\nsign = all :: allow\n[policy]", "policy:1: unknown section [DEFAULT]"},
		{"[policy]\nsign = all :: allow\n[other]\n", "policy:3: unknown section [other]"},
		{"# nothing", "section [policy] is missing"},
		{"[policy]\n\nsing = all :: allow", `policy:3: unknown rule set "sing"`},
		{"[policy]\nsign =\nuser releng :: allow", `policy:3: unknown rule set "user releng"`},
		{"[policy]\nsign = all :: allow\nsign = all :: deny", "policy:3: sign is already set on line 2"},
		{"[policy]\nsign =\n    all :: allow\nsign_legacy =\n    all :: alow", "policy sign_legacy, line 5"},
		{"\xff", "UTF-8"},
	} {
		if _, err := Load(c.text); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.text, err, c.want)
		}
	}
}

package decide

import (
	"fmt"
	"slices"

	"github.com/privyseal/privyseal/internal/policy"
)

// Warnings tells what a policy says that is taken and hardly meant: a rule that is
// never tried, a pattern that matches none of the users or keys that there are. A
// policy may well be set before its keys are made.
func (d *Decider) Warnings(users, keyNames []string) []string {
	var list []string
	warn := func(set string, line int, format string, args ...any) {
		list = append(list, fmt.Sprintf("policy %s, line %d: ", set, line)+fmt.Sprintf(format, args...))
	}
	for _, p := range []*policy.Policy[*Facts]{d.sign, d.legacy} {
		if p == nil {
			continue
		}
		for _, u := range p.Unreached() {
			warn(p.Name, u[0], "never tried, for line %d decides about everything that comes to it", u[1])
		}
		for line, t := range p.Tests() {
			t, ok := t.(oneText)
			names := map[string][]string{"user": users, "key": keyNames}[t.name]
			if !ok || t.name != "user" && t.name != "key" {
				continue
			}
			for _, g := range t.globs {
				if !slices.ContainsFunc(names, g.Match) {
					warn(p.Name, line, "there is no %s %q", t.name, g)
				}
			}
		}
	}
	return list
}

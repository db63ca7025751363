package decide

import (
	"fmt"
	"strings"
)

// Text tells a person what was decided; of what Explain returned also which rules
// were tried and why each did or did not match.
func (v Decision) Text() string {
	var b strings.Builder
	set := ""
	for _, s := range v.Trace {
		if s.Set != set {
			set = s.Set
			fmt.Fprintf(&b, "%s:\n", set)
		}
		indent := strings.Repeat("    ", s.Depth)
		fmt.Fprintf(&b, "  line %-4d %s%s\n", s.Line, indent, s.Rule)
		for _, t := range s.Tests {
			answer := "no: "
			if t.Holds {
				answer = "yes:"
			}
			fmt.Fprintf(&b, "            %s%s %s (%s)\n", indent, answer, t.Test, t.Saw)
		}
	}
	switch {
	case v.Allow:
		fmt.Fprintf(&b, "allowed by line %d: %s\n", v.Line, v.Rule)
	case v.Rule != "":
		fmt.Fprintf(&b, "denied by line %d: %s\n", v.Line, v.Rule)
	default:
		fmt.Fprintf(&b, "denied: %s\n", v.Reason)
	}
	return b.String()
}

package policy

import "fmt"

// NoMatch is the Rule of a Decision that no rule made.
const NoMatch = "(no match)"

// Decide gives the action of the first rule that matches.
func (p *Policy[D]) Decide(data D) (Decision, error) {
	return p.run(p.rules, data, 0, nil)
}

// Explain decides as Decide does, and tells of every rule that it tried.
func (p *Policy[D]) Explain(data D) (Decision, error) {
	trace := []Step{}
	d, err := p.run(p.rules, data, 0, &trace)
	d.Trace = trace
	return d, err
}

func (p *Policy[D]) run(rules []rule[D], data D, depth int, trace *[]Step) (Decision, error) {
	for i := range rules {
		r := &rules[i]
		step := Step{Line: r.line, Depth: depth, Rule: r.text}
		holds := true
		for j := range r.tests {
			t := &r.tests[j]
			var err error
			if holds, err = t.test.Check(data); err != nil {
				return Decision{Rule: NoMatch}, &Error{p.Name, r.line, fmt.Sprintf("test %q cannot tell: %v", t.text, err), err}
			}
			if trace != nil {
				step.Tests = append(step.Tests, Tested{t.text, holds, t.test.Saw(data)})
			}
			if !holds {
				break
			}
		}
		matched := holds != r.negate
		if trace != nil {
			step.Matched = matched
			*trace = append(*trace, step)
		}
		switch {
		case !matched:
		case !r.block:
			return Decision{Matched: true, Action: r.action, Rule: r.own, Line: r.line}, nil
		default:
			d, err := p.run(r.nested, data, depth+1, trace)
			if err != nil {
				return d, err
			}
			if d.Matched {
				d.Rule = r.own + d.Rule
				return d, nil
			}
		}
	}
	return Decision{Rule: NoMatch}, nil
}

// Actions lists the first words of all actions, each once, in the order in
// which they stand.
func (p *Policy[D]) Actions() []string {
	var words []string
	seen := map[string]bool{}
	walk(p.rules, func(r *rule[D]) {
		if w := firstWord(r.action); !r.block && !seen[w] {
			seen[w] = true
			words = append(words, w)
		}
	})
	return words
}

func walk[D any](rules []rule[D], f func(*rule[D])) {
	for i := range rules {
		f(&rules[i])
		walk(rules[i].nested, f)
	}
}

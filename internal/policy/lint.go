package policy

import "iter"

// Tests gives every test with the line of its rule.
func (p *Policy[D]) Tests() iter.Seq2[int, Test[D]] {
	return func(yield func(int, Test[D]) bool) {
		tests(p.rules, yield)
	}
}

func tests[D any](rules []rule[D], yield func(int, Test[D]) bool) bool {
	for i := range rules {
		for _, t := range rules[i].tests {
			if !yield(rules[i].line, t.test) {
				return false
			}
		}
		if !tests(rules[i].nested, yield) {
			return false
		}
	}
	return true
}

// Unreached lists the lines of rules that are never tried, each with the line of
// the rule before it that matches everything. Of the rules behind one such rule the
// first stands for all.
func (p *Policy[D]) Unreached() [][2]int {
	found, _ := unreached(p.rules)
	return found
}

// unreached also gives the line at which every decision is made at the latest, 0 if
// there is none.
func unreached[D any](rules []rule[D]) (found [][2]int, end int) {
	for i := range rules {
		r := &rules[i]
		if end > 0 {
			return append(found, [2]int{r.line, end}), end
		}
		last := r.line
		if r.block {
			var inside [][2]int
			inside, last = unreached(r.nested)
			found = append(found, inside...)
		}
		if r.always() {
			end = last
		}
	}
	return found, end
}

// always tells whether a rule matches whatever the data are.
func (r *rule[D]) always() bool {
	for _, t := range r.tests {
		if value, ok := t.test.(constant[D]); ok && !bool(value) {
			return r.negate
		} else if !ok && !r.negate {
			return false
		}
	}
	return !r.negate
}

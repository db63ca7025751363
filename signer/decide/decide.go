package decide

import (
	"fmt"
	"strings"
	"time"

	"github.com/privyseal/privyseal/internal/ini"
	"github.com/privyseal/privyseal/internal/policy"
)

// The rule sets of a policy.
const (
	ruleSign   = "sign"
	ruleLegacy = "sign_legacy"
)

// A Decider is a policy that was loaded. It is read-only. The zero value, and
// nil, denies everything.
type Decider struct {
	sign, legacy *policy.Policy[*Facts]
	window       time.Duration
}

// Decision is what the policy says about one request.
type Decision struct {
	Allow  bool
	Reason string // why not, for the user; empty where Allow
	Set    string // the rule set that decided
	Rule   string // its rule; empty where none matched
	Line   int    // of the policy's text; 0 for none
	Trace  []Step // of Explain
}

// Step is one rule that was tried.
type Step struct {
	Set string
	policy.Step
}

// Load reads a policy. An empty text is the policy that denies everything.
func Load(text string) (*Decider, error) {
	d := &Decider{}
	if strings.TrimSpace(text) == "" {
		return d, nil
	}
	file, err := ini.Parse(strings.NewReader(text), "policy")
	if err != nil {
		return nil, err
	}
	for _, name := range append([]string{"DEFAULT"}, file.Sections()...) {
		if s := file.Section(name); name != "policy" && s.Start > 0 {
			return nil, &ini.Error{File: "policy", Line: s.Start, Msg: fmt.Sprintf("unknown section [%s]: the only one is [policy]", name)}
		}
	}
	section := file.Section("policy")
	if section == nil {
		return nil, &ini.Error{File: "policy", Line: 1, Msg: "section [policy] is missing"}
	}
	reg := d.registry()
	for _, key := range section.Keys() {
		into := map[string]**policy.Policy[*Facts]{ruleSign: &d.sign, ruleLegacy: &d.legacy}[key]
		if into == nil {
			return nil, &ini.Error{File: "policy", Line: section.Line(key), Msg: fmt.Sprintf(
				"unknown rule set %q: there are %s and %s, and rules stand below their set, indented deeper", key, ruleSign, ruleLegacy)}
		}
		lines, numbers := section.Lines(key)
		if *into, err = policy.Parse(key, lines, numbers, reg); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// checkAction takes allow, deny, and deny with a reason.
func checkAction(action string) error {
	word, rest, _ := strings.Cut(action, " ")
	if action == "allow" || word == "deny" && len(rest) <= 400 {
		return nil
	}
	return fmt.Errorf("%q is no action: write allow, or deny and a reason of at most 400 bytes", word)
}

// LongestRate is the longest time that a test of rates looks back; 0 if there is none.
func (d *Decider) LongestRate() time.Duration {
	if d == nil {
		return 0
	}
	return d.window
}

// Decide says whether to sign.
func (d *Decider) Decide(f *Facts) Decision { return d.decide(f, (*policy.Policy[*Facts]).Decide) }

// Explain decides as Decide does, and tells in Trace which rules were tried.
func (d *Decider) Explain(f *Facts) Decision { return d.decide(f, (*policy.Policy[*Facts]).Explain) }

func (d *Decider) decide(f *Facts, ask func(*policy.Policy[*Facts], *Facts) (policy.Decision, error)) Decision {
	if d == nil || d.sign == nil {
		return Decision{Set: ruleSign, Reason: "the signer's policy has no rules for signing: it allows nothing until its console sets one"}
	}
	f.read()
	v := one(d.sign, f, ask)
	if !v.Allow || f.Op != OpPayload {
		return v
	}
	if d.legacy == nil {
		return Decision{Set: ruleLegacy, Trace: v.Trace,
			Reason: "the signer's policy allows no signatures of header and payload: it has no rule set " + ruleLegacy}
	}
	second := one(d.legacy, f, ask)
	second.Trace = append(v.Trace, second.Trace...)
	return second
}

// one asks one rule set.
func one(p *policy.Policy[*Facts], f *Facts, ask func(*policy.Policy[*Facts], *Facts) (policy.Decision, error)) Decision {
	said, err := ask(p, f)
	v := Decision{Set: p.Name, Line: said.Line}
	for _, s := range said.Trace {
		v.Trace = append(v.Trace, Step{p.Name, s})
	}
	switch {
	case err != nil:
		v.Reason = fmt.Sprintf("the signer's policy cannot decide: %v", err)
		return v
	case !said.Matched:
		v.Reason = fmt.Sprintf("no rule of the signer's policy (%s) allows this", p.Name)
		return v
	}
	v.Rule = said.Rule
	if said.Action == "allow" {
		v.Allow = true
		return v
	}
	if _, v.Reason, _ = strings.Cut(said.Action, " "); strings.TrimSpace(v.Reason) == "" {
		v.Reason = fmt.Sprintf("the signer's policy (%s, line %d) denies this", p.Name, v.Line)
	}
	v.Reason = strings.TrimSpace(v.Reason)
	return v
}

package hub

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/internal/ini"
	"github.com/privyseal/privyseal/internal/policy"
)

// PolicyText is a policy as the configuration has it: rules, one a line, in Koji's policy language (see package policy).
type PolicyText struct {
	Name    string
	Lines   []string
	Numbers []int // of the lines in their file
}

// defaultPolicies decide what Koji's own defaults decide. tag and dist_repo have none: without a policy tag, whoever passes
// the tag's own checks may tag; dist_repo falls back to a permission.
var defaultPolicies = map[string]string{
	"build_rpm":          "all :: allow",
	"build_from_srpm":    adminOnly,
	"build_from_repo_id": adminOnly,
	"build_from_scm":     adminOnly,
	"package_list":       "has_perm admin tag :: allow\nall :: deny Only admin/tag can do this via default policy",
	"channel":            "has req_channel :: req\nis_child_task :: parent\nall :: use default",
	"vm":                 "has_perm admin win-admin :: allow\nall :: deny Only admin/win-admin can do this via default policy",
	"cg_import":          "all :: allow",
	"volume":             "all :: DEFAULT",
	"priority":           "all :: stay",
	"draft_promotion": "has_perm draft-promoter :: allow\nis_build_owner :: allow\n" +
		"all :: deny Only draft-promoter and build owner can do this via default policy",
}

const adminOnly = "has_perm admin :: allow\nall :: deny Only admin can do this via default policy"

// accessPolicies are those whose actions are allow and deny, with a reason or without; of others only the caller knows.
var accessPolicies = map[string]bool{
	"build_rpm": true, "build_from_srpm": true, "build_from_repo_id": true, "package_list": true, "vm": true, "cg_import": true,
	"draft_promotion": true, "tag": true, "dist_repo": true,
}

// policies are the policies by name.
type policies map[string]*policy.Policy[*policyRun]

// newPolicies parses what the configuration has and fills up with the defaults. What Koji finds out when a request comes (a
// test that does not exist, a policy that a test names and nobody wrote, an action that cannot be) stops the start here.
func newPolicies(texts []PolicyText) (policies, error) {
	ps := policies{}
	for _, t := range texts {
		var err error
		if ps[t.Name], err = policy.Parse(t.Name, t.Lines, t.Numbers, policyRegistry(t.Name)); err != nil {
			return nil, err
		}
	}
	for name, text := range defaultPolicies {
		if ps[name] == nil {
			var err error
			if ps[name], err = policy.ParseText(name, text, policyRegistry(name)); err != nil {
				return nil, err
			}
		}
	}
	for _, p := range ps {
		for line, t := range p.Tests() {
			if named, ok := t.(*namedPolicyTest); ok && ps[named.name] == nil {
				return nil, &policy.Error{Policy: p.Name, Line: line, Msg: fmt.Sprintf("there is no policy %q", named.name)}
			}
		}
	}
	return ps, nil
}

// policyRegistry has the tests, and checks the actions that a policy may have.
func policyRegistry(name string) policy.Registry[*policyRun] {
	reg := policy.Registry[*policyRun]{Tests: policyTests()}
	word := func(action string) (string, []string) {
		words := strings.Fields(action)
		return strings.ToLower(words[0]), words[1:]
	}
	switch {
	case accessPolicies[name]:
		reg.Action = func(action string) error {
			if w, _ := word(action); w != "allow" && w != "deny" {
				return fmt.Errorf("%q is no action of policy %s: write allow, or deny and a reason", action, name)
			}
			return nil
		}
	case name == "channel":
		reg.Action = func(action string) error {
			w, rest := word(action)
			if w == "use" && len(rest) > 0 || w == "req" || w == "parent" {
				return nil
			}
			return fmt.Errorf("%q is no action of policy channel: write use CHANNEL, req or parent", action)
		}
	case name == "priority":
		reg.Action = func(action string) error {
			_, err := policyPriority(action, 0)
			return err
		}
	}
	return reg
}

// policySection reads section [policy] of a configuration file.
func policySection(s *ini.Section) []PolicyText {
	var out []PolicyText
	for _, key := range s.Keys() {
		lines, numbers := s.Lines(key)
		out = append(out, PolicyText{Name: key, Lines: lines, Numbers: numbers})
	}
	return out
}

// policyData is what a policy is asked about, by field: tag, fromtag, build, package, user_id, ... A field may be there and
// be nil, which is Koji's None. Tags, builds, users and packages are named as callers name them, by id, name or struct.
type policyData map[string]any

// policyRun is one question to a policy.
type policyRun struct {
	*Ctx
	data    policyData
	running map[*namedPolicyTest]bool
	err     error // of the database: not the policy's fault
}

// Field gives the general tests of the policy language the data.
func (r *policyRun) Field(name string) (any, bool) {
	v, ok := r.data[name]
	return v, ok
}

// ask runs a policy.
func (c *Ctx) ask(name string, data policyData) (policy.Decision, error) {
	p := c.Hub.policies[name]
	if p == nil {
		return policy.Decision{}, buildsys.Errorf(buildsys.FaultGeneric, "no such policy: %s", name)
	}
	r := &policyRun{Ctx: c, data: data, running: map[*namedPolicyTest]bool{}}
	d, err := p.Decide(r)
	if err == nil {
		return d, nil
	}
	if r.err != nil {
		return d, r.err
	}
	var known *buildsys.Error
	if errors.As(err, &known) {
		return d, known
	}
	return d, buildsys.Errorf(buildsys.FaultGeneric, "%v", err)
}

// policyEval gives the action of a policy, "" where no rule matched. The policy must exist.
func (c *Ctx) policyEval(name string, data policyData) (action string, err error) {
	d, err := c.ask(name, data)
	return d.Action, err
}

// policyJudge asks a policy whose actions are allow and deny. fallback ("deny" as a rule) decides where no rule matches. With
// force, whom it denies and who is an admin passes.
func (c *Ctx) policyJudge(name string, data policyData, fallback string, force bool) (allowed bool, reason, rule string, err error) {
	result := fallback
	if c.Hub.policies[name] == nil {
		if result, reason = "allow", "missing policy"; c.Hub.cfg.MissingPolicyDenies {
			result = "deny"
		}
	} else {
		d, err := c.ask(name, data)
		if err != nil {
			return false, "", "", err
		}
		rule = d.Rule
		if d.Matched {
			word, rest, _ := strings.Cut(d.Action, " ")
			result, reason = strings.ToLower(word), strings.TrimSpace(rest)
		} else {
			reason = "not covered by policy"
		}
	}
	switch result {
	case "allow":
		return true, reason, rule, nil
	case "deny":
	default:
		c.Log.Error("policy has an action that is neither allow nor deny", "policy", name, "action", result, "rule", rule)
		reason = "error in policy"
	}
	if !force {
		return false, reason, rule, nil
	}
	u, err := (&policyRun{Ctx: c, data: data}).user()
	if err != nil || u == nil {
		return false, reason, rule, err
	}
	perms, err := c.tx.PermissionsOf(u.ID)
	if err != nil {
		return false, reason, rule, err
	}
	if slices.Contains(perms, "admin") {
		c.Log.Info("policy overridden by force", "policy", name, "user", u.Name, "reason", reason)
		return true, "overridden by force", rule, nil
	}
	return false, reason, rule, nil
}

// policyAssert refuses with ActionNotAllowed what a policy does not allow.
func (c *Ctx) policyAssert(name string, data policyData, force bool) error {
	return c.policyAssertElse(name, data, "deny", force)
}

// policyAssertElse is policyAssert with a word for where no rule matches.
func (c *Ctx) policyAssertElse(name string, data policyData, fallback string, force bool) error {
	allowed, reason, rule, err := c.policyJudge(name, data, fallback, force)
	if err != nil || allowed {
		return err
	}
	return c.policyRefusal(name, reason, rule)
}

// policyRefusal is what is told to whom a policy refuses.
func (c *Ctx) policyRefusal(name, reason, rule string) error {
	msg := "policy violation (" + name + ")"
	if reason != "" {
		msg += ": " + reason
	}
	if c.Hub.cfg.VerbosePolicy {
		msg += " [rule: " + rule + "]"
	}
	return buildsys.Errorf(buildsys.FaultActionNotAllowed, "%s", msg)
}

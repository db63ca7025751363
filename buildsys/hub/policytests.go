package hub

import (
	"errors"
	"fmt"

	"github.com/privyseal/privyseal/buildsys"
	"github.com/privyseal/privyseal/internal/policy"
)

// policyTests are the tests of the hub's policies, by name: those of the language itself, and those that know Koji's nouns.
func policyTests() map[string]policy.Maker[*policyRun] {
	tests := policy.Builtin[*policyRun]()
	// value tests match one text that they find.
	for name, find := range map[string]func(*policyRun) (string, bool, error){
		"operation": fieldText("operation"),
		"method":    fieldText("method"),
		"vm_name":   fieldText("vm_name"),
		"package":   func(r *policyRun) (string, bool, error) { _, name, err := r.pkg(); return name, err == nil, err },
		"version":   func(r *policyRun) (string, bool, error) { return r.ofBuild("version") },
		"release":   func(r *policyRun) (string, bool, error) { return r.ofBuild("release") },
		"volume":    (*policyRun).volume,
		"tag":       func(r *policyRun) (string, bool, error) { return r.tagName("tag") },
		"fromtag":   func(r *policyRun) (string, bool, error) { return r.tagName("fromtag") },
		"user": func(r *policyRun) (string, bool, error) {
			u, err := r.user()
			if err != nil || u == nil {
				return "", false, err
			}
			return u.Name, true, nil
		},
		"source": (*policyRun).source,
	} {
		tests[name] = func(_ string, args []string) (policy.Test[*policyRun], error) {
			return valueTest{name, policyGlobs(args), find}, nil
		}
	}
	// any tests hold where one of several texts matches.
	for name, find := range map[string]func(*policyRun) ([]string, error){
		"hastag":                 (*policyRun).buildTags,
		"buildtag":               (*policyRun).buildTagNames,
		"buildtag_inherits_from": (*policyRun).buildTagAncestors,
		"buildtype":              (*policyRun).buildTypes,
		"user_in_group":          (*policyRun).userGroups,
		"has_perm":               (*policyRun).userPerms,
		"cg_match_any": func(r *policyRun) ([]string, error) {
			cgs, _, err := r.contentGenerators()
			return cgs, err
		},
	} {
		tests[name] = func(_ string, args []string) (policy.Test[*policyRun], error) {
			return anyTest{name, policyGlobs(args), find}, nil
		}
	}
	// condition tests have no arguments.
	for name, find := range map[string]func(*policyRun) (bool, error){
		"is_new_package": func(r *policyRun) (bool, error) { id, _, err := r.pkg(); return id == 0, err },
		"skip_tag":       func(r *policyRun) (bool, error) { return policy.Truth(r.data["skip_tag"]), nil },
		"is_child_task":  func(r *policyRun) (bool, error) { return policy.Truth(r.data["parent"]), nil },
		"imported":       (*policyRun).imported,
		"is_build_owner": (*policyRun).isBuildOwner,
		"is_draft":       (*policyRun).isDraft,
	} {
		tests[name] = func(string, []string) (policy.Test[*policyRun], error) { return conditionTest{name, find}, nil }
	}
	tests["cg_match_all"] = func(_ string, args []string) (policy.Test[*policyRun], error) {
		globs := policyGlobs(args)
		return conditionTest{"cg_match_all", func(r *policyRun) (bool, error) {
			cgs, without, err := r.contentGenerators()
			if err != nil || without || len(cgs) == 0 {
				return false, err
			}
			for _, cg := range cgs {
				if !matches(globs, cg) {
					return false, nil
				}
			}
			return true, nil
		}}, nil
	}
	tests["policy"] = func(_ string, args []string) (policy.Test[*policyRun], error) {
		if len(args) == 0 {
			return nil, errors.New("the name of a policy is missing")
		}
		return &namedPolicyTest{args[0]}, nil
	}
	return tests
}

func fieldText(field string) func(*policyRun) (string, bool, error) {
	return func(r *policyRun) (string, bool, error) {
		switch v := r.data[field].(type) {
		case nil:
			return "", false, nil
		case string:
			return v, true, nil
		default:
			return "", false, buildsys.Errorf(buildsys.FaultGeneric, "policy data: %s: expected a string, got %s", field, describe(v))
		}
	}
}

func policyGlobs(patterns []string) []policy.Glob {
	out := make([]policy.Glob, len(patterns))
	for i, p := range patterns {
		out[i] = policy.NewGlob(p)
	}
	return out
}

func matches(globs []policy.Glob, s string) bool {
	for i := range globs {
		if globs[i].Match(s) {
			return true
		}
	}
	return false
}

// note keeps an error that is not the policy's: of the database, or a request that was given up.
func (r *policyRun) note(err error) error {
	var known *buildsys.Error
	if err != nil && !errors.As(err, &known) {
		r.err = err
	}
	return err
}

type valueTest struct {
	name  string
	globs []policy.Glob
	find  func(*policyRun) (text string, ok bool, err error)
}

func (t valueTest) Check(r *policyRun) (bool, error) {
	s, ok, err := t.find(r)
	return ok && matches(t.globs, s), r.note(err)
}

func (t valueTest) Saw(r *policyRun) string {
	if s, ok, err := t.find(r); err == nil && ok {
		return fmt.Sprintf("%s is %q", t.name, s)
	}
	return "there is no " + t.name
}

type anyTest struct {
	name  string
	globs []policy.Glob
	find  func(*policyRun) ([]string, error)
}

func (t anyTest) Check(r *policyRun) (bool, error) {
	list, err := t.find(r)
	if err != nil {
		return false, r.note(err)
	}
	for _, s := range list {
		if matches(t.globs, s) {
			return true, nil
		}
	}
	return false, nil
}

func (t anyTest) Saw(r *policyRun) string {
	list, err := t.find(r)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%s is any of %q", t.name, list)
}

type conditionTest struct {
	name string
	find func(*policyRun) (bool, error)
}

func (t conditionTest) Check(r *policyRun) (bool, error) {
	ok, err := t.find(r)
	return ok, r.note(err)
}

func (t conditionTest) Saw(r *policyRun) string {
	ok, err := t.find(r)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%s is %v", t.name, ok)
}

// namedPolicyTest holds where another policy says yes.
type namedPolicyTest struct{ name string }

func (t *namedPolicyTest) Check(r *policyRun) (bool, error) {
	if r.running[t] {
		return false, buildsys.Errorf(buildsys.FaultGeneric, "encountered policy loop at policy %s", t.name)
	}
	p := r.Hub.policies[t.name]
	if p == nil {
		return false, buildsys.Errorf(buildsys.FaultGeneric, "no such policy: %s", t.name)
	}
	r.running[t] = true
	defer delete(r.running, t)
	d, err := p.Decide(r)
	return d.Matched && isYes(d.Action), err
}

func (t *namedPolicyTest) Saw(r *policyRun) string {
	ok, err := t.Check(r)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("policy %s says %v", t.name, ok)
}
